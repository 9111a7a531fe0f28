//! The time of a turn, and the callback that takes most of it.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use crate::connection::ids::ServiceId;

/// The clock of a reactor. It stands still within a turn, so every callback of a turn sees the same time.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Instant,
    /// `now` in nanoseconds after `origin`. Each read and write stores it, which is cheaper than to store an `Instant`.
    nanos: u64,
    origin: Instant,
    /// What the kernel held at this time, the turn has taken. A deadline after it does not apply yet.
    horizon: Instant,
    /// The time of day of this turn, if it was asked for.
    time_of_day: Cell<Option<SystemTime>>,
    /// The time of day at the origin in a simulation, where the time of day passes with this clock.
    simulated_origin: Option<SystemTime>,
}

/// The longest delay of a deadline: 30 years. A later one is not representable on every system.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(30 * 365 * 86_400);

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        let time_of_day = Cell::new(None);
        Clock { now, nanos: 0, origin: now, horizon: now, time_of_day, simulated_origin: None }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The time `delay` after the current turn, or [`LONGEST_DELAY`] after it if `delay` is longer.
    pub(crate) fn after(&self, delay: Duration) -> Instant {
        self.now + delay.min(LONGEST_DELAY)
    }

    /// Nanoseconds between the origin and the current turn.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos
    }

    /// Seconds between the origin and the current turn.
    pub(crate) fn seconds(&self) -> u32 {
        (self.nanos / 1_000_000_000) as u32
    }

    /// The time up to which deadlines apply in this turn: everything that the kernel held by then was taken.
    pub(crate) fn horizon(&self) -> Instant {
        self.horizon
    }

    /// The time between a turn, given by its [`nanos`](Self::nanos), and the horizon.
    pub(crate) fn since(&self, nanos: u64) -> Duration {
        self.horizon.saturating_duration_since(self.origin).saturating_sub(Duration::from_nanos(nanos))
    }

    /// Sets the time of a new turn, which is its horizon, too, until [`set_horizon`](Self::set_horizon).
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.nanos = now.saturating_duration_since(self.origin).as_nanos() as u64;
        self.horizon = now;
        self.time_of_day.set(None);
    }

    /// Sets the horizon of a turn, if it is before the time of the turn.
    pub(crate) fn set_horizon(&mut self, horizon: Instant) {
        self.horizon = horizon;
    }

    /// The time of day, which also stands still within a turn.
    pub(crate) fn system_time(&self) -> SystemTime {
        let time = self.time_of_day.get().unwrap_or_else(|| {
            let elapsed = Duration::from_nanos(self.nanos);
            let simulated = self.simulated_origin.map(|origin| origin.checked_add(elapsed).unwrap_or(origin));
            simulated.unwrap_or_else(SystemTime::now)
        });
        self.time_of_day.set(Some(time));
        time
    }

    /// Makes the time of day pass with this clock, starting at `time` in the current turn.
    pub(crate) fn simulate_system_time(&mut self, time: SystemTime) {
        self.time_of_day.set(None);
        self.simulated_origin = time.checked_sub(Duration::from_nanos(self.nanos)).or(Some(time));
    }
}

/// Measures the callbacks of a turn, to find the longest one. One callback runs at a time.
#[derive(Debug, Default)]
pub(crate) struct CallbackTimer {
    /// Reading the time twice for each callback costs too much where all of them belong to the same service.
    pub(crate) is_on: bool,
    started: Option<Instant>,
    longest: Option<(Duration, ServiceId)>,
}

impl CallbackTimer {
    /// Forgets the last turn, and measures the callbacks of the next one if `is_on` is set.
    pub(crate) fn begin_turn(&mut self, is_on: bool) {
        *self = CallbackTimer { is_on, ..CallbackTimer::default() };
    }

    /// Notes the start of a callback.
    pub(crate) fn start(&mut self, now: Instant) {
        self.started = Some(now);
    }

    /// Notes the end of the callback, which belongs to `service`.
    pub(crate) fn stop(&mut self, now: Instant, service: ServiceId) {
        if let Some(started) = self.started.take() {
            self.longest = self.longest.max(Some((now.saturating_duration_since(started), service)));
        }
    }

    /// The time and the service of the longest callback of the turn.
    pub(crate) fn longest(&self) -> Option<(Duration, ServiceId)> {
        self.longest
    }
}
