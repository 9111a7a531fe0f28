//! Lines that a worker appends to a file: the log of a chat, the access log of `http-server`.
//!
//! Invariants: lines are written whole, once and in order, one batch after another. While a batch is being written or
//! cannot be written, further lines wait in bounded memory. Lines beyond that are counted. The loop never waits.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use memchr::memchr_iter;

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::servers::text::counted;
use crate::state::throttle::Throttle;
use crate::workers::{Done, Worker, Workers};

/// Writes lines in a thread of its own.
///
/// Lines that are not written when it is dropped are lost, and a warning gives their number. A reactor that stops first
/// waits until they are written.
#[derive(Debug)]
pub(super) struct LineLog {
    name: Box<str>,
    workers: Workers<Writer>,
    stage: Stage,
    /// Lines for the next batch.
    waiting: Vec<u8>,
    /// Lines that were dropped since `waiting` was full.
    lost: u64,
    /// The timer for the next attempt to write a refused batch.
    retry: Option<TimerId>,
    refusals: Throttle,
    losses: Throttle,
}

/// The state of the current batch.
enum Stage {
    /// There is no batch. The empty buffer is kept for reuse.
    Idle(Vec<u8>),
    /// The worker has the batch, of this many lines.
    Out(usize),
    /// The worker could not write these bytes.
    Refused(Vec<u8>),
}

/// Bytes that may wait, in addition to a batch of the same size. 1 MiB holds about ten thousand lines.
const MOST_WAITING: usize = 1024 * 1024;
/// Largest capacity, in bytes, of a buffer that is kept for reuse. A larger buffer is shrunk after a busy time.
const KEPT_CAPACITY: usize = 64 * 1024;
/// Time between two attempts to write a refused batch. 1 s: soon after a disk has space again, at a negligible cost.
const RETRY: Duration = Duration::from_secs(1);

impl LineLog {
    /// Creates a log that writes to `out`, which may block, in a thread called `thread`. A failed write is tried again.
    /// Warnings call it `name`.
    ///
    /// `out` is flushed after each batch and, while there is nothing to write, once a second.
    pub(super) fn new(thread: &str, name: &str, out: impl Write + Send + 'static) -> Self {
        LineLog {
            name: name.into(),
            // A queue of one is enough: the next batch follows the result of this one.
            workers: Workers::new(thread, 1, vec![Writer { out: Box::new(out) }]),
            stage: Stage::Idle(Vec::new()),
            waiting: Vec::new(),
            lost: 0,
            retry: None,
            refusals: Throttle::new(),
            losses: Throttle::new(),
        }
    }

