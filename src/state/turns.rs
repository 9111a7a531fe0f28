//! The durations of turns, counted in buckets.

use std::time::Duration;

/// The upper bound of the first bucket is `2^FIRST` ns. 12: 4.1 µs, about the turn of one short message.
const FIRST: u32 = 12;

/// The upper bound of the last bucket with a bound is `2^LAST` ns. 33: 8.6 s, longer than any turn of a healthy server.
const LAST: u32 = 33;

/// Number of buckets. The last one has the turns above every bound.
const BUCKETS: usize = (LAST - FIRST) as usize + 2;

/// The number of turns of each duration. The bound of a bucket is twice that of the one before, so a bucket is found
/// with one instruction, and counting is cheap enough for every turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    buckets: [u64; BUCKETS],
    /// The sum of all durations, in nanoseconds.
    nanos: u64,
    /// The longest duration, in nanoseconds.
    longest: u64,
}

impl Turns {
    /// Counts a turn.
    #[inline]
    pub(crate) fn note(&mut self, took: Duration) {
        let nanos = took.as_nanos() as u64;
        self.nanos += nanos;
        self.longest = self.longest.max(nanos);
        // The exponent of the next power of two, see `u64::next_power_of_two`.
        let exponent = u64::BITS - nanos.saturating_sub(1).leading_zeros();
        self.buckets[(exponent.clamp(FIRST, LAST + 1) - FIRST) as usize] += 1;
    }

    /// Number of turns.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all durations.
    #[cfg(any(feature = "metrics", test))]
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// The longest duration.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// Each bound, with the number of turns that took at most as long. All turns also count for a last, infinite bound.
    #[cfg(feature = "metrics")]
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let bounds = (FIRST..=LAST).map(|exponent| Duration::from_nanos(1 << exponent));
        bounds.zip(self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_counts_in_the_bucket_of_its_duration() {
        let bucket = |nanos| {
            let mut turns = Turns::default();
            turns.note(Duration::from_nanos(nanos));
            turns.buckets.iter().position(|&count| count == 1).expect("one turn")
        };
        let of_bounds = [0, 1, 4096, 4097, 8192, 8193, 1 << 33, (1 << 33) + 1, u64::MAX].map(bucket);
        assert_eq!(of_bounds, [0, 0, 0, 1, 1, 2, BUCKETS - 2, BUCKETS - 1, BUCKETS - 1]);
    }

    #[test]
    fn count_sum_and_longest_are_exact() {
        let mut turns = Turns::default();
        for millis in [5, 80, 10] {
            turns.note(Duration::from_millis(millis));
        }
        assert_eq!(
            (turns.count(), turns.sum(), turns.longest()),
            (3, Duration::from_millis(95), Duration::from_millis(80))
        );
    }

    #[test]
    #[cfg(feature = "metrics")]
    fn each_bound_counts_the_shorter_turns_too() {
        let mut turns = Turns::default();
        for nanos in [1, 5000, 5000, 1 << 20] {
            turns.note(Duration::from_nanos(nanos));
        }
        let counts: Vec<_> = turns.cumulative().map(|(bound, count)| (bound.as_nanos(), count)).collect();
        assert_eq!(counts[..3], [(4096, 1), (8192, 3), (16_384, 3)]);
        assert_eq!((counts.len(), counts.last()), (22, Some(&(1 << 33, 4))));
    }
}
