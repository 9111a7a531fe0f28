//! The syntax of the text format.

use std::fmt::{Display, Write};
use std::time::Duration;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// The text so far. Samples belong to the family before them.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family of samples.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        self.family = name;
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name()));
    }

    /// Writes a family of one sample without labels.
    pub(super) fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: u64) {
        self.family(name, kind, help);
        self.labelled(&[], value);
    }

    /// Writes a sample of the family.
    pub(super) fn labelled(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample("", labels, value);
    }

    /// Writes a duration as the only sample of the family.
    pub(super) fn seconds(&mut self, value: Duration) {
        self.labelled(&[], value.as_secs_f64());
    }

    /// Writes the samples of a histogram: the number of values up to each bound, their sum, and their number.
    pub(super) fn histogram(&mut self, buckets: impl Iterator<Item = (Duration, u64)>, sum: Duration, count: u64) {
        for (bound, up_to) in buckets {
            self.sample("_bucket", &[("le", &bound.as_secs_f64().to_string())], up_to);
        }
        self.sample("_bucket", &[("le", "+Inf")], count);
        self.sample("_sum", &[], sum.as_secs_f64());
        self.sample("_count", &[], count);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let family = self.family;
        self.write(format_args!("{family}{suffix}"));
        for (position, (name, value)) in labels.iter().enumerate() {
            let before = if position == 0 { '{' } else { ',' };
            self.write(format_args!("{before}{name}=\"{}\"", escaped(value)));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{end} {value}\n"));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.text.write_fmt(text);
    }
}

/// The value of a label, with the three escapes of the format.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_help_type_and_samples() {
        let mut out = Exposition::default();
        out.single("up", Kind::Gauge, "Whether it is up.", 1);
        out.family("bytes_total", Kind::Counter, "Bytes.");
        out.labelled(&[("service", "a\"b\\c\nd"), ("way", "in")], 5);
        assert_eq!(
            out.into_text(),
            "# HELP up Whether it is up.\n# TYPE up gauge\nup 1\n\
             # HELP bytes_total Bytes.\n# TYPE bytes_total counter\n\
             bytes_total{service=\"a\\\"b\\\\c\\nd\",way=\"in\"} 5\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_an_infinite_bound() {
        let mut out = Exposition::default();
        out.family("turn_seconds", Kind::Histogram, "Turns.");
        let buckets = [(Duration::from_nanos(4096), 3), (Duration::from_nanos(1 << 33), 4)];
        out.histogram(buckets.into_iter(), Duration::from_millis(20_500), 5);
        let samples = out.into_text();
        let samples: Vec<_> = samples.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "turn_seconds_bucket{le=\"0.000004096\"} 3",
                "turn_seconds_bucket{le=\"8.589934592\"} 4",
                "turn_seconds_bucket{le=\"+Inf\"} 5",
                "turn_seconds_sum 20.5",
                "turn_seconds_count 5",
            ]
        );
    }
}
