//! What a server keeps of its rooms: how much history each has, the log of all, and the clock for both.
//!
//! Invariant: the log receives every event that members of a room could see once, in order.

use std::fmt;
use std::time::SystemTime;

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::workers::Done;

use super::chat_log::ChatLog;
use super::room::{Event, History, HistoryLimits, What};
use crate::servers::local_time::LocalTime;

/// The events that are kept, for `/history`, for newcomers, and in a log.
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
    /// How much newcomers are shown of what was said.
    newcomers: Option<HistoryLimits>,
    log: Option<ChatLog>,
    has_timestamps: bool,
}

/// What `/history` can show. 64 KiB are below the mark at which the input of its member is paused.
const EVENTS: HistoryLimits = HistoryLimits { events: 1000, bytes: 64 * 1024 };

impl Record {
    /// Creates a record that keeps the last thousand events of each room, or 64 KiB of them, for `/history`. `clock`
    /// converts system time to local time.
    pub fn new(clock: impl Fn(SystemTime) -> LocalTime + Send + 'static) -> Self {
        Record { clock: Box::new(clock), newcomers: None, log: None, has_timestamps: false }
    }

    /// Shows each newcomer the last lines that were said: at most `lines` lines, of at most `bytes` bytes together.
    /// Then `/history` also shows events from before a member has joined.
    ///
    /// The history is sent at once, so `bytes` should not exceed [`Limits::high_mark`](crate::Limits::high_mark). Each
    /// line takes up to two hundred bytes of memory in addition.
    #[must_use]
    pub fn with_history(self, lines: usize, bytes: usize) -> Self {
        Record { newcomers: Some(HistoryLimits { events: lines, bytes }), ..self }
    }

    /// Writes every event to `log`.
    #[must_use]
    pub fn with_log(self, log: ChatLog) -> Self {
        Record { log: Some(log), ..self }
    }

    /// Shows the time before each line of the room and each private message.
    #[must_use]
    pub fn with_timestamps(self) -> Self {
        Record { has_timestamps: true, ..self }
    }

    /// Creates the history of a room.
    pub(super) fn history(&self) -> History {
        History::new(EVENTS, self.newcomers)
    }

    /// Adds an event to the log: of this room, unless it is the first or all rooms see the event.
    pub(super) fn log(&mut self, event: &Event<'_>, room: Option<&str>, cx: &mut Context<'_>) {
        let Some(log) = &mut self.log else { return };
        log.add(event, room, (self.clock)(event.at), cx);
        if matches!(event.what, What::Stop) {
            // The timer for the next attempt may not run any more.
            log.try_again(cx);
        }
    }

    /// The local time of an event.
    pub(super) fn local_time(&self, at: SystemTime) -> LocalTime {
        (self.clock)(at)
    }

    /// The time before a live line of a room. Empty without timestamps.
    pub(super) fn stamp(&self, at: SystemTime) -> String {
        if self.has_timestamps { self.local_time(at).stamp() } else { String::new() }
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
        let Record { clock: _, newcomers, log, has_timestamps: _ } = self;
        f.debug_struct("Record").field("newcomers", newcomers).field("log", log).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
