//! A pool of threads for work that would block the loop: a disk, a database, the hash of a password.
//!
//! Threads share data only here: in the queue of jobs and in the queue of results. Invariants: a job runs at most once,
//! and exactly once unless the pool is dropped first; a result is delivered only after the batch of its job was
//! committed.
//!
//! Deliberately not here: connections, and which handler receives a result (`state::results`).

pub(crate) mod results;
#[cfg(feature = "storage")]
pub mod storage;

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::workers::results::ResultQueue;

/// The state of one thread of a pool: a database handle, a file, or nothing (`()`).
///
/// A worker runs jobs in batches. A batch may fail as a whole, as a transaction does. Then every job of the batch
/// reports the error, so the worker defines the output type of its jobs:
///
/// | worker | [`Output<T>`](Self::Output) | a job returns |
/// |---|---|---|
/// | `()` | `T` | its value |
/// | `storage::Store` | `Result<T, StoreError>` | its value, or the reason why nothing was changed |
///
/// A worker whose batches cannot fail:
///
/// ```
/// use std::convert::Infallible;
/// use switchboard::Worker;
///
/// struct Cache(Vec<u8>);
///
/// impl Worker for Cache {
///     type Output<T: Send + 'static> = T;
///     type Error = Infallible;
///
///     fn failed<T: Send + 'static>(error: Infallible) -> T {
///         match error {}
///     }
/// }
/// ```
pub trait Worker: Send + 'static {
    /// The output of a job, which [`Done`] holds: `T`, or a `Result` if a batch can fail.
    type Output<T: Send + 'static>: Send + 'static;

    /// The reason why a batch failed. Each job of the batch reports a copy.
    type Error: Clone + Send + 'static;

    /// Maximum number of jobs in a batch. Use more than one if a batch costs about as much as a single job, as a
    /// transaction on a disk does.
    const BATCH: usize = 1;

    /// How often [`idle`](Self::idle) is called while there are no jobs. `None`: never.
    const IDLE_INTERVAL: Option<Duration> = None;

    /// Begins a batch. If this fails, no job of the batch runs, and each reports the error.
    ///
    /// # Errors
    /// Defined by the worker.
    fn begin(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Ends a batch. If this fails, each job of the batch reports the error in place of its own output.
    ///
    /// # Errors
    /// Defined by the worker.
    fn commit(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Looks after the state of the worker while there are no jobs. Not called in a simulation.
    fn idle(&mut self) {}

    /// Creates the output of a job whose batch failed.
    fn failed<T: Send + 'static>(error: Self::Error) -> Self::Output<T>;
}

/// A worker without state.
impl Worker for () {
    type Output<T: Send + 'static> = T;
    type Error = Infallible;

    fn failed<T: Send + 'static>(error: Infallible) -> T {
        match error {}
    }
}

/// A pool of threads with a bounded queue of jobs, one [`Worker`] for each thread.
///
/// A handler owns its pools and passes them jobs with [`Context::offload`](crate::Context::offload). The threads start
/// with [`start`](Self::start), or else with the first job. Dropping the pool discards the jobs in its queue and waits
/// for the jobs that run, for at most one second.
///
/// ```
/// use switchboard::{Context, Done, Handler, Origin, Sim, Workers};
///
/// /// Replies to each input with the sum of its bytes. Imagine that adding is slow.
/// struct Sums(Workers<()>);
///
/// impl Handler for Sums {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///
///     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
///         let bytes = input.to_vec();
///         let job = move |(): &mut ()| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
///         if let Err(busy) = cx.offload(&self.0, job) {
///             cx.reply(format!("{busy}\n").as_bytes());
///         }
///         input.len()
///     }
///
///     fn done(&mut self, (): &mut (), done: Done, cx: &mut Context<'_>) {
///         let sum = done.downcast::<u64>().expect("every job of this handler returns a sum");
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

/// The state that the loop and the threads share.
struct Shared<W: Worker> {
    name: Box<str>,
    capacity: usize,
    /// Number of workers.
    size: usize,
    queue: Mutex<Queue<W>>,
    /// Receives the results. Set by the first job.
    results: OnceLock<Arc<ResultQueue>>,
    /// Signals a queued job, or the end of the pool.
    work: Condvar,
    /// Signals the end of a thread.
    ended: Condvar,
}

struct Queue<W: Worker> {
    jobs: VecDeque<Job<W>>,
    /// Workers without a thread.
    workers: Vec<W>,
    /// Number of threads. At first, each one takes a worker.
    threads: usize,
    /// Whether the last attempt to start a thread has failed, which is logged once.
    lacks_threads: bool,
    is_closed: bool,
}

