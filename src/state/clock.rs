//! The time of a turn.

use std::time::{Duration, Instant, SystemTime};

/// The clock of a reactor. It stands still within a turn, so every callback of a turn sees the same time.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Instant,
    /// `now` in nanoseconds after `origin`. Each read and write stores it, which is cheaper than to store an `Instant`.
    nanos: u64,
    origin: Instant,
    /// The time of day at the origin in a simulation, where the time of day passes with this clock.
    simulated_origin: Option<SystemTime>,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Clock { now, nanos: 0, origin: now, simulated_origin: None }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Nanoseconds between the origin and the current turn.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos
    }

    /// Sets the time of a new turn.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.nanos = now.saturating_duration_since(self.origin).as_nanos() as u64;
    }

    /// The time of day.
    pub(crate) fn system_time(&self) -> SystemTime {
        let simulated = self.simulated_origin.map(|origin| origin + Duration::from_nanos(self.nanos));
        simulated.unwrap_or_else(SystemTime::now)
    }

    /// Makes the time of day pass with this clock, starting at `time` in the current turn.
    pub(crate) fn simulate_system_time(&mut self, time: SystemTime) {
        self.simulated_origin = time.checked_sub(Duration::from_nanos(self.nanos)).or(Some(time));
    }
}
