//! The last lines that were said in the room, for newcomers.
//!
//! Invariant: the history holds the most recent lines without a gap, as many as both limits allow. Lines are formatted
//! when they are added, so a replay only copies bytes.

use std::collections::VecDeque;

use crate::handler::context::Context;
use crate::servers::text::fill;

use super::event::Event;
use super::local_time::{LocalDate, LocalTime};
use super::texts;

/// The most recent lines of the room.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<Past>,
    /// Bytes of all lines, each counted with a date.
    bytes: usize,
    most_lines: usize,
    most_bytes: usize,
}

/// A line of the past.
#[derive(Debug)]
struct Past {
    date: LocalDate,
    /// The text that follows the date.
    text: Box<[u8]>,
}

/// The length of a date and a space.
const DATE_BYTES: usize = "2000-01-01 ".len();

impl Past {
    /// The length with a date.
    fn longest(&self) -> usize {
        DATE_BYTES + self.text.len()
    }
}

impl History {
    /// Creates a history of at most `most_lines` lines that take at most `most_bytes` bytes in a replay.
    pub(super) fn new(most_lines: usize, most_bytes: usize) -> Self {
        History { lines: VecDeque::new(), bytes: 0, most_lines, most_bytes }
    }

    /// Adds what was said or done. Other events are ignored: a crowd that comes and goes would displace the
    /// conversation.
    pub(super) fn add(&mut self, event: &Event<'_>, at: LocalTime) {
        let time = format!("{:02}:{:02}", at.hour, at.minute);
        let mut text = Vec::new();
        match *event {
            Event::Say { nick, text: said } => fill(&mut text, texts::PAST_LINE, &[&time, nick, said]),
            Event::Act { nick, text: done } => fill(&mut text, texts::PAST_ACTION, &[&time, nick, done]),
            _ => return,
        }
        let past = Past { date: at.date, text: text.into_boxed_slice() };
        self.bytes += past.longest();
        self.lines.push_back(past);
        while self.lines.len() > self.most_lines || self.bytes > self.most_bytes {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.longest();
        }
    }

    /// Replies with all lines. A line of another day than `today` has its date.
    pub(super) fn replay(&self, today: LocalDate, cx: &mut Context<'_>) {
        let mut shown = (today, String::new());
        for Past { date, text } in &self.lines {
            if *date != shown.0 {
                shown = (*date, if *date == today { String::new() } else { format!("{date} ") });
            }
            cx.reply(shown.1.as_bytes());
            cx.reply(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: LocalTime =
        LocalTime { date: LocalDate { year: 2000, month: 1, day: 1 }, hour: 12, minute: 0, second: 0, offset: 0 };

    fn say(text: &str) -> Event<'_> {
        Event::Say { nick: "ann", text }
    }

    /// What is kept, without times and nicknames.
    fn kept(history: &History) -> Vec<String> {
        let text = |past: &Past| String::from_utf8_lossy(&past.text).trim_end().replace("12:00 ann: ", "");
        history.lines.iter().map(text).collect()
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut history = History::new(2, usize::MAX);
        for text in ["one", "two", "three"] {
            history.add(&say(text), NOON);
        }
        history.add(&Event::Join { nick: "bob" }, NOON);
        history.add(&Event::Rename { old: "bob", nick: "rob" }, NOON);
        assert_eq!(kept(&history), ["two", "three"]);
    }

    #[test]
    fn bytes_are_counted_as_they_are_shown_and_no_gap_is_left() {
        let line = "2000-01-01 12:00 ann: x\n".len();
        let mut history = History::new(usize::MAX, 3 * line);
        for text in ["1", "2", "3", "4"] {
            history.add(&say(text), NOON);
        }
        assert_eq!((kept(&history), history.bytes), (vec!["2".into(), "3".into(), "4".into()], 3 * line));
        history.add(&say("55"), NOON);
        assert_eq!(kept(&history), ["4", "55"], "one byte more takes the place of a line");
        history.add(&say(&"x".repeat(3 * line)), NOON);
        assert_eq!((kept(&history).len(), history.bytes), (0, 0), "what was before it is no end of the talk");
        history.add(&say("6"), NOON);
        assert_eq!(kept(&history), ["6"]);
    }
}
