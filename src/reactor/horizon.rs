//! The horizon: the time up to which the poll has reported everything that the kernel held.
//!
//! A deadline after the horizon must wait, because the kernel may hold input that came before it. This matters after a
//! pause of the process, when deadlines have passed and input waits. An interrupted poll reports nothing and leaves the
//! horizon where it is.

use std::time::Instant;

use super::EVENTS;

/// Finds the horizon from the results of polls.
#[derive(Debug)]
pub(crate) struct Horizon {
    time: Instant,
    /// If the last poll was full: the time before the first of several full polls, and the events of all of them.
    full: Option<(Instant, usize)>,
}

impl Horizon {
    pub(crate) fn new(now: Instant) -> Self {
        Horizon { time: now, full: None }
    }

    /// Notes a poll that began at or after the time `began` and has reported `count` events.
    ///
    /// `sources` returns the number of sources. The kernel reports edges in their order. So after full polls with as
    /// many events as there are sources, each source that was ready at first has been reported.
    pub(crate) fn polled(&mut self, began: Instant, count: usize, sources: impl FnOnce() -> usize) {
        if count < EVENTS {
            (self.time, self.full) = (began, None);
            return;
        }
        let (since, before) = self.full.unwrap_or((began, 0));
        if before + count < sources() {
            self.full = Some((since, before + count));
        } else {
            (self.time, self.full) = (since, None);
        }
    }

    pub(crate) fn time(&self) -> Instant {
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_polls_that_report_everything_move_the_horizon() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut horizon = Horizon::new(start);
        // The time at which a poll began, the number of its events, and the horizon after it, with as many sources as
        // three full polls report.
        for (began, count, expected) in [
            (1, EVENTS - 1, 1),
            (2, EVENTS, 1),
            (3, 0, 3),
            (4, EVENTS, 3),
            (5, EVENTS, 3),
            (6, EVENTS, 4),
            (7, EVENTS, 4),
            (8, 1, 8),
        ] {
            horizon.polled(at(began), count, || 3 * EVENTS);
            assert_eq!(horizon.time(), at(expected), "{began}");
        }
    }
}
