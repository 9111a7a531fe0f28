//! The rules for nicknames.
//!
//! Invariant: a nickname has 1 to 32 visible characters and is in NFKC, as RFC 8266 asks for. It begins with a letter
//! or digit, and consists of letters, digits, their combining marks, `_`, `-` and `.`. So it contains no space, no
//! colon and no sign that begins a text of the server. [`fold`](crate::servers::text::fold) decides which two are the
//! same.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::servers::text::{is_invisible, is_visible};

/// The longest nickname, in characters. 32 leave room for text on a line of a terminal.
const MOST_CHARACTERS: usize = 32;

/// Returns the nickname in the form in which it is shown, or `None` if it is invalid. Spaces around it are ignored.
pub(crate) fn parse(line: &[u8]) -> Option<Box<str>> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let mut nick = String::new();
    // NFKC comes first, since it maps some characters to others.
    for (index, found) in line.nfkc().enumerate() {
        if index == MOST_CHARACTERS || !may_follow(nick.chars().next_back(), found) {
            return None;
        }
        nick.push(found);
    }
    // This also limits the marks of a letter.
    (!nick.is_empty() && is_visible(&nick)).then(|| nick.into_boxed_str())
}

/// Whether a character may come after `previous`, or first if that is `None`.
fn may_follow(previous: Option<char>, found: char) -> bool {
    if is_sign(found) {
        previous.is_some()
    } else if is_combining_mark(found) {
        !is_invisible(found) && previous.is_some_and(|previous| !is_sign(previous))
    } else {
        found.is_alphanumeric()
    }
}

fn is_sign(found: char) -> bool {
    matches!(found, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Option<String> {
        parse(line.as_bytes()).map(String::from)
    }

    #[test]
    fn letters_digits_and_three_signs_make_a_nickname() {
        let long = "x".repeat(32);
        for nick in ["a", "9", "ann_b-c.9", "Jörg", "Олег", "小明", "ชัย9", "น้ำ", "प्रिया", "မြို့", "b\u{301}", &long]
        {
            assert_eq!(shown(nick).as_deref(), Some(&*nick.nfkc().collect::<String>()), "{nick}");
        }
        assert_eq!(shown(" ann\t").as_deref(), Some("ann"));
    }

    #[test]
    fn nothing_else_does() {
        let long = "x".repeat(33);
        let bad =
            ["", "  ", "a b", "ann:", "* ann", "[ann]", "/me", "a\u{202E}b", "a\x1b[1m", "\u{3164}", "a,b", &long];
        for nick in bad {
            assert_eq!(shown(nick), None, "{nick:?}");
        }
        for mark in ["\u{345}", "\u{301}", "\u{E31}", "\u{20DD}"] {
            for nick in [mark, "_ann", "a_\u{301}", &mark.repeat(32), &format!("a{}", mark.repeat(31))] {
                assert_eq!(shown(nick), None, "{nick:?}");
            }
        }
        for ignorable in ["\u{AD}", "\u{34F}", "\u{200D}", "\u{3164}", "\u{FE0F}", "\u{E0100}"] {
            assert_eq!(shown(&format!("a{ignorable}")), None, "{ignorable:?}");
        }
        assert_eq!(parse(b"ann\xff"), None);
        assert_eq!(parse(b"\x16\x03\x01"), None, "the start of TLS");
    }

    #[test]
    fn the_shown_form_is_the_compatible_one_counted_in_characters() {
        assert_eq!(shown("Jo\u{308}rg").as_deref(), Some("Jörg"));
        assert_eq!(shown(&"o\u{308}".repeat(32)), Some("ö".repeat(32)));
        assert_eq!(shown("ＡＮＮ²ﬁ").as_deref(), Some("ANN2fi"));
        assert_eq!(shown("a\u{37E}"), None, "a Greek question mark is a semicolon");
    }
}
