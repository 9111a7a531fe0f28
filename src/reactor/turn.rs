//! The length of a turn, and what made it long.
//!
//! While a turn lasts nobody else is served, so a long one is the first thing to know about a server that feels slow.

use std::time::{Duration, Instant};

use crate::state::stats::Stats;
use crate::state::throttle::Throttle;

/// Measures turns.
#[derive(Debug)]
pub(crate) struct TurnClock {
    before: Stats,
    slow: Throttle,
}

impl TurnClock {
    pub(crate) fn new() -> Self {
        TurnClock { before: Stats::default(), slow: Throttle::new() }
    }

    /// A turn begins.
    pub(crate) fn begin(&mut self, stats: &Stats) {
        self.before = *stats;
    }

    /// It has ended, after so long: notes that, and says what ran if it took longer than `limit`.
    pub(crate) fn end(&mut self, stats: &mut Stats, took: Duration, limit: Option<Duration>) {
        stats.turns += 1;
        stats.longest_turn = stats.longest_turn.max(took);
        if limit.is_none_or(|limit| took <= limit) {
            return;
        }
        if let Some(count) = self.slow.note(Instant::now()) {
            let before = &self.before;
            log::warn!(
                "everybody waited for {took:.0?}: a turn with {} clients accepted, {} bytes received and {} sent, {} results of \
                 workers, {} timers (--slow-turn; {count} such turns since the last such line)",
                stats.accepted - before.accepted,
                stats.bytes_in - before.bytes_in,
                stats.bytes_out - before.bytes_out,
                stats.results - before.results,
                stats.timers_fired - before.timers_fired,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_and_the_longest_is_kept() {
        let (mut clock, mut stats) = (TurnClock::new(), Stats::default());
        for took in [5, 80, 10] {
            clock.begin(&stats);
            clock.end(&mut stats, Duration::from_millis(took), Some(Duration::from_millis(50)));
        }
        assert_eq!((stats.turns, stats.longest_turn), (3, Duration::from_millis(80)));
    }
}
