//! Reflection: what a patient says of "me" and "you" becomes what the doctor says of "you" and "me".
//!
//! Invariant: a reflected part has at most [`MAX_PART`] bytes. The longest phrase that is known is turned, and none
//! twice.

use std::collections::HashMap;

use super::hearing::Word;
use super::vocabulary::WordId;

/// The most bytes of a part in an answer. Longer ones end in an ellipsis. 256: more than anybody wants to hear
/// repeated.
pub(super) const MAX_PART: usize = 256;

/// What stands for the words that were left out.
const ELLIPSIS: &str = "…";

/// Bytes of the words of a part: less than the most by the ellipsis, and by what a capital may need more than its
/// letter.
const MAX_WORDS_OF_PART: usize = MAX_PART - ELLIPSIS.len() - 4;

/// What is said in place of which words.
#[derive(Debug, Default)]
pub(super) struct Reflection {
    /// By first word; the longest first, and among equals the one for the end.
    phrases: HashMap<WordId, Vec<Phrase>>,
}

/// Words that are turned together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// The words, the first one too.
    pub(super) words: Box<[WordId]>,
    /// Whether it is turned only as the end of a part.
    pub(super) is_end: bool,
    /// What is said for them.
    pub(super) text: Box<str>,
}

impl Reflection {
    /// Takes a phrase up. Gives it back if it is known already; it has at least one word.
    pub(super) fn add(&mut self, phrase: Phrase) -> Result<(), Phrase> {
        let known = self.phrases.entry(phrase.words[0]).or_default();
        if known.iter().any(|other| other.words == phrase.words && other.is_end == phrase.is_end) {
            return Err(phrase);
        }
        known.push(phrase);
        known.sort_by_key(|phrase| std::cmp::Reverse((phrase.words.len(), phrase.is_end)));
        Ok(())
    }

    /// The words, turned.
    pub(super) fn turn(&self, words: &[Word<'_>]) -> String {
        let mut turned = String::new();
        let mut rest = words;
        while let Some(first) = rest.first() {
            let phrase = first.id.and_then(|id| self.phrases.get(&id)?.iter().find(|phrase| phrase.begins(rest)));
            let (text, taken) = phrase.map_or((&*first.text, 1), |phrase| (&*phrase.text, phrase.words.len()));
            rest = &rest[taken..];
            let space = usize::from(!turned.is_empty());
            if turned.len() + space + text.len() > MAX_WORDS_OF_PART {
                if turned.is_empty() {
                    turned.push_str(cut(text, MAX_WORDS_OF_PART));
                }
                turned.push_str(ELLIPSIS);
                break;
            }
            turned.extend(std::iter::repeat_n(' ', space));
            turned.push_str(text);
        }
        turned
    }
}

impl Phrase {
    fn begins(&self, words: &[Word<'_>]) -> bool {
        let is_long_enough =
            if self.is_end { words.len() == self.words.len() } else { words.len() >= self.words.len() };
        is_long_enough && self.words.iter().zip(words).all(|(&id, word)| word.id == Some(id))
    }
}

/// The beginning of a text, of at most so many bytes, in whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::super::hearing::Lexicon;
    use super::*;

    /// A line, turned by a few phrases.
    fn turned(line: &str) -> String {
        let mut lexicon = Lexicon::default();
        let mut reflection = Reflection::default();
        let table =
            [("i", "you"), ("my", "your"), ("you", "I"), ("you .", "me"), ("you are", "I am"), ("love you", "love me")];
        for (key, text) in table {
            let words = key.split(' ').filter(|word| *word != ".").map(|word| lexicon.vocabulary.add(word)).collect();
            let phrase = Phrase { words, is_end: key.ends_with('.'), text: text.into() };
            reflection.add(phrase).expect("each once");
        }
        let heard = lexicon.hear(line);
        heard.clauses().map(|clause| reflection.turn(clause.words)).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn persons_are_turned_once() {
        assert_eq!(turned("I know my Anna"), "you know your Anna");
        assert_eq!(turned("you know that i know that you know"), "I know that you know that I know");
    }

    #[test]
    fn the_longest_phrase_goes_first_and_the_end_is_special() {
        assert_eq!(turned("I think you are late"), "you think I am late");
        assert_eq!(turned("I hate you"), "you hate me");
        assert_eq!(turned("I love you dearly"), "you love me dearly");
        assert_eq!(turned("I saw you, you saw"), "you saw me | I saw");
    }

    #[test]
    fn a_phrase_is_taken_up_once() {
        let mut lexicon = Lexicon::default();
        let id = lexicon.vocabulary.add("you");
        let phrase = |is_end| Phrase { words: [id].into(), is_end, text: "I".into() };
        let mut reflection = Reflection::default();
        reflection.add(phrase(false)).expect("a new phrase");
        reflection.add(phrase(true)).expect("a new phrase");
        reflection.add(phrase(true)).expect_err("the same again");
    }

    #[test]
    fn long_parts_are_cut_at_words_and_long_words_at_characters() {
        let long = turned(&"ähnlich ".repeat(200));
        assert!(long.len() <= MAX_PART && long.len() > MAX_PART - 20, "{}", long.len());
        assert!(long.ends_with("ähnlich…"), "{long}");
        let word = turned(&"ß".repeat(2000));
        assert!(word.len() <= MAX_PART && word.ends_with("ß…"), "{word}");
        let just = "x".repeat(MAX_WORDS_OF_PART);
        assert_eq!(turned(&just), just);
        assert_eq!(turned(&format!("{just} y")), format!("{just}…"));
    }
}
