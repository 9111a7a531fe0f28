//! The ways to ask something of a reactor from outside of it, mostly to stop: another thread, or a signal.
//!
//! Invariant: the first wish drains, the second ends at once, and none is lost or counted twice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::{Interest, Registry, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals as SignalSource;

/// Stops a running [`Reactor`](crate::Reactor) from anywhere: a clone can go to another thread.
///
/// Once asked, the reactor drains; asked again, it ends at once.
#[derive(Clone, Debug)]
pub struct Stopper {
    requests: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

impl Stopper {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Stopper { requests: Arc::default(), waker }
    }

    /// Asks to stop.
    ///
    /// # Errors
    /// When the reactor cannot be woken, which only happens when it is out of memory.
    pub fn stop(&self) -> io::Result<()> {
        self.requests.fetch_add(1, Ordering::Release);
        self.waker.wake()
    }

    /// The number of wishes since the last look.
    pub(crate) fn take(&self) -> usize {
        self.requests.swap(0, Ordering::Acquire)
    }
}

/// SIGTERM, SIGINT, SIGHUP and SIGUSR1 as one more source of the loop.
pub(crate) struct Signals {
    source: SignalSource,
    /// Looking costs a system call, so it is done only after an edge.
    is_ready: bool,
}

impl Signals {
    pub(crate) fn new(registry: &Registry, token: mio::Token) -> io::Result<Self> {
        let mut signals = vec![SIGTERM, SIGINT, SIGUSR1];
        // nohup(1) starts its program with SIGHUP ignored; a handler would undo that.
        if !is_ignored(SIGHUP) {
            signals.push(SIGHUP);
        }
        let mut source = SignalSource::new(signals)?;
        registry.register(&mut source, token, Interest::READABLE)?;
        Ok(Signals { source, is_ready: false })
    }

    /// An edge: there was a signal.
    pub(crate) fn wake(&mut self) {
        self.is_ready = true;
    }

    /// What came since the last look.
    pub(crate) fn take(&mut self) -> Signalled {
        let mut signalled = Signalled::default();
        if std::mem::take(&mut self.is_ready) {
            for signal in self.source.pending() {
                match signal {
                    SIGHUP => signalled.hang_ups += 1,
                    SIGUSR1 => signalled.wants_stats = true,
                    _ => signalled.stops += 1,
                }
            }
        }
        signalled
    }
}

/// What signals have asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signalled {
    /// SIGTERM and SIGINT: wishes to stop.
    pub(crate) stops: usize,
    /// SIGHUP.
    pub(crate) hang_ups: usize,
    /// SIGUSR1, however often: the figures, for the log.
    pub(crate) wants_stats: bool,
}

/// Whether the process was started with a signal ignored, by `/proc/self/status` (proc(5)); false where there is none.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_set(&status).is_some_and(|set| set & (1 << (signal - 1)) != 0)
}

fn ignored_set(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_set_of_ignored_signals() {
        assert_eq!(ignored_set("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), Some(0x1001));
        assert_eq!(ignored_set("Name:\tx\n"), None);
        assert!(!is_ignored(SIGTERM), "the test process does not ignore SIGTERM");
    }

    #[test]
    fn wishes_are_counted_once() {
        let poll = mio::Poll::new().expect("a poll");
        let stopper = Stopper::new(Arc::new(Waker::new(poll.registry(), mio::Token(0)).expect("a waker")));
        let other = stopper.clone();
        std::thread::spawn(move || other.stop()).join().expect("no panic").expect("woken");
        stopper.stop().expect("woken");
        assert_eq!((stopper.take(), stopper.take()), (2, 0));
    }
}
