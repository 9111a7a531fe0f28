//! Jobs given to workers, and their results on the way to the handler.
//!
//! Invariant: a job that was taken is outstanding until its result is delivered, or dropped because its session is
//! over. So a reactor that stops can wait for every job.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use mio::Waker;

use crate::connection::ids::ServiceId;
use crate::connection::token::Token;
use crate::workers::results::ResultQueue;
use crate::workers::{Done, InlinePool};

/// The receiver of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A session: [`Handler::done`](crate::Handler::done).
    Session(Token),
    /// A service: [`Handler::service_done`](crate::Handler::service_done).
    Service(ServiceId),
}

impl Recipient {
    /// The recipient as user data of a job. A service is a small number, and a token is at least 2^32.
    pub(crate) fn to_bits(self) -> u64 {
        match self {
            Recipient::Session(token) => token.to_bits(),
            Recipient::Service(service) => service.index() as u64,
        }
    }

    /// The recipient of user data that [`to_bits`](Self::to_bits) returned.
    fn from_bits(bits: u64) -> Self {
        ServiceId::from_index(bits as usize)
            .map_or_else(|| Recipient::Session(Token::from_bits(bits)), Recipient::Service)
    }
}

/// The jobs of a reactor.
#[derive(Default)]
pub(crate) struct Jobs {
    /// The queue in which threads leave results. Shared with them.
    queue: Arc<ResultQueue>,
    /// Results taken from the queue and not delivered.
    results: VecDeque<(u64, Done)>,
    /// Number of jobs whose results were not delivered.
    outstanding: usize,
    /// Whether the reactor no longer waits for outstanding jobs.
    is_given_up: bool,
    /// Pools whose jobs the simulation runs.
    simulated: Vec<Arc<dyn InlinePool>>,
    /// Whether the simulation runs no jobs for now.
    is_held: bool,
}

impl Jobs {
    /// Jobs of a reactor with this waker, or of a simulation if there is none.
    pub(crate) fn new(waker: Option<Arc<Waker>>) -> Self {
        Jobs { queue: Arc::new(ResultQueue::new(waker)), ..Jobs::default() }
    }

    /// The queue in which threads leave results. `None` in a simulation, which runs jobs itself
    /// ([`simulate`](Self::simulate)).
    pub(crate) fn queue(&self) -> Option<&Arc<ResultQueue>> {
        Some(&self.queue).filter(|queue| queue.has_waker())
    }

    /// Counts a job that was taken.
    pub(crate) fn begin(&mut self) {
        self.outstanding += 1;
    }

    /// Number of jobs whose results were not delivered.
    #[cfg(feature = "metrics")]
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Makes the simulation run the jobs of a pool when results are next collected.
    pub(crate) fn simulate(&mut self, pool: Arc<dyn InlinePool>) {
        self.simulated.push(pool);
    }

    /// Makes the simulation run no jobs from now on, or run them again.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Whether the simulation has jobs to run now.
    pub(crate) fn has_simulated(&self) -> bool {
        !self.simulated.is_empty() && !self.is_held
    }

    /// Takes the results that have arrived. Runs simulated jobs first.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub(crate) fn collect(&mut self) -> io::Result<()> {
        if self.outstanding == self.results.len() {
            return Ok(());
        }
        if self.has_simulated() {
            self.simulated.drain(..).for_each(|pool| pool.run_queued(&self.queue));
        }
        self.queue.take(&mut self.results)
    }

    /// Takes the next result.
    pub(crate) fn next(&mut self) -> Option<(Recipient, Done)> {
        let (bits, done) = self.results.pop_front()?;
        self.outstanding -= 1;
        Some((Recipient::from_bits(bits), done))
    }

    /// Whether there are results to deliver.
    pub(crate) fn has_results(&self) -> bool {
        !self.results.is_empty()
    }

    /// Ends the wait for jobs: a disk that hangs must not delay the end of the process.
    pub(crate) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// Whether no job has to be waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding == 0 || self.is_given_up
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut jobs = f.debug_struct("Jobs");
        jobs.field("outstanding", &self.outstanding).field("results", &self.results).finish_non_exhaustive()
    }
}