    /// Starts the thread that writes now, rather than with the first line. Not for a simulation.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub(super) fn start_thread(&self) -> io::Result<()> {
        self.workers.start()
    }

    /// Adds the line that `write` appends, to be written now or later.
    ///
    /// The line that `gap` returns for a number of lost lines stands in their place. It may be empty.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>), gap: impl Fn(u64) -> String, cx: &mut Context<'_>) {
        let length = self.waiting.len();
        write(&mut self.waiting);
        // A single line is accepted at any length. After a loss, no line is accepted until the gap is in the log.
        if self.lost > 0 || length > 0 && self.waiting.len() > MOST_WAITING {
            self.waiting.truncate(length);
            self.lost += 1;
            if let Some(repeats) = self.losses.note(cx.now()) {
                log::warn!("{} is too slow: lost a line while {length} bytes wait{repeats}", self.name);
            }
        }
        self.send(gap, cx);
    }

    /// Passes the waiting lines to the worker, if it is idle.
    fn send(&mut self, gap: impl Fn(u64) -> String, cx: &mut Context<'_>) {
        let Stage::Idle(spare) = &mut self.stage else { return };
        let spare = std::mem::take(spare);
        if self.waiting.is_empty() {
            self.add_gap(&gap);
        }
        if !self.waiting.is_empty() {
            let batch = std::mem::replace(&mut self.waiting, spare);
            self.add_gap(gap);
            self.start_batch(batch, cx);
        }
    }

    /// Adds a line for the lost lines, if there are any.
    fn add_gap(&mut self, gap: impl Fn(u64) -> String) {
        if self.lost > 0 {
            self.waiting.extend_from_slice(gap(std::mem::take(&mut self.lost)).as_bytes());
        }
    }

    fn start_batch(&mut self, batch: Vec<u8>, cx: &mut Context<'_>) {
        let lines = lines(&batch);
        if cx.offload_detached(&self.workers, move |writer| writer.write(batch)).is_ok() {
            self.stage = Stage::Out(lines);
        } else {
            // One batch at a time fits a queue of one, so the system refuses the thread, which is logged.
            self.stage = Stage::Idle(Vec::new());
            self.lost += lines as u64;
        }
    }

    /// Handles the result of a batch.
    ///
    /// # Errors
    /// `done`, if it is the result of another job.
    pub(super) fn service_done(
        &mut self,
        done: Done,
        gap: impl Fn(u64) -> String,
        cx: &mut Context<'_>,
    ) -> Result<(), Done> {
        let Outcome { mut rest, result } = done.downcast()?;
        let Err(error) = result else {
            rest.shrink_to(KEPT_CAPACITY);
            self.stage = Stage::Idle(rest);
            self.send(gap, cx);
            return Ok(());
        };
        if let Some(repeats) = self.refusals.note(cx.now()) {
            let (name, lines) = (&self.name, counted(lines(&rest) + lines(&self.waiting), "line"));
            let remedy = if error.kind() == ErrorKind::StorageFull { "make room on" } else { "check" };
            log::warn!("cannot write to {name}: {error}; {remedy} its disk, {lines} waiting{repeats}");
        }
        self.stage = Stage::Refused(rest);
        self.retry = Some(cx.set_service_timer(RETRY));
        Ok(())
    }

    /// Writes a refused batch again when its timer fires.
    pub(super) fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if self.retry.take_if(|retry| *retry == timer).is_some() {
            self.try_again(cx);
        }
    }

    /// Opens the file again, with an empty batch. A batch that is under way does it, too.
    pub(super) fn reload(&mut self, cx: &mut Context<'_>) {
        if let Stage::Idle(spare) = &mut self.stage {
            let batch = std::mem::take(spare);
            self.start_batch(batch, cx);
        }
    }

    /// Writes a refused batch again, if there is one.
    pub(super) fn try_again(&mut self, cx: &mut Context<'_>) {
        if let Stage::Refused(rest) = &mut self.stage {
            let rest = std::mem::take(rest);
            self.start_batch(rest, cx);
        }
    }
}

impl Drop for LineLog {
    fn drop(&mut self) {
        // The worker may still write its batch.
        let (up_to, batch) = match &self.stage {
            Stage::Idle(_) => ("", 0),
            Stage::Out(lines) => ("up to ", *lines),
            Stage::Refused(rest) => ("", lines(rest)),
        };
        let missing = batch as u64 + lines(&self.waiting) as u64 + self.lost;
        if missing > 0 {
            log::warn!("{up_to}{} not written to {}", counted(missing, "line"), self.name);
        }
    }
}

fn lines(text: &[u8]) -> usize {
    memchr_iter(b'\n', text).count()
}

/// The worker's side.
struct Writer {
    out: Box<dyn Write + Send>,
}

impl Worker for Writer {
    type Output<T: Send + 'static> = T;
    /// A failed write is not an error of the pool: [`Outcome`] reports it.
    type Error = Infallible;

    const IDLE_INTERVAL: Option<Duration> = Some(Duration::from_secs(1));

    fn idle(&mut self) {
        // The next batch meets an error again, and reports it.
        let _ = self.out.flush();
    }

    fn failed<T: Send + 'static>(error: Infallible) -> T {
        match error {}
    }
}

/// The result of a batch.
#[derive(Debug)]
struct Outcome {
    /// The bytes that were not written. Empty unless there was an error.
    rest: Vec<u8>,
    result: io::Result<()>,
}

impl Writer {
    fn write(&mut self, mut batch: Vec<u8>) -> Outcome {
        let mut written = 0;
        let result = loop {
            if written == batch.len() {
                break self.out.flush();
            }
            match self.out.write(&batch[written..]) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        batch.drain(..written);
        Outcome { rest: batch, result }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Idle(_) => f.write_str("Idle"),
            Stage::Out(lines) => write!(f, "Out({lines})"),
            Stage::Refused(rest) => write!(f, "Refused({} bytes)", rest.len()),
        }
    }
}
