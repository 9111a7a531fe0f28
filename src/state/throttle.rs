//! One log line per interval for what may happen a thousand times a second.

use std::time::{Duration, Instant};

/// Decides which of many like events are logged, and counts the others.
#[derive(Debug)]
pub(crate) struct Throttle {
    next: Option<Instant>,
    unsaid: u64,
}

/// A [`Throttle`] for each kind of event.
#[derive(Debug)]
pub(crate) struct Throttles<K> {
    pub(crate) kinds: Vec<(K, Throttle)>,
}

/// Time between two lines about the same thing. 10 s: seen at once, and six lines a minute at most.
const INTERVAL: Duration = Duration::from_secs(10);

impl Throttle {
    pub(crate) fn new() -> Self {
        Throttle { next: None, unsaid: 0 }
    }

    /// Notes one event. `Some(count)` when a line is due, with the number of events that it stands for.
    pub(crate) fn note(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = now.checked_add(INTERVAL);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl<K: PartialEq> Throttles<K> {
    pub(crate) fn new() -> Self {
        Throttles { kinds: Vec::new() }
    }

    /// As [`Throttle::note`], for events of this kind. There should be few kinds: they are looked through one by one.
    pub(crate) fn note(&mut self, kind: K, now: Instant) -> Option<u64> {
        if let Some((_, throttle)) = self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            return throttle.note(now);
        }
        let mut throttle = Throttle::new();
        let said = throttle.note(now);
        self.kinds.push((kind, throttle));
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_first_and_then_one_an_interval_with_the_count() {
        let (start, mut throttle) = (Instant::now(), Throttle::new());
        assert_eq!(throttle.note(start), Some(1));
        for _ in 0..99 {
            assert_eq!(throttle.note(start + Duration::from_nanos(9_999_999_999)), None);
        }
        assert_eq!(throttle.note(start + INTERVAL), Some(100));
        assert_eq!(throttle.note(start + 3 * INTERVAL), Some(1));
    }

    #[test]
    fn kinds_are_counted_apart() {
        let (start, mut throttles) = (Instant::now(), Throttles::new());
        assert_eq!((throttles.note('a', start), throttles.note('b', start)), (Some(1), Some(1)));
        assert_eq!((throttles.note('a', start), throttles.note('a', start)), (None, None));
        assert_eq!((throttles.note('a', start + INTERVAL), throttles.note('b', start + INTERVAL)), (Some(3), Some(1)));
    }
}
