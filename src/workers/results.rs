//! Where the threads of a pool leave what their jobs returned.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use crate::workers::Done;

/// Where threads leave results. Shared with them.
#[derive(Debug, Default)]
pub(crate) struct ResultQueue {
    arrived: Mutex<Arrived>,
    /// None in a simulation, which needs no waking.
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

    /// Leaves results, and wakes the loop.
    pub(crate) fn send(&self, results: Vec<(u64, Done)>) {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).results.extend(results);
        self.wake();
    }

    /// Results will be missing for ever.
    pub(crate) fn fail(&self, why: String) {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(why);
        self.wake();
    }

    /// Appends the results that have arrived, each with the word of its job, to `results`.
    ///
    /// # Errors
    /// When results will be missing for ever.
    pub(crate) fn take(&self, results: &mut impl Extend<(u64, Done)>) -> io::Result<()> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        results.extend(arrived.results.drain(..));
        arrived.failure.take().map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    /// Whether results wake a loop. In a simulation there is none.
    pub(crate) fn has_waker(&self) -> bool {
        self.waker.is_some()
    }

    fn wake(&self) {
        // It fails when the system has no memory, or when the reactor is gone: then nobody waits.
        if let Some(Err(error)) = self.waker.as_ref().map(|waker| waker.wake()) {
            log::debug!("the loop was not woken: {error}");
        }
    }
}
