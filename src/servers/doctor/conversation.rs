//! What is kept of one patient.
//!
//! Invariant: plain data of bounded size, also when it was restored from a store that somebody has changed: a name of
//! at most [`MAX_NAME`] bytes, at most [`MAX_MEMORIES`] remembered sentences of at most [`MAX_ANSWER`] bytes, and one
//! number for each list of the script.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::reflection::cut;
use super::template::MAX_ANSWER;

/// How many sentences are remembered; one more, and the oldest is forgotten. 16: a long talk has that many worth it.
pub const MAX_MEMORIES: usize = 16;

/// The longest name that is kept, in bytes; a longer one is cut. 64: the longest nickname of a chat, in two-byte
/// letters.
pub const MAX_NAME: usize = 64;

/// A patient, as far as a [`Therapist`](super::Therapist) knows: the name, what is to be taken up again, and which
/// answers come next.
///
/// It can be stored and restored with [`serde`]; a talk then goes on as if it had not been interrupted. After a
/// change of the script, too: then only the order of answers may differ. What exceeds a bound is cut when it is
/// restored.
///
/// ```
/// use switchboard::servers::doctor::{Conversation, Script, Therapist};
///
/// let therapist = Therapist::new(Script::built_in());
/// let mut conversation = Conversation::new("Ann")?;
/// therapist.answer(&mut conversation, "My boss shouts at me.");
///
/// let stored = toml::to_string(&conversation)?;
/// let mut restored: Conversation = toml::from_str(&stored)?;
/// assert_eq!(restored, conversation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Conversation {
    name: String,
    /// How often the patient was greeted.
    visits: u32,
    /// Lines that have come since a sentence was remembered.
    lines_since: u32,
    /// Which answer of each list comes next.
    positions: Vec<u32>,
    /// Sentences to say, the oldest first.
    memories: VecDeque<String>,
}

/// A conversation as a store has it, with nothing checked.
#[derive(Deserialize)]
struct Stored {
    name: String,
    #[serde(default)]
    visits: u32,
    #[serde(default)]
    lines_since: u32,
    #[serde(default)]
    positions: Vec<u32>,
    #[serde(default)]
    memories: VecDeque<String>,
}

/// There is nothing to see in a name: it is empty, or all spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoName;

impl fmt::Display for NoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name needs at least one letter")
    }
}

impl std::error::Error for NoName {}

impl Conversation {
    /// A first conversation with somebody of this name, which is made one line and cut to [`MAX_NAME`] bytes.
    ///
    /// # Errors
    ///
    /// [`NoName`] if nothing is left of the name.
    pub fn new(name: &str) -> Result<Conversation, NoName> {
        let name = one_line(name, MAX_NAME);
        if !name.chars().any(char::is_alphanumeric) {
            return Err(NoName);
        }
        Ok(Conversation { name, visits: 0, lines_since: 0, positions: Vec::new(), memories: VecDeque::new() })
    }

    /// The patient's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often the patient was greeted: 0 before the first time.
    #[must_use]
    pub fn visits(&self) -> u32 {
        self.visits
    }

    /// The sentences that are to be taken up again, the oldest first.
    pub fn memories(&self) -> impl ExactSizeIterator<Item = &str> {
        self.memories.iter().map(String::as_str)
    }

    /// Makes room for the positions of so many lists. Those of lists that are no more are forgotten.
    pub(super) fn fit(&mut self, lists: usize) {
        self.positions.resize(lists, 0);
    }

    /// Which text of a list of this length comes next; the one after it comes the next time.
    pub(super) fn turn_to(&mut self, list: usize, length: usize) -> usize {
        let position = &mut self.positions[list];
        let chosen = *position as usize % length;
        *position = ((chosen + 1) % length) as u32;
        chosen
    }

    /// A visit begins. What was said last at the one before is a memory already.
    pub(super) fn count_visit(&mut self) {
        self.visits = self.visits.saturating_add(1);
        self.count_line();
    }

    /// A line has come.
    pub(super) fn count_line(&mut self) {
        self.lines_since = self.lines_since.saturating_add(1);
    }

    /// Puts an earlier conversation with the same patient before this one, which was begun without knowing it.
    #[cfg(feature = "storage")]
    pub(super) fn follow(&mut self, earlier: Conversation) {
        self.visits = self.visits.saturating_add(earlier.visits);
        self.name = earlier.name;
        let later = std::mem::replace(&mut self.memories, earlier.memories);
        let lines_since = self.lines_since;
        for sentence in later {
            self.remember(sentence);
        }
        self.lines_since = lines_since;
    }

    /// Keeps a sentence for later, unless it is kept already.
    pub(super) fn remember(&mut self, sentence: String) {
        if self.memories.contains(&sentence) {
            return;
        }
        if self.memories.len() == MAX_MEMORIES {
            self.memories.pop_front();
        }
        self.memories.push_back(sentence);
        self.lines_since = 0;
    }

    /// The oldest sentence that is kept, which is then forgotten. One of the line before this one is no memory yet.
    pub(super) fn recall(&mut self) -> Option<String> {
        let too_young = usize::from(self.lines_since < 2);
        if self.memories.len() > too_young { self.memories.pop_front() } else { None }
    }
}

