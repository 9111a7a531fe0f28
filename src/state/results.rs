//! The way home of what workers have done.
//!
//! Invariant: every job that was taken is `out` until its result was handed to the handler, or found to be for a session
//! that is over; so a reactor that stops can wait for all of them, as long as it wants to. Runs no job itself, but in a simulation.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use mio::Waker;

use crate::connection::ids::ServiceId;
use crate::connection::token::Token;
use crate::workers::results::ResultQueue;
use crate::workers::{Done, WorkHere};

/// Who gets a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A session: [`Handler::done`](crate::Handler::done).
    Session(Token),
    /// A service: [`Handler::service_done`](crate::Handler::service_done).
    Service(ServiceId),
}

impl Recipient {
    /// The word that travels with a job. That of a session is at least 2^32, like all bits of a token.
    pub(crate) fn to_bits(self) -> u64 {
        match self {
            Recipient::Session(token) => token.to_bits(),
            Recipient::Service(service) => service.index() as u64,
        }
    }

    fn from_bits(bits: u64) -> Self {
        ServiceId::from_index(bits as usize)
            .map_or_else(|| Recipient::Session(Token::from_bits(bits)), Recipient::Service)
    }
}

/// The reactor's side: what is out, and what has come home and not been handed over.
#[derive(Default)]
pub(crate) struct Jobs {
    home: Arc<ResultQueue>,
    results: VecDeque<(u64, Done)>,
    /// Jobs that were taken and whose results were not handed over.
    out: usize,
    /// They are not waited for any more: the time to stop is over.
    is_given_up: bool,
    /// The pools that have jobs, in a simulation.
    simulated: Vec<Arc<dyn WorkHere>>,
    /// Whether these do no jobs for now.
    is_held: bool,
}

impl Jobs {
    pub(crate) fn new(waker: Option<Arc<Waker>>) -> Self {
        Jobs { home: Arc::new(ResultQueue::new(waker)), ..Jobs::default() }
    }

    /// Where threads are to leave results. `None` in a simulation: there, jobs are done by [`work_here`](Self::work_here).
    pub(crate) fn home(&self) -> Option<&Arc<ResultQueue>> {
        Some(&self.home).filter(|home| home.has_waker())
    }

    /// A job was taken.
    pub(crate) fn begin(&mut self) {
        self.out += 1;
    }

    /// A simulated pool has something to do.
    pub(crate) fn simulate(&mut self, pool: Arc<dyn WorkHere>) {
        self.simulated.push(pool);
    }

    /// Holds the jobs of simulated pools, or lets them go on.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Whether simulated pools have jobs to do now.
    pub(crate) fn has_simulated(&self) -> bool {
        !self.simulated.is_empty() && !self.is_held
    }

    /// Looks at what has come home.
    ///
    /// # Errors
    /// When a worker has panicked, or could not be started.
    pub(crate) fn collect(&mut self) -> io::Result<()> {
        if self.out == self.results.len() {
            return Ok(());
        }
        if self.has_simulated() {
            self.simulated.drain(..).for_each(|pool| pool.work(&self.home));
        }
        self.home.take(&mut self.results)
    }

    /// The next result.
    pub(crate) fn next(&mut self) -> Option<(Recipient, Done)> {
        let (bits, done) = self.results.pop_front()?;
        self.out -= 1;
        Some((Recipient::from_bits(bits), done))
    }

    /// Whether results wait to be handed over.
    pub(crate) fn has_results(&self) -> bool {
        !self.results.is_empty()
    }

    /// Waits no longer for what is out: a disk that hangs is not to hold up the end.
    pub(crate) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// Whether nothing is out that is to be waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.out == 0 || self.is_given_up
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("out", &self.out).field("results", &self.results).finish_non_exhaustive()
    }
}
