//! The last events of a room: for `/history`, for newcomers, and for pages that come back.
//!
//! Invariants: a history holds only what all members of the room could see, each event once, in order and without a
//! gap, as many as both limits allow. An event is rendered when it is shown, because few are.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::event::{Event, What};

/// The last events of a room.
#[derive(Debug)]
pub(crate) struct History {
    /// All events, for `/history`.
    events: Ring,
    /// What was said, for newcomers.
    talk: Option<Ring>,
}

/// An event of the past.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    id: u64,
    at: SystemTime,
    /// Each text is a range of `text`, so an event takes one allocation.
    what: What<(usize, usize)>,
    text: String,
    /// The length of its line with a date and a time, in bytes.
    length: usize,
}

/// The most recent events.
#[derive(Debug)]
struct Ring {
    events: VecDeque<Past>,
    /// Bytes of all lines, each with its date and time.
    bytes: usize,
    limits: HistoryLimits,
    /// The id of the last event that was dropped.
    dropped: u64,
}

/// The most events that are kept, and the most bytes of their lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryLimits {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// The length of a date, a time, and a space after each.
const STAMP_BYTES: usize = "2000-01-01 12:00 ".len();

impl Past {
    /// The event as it was.
    pub(crate) fn event(&self) -> Event<'_> {
        Event { id: self.id, at: self.at, by: None, what: self.what.map(|&(start, end)| &self.text[start..end]) }
    }
}

impl History {
    /// Creates a history of `events`. With `talk`, newcomers are shown what was said.
    pub(crate) fn new(events: HistoryLimits, talk: Option<HistoryLimits>) -> Self {
        History { events: Ring::new(events), talk: talk.map(Ring::new) }
    }

    /// Adds an event, whose line is this long, in bytes.
    pub(crate) fn add(&mut self, event: &Event<'_>, line: usize) {
        let mut text = String::with_capacity(line);
        let what = match &event.what {
            // A page that comes back is sent the list of members, so the names of a crowd would be of no use.
            What::Crowd(tally) => What::Crowd(tally.numbers().into()),
            what => what.map(|part| {
                let start = text.len();
                text.push_str(part);
                (start, text.len())
            }),
        };
        let past = Past { id: event.id, at: event.at, what, text, length: STAMP_BYTES + line };
        // A crowd that comes and goes would displace the conversation.
        if let Some(talk) = self.talk.as_mut().filter(|_| event.what.is_talk()) {
            talk.add(past.clone());
        }
        self.events.add(past);
    }

    /// What newcomers are shown.
    pub(crate) fn talk(&self) -> impl Iterator<Item = &Past> {
        self.talk.iter().flat_map(|talk| talk.events.iter())
    }

    /// The last `most` events, for a member that has joined with the event `since`. If newcomers are shown what was
    /// said, earlier ones are among them.
    pub(crate) fn last(&self, most: usize, since: u64) -> impl Iterator<Item = &Past> {
        let since = if self.talk.is_some() { 0 } else { since };
        let known = self.events.position(since);
        let first = known.max(self.events.events.len().saturating_sub(most));
        self.events.events.range(first..)
    }

    /// The time of what was said last.
    #[cfg(feature = "bus")]
    pub(crate) fn last_said(&self) -> Option<SystemTime> {
        self.talk.as_ref()?.events.back().map(|past| past.at)
    }

    /// Notes that events with ids up to this one are missing.
    #[cfg(feature = "bus")]
    pub(crate) fn note_gap(&mut self, id: u64) {
        self.events.dropped = id;
    }

    /// The events between two ids, without both, and whether some of them are no longer kept.
    #[cfg(feature = "web")]
    pub(crate) fn between(&self, after: u64, before: u64) -> (impl Iterator<Item = &Past>, bool) {
        let first = self.events.events.partition_point(|past| past.id <= after);
        let end = self.events.position(before);
        (self.events.events.range(first.min(end)..end), self.events.dropped > after)
    }
}

impl Ring {
    fn new(limits: HistoryLimits) -> Self {
        Ring { events: VecDeque::new(), bytes: 0, limits, dropped: 0 }
    }

    fn add(&mut self, past: Past) {
        self.bytes += past.length;
        self.events.push_back(past);
        while self.events.len() > self.limits.events || self.bytes > self.limits.bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.length;
            self.dropped = oldest.id;
        }
    }

    /// The position of the first event with at least this id.
    fn position(&self, id: u64) -> usize {
        self.events.partition_point(|past| past.id < id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(id: u64, text: &str) -> Event<'_> {
        Event { id, at: SystemTime::UNIX_EPOCH, by: None, what: What::Say { nick: "ann", text } }
    }

    /// A history to which these texts were said.
    fn said(limits: HistoryLimits, texts: &[&str]) -> History {
        let mut history = History::new(limits, Some(limits));
        for (id, text) in (1..).zip(texts) {
            history.add(&say(id, text), format!("ann: {text}\n").len());
        }
        history
    }

    /// What is kept, without nicknames.
    fn kept(history: &History) -> Vec<String> {
        let text = |past: &Past| match past.event().what {
            What::Say { text, .. } => text.to_owned(),
            other => panic!("{other:?}"),
        };
        let kept: Vec<_> = history.talk().map(text).collect();
        assert_eq!(kept, history.last(usize::MAX, 0).map(text).collect::<Vec<_>>());
        kept
    }

    #[test]
    fn the_last_lines_are_kept() {
        let history = said(HistoryLimits { events: 2, bytes: usize::MAX }, &["one", "two", "three"]);
        assert_eq!(kept(&history), ["two", "three"]);
        assert_eq!(history.last(1, 0).count(), 1);
    }

    #[test]
    fn bytes_are_counted_as_they_are_shown_and_no_gap_is_left() {
        let line = "2000-01-01 12:00 ann: x\n".len();
        let limits = HistoryLimits { events: usize::MAX, bytes: 3 * line };
        let history = said(limits, &["1", "2", "3", "4"]);
        assert_eq!((kept(&history), history.events.bytes), (vec!["2".into(), "3".into(), "4".into()], 3 * line));
        let history = said(limits, &["1", "2", "3", "4", "55"]);
        assert_eq!(kept(&history), ["4", "55"], "one byte more takes the place of a line");
        let long = "x".repeat(3 * line);
        let history = said(limits, &["1", &long]);
        assert_eq!((kept(&history).len(), history.events.bytes), (0, 0), "what was before it is no end of the talk");
        assert_eq!(kept(&said(limits, &["1", &long, "6"])), ["6"]);
    }
}
