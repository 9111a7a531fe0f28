//! The words that a script knows, each with a number.
//!
//! Invariant: two spellings that fold to the same text have the same number. Rules compare numbers, so the time for a
//! comparison does not depend on what a patient typed.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// The number of a word in a [`Vocabulary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WordId(u32);

/// All words of a script.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    ids: HashMap<Box<str>, WordId>,
    /// By number, as the script spelled them first.
    spellings: Vec<Box<str>>,
}

impl Vocabulary {
    /// The number of a word, which is known from now on.
    pub(super) fn add(&mut self, word: &str) -> WordId {
        let folded = fold(word);
        if let Some(&id) = self.ids.get(&*folded) {
            return id;
        }
        let id = WordId(self.spellings.len() as u32);
        self.spellings.push(word.into());
        self.ids.insert(folded.into(), id);
        id
    }

    /// The number of a word, if the script has it.
    pub(super) fn find(&self, word: &str) -> Option<WordId> {
        self.ids.get(&*fold(word)).copied()
    }

    /// The word as the script spells it.
    pub(super) fn spelling(&self, id: WordId) -> &str {
        &self.spellings[id.0 as usize]
    }
}

/// The form in which words are compared: lower case, NFC, one kind of apostrophe.
///
/// NFC and not NFKC: the latter makes 18 characters of one, which is work that a patient could cause.
fn fold(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'`') {
        return Cow::Borrowed(word);
    }
    let plain = word.chars().map(|found| if is_apostrophe(found) { '\'' } else { found });
    Cow::Owned(plain.flat_map(char::to_lowercase).nfc().collect())
}

/// Whether a character is typed for an apostrophe.
pub(super) fn is_apostrophe(found: char) -> bool {
    matches!(found, '\'' | '’' | '‘' | 'ʼ' | '´' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_composition_and_kind_of_apostrophe_make_no_other_word() {
        let mut words = Vocabulary::default();
        let don = words.add("don't");
        for typed in ["DON'T", "Don’t", "don`t", "don´t", "donʼt"] {
            assert_eq!(words.find(typed), Some(don), "{typed}");
        }
        let mother = words.add("Mütter");
        assert_eq!(words.find("MU\u{308}TTER"), Some(mother));
        assert_eq!(words.find("mutter"), None);
        assert_ne!(don, mother);
    }

    #[test]
    fn a_word_is_spelled_as_it_was_first() {
        let mut words = Vocabulary::default();
        let id = words.add("I");
        assert_eq!(words.add("i"), id);
        assert_eq!(words.spelling(id), "I");
    }
}
