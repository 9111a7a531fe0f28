//! The name of a timer.

use std::num::NonZeroU64;

/// Names one timer, to recognise and to cancel it. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    /// When it is due, in nanoseconds after the origin of its timers. It is the first field, since timers are sorted by
    /// their ids.
    pub(crate) due: u64,
    pub(crate) number: NonZeroU64,
}