/// A queued job.
pub(crate) struct Job<W: Worker> {
    run: Box<dyn FnOnce(&mut W) -> Done + Send>,
    /// Creates the result of this job if its batch failed.
    fail: fn(W::Error) -> Done,
    /// Returned with the result. The pool does not interpret it.
    user_data: u64,
}

/// Maximum time for which dropping a pool waits for running jobs. An `fsync` takes milliseconds. A disk that hangs must
/// not delay the end of the process for longer.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

impl<W: Worker> Workers<W> {
    /// Creates a pool of threads called `name`, one for each of `workers`, with a queue of at most `capacity` jobs.
    ///
    /// # Panics
    /// If `workers` is empty.
    #[must_use]
    pub fn new(name: &str, capacity: usize, workers: Vec<W>) -> Self {
        assert!(!workers.is_empty(), "a pool needs at least one worker");
        let size = workers.len();
        let queue = Queue { jobs: VecDeque::new(), workers, threads: 0, lacks_threads: false, is_closed: false };
        let (queue, work, ended) = (Mutex::new(queue), Condvar::new(), Condvar::new());
        let shared = Shared { name: name.into(), capacity, size, queue, results: OnceLock::new(), work, ended };
        Workers { shared: Arc::new(shared) }
    }

    /// Starts the threads now, so that a program without the right to start threads fails at its start. Not for a
    /// simulation, which runs jobs itself.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(&self) -> io::Result<()> {
        self.start_threads(&mut self.shared.lock(), spawn)
    }

    /// Queues a job for a simulation.
    ///
    /// # Errors
    /// [`Busy`] if the queue is full.
    pub(crate) fn submit(&self, job: Job<W>) -> Result<(), Busy> {
        self.shared.push(&mut self.shared.lock(), job)
    }

    /// Queues a job for the threads, and starts them if necessary. `results` receives the results.
    ///
    /// # Errors
    /// [`Busy`] if the queue is full, or if there is no thread and the system refuses to start one.
    pub(crate) fn submit_to_threads(&self, job: Job<W>, results: &Arc<ResultQueue>) -> Result<(), Busy> {
        self.submit_to(job, results, spawn)
    }

    fn submit_to(&self, job: Job<W>, results: &Arc<ResultQueue>, spawn: Spawn) -> Result<(), Busy> {
        self.shared.results.get_or_init(|| Arc::clone(results));
        let mut queue = self.shared.lock();
        let started = self.start_threads(&mut queue, spawn);
        let lacks_threads = started.is_err();
        if let Err(error) = started
            && !queue.lacks_threads
        {
            log::error!("{}: cannot start a thread: {error}; look at \"ulimit -u\"", self.shared.name);
        }
        queue.lacks_threads = lacks_threads;
        if queue.threads == 0 {
            return Err(Busy);
        }
        self.shared.push(&mut queue, job)?;
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Starts the threads that are missing.
    fn start_threads(&self, queue: &mut Queue<W>, spawn: Spawn) -> io::Result<()> {
        while queue.threads < self.shared.size {
            let shared = Arc::clone(&self.shared);
            spawn(&self.shared.name, Box::new(move || shared.serve()))?;
            queue.threads += 1;
        }
        Ok(())
    }

    /// Returns a handle that runs the jobs of this pool on the caller's thread, for a simulation.
    pub(crate) fn inline(&self) -> Arc<dyn InlinePool> {
        Arc::clone(&self.shared) as Arc<dyn InlinePool>
    }
}

/// Starts a thread of this name.
type Spawn = fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<()>;

fn spawn(name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop)
}

impl<W: Worker> Job<W> {
    pub(crate) fn new<T: Send + 'static>(
        user_data: u64,
        job: impl FnOnce(&mut W) -> W::Output<T> + Send + 'static,
    ) -> Self {
        Job {
            run: Box::new(|worker| Done::new(job(worker))),
            fail: |error| Done::new(W::failed::<T>(error)),
            user_data,
        }
    }
}

/// A pool that runs its jobs on the caller's thread.
pub(crate) trait InlinePool: Send + Sync {
    /// Runs all queued jobs.
    fn run_queued(&self, results: &ResultQueue);
}

impl<W: Worker> InlinePool for Shared<W> {
    fn run_queued(&self, results: &ResultQueue) {
        let Some(mut worker) = self.lock().workers.pop() else { return };
        loop {
            let batch = take_batch(&mut self.lock().jobs, W::BATCH);
            if batch.is_empty() {
                return self.lock().workers.push(worker);
            }
            results.send(run(&mut worker, batch));
        }
    }
}

