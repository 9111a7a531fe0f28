//! The name of a timer.

use std::num::NonZeroU64;

/// Names one timer, so that it can be told apart and cancelled. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    /// Nanoseconds after the origin of the timers that made it: lets cancelling find the timer by key.
    pub(crate) due: u64,
    pub(crate) number: NonZeroU64,
}
