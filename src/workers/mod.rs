//! Workers: threads for what would hold up the loop, such as the disk or the hashing of a password.
//!
//! The queue of jobs is bounded, and it is the one place of the crate where threads meet: what else a handler does needs no
//! lock. Invariants: a job runs once, or (when the pool is dropped first) never; a result goes home only after the batch
//! that its job was part of was committed. Knows nothing of connections.

pub(crate) mod results;
#[cfg(feature = "storage")]
pub mod storage;

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::workers::results::ResultQueue;

/// The state of one thread of a pool: a database handle, a cache, or nothing (`()`).
pub trait Worker: Send + 'static {
    /// Why a batch came to nothing. Each of its jobs gets a copy.
    type Error: Clone + Send + 'static;

    /// How many waiting jobs a thread takes as one batch, at most. More than one only makes sense where a batch costs
    /// as much as a job, as with transactions on a disk.
    const BATCH: usize = 1;

    /// A batch begins. On an error none of its jobs runs, and all get the error.
    ///
    /// # Errors
    /// Up to the worker.
    fn begin(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A batch ends. On an error all of its jobs get the error, whatever they returned.
    ///
    /// # Errors
    /// Up to the worker.
    fn commit(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Worker for () {
    type Error = Infallible;
}

/// A pool of threads with a bounded queue, one [`Worker`] a thread. A handler gives it jobs by
/// [`Context::offload`](crate::Context::offload).
///
/// The threads start with the first job. When the pool is dropped, the jobs under way are waited for, for a second at most;
/// those in the queue are not run.
///
/// ```
/// use switchboard::{Context, Done, Handler, Origin, Sim, Workers};
///
/// /// Answers each message with its sum, which is taken to be hard work.
/// struct Sums(Workers<()>);
///
/// impl Handler for Sums {
///     type Session = ();
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
///         let bytes = input.to_vec();
///         if let Err(busy) = cx.offload(&self.0, move |()| Ok(bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>())) {
///             cx.reply(format!("{busy}\n").as_bytes());
///         }
///         input.len()
///     }
///     fn done(&mut self, (): &mut (), done: Done, cx: &mut Context<'_>) {
///         let Ok(sum) = done.take::<Result<u64, std::convert::Infallible>>();
///         cx.reply(format!("{sum}\n").as_bytes());
///     }
/// }
///
/// let mut sim = Sim::new(Sums(Workers::new("sums", 100, vec![()])));
/// let peer = sim.connect();
/// sim.send(peer, &[1, 2, 3]);
/// assert_eq!(sim.received(peer), b"6\n");
/// ```
pub struct Workers<W: Worker> {
    shared: Arc<Shared<W>>,
}

/// What the loop and the threads share.
struct Shared<W: Worker> {
    name: Box<str>,
    capacity: usize,
    queue: Mutex<Queue<W>>,
    /// There is a job, or the pool is closed.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

struct Queue<W: Worker> {
    entries: VecDeque<Job<W>>,
    /// Those whose threads have not been started.
    workers: Vec<W>,
    threads: usize,
    is_closed: bool,
}

/// A job on its way.
pub(crate) struct Job<W: Worker> {
    run: Box<dyn FnOnce(&mut W) -> Done + Send>,
    /// What the job returns when its batch came to nothing.
    fail: fn(W::Error) -> Done,
    /// Comes back with the result. Means nothing to the pool.
    user_data: u64,
}

/// How long the end of a pool waits for jobs under way: an `fsync` takes milliseconds, and a disk that hangs is not to hold
/// up the end of the process.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

impl<W: Worker> Workers<W> {
    /// A pool with one thread for each of these workers, and a queue for `capacity` jobs. The name is that of the threads.
    ///
    /// # Panics
    /// When there is no worker.
    #[must_use]
    pub fn new(name: &str, capacity: usize, workers: Vec<W>) -> Self {
        assert!(!workers.is_empty(), "a pool without workers does no job");
        let queue = Queue { entries: VecDeque::new(), workers, threads: 0, is_closed: false };
        let (work, ended) = (Condvar::new(), Condvar::new());
        Workers { shared: Arc::new(Shared { name: name.into(), capacity, queue: Mutex::new(queue), work, ended }) }
    }

    /// Puts a job into the queue.
    pub(crate) fn submit(&self, entry: Job<W>) -> Result<(), Busy> {
        let mut queue = self.shared.lock();
        if queue.entries.len() >= self.shared.capacity {
            return Err(Busy);
        }
        queue.entries.push_back(entry);
        Ok(())
    }

    /// Has the threads do what is in the queue; results go home. Without threads to be had, it stays there.
    pub(crate) fn wake(&self, home: &Arc<ResultQueue>) {
        let mut queue = self.shared.lock();
        for worker in std::mem::take(&mut queue.workers) {
            let (shared, way_home) = (Arc::clone(&self.shared), Arc::clone(home));
            let builder = thread::Builder::new().name(self.shared.name.to_string());
            match builder.spawn(move || shared.serve(worker, &way_home)) {
                Ok(_) => queue.threads += 1,
                Err(error) => home.fail(format!("no thread for the workers: {error}")),
            }
        }
        drop(queue);
        self.shared.work.notify_one();
    }

    /// What does the jobs on the caller's thread: in a simulation.
    pub(crate) fn here(&self) -> Arc<dyn WorkHere> {
        Arc::clone(&self.shared) as Arc<dyn WorkHere>
    }
}

impl<W: Worker> Job<W> {
    pub(crate) fn new<T: Send + 'static>(
        user_data: u64,
        job: impl FnOnce(&mut W) -> Result<T, W::Error> + Send + 'static,
    ) -> Self {
        let run = Box::new(|worker: &mut W| Done::new(job(worker)));
        Job { run, fail: |error| Done::new(Err::<T, W::Error>(error)), user_data }
    }
}

/// A pool that does its jobs where it is called.
pub(crate) trait WorkHere: Send + Sync {
    /// Does all that waits.
    fn work(&self, home: &ResultQueue);
}

impl<W: Worker> WorkHere for Shared<W> {
    fn work(&self, home: &ResultQueue) {
        let Some(mut worker) = self.lock().workers.pop() else { return };
        loop {
            let batch = take(&mut self.lock().entries, W::BATCH);
            if batch.is_empty() {
                return self.lock().workers.push(worker);
            }
            home.send(run(&mut worker, batch));
        }
    }
}

impl<W: Worker> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Queue<W>> {
        // Nothing that can panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn serve(&self, worker: W, home: &ResultQueue) {
        // Dropped in the reverse order: the worker closes what it has before the thread counts as ended.
        let _end = End { shared: self, home };
        let mut worker = worker;
        while let Some(batch) = self.next_batch() {
            home.send(run(&mut worker, batch));
        }
    }

    /// Waits for jobs. `None` when the pool is closed.
    fn next_batch(&self) -> Option<Vec<Job<W>>> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            let batch = take(&mut queue.entries, W::BATCH);
            if !batch.is_empty() {
                if !queue.entries.is_empty() {
                    self.work.notify_one();
                }
                return Some(batch);
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<W: Worker> Drop for Workers<W> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.entries.clear();
        self.shared.work.notify_all();
        let waited = self.shared.ended.wait_timeout_while(queue, CLOSE_WAIT, |queue| queue.threads > 0);
        let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.threads > 0 {
            log::warn!("{} threads of {} are still at work and are left behind", queue.threads, self.shared.name);
        }
    }
}

/// Says that a thread has ended, also by a panic: whoever waits for its results would wait for ever.
struct End<'a, W: Worker> {
    shared: &'a Shared<W>,
    home: &'a ResultQueue,
}

