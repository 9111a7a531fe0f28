//! A bound on log lines: at most one line in an interval for events that may happen a thousand times a second.

use std::fmt;
use std::time::{Duration, Instant};

/// Decides which of many similar events are logged, and counts the others.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    /// The time of the last line.
    last: Option<Instant>,
    /// Number of events since the last line that were not logged.
    unlogged: u64,
}

/// A [`Throttle`] for each kind of event. There must be few kinds, since they are searched one by one.
#[derive(Debug)]
pub(crate) struct Throttles<K> {
    pub(crate) kinds: Vec<(K, Throttle)>,
}

/// The events that were not logged since the last line. Its `Display` ends the next line, and is empty if there are
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    count: u64,
    within: Duration,
}

/// Time between two lines about the same kind of event. 10 s: soon enough to be noticed, and at most six lines a
/// minute.
const INTERVAL: Duration = Duration::from_secs(10);

impl Throttle {
    pub(crate) fn new() -> Self {
        Throttle { last: None, unlogged: 0 }
    }

    /// Counts one event. Returns the end of its line, or `None` if the event is not logged.
    pub(crate) fn note(&mut self, now: Instant) -> Option<Repeats> {
        let within = self.last.map(|last| now.saturating_duration_since(last));
        if within.is_some_and(|within| within < INTERVAL) {
            self.unlogged += 1;
            return None;
        }
        self.last = Some(now);
        Some(Repeats { count: std::mem::take(&mut self.unlogged), within: within.unwrap_or_default() })
    }
}

impl<K: PartialEq> Throttles<K> {
    pub(crate) fn new() -> Self {
        Throttles { kinds: Vec::new() }
    }

    /// Counts one event of a kind. Returns the end of its line, or `None` if the event is not logged.
    pub(crate) fn note(&mut self, kind: K, now: Instant) -> Option<Repeats> {
        if let Some((_, throttle)) = self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            return throttle.note(now);
        }
        let mut throttle = Throttle::new();
        let repeats = throttle.note(now);
        self.kinds.push((kind, throttle));
        repeats
    }
}

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => Ok(()),
            count => write!(f, " ({count} more like this in the last {:.0?})", self.within),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(repeats: Option<Repeats>) -> Option<String> {
        repeats.map(|repeats| repeats.to_string())
    }

    #[test]
    fn one_line_an_interval_counts_the_others() {
        let (start, mut throttle) = (Instant::now(), Throttle::new());
        assert_eq!(shown(throttle.note(start)).as_deref(), Some(""));
        for _ in 0..99 {
            assert_eq!(throttle.note(start + Duration::from_nanos(9_999_999_999)), None);
        }
        assert_eq!(shown(throttle.note(start + INTERVAL)).as_deref(), Some(" (99 more like this in the last 10s)"));
        assert_eq!(shown(throttle.note(start + 3 * INTERVAL)).as_deref(), Some(""));
    }

    #[test]
    fn kinds_are_counted_apart() {
        let (start, mut throttles) = (Instant::now(), Throttles::new());
        let none = Some(Repeats { count: 0, within: Duration::ZERO });
        assert_eq!((throttles.note('a', start), throttles.note('b', start)), (none, none));
        assert_eq!((throttles.note('a', start), throttles.note('a', start)), (None, None));
        let counts = ['a', 'b'].map(|kind| throttles.note(kind, start + INTERVAL).map(|repeats| repeats.count));
        assert_eq!(counts, [Some(2), Some(0)]);
    }
}