impl<W: Worker> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Queue<W>> {
        // No code that can panic runs under the lock, so the queue is consistent even if the lock is poisoned.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, queue: &mut Queue<W>, job: Job<W>) -> Result<(), Busy> {
        if queue.jobs.len() >= self.capacity {
            return Err(Busy);
        }
        queue.jobs.push_back(job);
        Ok(())
    }

    /// Runs batches until the pool is closed: the body of a thread.
    fn serve(&self) {
        // Locals are dropped in reverse order: the worker closes its file before the thread counts as ended.
        let _end = ThreadEnd { shared: self };
        let Some(mut worker) = self.lock().workers.pop() else { return };
        while let Some(batch) = self.next_batch() {
            match self.results.get() {
                Some(results) if !batch.is_empty() => results.send(run(&mut worker, batch)),
                _ => worker.idle(),
            }
        }
    }

    /// Waits for jobs. Returns no jobs after an idle interval, and `None` when the pool is closed.
    fn next_batch(&self) -> Option<Vec<Job<W>>> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            let batch = take_batch(&mut queue.jobs, W::BATCH);
            if !batch.is_empty() {
                if !queue.jobs.is_empty() {
                    self.work.notify_one();
                }
                return Some(batch);
            }
            let Some(interval) = W::IDLE_INTERVAL else {
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.work.wait_timeout(queue, interval).unwrap_or_else(PoisonError::into_inner);
            queue = waited.0;
            if waited.1.timed_out() && queue.jobs.is_empty() && !queue.is_closed {
                return Some(Vec::new());
            }
        }
    }
}

impl<W: Worker> Drop for Workers<W> {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.jobs.clear();
        self.shared.work.notify_all();
        let waited = self.shared.ended.wait_timeout_while(queue, CLOSE_WAIT, |queue| queue.threads > 0);
        let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.threads > 0 {
            log::warn!("{} threads of {} are still running and were abandoned", queue.threads, self.shared.name);
        }
    }
}

/// Reports the end of a thread when dropped. After a panic, it also makes the loop fail. Otherwise, sessions would wait
/// forever for their results.
struct ThreadEnd<'a, W: Worker> {
    shared: &'a Shared<W>,
}

impl<W: Worker> Drop for ThreadEnd<'_, W> {
    fn drop(&mut self) {
        if thread::panicking()
            && let Some(results) = self.shared.results.get()
        {
            results.fail(format!("a worker of {} has panicked", self.shared.name));
        }
        self.shared.lock().threads -= 1;
        self.shared.ended.notify_all();
    }
}

fn take_batch<T>(jobs: &mut VecDeque<T>, limit: usize) -> Vec<T> {
    jobs.drain(..limit.max(1).min(jobs.len())).collect()
}

/// Runs a batch. If the batch was committed, returns the result of each job, and otherwise the error for each job.
fn run<W: Worker>(worker: &mut W, batch: Vec<Job<W>>) -> Vec<(u64, Done)> {
    if let Err(error) = worker.begin() {
        return batch.into_iter().map(|job| (job.user_data, (job.fail)(error.clone()))).collect();
    }
    let results: Vec<_> = batch.into_iter().map(|job| (job.user_data, job.fail, (job.run)(worker))).collect();
    let committed = worker.commit();
    results
        .into_iter()
        .map(|(user_data, fail, done)| match &committed {
            Ok(()) => (user_data, done),
            Err(error) => (user_data, fail(error.clone())),
        })
        .collect()
}

/// The result of an offloaded job.
///
/// A handler may offload jobs of several types, so the result is dynamically typed. The handler's session identifies
/// the job.
pub struct Done(Box<dyn Any + Send>);

impl Done {
    fn new<T: Send + 'static>(result: T) -> Self {
        Done(Box::new(result))
    }

    /// Returns the result if its type is `T`.
    ///
    /// For a job that returns a `T` to a [`Worker`] `W`, that type is [`W::Output<T>`](Worker::Output): `T` itself for
    /// `Workers<()>`, `Result<T, StoreError>` for a data file.
    ///
    /// # Errors
    /// This `Done`, unchanged, if the result is of another type.
    pub fn downcast<T: 'static>(self) -> Result<T, Done> {
        self.0.downcast().map(|result| *result).map_err(Done)
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

/// The error of a job that was not accepted: the queue is full, the session already has a job, or the system refuses to
/// start a thread.
///
/// Its `Display` is a reply for a peer: `busy, try again`.
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
