//! The duration of turns, and the work of slow ones.
//!
//! A callback that takes long makes all connections wait. If a server feels slow, look for slow turns in the log first.

use std::time::{Duration, Instant};

use crate::state::stats::Stats;
use crate::state::throttle::Throttle;

/// Measures turns.
#[derive(Debug)]
pub(crate) struct TurnClock {
    /// The figures at the start of the turn.
    before: Stats,
    /// Bounds the log lines about slow turns.
    slow: Throttle,
}

impl TurnClock {
    pub(crate) fn new() -> Self {
        TurnClock { before: Stats::default(), slow: Throttle::new() }
    }

    /// Notes the figures at the start of a turn.
    pub(crate) fn begin(&mut self, stats: &Stats) {
        self.before = *stats;
    }

    /// Counts a turn that took the time `took`. Logs its work if that is longer than `limit`.
    pub(crate) fn end(&mut self, stats: &mut Stats, took: Duration, limit: Option<Duration>) {
        stats.turns += 1;
        stats.longest_turn = stats.longest_turn.max(took);
        let Some(limit) = limit.filter(|&limit| took > limit) else { return };
        if let Some(repeats) = self.slow.note(Instant::now()) {
            let before = &self.before;
            log::warn!(
                "slow turn: {took:.0?}, limit {limit:?} (--slow-turn), with {} connections accepted, \
                 {} bytes received, {} bytes sent, {} results of workers and {} timers{repeats}",
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
