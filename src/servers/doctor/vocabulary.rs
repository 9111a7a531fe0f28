//! The words of a script, and what the script says about each of them.
//!
//! Invariant: spellings that fold to the same text have the same [`WordId`]. Rules compare ids, so the input does not
//! affect the time for a comparison.

use std::borrow::Cow;
use std::collections::HashMap;
use std::{mem, slice};

use super::reassembly::Phrase;
use super::therapist::KeywordId;
use super::tokens::{MAX_WORDS, Token, fold, is_shouted, tokens};

/// The index of a word in its vocabulary.
pub(super) type WordId = usize;

/// All words of a script.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    /// By folded word.
    ids: HashMap<String, WordId>,
    pub(super) entries: Vec<Entry>,
}

/// A word of the script.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The spelling that the script used first.
    pub(super) spelling: String,
    /// The words read in place of this one, if there are any.
    pub(super) replacement: Vec<WordId>,
    /// Whether the word divides clauses as a comma does.
    pub(super) is_break: bool,
    pub(super) keyword: Option<KeywordId>,
    /// Phrases that begin with this word: the longest first, then the one for the end of a part.
    pub(super) reflections: Vec<Phrase>,
}

/// A word of a line.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    /// `None` if the script does not have the word.
    pub(super) id: Option<WordId>,
    /// The spelling to use in an answer.
    pub(super) text: Cow<'a, str>,
    /// The number of its clause.
    clause: usize,
}

/// The words of a line between two marks; there is at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause<'a> {
    pub(super) words: &'a [Word<'a>],
    /// Whether no word follows in the line.
    pub(super) is_last: bool,
}

impl Vocabulary {
    /// The id of a word, which is added if it is new.
    pub(super) fn add(&mut self, word: &str) -> WordId {
        let (folded, new) = (fold(word).into_owned(), self.entries.len());
        let id = *self.ids.entry(folded).or_insert(new);
        if id == new {
            self.entries.push(Entry { spelling: word.to_owned(), ..Entry::default() });
        }
        id
    }

    /// The id of a word, if the script has it.
    pub(super) fn find(&self, word: &str) -> Option<WordId> {
        self.ids.get(&*fold(word)).copied()
    }

    /// The words of a line after replacement. A word that opens a sentence or stands in a line of capitals takes the
    /// spelling of the script.
    pub(super) fn read<'a>(&'a self, line: &'a str) -> Vec<Word<'a>> {
        let is_shouted = is_shouted(line);
        let (mut words, mut clause, mut opens_sentence) = (Vec::new(), 0, true);
        for token in tokens(line) {
            let Token::Word(typed) = token else {
                clause += 1;
                opens_sentence |= token == Token::Stop;
                continue;
            };
            let room = MAX_WORDS - words.len();
            let keeps_spelling = !is_shouted && !mem::take(&mut opens_sentence);
            let Some(id) = self.find(typed) else {
                let text = if is_shouted { typed.to_lowercase().into() } else { typed.into() };
                words.extend((room > 0).then_some(Word { id: None, text, clause }));
                continue;
            };
            let replacement = &*self.entries[id].replacement;
            let ids = if replacement.is_empty() { slice::from_ref(&id) } else { replacement };
            for &id in ids.iter().take(room) {
                let Entry { spelling, is_break, .. } = &self.entries[id];
                if *is_break {
                    clause += 1;
                    continue;
                }
                let text = if keeps_spelling && replacement.is_empty() { typed } else { spelling }.into();
                words.push(Word { id: Some(id), text, clause });
            }
        }
        words
    }
}

/// Divides words into the clauses that they belong to.
pub(super) fn clauses<'a>(words: &'a [Word<'a>]) -> Vec<Clause<'a>> {
    let last = words.last().map(|word| word.clause);
    let clauses = words.chunk_by(|word, next| word.clause == next.clause);
    clauses.map(|words| Clause { words, is_last: words.last().map(|word| word.clause) == last }).collect()
}
