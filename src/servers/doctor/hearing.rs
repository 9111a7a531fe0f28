//! What is heard of a line: its words, in clauses.
//!
//! Invariant: at most [`MAX_WORDS`] words are heard, no clause is empty, and no word holds a space, a control
//! character or a mark that divides clauses (but for a dot, a comma or a colon within a number). Nothing is
//! understood here.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::vocabulary::{Vocabulary, WordId, is_apostrophe};

/// How many words of a line are heard; those that follow are not. 256: several times what anybody says in a breath.
pub const MAX_WORDS: usize = 256;

/// What a script says about single words.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    pub(super) vocabulary: Vocabulary,
    /// What is heard in place of a word.
    pub(super) replacements: HashMap<WordId, Box<[WordId]>>,
    /// Words that divide clauses, as a comma does.
    pub(super) breaks: HashSet<WordId>,
}

/// A line as the rules see it.
#[derive(Debug, Default)]
pub(super) struct Heard<'a> {
    words: Vec<Word<'a>>,
    /// Where each clause ends, in `words`.
    ends: Vec<usize>,
}

/// A word: its number, if the script knows it, and the text to give back.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) id: Option<WordId>,
    pub(super) text: Cow<'a, str>,
}

/// A part of a line between two marks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clause<'h, 'a> {
    pub(super) words: &'h [Word<'a>],
    /// Whether nothing follows it in the line.
    pub(super) is_last: bool,
}

impl Lexicon {
    /// Takes a line apart. A word that opens a sentence, or stands in a line of capitals, is spelled as in the script.
    pub(super) fn hear<'a>(&'a self, line: &'a str) -> Heard<'a> {
        let tokens = first_words(line);
        let shouts = is_shouted(&tokens);
        let mut heard = Heard::default();
        let mut opens_sentence = true;
        for token in tokens {
            let typed = match token {
                Token::Word(typed) => typed,
                Token::Pause => {
                    heard.end_clause();
                    continue;
                }
                Token::Stop => {
                    heard.end_clause();
                    opens_sentence = true;
                    continue;
                }
            };
            match self.vocabulary.find(typed) {
                Some(id) => match self.replacements.get(&id) {
                    Some(ids) => ids.iter().for_each(|&id| self.push(&mut heard, id, None)),
                    None => self.push(&mut heard, id, (!shouts && !opens_sentence).then_some(typed)),
                },
                None if shouts => heard.push(None, Cow::Owned(typed.to_lowercase())),
                None => heard.push(None, Cow::Borrowed(typed)),
            }
            opens_sentence = false;
        }
        heard.end_clause();
        heard
    }

    /// Adds a known word, or ends the clause if it is one that divides. Without a text it is spelled as in the script.
    fn push<'a>(&'a self, heard: &mut Heard<'a>, id: WordId, typed: Option<&'a str>) {
        if self.breaks.contains(&id) {
            heard.end_clause();
        } else {
            heard.push(Some(id), Cow::Borrowed(typed.unwrap_or_else(|| self.vocabulary.spelling(id))));
        }
    }
}

impl<'a> Heard<'a> {
    fn push(&mut self, id: Option<WordId>, text: Cow<'a, str>) {
        // A replacement can be longer than what was typed.
        if self.words.len() < MAX_WORDS {
            self.words.push(Word { id, text });
        }
    }

    fn end_clause(&mut self) {
        let end = self.words.len();
        if end > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(end);
        }
    }

    /// The clauses in order; none if there was no word.
    pub(super) fn clauses(&self) -> impl DoubleEndedIterator<Item = Clause<'_, 'a>> {
        self.ends.iter().enumerate().map(|(index, &end)| {
            let start = if index == 0 { 0 } else { self.ends[index - 1] };
            Clause { words: &self.words[start..end], is_last: end == self.words.len() }
        })
    }
}

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// A mark that divides clauses.
    Pause,
    /// A mark that ends a sentence.
    Stop,
}

/// The pieces of a line, up to the last word that is heard.
fn first_words(line: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut words = 0;
    for token in tokens_of(line) {
        // A row of marks does no more than the strongest of them, and is not worth its memory.
        match (tokens.last_mut(), token) {
            (Some(Token::Stop), Token::Pause | Token::Stop) | (Some(Token::Pause), Token::Pause) => {}
            (Some(last @ Token::Pause), Token::Stop) => *last = token,
            _ => tokens.push(token),
        }
        words += usize::from(matches!(token, Token::Word(_)));
        if words == MAX_WORDS {
            break;
        }
    }
    tokens
}

/// The pieces of a text.
pub(super) fn tokens_of(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            if let Some(token) = mark(first) {
                rest = &rest[first.len_utf8()..];
                return Some(token);
            }
            if is_space(first) {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (piece, after) = rest.split_at(word_end(rest));
            rest = after;
            if piece.bytes().all(|byte| byte == b'-') {
                return Some(Token::Pause);
            }
            let word = bare(piece);
            if word.chars().any(|found| found.is_alphanumeric() || found == '&' || !found.is_ascii()) {
                return Some(Token::Word(word));
            }
        }
    })
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

/// Where the word ends with which a text begins.
fn word_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let ends = |(at, found): (usize, char)| {
        // 3.5, 10,000 and 12:30 are words.
        let is_in_number = at > 0 && matches!(found, '.' | ',' | ':') && is_digit(at - 1) && is_digit(at + 1);
        is_space(found) || (mark(found).is_some() && !is_in_number)
    };
    text.char_indices().find(|&place| ends(place)).map_or(text.len(), |(at, _)| at)
}

