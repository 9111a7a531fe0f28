//! The log of the rooms: one line per event.
//!
//! Invariant: a line has no character that [`sanitize`] replaces. A private message is not passed to it.

use std::io::{self, Write};

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::line_log::LineLog;
use crate::servers::text::counted;
use crate::workers::Done;

use super::room::{Event, What};
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

    /// Adds a line for an event, to be written now or later. `room` is not the first one.
    pub(super) fn add(&mut self, event: &Event<'_>, room: Option<&str>, at: LocalTime, cx: &mut Context<'_>) {
        self.lines.add(|line| write(&event.what, room, at, line), gap(at), cx);
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

/// Appends the line of an event: its time, its word, and its details.
fn write(what: &What<&str>, room: Option<&str>, at: LocalTime, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{at} {}", word(what));
    let _ = room.map_or(Ok(()), |room| write!(out, "@{room}"));
    let _ = match *what {
        What::Part { nick, to } => writeln!(out, " {nick} {to}"),
        What::Leave { nick, cause } => writeln!(out, " {nick} {}", sanitize(cause.as_bytes())),
        What::Rename { old, nick } => writeln!(out, " {old} {nick}"),
        What::Join { nick, .. } | What::Kick { nick, reason: "" } => writeln!(out, " {nick}"),
        What::Say { nick, text } | What::Act { nick, text } | What::Kick { nick, reason: text } => {
            writeln!(out, " {nick} {text}")
        }
        What::Tell { from, to, text } => writeln!(out, " {from} {to} {text}"),
        What::Operator { text } => writeln!(out, " {text}"),
        What::Crowd(ref tally) => writeln!(out, " {} {}", tally.joined, tally.left),
        What::Stop => writeln!(out),
    };
}

fn word(what: &What<&str>) -> &'static str {
    match what {
        What::Join { .. } => "join",
        What::Part { .. } => "part",
        What::Leave { .. } => "leave",
        What::Rename { .. } => "rename",
        What::Say { .. } => "say",
        What::Act { .. } => "act",
        What::Tell { .. } => "tell",
        What::Kick { .. } => "kick",
        What::Operator { .. } => "operator",
        What::Crowd(_) => "crowd",
        What::Stop => "stop",
    }
}

/// The line for lost events.
fn gap(at: LocalTime) -> impl Fn(u64) -> String {
    move |lost| format!("{at} lost {}\n", counted(lost, "event"))
}
