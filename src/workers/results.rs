//! The queue on which the threads of a pool deliver results to the loop.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use crate::workers::Done;

/// The results that threads have delivered and the loop has not taken.
#[derive(Debug, Default)]
pub(crate) struct ResultQueue {
    arrived: Mutex<Arrived>,
    /// `None` in a simulation, which has no loop to wake.
    waker: Option<Arc<Waker>>,
}

#[derive(Debug, Default)]
struct Arrived {
    results: Vec<(u64, Done)>,
    failure: Option<String>,
}

impl ResultQueue {
    pub(crate) fn new(waker: Option<Arc<Waker>>) -> Self {
        ResultQueue { waker, ..ResultQueue::default() }
    }

    /// Delivers results and wakes the loop.
    pub(crate) fn send(&self, results: Vec<(u64, Done)>) {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).results.extend(results);
        self.wake();
    }

    /// Reports that a thread has failed, so that some results will never be delivered.
    pub(crate) fn fail(&self, reason: String) {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(reason);
        self.wake();
    }

    /// Appends the delivered results to `results`, each with the user data of its job.
    ///
    /// # Errors
    /// If a thread has failed: the text given to [`fail`](Self::fail).
    pub(crate) fn take(&self, results: &mut impl Extend<(u64, Done)>) -> io::Result<()> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        results.extend(arrived.results.drain(..));
        arrived.failure.take().map_or(Ok(()), |reason| Err(io::Error::other(reason)))
    }

    /// Whether results wake a loop. In a simulation there is none.
    pub(crate) fn has_waker(&self) -> bool {
        self.waker.is_some()
    }

    fn wake(&self) {
        // Fails if the system is out of memory, or if the reactor was dropped and needs no results.
        if let Some(Err(error)) = self.waker.as_ref().map(|waker| waker.wake()) {
            log::debug!("the loop was not woken: {error}");
        }
    }
}
