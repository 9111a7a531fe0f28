//! Requests from other threads and from signals: to stop, to open files again, and to log the statistics.
//!
//! Invariant: every request to stop is counted exactly once. The first one drains, the second one stops at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::{Interest, Registry, Waker};
use nix::sys::signal::{SigSet, Signal};
use rustix::stdio::stdin;
use rustix::termios::tcgetsid;
#[cfg(feature = "cli")]
use signal_hook::consts::SIGUSR2;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals as SignalSource;

use crate::connection::process::is_ignored;

/// Stops a running [`Reactor`](crate::Reactor) from any thread.
///
/// At the first request the reactor drains, at the second one it stops at once.
#[derive(Clone, Debug)]
pub struct Stopper {
    requests: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

impl Stopper {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Stopper { requests: Arc::default(), waker }
    }

    /// Requests a stop.
    ///
    /// # Errors
    /// If the reactor cannot be woken, which happens only if the process is out of memory.
    pub fn stop(&self) -> io::Result<()> {
        self.requests.fetch_add(1, Ordering::Release);
        self.waker.wake()
    }

    /// Whether [`take`](Self::take) has requests to return.
    #[inline]
    pub(crate) fn has_requests(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// Returns the number of requests since the last call.
    pub(crate) fn take(&self) -> usize {
        self.requests.swap(0, Ordering::Acquire)
    }
}

/// SIGTERM, SIGINT, SIGHUP, SIGUSR1 and others as a source of the poll.
pub(crate) struct Signals {
    source: SignalSource,
    /// Set by an edge, because asking for pending signals costs a system call.
    is_ready: bool,
    /// Whether the process was started at its controlling terminal. Noted at the start, because a terminal that has
    /// closed cannot be asked.
    has_terminal: bool,
}

impl Signals {
    /// Receives these signals and `more` from now on.
    pub(crate) fn new(registry: &Registry, token: mio::Token, more: &[i32]) -> io::Result<Self> {
        let mut signals = [&[SIGTERM, SIGINT, SIGUSR1], more].concat();
        // Fails unless the terminal is the controlling one (tcgetsid(3)).
        let has_terminal = tcgetsid(stdin()).is_ok();
        // A terminal that closes must not stop a program for which SIGHUP is ignored; a signal handler would undo that.
        if !(has_terminal && is_ignored(SIGHUP)) {
            signals.push(SIGHUP);
        }
        let mut source = SignalSource::new(&signals)?;
        receive(&signals)?;
        registry.register(&mut source, token, Interest::READABLE)?;
        Ok(Signals { source, is_ready: false, has_terminal })
    }

    /// Notes an edge: a signal has arrived.
    pub(crate) fn wake(&mut self) {
        self.is_ready = true;
    }

    /// Whether [`take`](Self::take) may have requests to return.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Returns the first request to stop since the last call, without an edge.
    #[cfg(feature = "cli")]
    pub(crate) fn last_stop(&mut self) -> Option<&'static str> {
        self.is_ready = true;
        self.take().stops.first().copied()
    }

    /// Returns the requests since the last call.
    pub(crate) fn take(&mut self) -> SignalRequests {
        let mut requests = SignalRequests::default();
        if std::mem::take(&mut self.is_ready) {
            for signal in self.source.pending() {
                match signal {
                    SIGHUP if self.has_terminal => requests.hangs_up = true,
                    SIGHUP => requests.wants_reload = true,
                    SIGUSR1 => requests.wants_stats = true,
                    #[cfg(feature = "cli")]
                    SIGUSR2 => requests.wants_upgrade = true,
                    SIGINT => requests.stops.push("SIGINT"),
                    _ => requests.stops.push("SIGTERM"),
                }
            }
        }
        requests
    }
}

/// Requests made by signals.
#[derive(Debug, Default)]
#[cfg_attr(feature = "cli", expect(clippy::struct_excessive_bools, reason = "independent requests"))]
pub(crate) struct SignalRequests {
    /// The names of the signals that request a stop: SIGTERM and SIGINT.
    pub(crate) stops: Vec<&'static str>,
    /// Whether SIGHUP arrived at a terminal: it has closed.
    pub(crate) hangs_up: bool,
    /// Whether SIGHUP arrived without a terminal: a request to open files again.
    pub(crate) wants_reload: bool,
    /// Whether SIGUSR1 arrived: a request to log the statistics.
    pub(crate) wants_stats: bool,
    /// Whether SIGUSR2 arrived: a request to be replaced by a new process.
    #[cfg(feature = "cli")]
    pub(crate) wants_upgrade: bool,
}

/// Unblocks signals in this thread. A parent that has blocked them passes its mask to this process (execve(2)).
fn receive(signals: &[i32]) -> io::Result<()> {
    let signals = signals.iter().map(|&signal| Signal::try_from(signal)).collect::<Result<SigSet, _>>()?;
    Ok(signals.thread_unblock()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_once() {
        let poll = mio::Poll::new().expect("a poll");
        let stopper = Stopper::new(Arc::new(Waker::new(poll.registry(), mio::Token(0)).expect("a waker")));
        let other = stopper.clone();
        std::thread::spawn(move || other.stop()).join().expect("no panic").expect("woken");
        stopper.stop().expect("woken");
        assert_eq!((stopper.take(), stopper.take()), (2, 0));
    }
}
