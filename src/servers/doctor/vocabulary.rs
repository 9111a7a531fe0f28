//! The words of a script, and how a line is read with them.
//!
//! Invariants: spellings that fold to the same text have the same [`WordId`], and rules compare only ids. A word
//! contains no space, no control character and no mark, except a dot, comma or colon between digits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::{iter, mem, slice};

use unicode_normalization::UnicodeNormalization;

use super::reassembly::Phrase;
use super::therapist::KeywordId;

/// Words that are read of a line; later ones are ignored. 256 is several times the length of a spoken sentence.
pub const MAX_WORDS: usize = 256;

pub(super) type WordId = usize;

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
    /// The words to read in place of this one.
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
    /// The number of its clause in the line, counted from the last, which is 0.
    pub(super) clause: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// A mark that divides clauses.
    Pause,
    /// A mark that ends a sentence.
    Stop,
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

    pub(super) fn find(&self, word: &str) -> Option<WordId> {
        self.ids.get(&*fold(word)).copied()
    }

    /// The words of a line after replacement. A word that opens a sentence or stands in a line of capitals takes the
    /// spelling of the script.
    pub(super) fn read<'a>(&'a self, line: &'a str) -> Vec<Word<'a>> {
        let is_shouted = is_shouted(line);
        let (mut words, mut clause, mut opens_sentence) = (Vec::<Word<'_>>::new(), 0, true);
        for token in tokens(line) {
            let Token::Word(typed) = token else {
                clause += 1;
                opens_sentence |= token == Token::Stop;
                continue;
            };
            if words.len() == MAX_WORDS {
                break;
            }
            let keeps_spelling = !is_shouted && !mem::take(&mut opens_sentence);
            let Some(id) = self.find(typed) else {
                let text = if is_shouted { typed.to_lowercase().into() } else { typed.into() };
                words.push(Word { id: None, text, clause });
                continue;
            };
            let replacement = &*self.entries[id].replacement;
            let ids = if replacement.is_empty() { slice::from_ref(&id) } else { replacement };
            for &id in ids.iter().take(MAX_WORDS - words.len()) {
                let Entry { spelling, is_break, .. } = &self.entries[id];
                let text = if keeps_spelling && replacement.is_empty() { typed } else { spelling }.into();
                if *is_break {
                    clause += 1;
                } else {
                    words.push(Word { id: Some(id), text, clause });
                }
            }
        }
        let last = words.last().map_or(0, |word| word.clause);
        for word in &mut words {
            word.clause = last - word.clause;
        }
        words
    }
}

/// The words between each two marks. No clause is empty.
pub(super) fn clauses<'a>(words: &'a [Word<'a>]) -> Vec<&'a [Word<'a>]> {
    words.chunk_by(|word, next| word.clause == next.clause).collect()
}

/// Divides a line into tokens and stops after [`MAX_WORDS`] words.
pub(super) fn tokens(line: &str) -> impl Iterator<Item = Token<'_>> {
    let (mut rest, mut words) = (line, 0);
    iter::from_fn(move || {
        while words < MAX_WORDS {
            rest = rest.trim_start_matches(is_space);
            let first = rest.chars().next()?;
            let length = if mark(first).is_some() { first.len_utf8() } else { piece_length(rest) };
            let (piece, after) = rest.split_at(length);
            rest = after;
            if let Some(token) = mark(first).or_else(|| token_of(piece)) {
                words += usize::from(matches!(token, Token::Word(_)));
                return Some(token);
            }
        }
        None
    })
}

/// Whether a line is all in capitals: several words, no small letter, and more capitals than initials have.
fn is_shouted(line: &str) -> bool {
    let words = tokens(line).filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None });
    let words: Vec<_> = words.collect();
    let capitals = words.iter().flat_map(|word| word.chars()).filter(|letter| letter.is_uppercase()).count();
    words.len() > 1 && capitals > words.len() && !words.iter().any(|word| word.contains(char::is_lowercase))
}

/// The form in which words are compared: lower case, one kind of apostrophe, and NFC. (NFKC expands a character to as
/// many as 18.)
fn fold(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'`') {
        return Cow::Borrowed(word);
    }
    let plain = word.chars().map(|found| if is_apostrophe(found) { '\'' } else { found });
    Cow::Owned(plain.flat_map(char::to_lowercase).nfc().collect())
}

fn mark(found: char) -> Option<Token<'static>> {
    match found {
        '.' | '?' | '!' | '…' | '。' | '？' | '！' => Some(Token::Stop),
        ',' | ';' | ':' | '–' | '—' | '¿' | '¡' | '，' | '；' | '：' | '、' => Some(Token::Pause),
        _ => None,
    }
}

fn is_space(found: char) -> bool {
    found.is_whitespace() || found.is_control()
}

fn is_apostrophe(found: char) -> bool {
    matches!(found, '\'' | '’' | '‘' | 'ʼ' | '´' | '`')
}

fn is_wrapping(found: char) -> bool {
    let is_quote = matches!(found, '"' | '“' | '”' | '„' | '‚' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』');
    let is_bracket = matches!(found, '(' | ')' | '[' | ']' | '{' | '}' | '（' | '）');
    is_quote || is_bracket || is_apostrophe(found) || matches!(found, '*' | '_' | '~')
}

/// The length in bytes of the piece before the next space or mark.
fn piece_length(text: &str) -> usize {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let ends = |&(at, found): &(usize, char)| {
        // 3.5, 10,000 and 12:30 are words.
        let is_in_number = at > 0 && matches!(found, '.' | ',' | ':') && is_digit(at - 1) && is_digit(at + 1);
        is_space(found) || (mark(found).is_some() && !is_in_number)
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// The word in a piece, without what wraps it. Hyphens alone are a dash; other signs alone are nothing.
fn token_of(piece: &str) -> Option<Token<'_>> {
    if piece.bytes().all(|byte| byte == b'-') {
        return Some(Token::Pause);
    }
    let opened = piece.trim_start_matches(is_wrapping);
    let mut word = opened.trim_end_matches(is_wrapping);
    // The apostrophe of `parents'` is kept, unless the word stands in quotation marks.
    let after = opened[word.len()..].chars().next().filter(|&found| is_apostrophe(found));
    if opened.len() == piece.len() && word.ends_with(['s', 'S']) {
        word = &opened[..word.len() + after.map_or(0, char::len_utf8)];
    }
    let is_word = |found: char| found.is_alphanumeric() || found == '&' || !found.is_ascii();
    word.contains(is_word).then_some(Token::Word(word))
}
