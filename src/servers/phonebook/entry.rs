//! The rules for names and numbers, and for the equality of names.
//!
//! Invariant: a name or number is one line of text of bounded length, as it was typed, without the spaces around it.

use crate::handler::sanitize::sanitize;
use crate::servers::text::{fold, is_visible};

/// The longest name, in characters. 64 hold a full name and a remark, and a page of a listing stays small.
const MOST_OF_NAME: usize = 64;
/// The longest number, in characters. ITU-T E.164 allows 15 digits; the rest is for spaces, signs and an extension.
const MOST_OF_NUMBER: usize = 40;

/// A name, as shown and as compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) shown: Box<str>,
    /// The form for comparison, which ignores case, width, composition and the amount of space.
    pub(super) key: Box<str>,
}

/// A line of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) number: Box<str>,
}

impl Name {
    /// Parses a name. Returns `None` if it is invalid.
    pub(super) fn parse(text: &str) -> Option<Name> {
        let text = text.trim();
        let key = words(&fold(text)).into_boxed_str();
        (is_name(text) && !key.is_empty()).then(|| Name { shown: text.into(), key })
    }
}

/// Returns the prefix of keys for the prefix of a name. A space at its end counts. Returns `None` if it is invalid.
pub(super) fn parse_prefix(text: &str) -> Option<Box<str>> {
    let folded = fold(text.trim_start());
    let mut key = words(&folded);
    if !key.is_empty() && folded.ends_with(char::is_whitespace) {
        key.push(' ');
    }
    is_name(text).then(|| key.into_boxed_str())
}

/// Parses a number. Returns `None` if it is invalid.
pub(super) fn parse_number(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    let is_sign = |found: char| found.is_ascii_digit() || " +-()./*#".contains(found);
    let has_good_words = text
        .split(|found: char| !found.is_ascii_alphabetic())
        .all(|word| word.is_empty() || word.eq_ignore_ascii_case("x") || word.eq_ignore_ascii_case("ext"));
    let is_number = text.len() <= MOST_OF_NUMBER
        && text.contains(|found: char| found.is_ascii_digit())
        && text.chars().all(|found| is_sign(found) || found.is_ascii_alphabetic())
        && has_good_words;
    is_number.then(|| text.into())
}

/// Whether a name is short enough, can be seen, and contains nothing that [`sanitize`] would replace.
fn is_name(text: &str) -> bool {
    let is_short = text.chars().count() <= MOST_OF_NAME;
    is_short && !text.contains('\t') && is_visible(text) && sanitize(text.as_bytes()) == text
}

/// Replaces each run of spaces by one space.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        Name::parse(text).map(|name| name.key.into())
    }

    #[test]
    fn names_are_compared_without_case_form_and_spacing() {
        let name = Name::parse(" Ann  O\u{2019}Smith ").expect("a name");
        assert_eq!((&*name.shown, &*name.key), ("Ann  O\u{2019}Smith", "ann o\u{2019}smith"));
        for other in ["ANN O\u{2019}SMITH", "ann\u{A0}o\u{2019}smith", "Ａnn  O\u{2019}Smith"] {
            assert_eq!(key(other), key(&name.shown), "{other}");
        }
        assert_eq!(key("Jo\u{308}rg Maße"), key("JÖRG MASSE"));
        assert_ne!(key("annsmith"), key("ann smith"));
        assert_eq!(key("\"\\"), Some("\"\\".into()));
    }

    #[test]
    fn what_cannot_be_shown_as_it_is_or_is_too_long_is_no_name() {
        let longest = "ﷺ".repeat(64);
        assert!(key(&longest).is_some_and(|key| key.len() < 64 * 64), "bounded, also where a letter becomes eighteen");
        for bad in ["", "  ", "\u{A0}", "a\tb", "a\x1bb", "a\u{202E}b", "a\u{2028}b", &"x".repeat(65)] {
            assert_eq!(key(bad), None, "{bad:?}");
        }
        for bad in ["\u{3164}", "a\u{200B}", "\u{301}"] {
            assert_eq!(key(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_prefix_is_folded_as_names_are_and_its_last_space_counts() {
        for (text, wanted) in [("", ""), ("An", "an"), (" An  S", "an s"), ("ann ", "ann "), ("  ", ""), ("ﬁ", "fi")]
        {
            assert_eq!(parse_prefix(text).as_deref(), Some(wanted), "{text:?}");
        }
        assert_eq!(parse_prefix("a\x07"), None);
        assert_eq!(parse_prefix(&"x".repeat(65)), None);
    }

    #[test]
    fn numbers_are_digits_with_the_signs_that_people_write() {
        for good in ["1", "+44 20 7946 0000", "(0171) 555-0123", "030/12.34", "*100#", "555 x12", "555 EXT. 9"] {
            assert_eq!(parse_number(good).as_deref(), Some(good));
        }
        assert_eq!(parse_number(" 1 ").as_deref(), Some("1"));
        let long = "1".repeat(41);
        for bad in ["", " ", "+", "ext", "12a", "1\t2", "1\"2", "1\\2", "xx1", "1text", "١٢", "1\u{A0}2", &long] {
            assert_eq!(parse_number(bad), None, "{bad:?}");
        }
    }
}
