//! The state of the conversation with one patient.

use std::collections::VecDeque;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::reassembly::MAX_ANSWER;
use super::therapist::List;
use crate::servers::text::is_visible;

/// Sentences that are remembered; one more displaces the oldest. 16 is more than a long conversation takes up again.
pub const MAX_MEMORIES: usize = 16;

/// The longest name, in bytes; a longer one is cut. 64 is the longest nickname of the chat, in two-byte letters.
pub const MAX_NAME: usize = 64;

/// What a [`Therapist`](super::Therapist) knows of a patient: the name, the sentences to take up again, and the next
/// answer of each list.
///
/// It is plain data of bounded size. Stored and restored with [`serde`], it continues as if there had been no
/// interruption; if the script has changed, only the order of answers can differ. Restoring cuts what exceeds a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    #[serde(deserialize_with = "restore_name")]
    name: String,
    #[serde(default)]
    pub(super) visits: u32,
    /// Lines that followed the newest memory.
    #[serde(default)]
    pub(super) lines_since: u32,
    /// The next choice of each list.
    #[serde(default)]
    positions: Vec<u32>,
    /// The oldest first.
    #[serde(default, deserialize_with = "restore_memories")]
    memories: VecDeque<String>,
}

impl Conversation {
    /// A first conversation with a patient of this name, which is made one line and cut to [`MAX_NAME`] bytes.
    ///
    /// Returns `None` for a name without a letter or digit, or with an invisible character.
    #[must_use]
    pub fn new(name: &str) -> Option<Conversation> {
        let name = one_line(name, MAX_NAME);
        let is_name = name.contains(char::is_alphanumeric) && is_visible(&name);
        is_name.then(|| Conversation { name, visits: 0, lines_since: 0, positions: vec![], memories: VecDeque::new() })
    }

    /// The patient's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of visits; 0 before the first greeting.
    #[must_use]
    pub fn visits(&self) -> u32 {
        self.visits
    }

    /// The sentences to take up again, the oldest first.
    pub fn memories(&self) -> impl ExactSizeIterator<Item = &str> {
        self.memories.iter().map(String::as_str)
    }

    /// Prepares for a line, with a script that has this many lists.
    pub(super) fn begin_line(&mut self, lists: usize) {
        self.positions.resize(lists, 0);
        self.lines_since = self.lines_since.saturating_add(1);
    }

    /// Takes the next choice of a list, and advances to the one after it.
    pub(super) fn next<'a, T>(&mut self, list: &'a List<T>) -> &'a T {
        let position = &mut self.positions[list.id];
        let chosen = *position as usize % list.choices.len();
        *position = ((chosen + 1) % list.choices.len()) as u32;
        &list.choices[chosen]
    }

    /// Puts an earlier conversation before this one, which began without it.
    #[cfg(feature = "storage")]
    pub(super) fn follow(&mut self, earlier: Conversation) {
        let later = std::mem::replace(self, earlier);
        if later.visits > 0 {
            self.visits = self.visits.saturating_add(later.visits);
            self.positions = later.positions;
            later.memories.into_iter().for_each(|sentence| self.remember(sentence));
            self.lines_since = later.lines_since;
        }
    }

    pub(super) fn remember(&mut self, sentence: String) {
        if !self.memories.contains(&sentence) {
            self.memories.push_back(sentence);
            self.memories.drain(..self.memories.len().saturating_sub(MAX_MEMORIES));
            self.lines_since = 0;
        }
    }

    /// Removes the oldest memory. A sentence of the line before this one has to wait.
    pub(super) fn recall(&mut self) -> Option<String> {
        let too_new = usize::from(self.lines_since < 2);
        if self.memories.len() > too_new { self.memories.pop_front() } else { None }
    }
}

fn restore_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let conversation = Conversation::new(&String::deserialize(deserializer)?);
    conversation
        .map(|new| new.name)
        .ok_or_else(|| D::Error::custom("a name needs a letter or digit, and no invisible character"))
}

fn restore_memories<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<String>, D::Error> {
    let stored = Vec::<String>::deserialize(deserializer)?;
    let newest = &stored[stored.len().saturating_sub(MAX_MEMORIES)..];
    let memories = newest.iter().map(|memory| one_line(memory, MAX_ANSWER));
    Ok(memories.filter(|memory| !memory.is_empty()).collect())
}

/// Sanitizes a text, makes any space a single space, and cuts it to `limit` bytes.
fn one_line(text: &str, limit: usize) -> String {
    let words = text.split(|found: char| found.is_whitespace() || found.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    truncated(&crate::sanitize(words.join(" ").as_bytes()), limit).trim_end().to_owned()
}

/// The longest beginning of `text` that has at most `limit` bytes.
pub(super) fn truncated(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}
