//! The last lines of the room: for newcomers, and for `/history`.
//!
//! Invariant: a history holds the most recent lines without a gap, as many as both limits allow. Lines are formatted
//! when they are added, so a replay only copies bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::handler::context::Context;

use super::local_time::{LocalDate, LocalTime};

/// The most recent lines.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<Arc<Past>>,
    /// Bytes of all lines, each counted with a date.
    bytes: usize,
    most_lines: usize,
    most_bytes: usize,
    /// Number of all lines so far.
    count: u64,
}

/// A line of the past.
#[derive(Debug)]
pub(super) struct Past {
    date: LocalDate,
    /// The time and what members saw.
    text: Box<[u8]>,
}

/// The length of a date and a space.
const DATE_BYTES: usize = "2000-01-01 ".len();

impl Past {
    /// Creates a line of what members saw at this time.
    pub(super) fn new(at: LocalTime, shown: &[u8]) -> Arc<Past> {
        Arc::new(Past { date: at.date, text: [at.stamp().as_bytes(), shown].concat().into_boxed_slice() })
    }

    /// The length with a date.
    fn longest(&self) -> usize {
        DATE_BYTES + self.text.len()
    }
}

impl History {
    /// Creates a history of at most `most_lines` lines that take at most `most_bytes` bytes in a replay.
    pub(super) fn new(most_lines: usize, most_bytes: usize) -> Self {
        History { lines: VecDeque::new(), bytes: 0, most_lines, most_bytes, count: 0 }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, past: Arc<Past>) {
        self.count += 1;
        self.bytes += past.longest();
        self.lines.push_back(past);
        while self.lines.len() > self.most_lines || self.bytes > self.most_bytes {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.longest();
        }
    }

    /// The number of all lines so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Replies with the last `most` lines that were added after the first `since`. A line of another day than `today`
    /// has its date.
    pub(super) fn replay(&self, most: usize, since: u64, today: LocalDate, cx: &mut Context<'_>) {
        let count = usize::try_from(self.count - since.min(self.count)).unwrap_or(usize::MAX).min(most);
        let mut shown = (today, String::new());
        for past in self.lines.iter().skip(self.lines.len().saturating_sub(count)) {
            let Past { date, text } = &**past;
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

    fn say(text: &str) -> Arc<Past> {
        Past::new(NOON, format!("ann: {text}\n").as_bytes())
    }

    /// What is kept, without times and nicknames.
    fn kept(history: &History) -> Vec<String> {
        let text = |past: &Arc<Past>| String::from_utf8_lossy(&past.text).trim_end().replace("12:00 ann: ", "");
        history.lines.iter().map(text).collect()
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut history = History::new(2, usize::MAX);
        for text in ["one", "two", "three"] {
            history.add(say(text));
        }
        assert_eq!(kept(&history), ["two", "three"]);
    }

    #[test]
    fn bytes_are_counted_as_they_are_shown_and_no_gap_is_left() {
        let line = "2000-01-01 12:00 ann: x\n".len();
        let mut history = History::new(usize::MAX, 3 * line);
        for text in ["1", "2", "3", "4"] {
            history.add(say(text));
        }
        assert_eq!((kept(&history), history.bytes), (vec!["2".into(), "3".into(), "4".into()], 3 * line));
        history.add(say("55"));
        assert_eq!(kept(&history), ["4", "55"], "one byte more takes the place of a line");
        history.add(say(&"x".repeat(3 * line)));
        assert_eq!((kept(&history).len(), history.bytes), (0, 0), "what was before it is no end of the talk");
        history.add(say("6"));
        assert_eq!(kept(&history), ["6"]);
    }
}
