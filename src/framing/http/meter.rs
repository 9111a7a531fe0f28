//! The rate of a body, in the time in which the server waits for it.
//!
//! Invariant: time in which the server does not read, since the handler is not ready for more, does not count.

use std::time::{Duration, Instant};

/// What has arrived of a body, and how long the server has waited for it, since the present period began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    bytes: u64,
    waited: Duration,
    /// The start of the present wait.
    waits_since: Option<Instant>,
}

/// How long the server waits for bytes of a body before their rate is judged. 10 s: a network may be gone for a moment.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

impl Meter {
    /// Begins to wait, unless it waits already. Returns whether this is the first wait for the body.
    pub(super) fn wait(&mut self, now: Instant) -> bool {
        let is_first = self.waits_since.is_none() && self.waited.is_zero();
        self.waits_since.get_or_insert(now);
        is_first
    }

    /// Ends the present wait, which does not count: the handler was not ready for more.
    pub(super) fn discount(&mut self) {
        self.waits_since = None;
    }

    /// Counts bytes that have arrived.
    pub(super) fn add(&mut self, bytes: u64, now: Instant) {
        self.bytes += bytes;
        self.waited += self.waits_since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    }

    /// Returns how long the server still waits in the present period. After its end, begins another one, or returns
    /// zero if fewer than `rate` bytes a second have arrived in it.
    pub(super) fn judge(&mut self, rate: u64, now: Instant) -> Duration {
        if let Some(since) = &mut self.waits_since {
            self.waited += now.saturating_duration_since(*since);
            *since = now;
        }
        if self.waited >= PERIOD {
            if self.bytes < rate.saturating_mul(PERIOD.as_secs()) {
                return Duration::ZERO;
            }
            *self = Meter { waits_since: self.waits_since, ..Meter::default() };
        }
        PERIOD.saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_the_time_of_waiting_counts() {
        let t0 = Instant::now();
        let mut meter = Meter::default();
        assert!(meter.wait(t0));
        meter.add(500, t0 + 2 * SECOND);
        // The handler is busy for an hour.
        let t1 = t0 + 3600 * SECOND;
        assert_eq!(meter.judge(100, t1), 8 * SECOND);
        assert!(!meter.wait(t1));
        assert_eq!(meter.judge(100, t1 + 7 * SECOND), SECOND);
        meter.add(499, t1 + 7 * SECOND);
        assert!(!meter.wait(t1 + 7 * SECOND));
        assert_eq!(meter.judge(100, t1 + 8 * SECOND), Duration::ZERO);
        meter.add(1, t1 + 8 * SECOND);
        assert_eq!(meter.judge(100, t1 + 8 * SECOND), PERIOD, "the rate is reached, and another period begins");
    }

    #[test]
    fn a_discounted_wait_leaves_the_others() {
        let t0 = Instant::now();
        let mut meter = Meter::default();
        meter.wait(t0);
        meter.add(1000, t0 + 4 * SECOND);
        meter.wait(t0 + 5 * SECOND);
        meter.discount();
        assert_eq!(meter.judge(1000, t0 + 100 * SECOND), 6 * SECOND);
        meter.wait(t0 + 100 * SECOND);
        assert_eq!(meter.judge(1000, t0 + 106 * SECOND), Duration::ZERO);
    }
}
