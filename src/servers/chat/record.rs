//! The record of a room: a history for newcomers, a log, or both.
//!
//! Invariant: the record holds only what all members could see. It receives every event once, in order.

use std::fmt;
use std::time::SystemTime;

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::workers::Done;

use super::chat_log::ChatLog;
use super::event::Event;
use super::history::History;
use super::local_time::LocalTime;

/// The events that a room keeps, as a history, as a log, or as both.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Chat, ChatOptions, LocalDate, LocalTime, Record};
///
/// // A stopped clock. A real one uses a library for its time zone.
/// let date = LocalDate { year: 2000, month: 1, day: 1 };
/// let clock = move |_| LocalTime { date, hour: 13, minute: 0, second: 0, offset: 60 };
/// let record = Record::new(clock).with_history(100, 64 * 1024);
/// let mut options = ChatOptions::default();
/// options.record = Some(record);
/// let mut sim = Sim::new(Chat::room(options));
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
    /// Creates a record that keeps nothing yet. `clock` converts system time to local time.
    pub fn new(clock: impl Fn(SystemTime) -> LocalTime + Send + 'static) -> Self {
        Record { clock: Box::new(clock), history: None, log: None }
    }

    /// Shows each newcomer the last lines that were said: at most `lines` lines, of at most `bytes` bytes together.
    ///
    /// The history is sent at once, so `bytes` should not exceed [`Limits::high_mark`](crate::Limits::high_mark). Each
    /// line takes up to a hundred bytes of memory in addition.
    #[must_use]
    pub fn with_history(self, lines: usize, bytes: usize) -> Self {
        Record { history: Some(History::new(lines, bytes)), ..self }
    }

    /// Writes every event to `log`.
    #[must_use]
    pub fn with_log(self, log: ChatLog) -> Self {
        Record { log: Some(log), ..self }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, event: &Event<'_>, cx: &mut Context<'_>) {
        let at = (self.clock)(cx.system_time());
        if let Some(history) = &mut self.history {
            history.add(event, at);
        }
        if let Some(log) = &mut self.log {
            log.add(event, at, cx);
            if matches!(event, Event::Stop) {
                // The timer for the next attempt may not run any more.
                log.try_again(cx);
            }
        }
    }

    /// Replies with the history.
    pub(super) fn replay(&self, cx: &mut Context<'_>) {
        if let Some(history) = &self.history {
            history.replay((self.clock)(cx.system_time()).date, cx);
        }
    }

    /// Opens the file of the log again.
    pub(super) fn reload(&mut self, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.log {
            log.reload(cx);
        }
    }

    /// Handles a finished job of the log.
    pub(super) fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let at = (self.clock)(cx.system_time());
        if let Some(log) = &mut self.log {
            log.service_done(done, at, cx);
        }
    }

    /// Handles a timer of the log.
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