impl<W: Worker> Drop for End<'_, W> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.home.fail(format!("a worker of {} has panicked", self.shared.name));
        }
        self.shared.lock().threads -= 1;
        self.shared.ended.notify_all();
    }
}

fn take<T>(entries: &mut VecDeque<T>, most: usize) -> Vec<T> {
    entries.drain(..most.max(1).min(entries.len())).collect()
}

/// Does a batch: its results count only when it was committed.
fn run<W: Worker>(worker: &mut W, batch: Vec<Job<W>>) -> Vec<(u64, Done)> {
    if let Err(error) = worker.begin() {
        return batch.into_iter().map(|entry| (entry.user_data, (entry.fail)(error.clone()))).collect();
    }
    let finished: Vec<_> = batch.into_iter().map(|entry| (entry.user_data, entry.fail, (entry.run)(worker))).collect();
    let outcome = worker.commit();
    finished
        .into_iter()
        .map(|(user_data, fail, done)| match &outcome {
            Ok(()) => (user_data, done),
            Err(error) => (user_data, fail(error.clone())),
        })
        .collect()
}

/// What an offloaded job returned.
pub struct Done(Box<dyn Any + Send>);

impl Done {
    fn new<T: Send + 'static>(result: T) -> Self {
        Done(Box::new(result))
    }

    /// The result: a `Result<T, W::Error>` for a job that returned one.
    ///
    /// # Panics
    /// When it is of another type, which is a mistake in the handler.
    #[must_use]
    pub fn take<T: 'static>(self) -> T {
        let Ok(result) = self.0.downcast() else {
            panic!("the job did not return a {}", std::any::type_name::<T>());
        };
        *result
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

impl<W: Worker> fmt::Debug for Workers<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

/// A job was not taken: the queue is full, or the session has one under way. Its `Display` is an answer to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("busy, try again")
    }
}

impl Error for Busy {}

#[cfg(test)]
mod tests;
