//! Waiting for a condition, never for a length of time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which an awaited event counts as missing. Generous, because the machine may be busy.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the first `Some` of `look`, or `None` after `time`.
pub fn within<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        // The clock is read first: a look after the deadline still counts if this thread was held up before it.
        let is_over = Instant::now() >= deadline;
        let found = look();
        if found.is_some() || is_over {
            return found;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Returns as soon as `met` is true; fails the test after [`TIMEOUT`].
#[track_caller]
pub fn until(what: &str, mut met: impl FnMut() -> bool) {
    until_some(what, || met().then_some(()));
}

/// Returns the first `Some` of `look`; fails the test after [`TIMEOUT`].
#[track_caller]
pub fn until_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(TIMEOUT, look).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Lets time pass in a test that is about the passing of time.
pub fn let_pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// Returns the first measurement below `limit`, or the least of five.
///
/// Another program may hold up one measurement, or several. One calm moment shows what the measured program can do.
pub fn calmest(limit: Duration, measure: impl FnMut() -> Duration) -> Duration {
    let mut least = Duration::MAX;
    for time in std::iter::repeat_with(measure).take(5) {
        least = least.min(time);
        if least < limit {
            break;
        }
    }
    least
}

/// Locks out the other tests that measure time or open thousands of sockets.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
