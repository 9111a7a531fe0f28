//! Rates: a number of events in a time, after a burst.
//!
//! Invariant: in any span of time, at most the burst and what the rate allows in that span is taken. The state is one
//! instant (the generic cell rate algorithm, ITU-T I.371), so nothing has to be refilled by a timer.

use std::time::{Duration, Instant};

use crate::state::clock::LONGEST_DELAY;

/// A number of events in a time, after a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Number of events in each `per` when the burst is used up. At least 1.
    pub count: u32,
    /// The time in which `count` events are allowed.
    pub per: Duration,
    /// Number of events allowed at once after a quiet time. At least 1.
    pub burst: u32,
}

impl Rate {
    /// The time between two events at the full rate. It is bounded, so that a whole burst fits in an `Instant` and no
    /// event is free.
    fn interval(&self) -> Duration {
        (self.per / self.count.max(1)).clamp(Duration::from_nanos(1), LONGEST_DELAY)
    }
}

/// The used part of a [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// When the whole burst is available again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one event. Returns the time to wait before the next one, which is zero while some of the burst is left.
    pub fn take(&mut self, rate: &Rate, now: Instant) -> Duration {
        let interval = rate.interval();
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        // At the end of time, the bucket is far over its burst already.
        let full_at = full_at.checked_add(interval).unwrap_or(full_at);
        self.full_at = Some(full_at);
        let used = full_at.saturating_duration_since(now);
        used.saturating_add(interval).saturating_sub(interval.saturating_mul(rate.burst.max(1)))
    }

    /// Returns the time until an event is allowed, which is zero while some of the burst is left.
    #[must_use]
    pub fn wait(mut self, rate: &Rate, now: Instant) -> Duration {
        self.take(rate, now).saturating_sub(rate.interval())
    }

    /// Takes one event if it is allowed now. Returns whether it was.
    pub fn try_take(&mut self, rate: &Rate, now: Instant) -> bool {
        let is_allowed = self.wait(rate, now).is_zero();
        if is_allowed {
            self.take(rate, now);
        }
        is_allowed
    }

    /// Whether the whole burst is available. Then the bucket need not be kept.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { count: 20, per: Duration::from_secs(1), burst: 200 };
    const STEP: Duration = Duration::from_millis(50);

    #[test]
    fn a_burst_is_free_and_then_each_waits_its_turn() {
        let (mut now, mut bucket) = (Instant::now(), Bucket::default());
        for taken in 1..200 {
            assert_eq!(bucket.take(&RATE, now), Duration::ZERO, "{taken}");
        }
        assert_eq!(bucket.take(&RATE, now), STEP, "the burst is used up");
        for _ in 0..1000 {
            now += STEP;
            assert_eq!(bucket.take(&RATE, now), STEP);
        }
    }

    #[test]
    fn a_quiet_time_gives_the_burst_back_and_no_more() {
        let (start, mut bucket) = (Instant::now(), Bucket::default());
        for _ in 0..200 {
            bucket.take(&RATE, start);
        }
        assert!(!bucket.is_full(start + 199 * STEP) && bucket.is_full(start + 200 * STEP));
        let later = start + 100 * STEP;
        let free = (0..300).take_while(|_| bucket.take(&RATE, later).is_zero()).count();
        assert_eq!(free, 99, "half of it is back, and the hundredth has to wait");
        let much_later = start + 10_000 * STEP;
        let free = (0..300).take_while(|_| bucket.take(&RATE, much_later).is_zero()).count();
        assert_eq!(free, 199);
    }

    #[test]
    fn what_is_not_there_is_not_taken() {
        let (start, mut bucket) = (Instant::now(), Bucket::default());
        let taken = (0..1000).filter(|_| bucket.try_take(&RATE, start)).count();
        assert_eq!(taken, 200);
        let taken = (0..1000).filter(|_| bucket.try_take(&RATE, start + 10 * STEP)).count();
        assert_eq!(taken, 10, "trying costs nothing");
    }

    #[test]
    fn no_rate_is_too_slow_to_limit() {
        let now = Instant::now();
        for per in [Duration::from_secs(1 << 40), Duration::from_secs(i64::MAX as u64), Duration::MAX] {
            let slow = Rate { count: 1, per, burst: 10 };
            let mut bucket = Bucket::default();
            assert_eq!((0..1000).filter(|_| bucket.try_take(&slow, now)).count(), 10, "{per:?}");
            assert!(!bucket.try_take(&slow, now + Duration::from_secs(86_400)), "{per:?}");
            let mut bucket = Bucket::default();
            assert_eq!((0..1000).filter(|_| bucket.take(&slow, now).is_zero()).count(), 9, "{per:?}");
        }
    }

    #[test]
    fn no_rate_is_too_fast_to_limit() {
        let fast = Rate { count: u32::MAX, per: Duration::from_nanos(1), burst: 10 };
        let (now, mut bucket) = (Instant::now(), Bucket::default());
        assert_eq!((0..1000).filter(|_| bucket.try_take(&fast, now)).count(), 10);
    }

    #[test]
    fn nothing_overflows() {
        let slow = Rate { count: 1, per: Duration::MAX, burst: u32::MAX };
        let (now, mut bucket) = (Instant::now(), Bucket::default());
        assert_eq!(bucket.take(&slow, now), Duration::ZERO);
        bucket.full_at = now.checked_add(Duration::from_secs(i64::MAX as u64 - (1 << 32)));
        assert!((0..100).all(|_| !bucket.try_take(&slow, now)), "the end of time is over the rate");
        let none = Rate { count: 0, per: Duration::from_secs(1), burst: 0 };
        assert_eq!(Bucket::default().take(&none, now), Duration::from_secs(1));
    }
}
