//! What a room keeps of what happens in it: nothing, a history for those who join later, a log, or both.
//!
//! Invariant: what is kept is what all members could see. Every event passes here once, in the order in which it happened.

use std::fmt;
use std::time::SystemTime;

use crate::connection::closed::Closed;
use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::workers::Done;

use super::chat_log::ChatLog;
use super::event::Event;
use super::history::History;
use super::local_time::LocalTime;

/// What a room keeps of what happens in it.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Chat, ChatOptions, LocalDate, LocalTime, Record};
///
/// // A clock that has stopped. A real one asks a library about its time zone.
/// let date = LocalDate { year: 2000, month: 1, day: 1 };
/// let clock = move |_| LocalTime { date, hour: 13, minute: 0, second: 0, offset: 60 };
/// let record = Record::new(clock).with_history(100, 64 * 1024);
/// let mut sim = Sim::new(Chat::room(ChatOptions { record: Some(record), ..ChatOptions::default() }));
/// let (ann, bob) = (sim.connect(), sim.connect());
/// sim.send(ann, b"ann\nis anybody here?\n");
/// sim.run();
/// sim.send(bob, b"bob\n");
/// let seen = b"Enter your nickname: 13:00 ann: is anybody here?\nWelcome bob to the room!\n2 persons are here.\n";
/// assert_eq!(sim.received(bob), seen);
/// ```
pub struct Record {
    clock: Box<dyn Fn(SystemTime) -> LocalTime + Send>,
    history: Option<History>,
    log: Option<ChatLog>,
}

impl Record {
    /// One that keeps nothing yet, and reads the time of day with this clock: it decides upon the time zone.
    pub fn new(clock: impl Fn(SystemTime) -> LocalTime + Send + 'static) -> Self {
        Record { clock: Box::new(clock), history: None, log: None }
    }

    /// Shows those who join the last lines that were said: no more than `lines`, and no more than `bytes` in all.
    ///
    /// All of it is replied at once, so `bytes` should be no more than [`Limits::high_mark`](crate::Limits::high_mark). Each line
    /// takes less than a hundred bytes of memory beside these.
    #[must_use]
    pub fn with_history(self, lines: usize, bytes: usize) -> Self {
        Record { history: Some(History::new(lines, bytes)), ..self }
    }

    /// Writes down what happens.
    #[must_use]
    pub fn with_log(self, log: ChatLog) -> Self {
        Record { log: Some(log), ..self }
    }

    /// Keeps an event.
    pub(super) fn note(&mut self, event: &Event<'_>, cx: &mut Context<'_>) {
        let at = (self.clock)(cx.system_time());
        if let Some(history) = &mut self.history {
            history.note(event, at);
        }
        if let Some(log) = &mut self.log {
            log.note(event, at, cx);
            if matches!(event, Event::Leave { why: Closed::Stopping, .. }) {
                // There may be no other time.
                log.try_again(cx);
            }
        }
    }

    /// Shows the peer of this callback what was said before it came.
    pub(super) fn replay(&self, cx: &mut Context<'_>) {
        if let Some(history) = &self.history {
            history.replay((self.clock)(cx.system_time()).date, cx);
        }
    }

    /// A job of the log is done.
    pub(super) fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let at = (self.clock)(cx.system_time());
        if let Some(log) = &mut self.log {
            log.service_done(done, at, cx);
        }
    }

    /// A timer of the log is due.
    pub(super) fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.log {
            log.service_timer(timer, cx);
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { clock: _, history, log } = self;
        f.debug_struct("Record").field("history", history).field("log", log).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
