//! The last lines of the room: for newcomers, and for `/history`.
//!
//! Invariant: a history holds the most recent lines without a gap, as many as both limits allow. The local time of a
//! line is found when it is shown, because few lines are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use crate::handler::context::Context;

use crate::servers::local_time::LocalTime;

/// The most recent lines.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<Past>,
    /// Bytes of all lines, each counted with its date and time.
    bytes: usize,
    most_lines: usize,
    most_bytes: usize,
    /// Number of all lines so far.
    count: u64,
}

/// A line of the past. Cloning it shares its text.
#[derive(Clone, Debug)]
pub(super) struct Past {
    at: SystemTime,
    /// What members saw.
    text: Arc<[u8]>,
}

/// The length of a date, a time, and a space after each.
const STAMP_BYTES: usize = "2000-01-01 12:00 ".len();

impl Past {
    /// Creates a line of what members saw at this time.
    pub(super) fn new(at: SystemTime, shown: &[u8]) -> Past {
        Past { at, text: shown.into() }
    }

    /// The length with a date and a time.
    fn longest(&self) -> usize {
        STAMP_BYTES + self.text.len()
    }
}

impl History {
    /// Creates a history of at most `most_lines` lines that take at most `most_bytes` bytes in a replay.
    pub(super) fn new(most_lines: usize, most_bytes: usize) -> Self {
        History { lines: VecDeque::new(), bytes: 0, most_lines, most_bytes, count: 0 }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, past: Past) {
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

    /// Replies with the last `most` lines that were added after the first `since`, each after its local time. A line of
    /// another day than today has its date.
    pub(super) fn replay(
        &self,
        most: usize,
        since: u64,
        local: &dyn Fn(SystemTime) -> LocalTime,
        cx: &mut Context<'_>,
    ) {
        let today = local(cx.system_time()).date;
        let count = usize::try_from(self.count - since.min(self.count)).unwrap_or(usize::MAX).min(most);
        for Past { at, text } in self.lines.iter().skip(self.lines.len().saturating_sub(count)) {
            let at = local(*at);
            if at.date != today {
                cx.reply(format!("{} ", at.date).as_bytes());
            }
            cx.reply(at.stamp().as_bytes());
            cx.reply(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Past {
        Past::new(SystemTime::UNIX_EPOCH, format!("ann: {text}\n").as_bytes())
    }

    /// What is kept, without nicknames.
    fn kept(history: &History) -> Vec<String> {
        let text = |past: &Past| String::from_utf8_lossy(&past.text).trim_end().replace("ann: ", "");
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
