//! The record of a room: its last events, a history for newcomers, and a log.
//!
//! Invariant: the record holds only what all members could see. It receives every event once, in order. Without a
//! history for newcomers, a member is shown no event from before it has joined.

use std::fmt;
use std::time::SystemTime;

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::workers::Done;

use super::chat_log::ChatLog;
use super::event::Event;
use super::history::{History, Past};
use crate::servers::local_time::LocalTime;

/// The events that a room keeps, for `/history`, for newcomers, and in a log.
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
    /// All events, for `/history`.
    events: History,
    /// What was said, for newcomers.
    newcomers: Option<History>,
    log: Option<ChatLog>,
    has_timestamps: bool,
}

/// The most events that `/history` can show.
const MOST_EVENTS: usize = 1000;
/// The most bytes that `/history` can show. 64 KiB are below the mark at which the input of its member is paused.
const MOST_EVENT_BYTES: usize = 64 * 1024;

impl Record {
    /// Creates a record that keeps the last thousand events, or 64 KiB of them, for `/history`. `clock` converts system
    /// time to local time.
    pub fn new(clock: impl Fn(SystemTime) -> LocalTime + Send + 'static) -> Self {
        let events = History::new(MOST_EVENTS, MOST_EVENT_BYTES);
        Record { clock: Box::new(clock), events, newcomers: None, log: None, has_timestamps: false }
    }

    /// Shows each newcomer the last lines that were said: at most `lines` lines, of at most `bytes` bytes together.
    /// Then `/history` also shows events from before a member has joined.
    ///
    /// The history is sent at once, so `bytes` should not exceed [`Limits::high_mark`](crate::Limits::high_mark). Each
    /// line takes up to a hundred bytes of memory in addition.
    #[must_use]
    pub fn with_history(self, lines: usize, bytes: usize) -> Self {
        Record { newcomers: Some(History::new(lines, bytes)), ..self }
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

    /// Adds an event, and the line that members see of it.
    pub(super) fn add(&mut self, event: &Event<'_>, shown: &[u8], cx: &mut Context<'_>) {
        let past = Past::new(cx.system_time(), shown);
        // A crowd that comes and goes would displace the conversation.
        if let Some(newcomers) = self.newcomers.as_mut().filter(|_| event.is_talk()) {
            newcomers.add(past.clone());
        }
        self.events.add(past);
        if let Some(log) = &mut self.log {
            log.add(event, (self.clock)(cx.system_time()), cx);
            if matches!(event, Event::Stop) {
                // The timer for the next attempt may not run any more.
                log.try_again(cx);
            }
        }
    }

    /// The time before a line of the room. Empty without timestamps.
    pub(super) fn stamp(&self, cx: &Context<'_>) -> String {
        if self.has_timestamps { (self.clock)(cx.system_time()).stamp() } else { String::new() }
    }

    /// Replies with the lines that were said, for a newcomer.
    pub(super) fn replay(&self, cx: &mut Context<'_>) {
        if let Some(newcomers) = &self.newcomers {
            newcomers.replay(usize::MAX, 0, &self.clock, cx);
        }
    }

    /// The number of events so far.
    pub(super) fn count(&self) -> u64 {
        self.events.count()
    }

    /// Replies with the last `most` events, for a member that has joined after the first `since`.
    pub(super) fn replay_events(&self, most: usize, since: u64, cx: &mut Context<'_>) {
        let since = if self.newcomers.is_some() { 0 } else { since };
        self.events.replay(most, since, &self.clock, cx);
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
        let Record { clock: _, events, newcomers, log, has_timestamps: _ } = self;
        let mut shown = f.debug_struct("Record");
        shown.field("events", events).field("newcomers", newcomers).field("log", log).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