impl TryFrom<Stored> for Conversation {
    type Error = NoName;

    fn try_from(stored: Stored) -> Result<Conversation, NoName> {
        let mut conversation = Conversation::new(&stored.name)?;
        let too_many = stored.memories.len().saturating_sub(MAX_MEMORIES);
        for memory in stored.memories.into_iter().skip(too_many) {
            let memory = one_line(&memory, MAX_ANSWER);
            if !memory.is_empty() {
                conversation.memories.push_back(memory);
            }
        }
        conversation.visits = stored.visits;
        conversation.lines_since = stored.lines_since;
        conversation.positions = stored.positions;
        Ok(conversation)
    }
}

/// A text fit to be shown, with single spaces for all space, cut to so many bytes.
fn one_line(text: &str, most: usize) -> String {
    let words = text.split(|found: char| found.is_whitespace() || found.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let clean = crate::sanitize(words.join(" ").as_bytes()).into_owned();
    cut(&clean, most).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_bounded_length() {
        let name = |text: &str| Conversation::new(text).map(|conversation| conversation.name().to_owned());
        assert_eq!(name("  Ann\t Lee\r\n").as_deref(), Ok("Ann Lee"));
        assert_eq!(name("Олег").as_deref(), Ok("Олег"));
        assert_eq!(name("a\u{202E}b").as_deref(), Ok("a\u{FFFD}b"));
        for nothing in ["", " \t", "\u{0}", "...", "\u{202E}"] {
            assert_eq!(name(nothing), Err(NoName), "{nothing:?}");
        }
        assert_eq!(name(&"x".repeat(1000)).map(|name| name.len()), Ok(MAX_NAME));
        assert_eq!(name(&format!("a{}", "ß".repeat(1000))).map(|name| name.len()), Ok(MAX_NAME - 1));
    }

    #[test]
    fn lists_turn_round_each_by_itself() {
        let mut conversation = Conversation::new("Ann").expect("a name");
        conversation.fit(2);
        let chosen: Vec<_> = (0..4).map(|_| conversation.turn_to(0, 3)).collect();
        assert_eq!(chosen, [0, 1, 2, 0]);
        assert_eq!(conversation.turn_to(1, 2), 0);
    }

    #[test]
    fn the_oldest_is_forgotten_and_the_newest_waits_a_line() {
        let mut conversation = Conversation::new("Ann").expect("a name");
        for number in 0..MAX_MEMORIES + 2 {
            conversation.remember(number.to_string());
            conversation.remember(number.to_string());
        }
        assert_eq!(conversation.memories().len(), MAX_MEMORIES);
        conversation.count_line();
        assert_eq!(conversation.recall().as_deref(), Some("2"));
        while conversation.recall().is_some() {}
        assert_eq!(conversation.memories().collect::<Vec<_>>(), [(MAX_MEMORIES + 1).to_string()]);
        conversation.count_line();
        assert!(conversation.recall().is_some());
        assert_eq!(conversation.recall(), None);
    }

    #[cfg(feature = "storage")]
    #[test]
    fn what_was_said_earlier_is_taken_up_first_and_counts() {
        let mut earlier = Conversation::new("Ann").expect("a name");
        let mut later = Conversation::new("ANN").expect("a name");
        for sentence in ["both", "old"] {
            earlier.remember(sentence.to_owned());
        }
        for sentence in ["new", "both"] {
            later.remember(sentence.to_owned());
        }
        (earlier.visits, later.visits, later.lines_since) = (2, 1, 5);
        later.follow(earlier);
        assert_eq!((later.name(), later.visits(), later.lines_since), ("Ann", 3, 5));
        assert_eq!(later.memories().collect::<Vec<_>>(), ["both", "old", "new"]);

        let mut full = Conversation::new("Ann").expect("a name");
        (0..MAX_MEMORIES).for_each(|number| full.remember(number.to_string()));
        later.follow(full);
        assert_eq!(later.memories().len(), MAX_MEMORIES);
        assert_eq!(later.memories().last(), Some("new"));
    }

    #[test]
    fn what_is_restored_keeps_to_the_bounds() {
        let memories: Vec<_> = (0..100).map(|number| format!("{number} \\n{}", "ü".repeat(2000))).collect();
        let stored = format!("name = 'Ann'\npositions = [7]\nmemories = {memories:?}").replace("\\\\n", "\\n");
        let mut restored: Conversation = toml::from_str(&stored).expect("a conversation");
        assert_eq!(restored.memories().len(), MAX_MEMORIES);
        assert!(restored.memories().all(|memory| memory.len() <= MAX_ANSWER && !memory.contains('\n')));
        assert!(restored.memories().next().is_some_and(|oldest| oldest.starts_with("84 ü")));
        restored.fit(3);
        assert_eq!(restored.turn_to(0, 4), 3, "a position beyond the list is brought into it");
        let error = toml::from_str::<Conversation>("name = ''").expect_err("no name");
        assert_eq!(error.message(), "a name needs at least one letter");
    }
}
