//! One fault at one server: what was seen, and the judgement.

use crate::fault::{Bound, MIB};
use crate::kind::Kind;
use crate::ledger::Tally;

/// In microseconds: no line may take longer at its 99th percentile, unless the quiet server took a third of that.
const SLOW: u32 = 10_000;

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) counts: &'static str,
    pub(crate) kind: Kind,
    pub(crate) flags: String,
    pub(crate) count: u64,
    pub(crate) tally: Tally,
    pub(crate) growth: u64,
    pub(crate) bound: Bound,
    /// Before, and when all but the polite were gone.
    pub(crate) descriptors: (usize, usize),
    pub(crate) quiet: Latency,
    pub(crate) during: Latency,
    /// What else went wrong, each in words.
    pub(crate) broken: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// How long lines took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) samples: usize,
    pub(crate) p99: u32,
    pub(crate) worst: u32,
}

impl Latency {
    /// Of sorted samples.
    pub(crate) fn of(sorted: &[u32]) -> Latency {
        let place = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        Latency {
            samples: sorted.len(),
            p99: sorted.get(place).copied().unwrap_or(0),
            worst: sorted.last().copied().unwrap_or(0),
        }
    }
}

impl Row {
    /// What is wrong, whatever the machine: nothing of it is a matter of speed.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = self.broken.clone();
        let mut judge = |is_well: bool, text: String| failures.extend((!is_well).then_some(text));
        let first = self.tally.first.as_deref().unwrap_or_default();
        judge(self.tally.owed > 0, "nothing was owed, so nothing was shown".into());
        judge(self.count > 0, "there was no fault, so nothing was shown".into());
        judge(self.quiet.samples > 0 && self.during.samples > 0, "no line was measured".into());
        judge(self.tally.lost == 0, format!("{} bytes were lost; first: {first}", self.tally.lost));
        judge(self.tally.wrong == 0, format!("{} bytes were wrong; first: {first}", self.tally.wrong));
        let (growth, bound) = (mebibytes(self.growth), mebibytes(self.bound.bytes()));
        judge(self.growth <= self.bound.bytes(), format!("memory grew by {growth} MiB, over the {bound} that may be"));
        let (before, after) = self.descriptors;
        judge(before == after, format!("{before} descriptors before and {after} behind it"));
        failures
    }

    /// Whether the polite waited too long: that may be the machine, too.
    pub(crate) fn is_slow(&self) -> bool {
        self.during.p99 > SLOW.max(self.quiet.p99.saturating_mul(3))
    }

    pub(crate) fn verdict(&self) -> &'static str {
        match (self.failures().is_empty(), self.is_slow()) {
            (true, false) => "well",
            (true, true) => "SLOW",
            (false, _) => "FAILED",
        }
    }
}

/// With one decimal.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MIB as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let latency = Latency { samples: 100, p99: 200, worst: 300 };
        Row {
            fault: "reset",
            counts: "resets",
            kind: Kind::Echo,
            flags: String::new(),
            count: 5,
            tally: Tally { owed: 1000, ..Tally::default() },
            growth: 10,
            bound: Bound { fixed: 4, each: 2, count: 3, why: "" },
            descriptors: (30, 30),
            quiet: latency,
            during: latency,
            broken: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn each_figure_can_fail_a_row() {
        assert_eq!((row().verdict(), row().failures().len()), ("well", 0));
        let spoil: [fn(&mut Row); 9] = [
            |row| row.count = 0,
            |row| row.tally.owed = 0,
            |row| row.tally.lost = 1,
            |row| row.tally.wrong = 1,
            |row| row.growth = 11,
            |row| row.descriptors.1 = 31,
            |row| row.descriptors.1 = 29,
            |row| row.during.samples = 0,
            |row| row.broken.push("a promise".into()),
        ];
        for (nth, spoil) in spoil.iter().enumerate() {
            let mut row = row();
            spoil(&mut row);
            assert_eq!((row.verdict(), row.failures().len()), ("FAILED", 1), "{nth}");
        }
    }

    #[test]
    fn slow_is_over_ten_milliseconds_and_over_three_times_quiet() {
        for (quiet, during, is_slow) in
            [(200, 10_000, false), (200, 10_001, true), (5_000, 15_000, false), (5_000, 15_001, true)]
        {
            let mut row = row();
            (row.quiet.p99, row.during.p99) = (quiet, during);
            assert_eq!((row.is_slow(), row.verdict() == "SLOW"), (is_slow, is_slow), "{quiet} {during}");
        }
    }

    #[test]
    fn the_99th_percentile_leaves_one_in_a_hundred_above() {
        let samples: Vec<u32> = (1..=200).collect();
        assert_eq!(Latency::of(&samples), Latency { samples: 200, p99: 198, worst: 200 });
        assert_eq!(Latency::of(&[7]), Latency { samples: 1, p99: 7, worst: 7 });
        assert_eq!(Latency::of(&[]).samples, 0);
    }
}
