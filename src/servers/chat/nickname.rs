//! The rules for nicknames.
//!
//! Invariant: a nickname consists of 1 to 32 visible letters, digits, `_`, `-` or `.`, in NFC. So it contains no space,
//! no colon and no sign that begins a text of the server. [`fold`](crate::servers::text::fold) decides which two are
//! the same.

use unicode_normalization::UnicodeNormalization;

use crate::servers::text::is_visible;

/// The longest nickname, in characters. 32 leave room for text on a line of a terminal.
const MOST_CHARACTERS: usize = 32;

/// Returns the nickname in the form in which it is shown, or `None` if it is invalid. Spaces around it are ignored.
pub(super) fn parse(line: &[u8]) -> Option<Box<str>> {
    let line = std::str::from_utf8(line).ok()?.trim();
    // NFC comes first, since it maps some characters to others.
    let mut nick = String::new();
    for (index, found) in line.nfc().enumerate() {
        if index == MOST_CHARACTERS || !is_allowed(found) {
            return None;
        }
        nick.push(found);
    }
    (!nick.is_empty() && is_visible(&nick)).then(|| nick.into_boxed_str())
}

fn is_allowed(found: char) -> bool {
    found.is_alphanumeric() || matches!(found, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Option<String> {
        parse(line.as_bytes()).map(String::from)
    }

    #[test]
    fn letters_digits_and_three_signs_make_a_nickname() {
        for nick in ["a", "ann_b-c.9", "Jörg", "Олег", "小明", "ชัย9", &"x".repeat(32)] {
            assert_eq!(shown(nick).as_deref(), Some(nick));
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
        assert_eq!(parse(b"ann\xff"), None);
        assert_eq!(parse(b"\x16\x03\x01"), None, "the start of TLS");
    }

    #[test]
    fn the_shown_form_is_composed_and_counted_in_characters() {
        assert_eq!(shown("Jo\u{308}rg").as_deref(), Some("Jörg"));
        assert_eq!(shown(&"o\u{308}".repeat(32)), Some("ö".repeat(32)));
        assert_eq!(shown("a\u{37E}"), None, "a Greek question mark composes to a semicolon");
    }
}
