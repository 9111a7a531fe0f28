//! The log of a room: one line per event.

use std::io::{self, Write};

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::servers::line_log::LineLog;
use crate::servers::text::counted;
use crate::workers::Done;

use super::event::Event;
use crate::servers::local_time::LocalTime;

/// Writes the events of a room in a thread of its own. Pass it to [`Record::with_log`](super::Record::with_log).
///
/// Lines that are not written when the log is dropped are lost, and a warning gives their number. A reactor that stops
/// first waits until they are written. If more than a mebibyte waits, later events are lost, and a line in the log says
/// how many.
#[derive(Debug)]
pub struct ChatLog {
    lines: LineLog,
}

impl ChatLog {
    /// Creates a log that writes to `out`, which may block. A failed write is tried again. Warnings call it `name`.
    ///
    /// `out` is flushed after each batch and, while there is nothing to write, once a second.
    pub fn new(name: &str, out: impl Write + Send + 'static) -> Self {
        ChatLog { lines: LineLog::new("chat-log", name, out) }
    }

    /// Starts the thread that writes now, rather than with the first event. Not for a simulation.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub fn start_thread(&self) -> io::Result<()> {
        self.lines.start_thread()
    }

    /// Adds a line for an event, to be written now or later.
    pub(super) fn add(&mut self, event: &Event<'_>, at: LocalTime, cx: &mut Context<'_>) {
        self.lines.add(|line| event.write(at, line), gap(at), cx);
    }

    /// Handles the result of a batch.
    pub(super) fn service_done(&mut self, done: Done, at: LocalTime, cx: &mut Context<'_>) {
        let result = self.lines.service_done(done, gap(at), cx);
        debug_assert!(result.is_ok(), "the only job of a chat writes its log");
    }

    /// Writes a refused batch again when its timer fires.
    pub(super) fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.lines.service_timer(timer, cx);
    }

    /// Opens the file again.
    pub(super) fn reload(&mut self, cx: &mut Context<'_>) {
        self.lines.reload(cx);
    }

    /// Writes a refused batch again, if there is one.
    pub(super) fn try_again(&mut self, cx: &mut Context<'_>) {
        self.lines.try_again(cx);
    }
}

/// The line for lost events.
fn gap(at: LocalTime) -> impl Fn(u64) -> String {
    move |lost| format!("{at} lost {}\n", counted(lost, "event"))
}
