//! What a polite client hears: every line of its stream is one that it is owed, or in a chat one of another's that
//! keeps to the form.
//!
//! Invariant: no byte of the stream goes unjudged, but those of a line whose end has not come when the hearing ends;
//! what was owed of that one is counted as lost.

use crate::answer::Answer;
use crate::kind::Kind;
use crate::ledger::{Ledger, Tally};
use crate::page::Frame;
use crate::speech::POLITE;

/// A line of a chat is at most this long: the longest of a member, each byte of it replaced by three, and a mark.
const LONGEST: usize = 3 * 4096 + 256;

/// The ears of one polite client.
#[derive(Debug)]
pub(crate) struct Hearing {
    kind: Kind,
    /// One for each polite client, this one too.
    ledgers: Vec<Ledger>,
    me: usize,
    /// The beginning of a line.
    unread: Vec<u8>,
    pub(crate) tally: Tally,
    /// The number of lines heard that no polite client had said.
    pub(crate) others: u64,
}

impl Hearing {
    /// Those of the client `me` of `crowd`.
    pub(crate) fn new(kind: Kind, me: usize, crowd: usize) -> Self {
        let ledgers = (0..crowd).map(|speaker| Ledger::new(kind, speaker)).collect();
        Hearing { kind, ledgers, me, unread: Vec::new(), tally: Tally::default(), others: 0 }
    }

    /// A polite client has said one more line.
    pub(crate) fn owe(&mut self, speaker: usize) {
        if self.kind.owes(self.me, speaker) {
            self.ledgers[speaker].owe(&mut self.tally);
        }
    }

    /// Whether all that is owed has been heard.
    pub(crate) fn is_settled(&self) -> bool {
        self.ledgers.iter().all(Ledger::is_settled)
    }

    /// Hears the next bytes; `owed` is called with the speaker and the number of each line that was owed.
    pub(crate) fn hear(&mut self, bytes: &[u8], mut owed: impl FnMut(usize, u64)) {
        self.unread.extend_from_slice(bytes);
        if self.kind == Kind::Http {
            return self.hear_answers(owed);
        }
        if self.kind.is_at_web_door(self.me) {
            return self.hear_frames(owed);
        }
        let unread = std::mem::take(&mut self.unread);
        let mut lines = unread.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next_if(|line| line.ends_with(b"\n")) {
            if let Some((speaker, number)) = self.judge(&line[..line.len() - 1]) {
                owed(speaker, number);
            }
        }
        let rest = lines.next().unwrap_or_default();
        if rest.len() > LONGEST {
            self.tally.wrong(rest.len(), || format!("{} bytes without the end of a line", rest.len()));
        } else {
            self.unread = rest.to_vec();
        }
    }

    /// Hears the answers that are complete.
    fn hear_answers(&mut self, mut owed: impl FnMut(usize, u64)) {
        let mut used = 0;
        loop {
            match Answer::first(&self.unread[used..]) {
                Ok(Some(answer)) => {
                    used += answer.length();
                    if let Some(number) = self.ledgers[self.me].hear_page(answer.body, &mut self.tally) {
                        owed(self.me, number);
                    }
                }
                Ok(None) => break,
                Err(what) => {
                    self.tally.wrong(self.unread.len() - used, || what);
                    used = self.unread.len();
                }
            }
        }
        self.unread.drain(..used);
    }

    /// Hears the frames that are complete, each as the line that the line door shows for it.
    fn hear_frames(&mut self, mut owed: impl FnMut(usize, u64)) {
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        loop {
            match Frame::first(rest) {
                Ok(Some(frame)) => {
                    rest = &rest[frame.length..];
                    let line = frame.line().unwrap_or_else(|what| {
                        self.tally.wrong(frame.length, || what);
                        None
                    });
                    if let Some((speaker, number)) = line.and_then(|line| self.judge(line.as_bytes())) {
                        owed(speaker, number);
                    }
                }
                Ok(None) => break,
                Err(what) => {
                    self.tally.wrong(rest.len(), || what);
                    rest = &[];
                }
            }
        }
        self.unread = rest.to_vec();
    }

    /// What has not been heard by now never will be.
    pub(crate) fn close(&mut self) {
        self.ledgers.iter_mut().for_each(|ledger| ledger.close(&mut self.tally));
    }

    /// One line, without its end. Returns its speaker and number if it was owed.
    fn judge(&mut self, line: &[u8]) -> Option<(usize, u64)> {
        let Ok(text) = std::str::from_utf8(line) else {
            self.tally.wrong(line.len() + 1, || format!("not UTF-8: {}", line.escape_ascii()));
            return None;
        };
        if let Some(found) = text.chars().find(|found| steers(*found)) {
            self.tally.wrong(line.len() + 1, || format!("U+{:04X} in {text:?}", u32::from(found)));
            return None;
        }
        let speaker = match self.kind {
            Kind::Echo | Kind::Uppercase | Kind::Exec | Kind::Relay | Kind::Http => Some(self.me),
            Kind::Chat | Kind::Web => polite_speaker(text),
        };
        if let Some(speaker) = speaker {
            let tally = &mut self.tally;
            let Some(ledger) = self.ledgers.get_mut(speaker).filter(|_| self.kind.owes(self.me, speaker)) else {
                tally.wrong(line.len() + 1, || format!("no client that this one listens to said {text:?}"));
                return None;
            };
            return ledger.hear(text, tally).map(|number| (speaker, number));
        }
        self.others += 1;
        if line.len() > LONGEST || !has_form(text) {
            self.tally.wrong(line.len() + 1, || format!("no line of a chat has this form: {text:?}"));
        }
        None
    }
}

/// Whether a character may reach no terminal: controls but tab, what turns the direction of writing, separators of
/// lines.
pub(crate) fn steers(found: char) -> bool {
    let bidi = matches!(found, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    bidi || matches!(found, '\u{2028}' | '\u{2029}') || (found.is_control() && found != '\t')
}

/// The polite client that says this line, if one does.
fn polite_speaker(text: &str) -> Option<usize> {
    let (name, _) = text.split_once(": ")?;
    name.strip_prefix(POLITE)?.parse().ok()
}

/// Whether it is a line of a member, or one of the server's.
fn has_form(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.chars().count() <= 32 && !name.contains([' ', '*', '[', ':']);
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    first.strip_suffix(':').is_some_and(is_name)
        || first == "*" && rest.split(' ').next().is_some_and(is_name)
        || first.strip_prefix('[').and_then(|first| first.strip_suffix(']')).is_some_and(is_name)
        || first == "Welcome" && rest.strip_suffix(" to the room!").is_some_and(is_name)
        || is_name(first) && rest == "leaves the room!"
        || is_name(first)
            && rest.strip_prefix("is now known as ").and_then(|new| new.strip_suffix('.')).is_some_and(is_name)
        || ["1 person is here.", "The server is stopping."].contains(&text)
        || first.parse::<u32>().is_ok() && (rest == "persons are here." || is_crowd(rest))
}

/// Whether this follows the number in a line such as `12 people joined, 9 left`.
fn is_crowd(rest: &str) -> bool {
    let left = rest.strip_prefix("people joined, ").or_else(|| rest.strip_prefix("person joined, "));
    left.and_then(|left| left.strip_suffix(" left")).is_some_and(|count| count.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests;
