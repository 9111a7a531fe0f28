//! The duration of turns, and the work of slow ones.
//!
//! A callback that takes long makes all connections wait. If a server feels slow, look for slow turns in the log first.

use std::time::{Duration, Instant};

use crate::state::State;
use crate::state::stats::Stats;
use crate::state::throttle::Throttle;

/// Measures turns.
#[derive(Debug)]
pub(crate) struct TurnClock {
    before: Work,
    /// Bounds the log lines about slow turns.
    slow: Throttle,
}

/// The figures that tell the work of a slow turn. Few, since each turn copies them.
#[derive(Debug, Default)]
struct Work {
    accepted: u64,
    bytes_in: u64,
    bytes_out: u64,
    results: u64,
    timers_fired: u64,
}

impl Work {
    fn of(stats: &Stats) -> Self {
        let &Stats { accepted, bytes_in, bytes_out, results, timers_fired, .. } = stats;
        Work { accepted, bytes_in, bytes_out, results, timers_fired }
    }
}

impl TurnClock {
    pub(crate) fn new() -> Self {
        TurnClock { before: Work::default(), slow: Throttle::new() }
    }

    /// Notes the figures at the start of a turn. Measures callbacks if they can belong to different services.
    pub(crate) fn begin(&mut self, state: &mut State) {
        self.before = Work::of(&state.stats);
        state.callbacks.begin_turn(state.limits.slow_turn.is_some() && state.services.len() > 1);
    }

    /// Counts a turn that took the time `took`. If that is longer than the limit, logs the longest callback and the
    /// work.
    pub(crate) fn end(&mut self, state: &mut State, took: Duration) {
        state.turns.note(took);
        let Some(limit) = state.limits.slow_turn.filter(|&limit| took > limit) else { return };
        self.log_slow(state, took, limit);
    }

    #[cold]
    fn log_slow(&mut self, state: &State, took: Duration, limit: Duration) {
        if let Some(repeats) = self.slow.note(Instant::now()) {
            let (before, after, longest) = (&self.before, Work::of(&state.stats), longest_callback(state));
            log::warn!(
                "slow turn: {took:.0?}{longest}, limit {limit:?} (--slow-turn), with {} connections accepted, \
                 {} bytes received, {} bytes sent, {} results of workers and {} timers{repeats}",
                after.accepted - before.accepted,
                after.bytes_in - before.bytes_in,
                after.bytes_out - before.bytes_out,
                after.results - before.results,
                after.timers_fired - before.timers_fired,
            );
        }
    }
}

/// Names the service of the longest callback, if it has a name.
fn longest_callback(state: &State) -> String {
    match state.callbacks.longest() {
        Some((took, service)) if !state.services[service].name.is_empty() => {
            format!(", {took:.0?} of it in handler {}", state.services[service].name)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ids::ServiceId;
    use crate::state::service::ServiceOptions;

    fn state() -> State {
        State::new(ServiceOptions::default(), None, Instant::now())
    }

    #[test]
    fn turns_are_counted_and_the_longest_is_kept() {
        let (mut clock, mut state) = (TurnClock::new(), state());
        for took in [5, 80, 10] {
            clock.begin(&mut state);
            clock.end(&mut state, Duration::from_millis(took));
        }
        assert_eq!((state.turns.count(), state.turns.longest()), (3, Duration::from_millis(80)));
    }

    #[test]
    fn the_longest_callback_is_named_among_services() {
        let (mut clock, mut state) = (TurnClock::new(), state());
        clock.begin(&mut state);
        assert!(!state.callbacks.is_on, "there is one service only");
        let chat = state.services.add(ServiceOptions { name: "chat".to_owned(), ..ServiceOptions::default() });
        clock.begin(&mut state);
        let now = Instant::now();
        for (service, seconds) in [(chat, 60), (ServiceId::DEFAULT, 1)] {
            state.callbacks.start(now);
            state.callbacks.stop(now + Duration::from_secs(seconds), service);
        }
        assert_eq!(longest_callback(&state), ", 60s of it in handler chat");
        clock.begin(&mut state);
        assert_eq!(longest_callback(&state), "", "each turn is measured by itself");
    }
}
