//! The log of a room: a line an event, appended by a worker.
//!
//! Invariants: lines are written whole, once and in order, one batch after another; while a batch is under way, or cannot be
//! written, lines wait in memory of bounded size; what finds no room there is counted, and its place in the log says how
//! much is missing. The room never waits. Does not open files: where the lines go is whatever it was given.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use memchr::memchr_iter;

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::state::throttle::Throttle;
use crate::workers::{Done, Worker, Workers};

use super::event::Event;
use super::local_time::LocalTime;

/// Writes down what happens in a room, in a thread of its own. [`Record::with_log`](super::Record::with_log) takes it.
///
/// What is not written when it is dropped is lost, and a warning says how many lines that were. A reactor that stops waits
/// for them first.
#[derive(Debug)]
pub struct ChatLog {
    name: Box<str>,
    workers: Workers<Writer>,
    stage: Stage,
    /// Lines for the next batch.
    waiting: Vec<u8>,
    /// Events that found no room there since.
    lost: u64,
    /// When a batch that was refused is tried again.
    retry: Option<TimerId>,
    refusals: Throttle,
    losses: Throttle,
}

/// Where the batch is.
enum Stage {
    /// There is none; an empty buffer is kept for its memory.
    Idle(Vec<u8>),
    /// The worker has it: so many lines.
    Out(usize),
    /// This is what the worker could not write.
    Refused(Vec<u8>),
}

/// So many bytes wait at most, beside a batch of the same size: about ten thousand lines.
const MOST_WAITING: usize = 1024 * 1024;
/// The buffers are not kept beyond this, so that one busy hour does not stay in memory.
const KEPT_CAPACITY: usize = 64 * 1024;
/// After which time a batch that was refused is tried again. 1 s: soon enough to miss nothing when a disk has room again, and
/// too rarely to be work.
const RETRY: Duration = Duration::from_secs(1);

impl ChatLog {
    /// Writes to `out`, which may take its time; `name` is what warnings call it. An `out` that fails is tried again.
    pub fn new(name: &str, out: impl Write + Send + 'static) -> Self {
        ChatLog {
            name: name.into(),
            // Of one: the next batch is not handed over before this one is done.
            workers: Workers::new("chat-log", 1, vec![Writer { out: Box::new(out) }]),
            stage: Stage::Idle(Vec::new()),
            waiting: Vec::new(),
            lost: 0,
            retry: None,
            refusals: Throttle::new(),
            losses: Throttle::new(),
        }
    }

    /// Writes an event down, now or later.
    pub(super) fn note(&mut self, event: &Event<'_>, at: LocalTime, cx: &mut Context<'_>) {
        let length = self.waiting.len();
        event.write(at, &mut self.waiting);
        // A line by itself is taken however long it is. Behind a loss there is nothing: the log has one place for it.
        if self.lost > 0 || length > 0 && self.waiting.len() > MOST_WAITING {
            self.waiting.truncate(length);
            self.lost += 1;
            if let Some(count) = self.losses.note(cx.now()) {
                let name = &self.name;
                log::warn!("{name} takes too long: {count} events lost since the last such line ({length} bytes wait)");
            }
        }
        self.send(at, cx);
    }

    /// Gives the worker what waits, if it has nothing else to do.
    fn send(&mut self, at: LocalTime, cx: &mut Context<'_>) {
        let Stage::Idle(spare) = &mut self.stage else { return };
        if self.waiting.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.waiting, std::mem::take(spare));
        if self.lost > 0 {
            // Writing to memory does not fail.
            let _ = writeln!(self.waiting, "{at} lost {} events", std::mem::take(&mut self.lost));
        }
        self.hand_over(batch, cx);
    }

    fn hand_over(&mut self, batch: Vec<u8>, cx: &mut Context<'_>) {
        self.stage = Stage::Out(lines(&batch));
        let taken = cx.offload_detached(&self.workers, move |writer| writer.write(batch));
        debug_assert!(taken.is_ok(), "one batch at a time fits a queue of one");
    }

    /// The worker is done with a batch.
    pub(super) fn service_done(&mut self, done: Done, at: LocalTime, cx: &mut Context<'_>) {
        let Outcome { mut rest, result } = done.downcast().expect("the only job of this pool writes a batch");
        let Err(error) = result else {
            rest.shrink_to(KEPT_CAPACITY);
            self.stage = Stage::Idle(rest);
            return self.send(at, cx);
        };
        if let Some(count) = self.refusals.note(cx.now()) {
            let (name, lines) = (&self.name, lines(&rest) + lines(&self.waiting));
            let remedy = if error.kind() == ErrorKind::StorageFull { "make room on" } else { "look at" };
            log::warn!(
                "cannot write to {name}: {error}; {remedy} its disk \
                 ({lines} lines wait, {count} tries since the last such line)"
            );
        }
        self.stage = Stage::Refused(rest);
        self.retry = Some(cx.set_timer(RETRY));
    }

    /// A timer is due.
    pub(super) fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if self.retry.take_if(|retry| *retry == timer).is_some() {
            self.try_again(cx);
        }
    }

    /// Tries once more what could not be written.
    pub(super) fn try_again(&mut self, cx: &mut Context<'_>) {
        if let Stage::Refused(rest) = &mut self.stage {
            let rest = std::mem::take(rest);
            self.hand_over(rest, cx);
        }
    }
}

impl Drop for ChatLog {
    fn drop(&mut self) {
        // What is under way may still be written.
        let (sure, batch) = match &self.stage {
            Stage::Idle(_) => ("", 0),
            Stage::Out(lines) => ("up to ", *lines),
            Stage::Refused(rest) => ("", lines(rest)),
        };
        let missing = batch as u64 + lines(&self.waiting) as u64 + self.lost;
        if missing > 0 {
            log::warn!("{sure}{missing} lines were not written to {}", self.name);
        }
    }
}

fn lines(text: &[u8]) -> usize {
    memchr_iter(b'\n', text).count()
}

/// The thread's side.
struct Writer {
    out: Box<dyn Write + Send>,
}

impl Worker for Writer {
    type Output<T: Send + 'static> = T;
    /// A failed write is not an error of the pool: [`Outcome`] reports it.
    type Error = Infallible;

    fn failed<T: Send + 'static>(error: Infallible) -> T {
        match error {}
    }
}

/// What has become of a batch.
#[derive(Debug)]
struct Outcome {
    /// What was not written; empty unless there was an error.
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