/// A word without quotation marks, brackets and emphasis around it. The apostrophe of `parents'` is kept.
fn bare(piece: &str) -> &str {
    let opened = piece.trim_start_matches(is_wrapping);
    let word = opened.trim_end_matches(is_wrapping);
    let after = opened[word.len()..].chars().next();
    match after.filter(|&found| is_apostrophe(found)) {
        Some(apostrophe) if opened.len() == piece.len() && word.ends_with(['s', 'S']) => {
            &opened[..word.len() + apostrophe.len_utf8()]
        }
        _ => word,
    }
}

fn is_wrapping(found: char) -> bool {
    let is_quote = matches!(found, '"' | '“' | '”' | '„' | '‚' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』');
    let is_bracket = matches!(found, '(' | ')' | '[' | ']' | '{' | '}' | '（' | '）');
    is_quote || is_bracket || is_apostrophe(found) || matches!(found, '*' | '_' | '~')
}

/// Whether a line is all in capitals: several words, no small letter, and more than initials.
fn is_shouted(tokens: &[Token<'_>]) -> bool {
    let (mut words, mut capitals) = (0, 0);
    for token in tokens {
        let Token::Word(word) = token else { continue };
        words += 1;
        for letter in word.chars() {
            if letter.is_lowercase() {
                return false;
            }
            capitals += usize::from(letter.is_uppercase());
        }
    }
    words > 1 && capitals > words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let mut lexicon = Lexicon::default();
        let [dont, do_, not, but] = ["don't", "do", "not", "but"].map(|word| lexicon.vocabulary.add(word));
        lexicon.vocabulary.add("my");
        lexicon.replacements.insert(dont, [do_, not].into());
        lexicon.breaks.insert(but);
        lexicon
    }

    /// The clauses of a line, with a bar between them.
    fn heard(line: &str) -> String {
        let lexicon = lexicon();
        let heard = lexicon.hear(line);
        let clauses: Vec<_> = heard
            .clauses()
            .map(|clause| clause.words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" "))
            .collect();
        clauses.join(" | ")
    }

    #[test]
    fn punctuation_and_some_words_divide_a_line() {
        assert_eq!(
            heard("one two. three, four;five!six?seven: eight"),
            "one two | three | four | five | six | seven | eight"
        );
        assert_eq!(heard("one but two BUT three"), "one | two | three");
        assert_eq!(heard("one - two -- three — four–five… six"), "one | two | three | four | five | six");
        assert_eq!(heard("你好，世界。再见"), "你好 | 世界 | 再见");
        assert_eq!(heard("¿qué? ¡nada!"), "qué | nada");
        for nothing in ["", "  \t ", "...", "?!", " - ", "()", "''", "\"", "but", ":-)", "*"] {
            assert_eq!(heard(nothing), "", "{nothing:?}");
        }
    }

    #[test]
    fn numbers_and_compounds_are_words() {
        assert_eq!(heard("at 12:30 I paid 10,000.50."), "at 12:30 I paid 10,000.50");
        assert_eq!(heard("self-esteem rock'n'roll C++ 50% you & me"), "self-esteem rock'n'roll C++ 50% you & me");
    }

    #[test]
    fn what_wraps_a_word_is_not_part_of_it() {
        assert_eq!(heard("(so \"called\" 'friends') *sigh* [x] “y” «z»"), "so called friends sigh x y z");
        assert_eq!(heard("it's my parents' house"), "it's my parents' house");
        assert_eq!(heard("'dogs'"), "dogs");
        assert_eq!(heard("I see 👋🏽 😀 мир"), "I see 👋🏽 😀 мир");
    }

    #[test]
    fn words_are_replaced_before_anything_else() {
        assert_eq!(heard("I Don’t know"), "I do not know");
    }

    #[test]
    fn a_known_word_loses_the_capital_of_a_sentence_and_a_name_does_not() {
        assert_eq!(heard("My Anna. My Bob, My Eve"), "my Anna | my Bob | My Eve");
        assert_eq!(heard("Anna is my sister"), "Anna is my sister");
    }

    #[test]
    fn a_shouted_line_is_heard_in_small_letters() {
        assert_eq!(heard("MY ÄRGER IS BIG!!!"), "my ärger is big");
        assert_eq!(heard("I LIKE it"), "I LIKE it", "one small letter is enough");
        assert_eq!(heard("NASA"), "NASA", "a single word may be a name");
        assert_eq!(heard("I A 5"), "I A 5");
    }

    #[test]
    fn control_characters_are_spaces() {
        assert_eq!(heard("a\u{0}b\nc\u{2028}d\u{85}e\u{1b}f"), "a b c d e f");
    }

    #[test]
    fn words_beyond_the_limit_are_not_heard() {
        let lexicon = lexicon();
        for line in ["x ".repeat(1000), "don't ".repeat(1000), "x,".repeat(1000)] {
            let heard = lexicon.hear(&line);
            assert_eq!(heard.clauses().map(|clause| clause.words.len()).sum::<usize>(), MAX_WORDS);
            assert!(heard.clauses().next_back().is_some_and(|clause| clause.is_last));
        }
        assert_eq!(first_words(&",.".repeat(1000)), [Token::Stop]);
        assert_eq!(first_words(",;a.,"), [Token::Pause, Token::Word("a"), Token::Stop]);
    }
}
