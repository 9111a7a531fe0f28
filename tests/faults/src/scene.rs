//! Where a fault takes place: a server with polite clients, and a time that is measured.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::dial::{self, TIMEOUT, Window};
use crate::kind::Kind;
use crate::polite::{Phase, Polite};
use crate::process::yield_to_others;
use crate::server::Server;

/// What a fault has to do with.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) kind: Kind,
    pub(crate) server: &'a Server,
    pub(crate) polite: &'a Polite,
    /// How long the fault lasts.
    pub(crate) length: Duration,
    /// The server's descriptors before: those of the polite, and its own.
    pub(crate) descriptors: usize,
}

/// What came of a fault.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many there were of what the fault is made of.
    pub(crate) count: u64,
    /// What was promised to those who abuse the server, and not kept.
    pub(crate) broken: Vec<String>,
    /// What else is worth to know.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    pub(crate) fn of(count: u64) -> Outcome {
        Outcome { count, ..Outcome::default() }
    }

    /// Notes what was promised and whether it was kept.
    pub(crate) fn promise(mut self, is_kept: bool, broken: impl FnOnce() -> String) -> Outcome {
        if !is_kept {
            self.broken.push(broken());
        }
        self
    }

    pub(crate) fn note(mut self, note: String) -> Outcome {
        self.notes.push(note);
        self
    }
}

/// The time of a fault, which threads can share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    begun: Instant,
    end: Instant,
}

impl Span {
    pub(crate) fn is_on(self) -> bool {
        Instant::now() < self.end
    }

    /// Waits for the end of it.
    pub(crate) fn wait(self) {
        thread::sleep(self.end.saturating_duration_since(Instant::now()));
    }

    /// Waits for the time of event `nth` at `per_second` events. Returns whether the fault is still on.
    pub(crate) fn paced(self, nth: u64, per_second: u32) -> bool {
        let due = self.begun + Duration::from_secs(1) * nth as u32 / per_second;
        thread::sleep(due.min(self.end).saturating_duration_since(Instant::now()));
        due < self.end
    }
}

impl Scene<'_> {
    /// From now on it is measured. What a fault needs beforehand, it has got before.
    pub(crate) fn begin(&self) -> Span {
        self.begin_for(self.length)
    }

    /// The same for a fault that is over sooner: what is measured long after it would hide it.
    pub(crate) fn begin_for(&self, length: Duration) -> Span {
        self.polite.begin(Phase::Fault);
        let begun = Instant::now();
        Span { begun, end: begun + length }
    }

    /// The quiet time goes on for as long, with those who are here now: what they cost by being here is no part of the
    /// fault.
    pub(crate) fn stay_quiet(&self, length: Duration) {
        self.polite.begin(Phase::Quiet);
        thread::sleep(length);
        self.polite.begin(Phase::Between);
    }

    pub(crate) fn target(&self) -> SocketAddr {
        self.server.address
    }

    /// Enters an abusive client, with a nickname where nicknames are chosen.
    pub(crate) fn enter(&self, name: &str, window: Window) -> io::Result<TcpStream> {
        dial::welcomed(dial::knock((self.target(), self.kind), name, window)?, self.kind)
    }

    /// Enters `count` clients at once.
    pub(crate) fn enter_all(&self, name: &str, count: usize, window: Window) -> io::Result<Vec<TcpStream>> {
        let knock = |nth| dial::knock((self.target(), self.kind), &format!("{name}{nth}"), window);
        let knocking = (0..count).map(knock).collect::<io::Result<Vec<_>>>()?;
        knocking.into_iter().map(|stream| dial::welcomed(stream, self.kind)).collect()
    }

    /// Waits until the server has `beyond` descriptors more than before the fault. Returns whether it did
    /// so.
    pub(crate) fn has_descriptors(&self, beyond: usize) -> io::Result<bool> {
        settles(self.server, self.descriptors + beyond)
    }
}

/// Does something on `count` threads, each of which yields to the polite. Returns the sum of their counts.
///
/// # Errors
/// The first that one of them had.
pub(crate) fn on_threads(count: u64, act: impl Fn(u64) -> io::Result<u64> + Sync) -> io::Result<u64> {
    let act = &act;
    let act = move |nth| yield_to_others().and_then(|()| act(nth));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|nth| scope.spawn(move || act(nth))).collect();
        let panicked = |_| Err(io::Error::other("a thread of a fault panicked: a bug of this program"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).sum()
    })
}

/// Waits until a server has exactly `descriptors` open. Returns whether that came in time.
pub(crate) fn settles(server: &Server, descriptors: usize) -> io::Result<bool> {
    let since = Instant::now();
    while server.process().descriptors()? != descriptors {
        if since.elapsed() > TIMEOUT {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}
