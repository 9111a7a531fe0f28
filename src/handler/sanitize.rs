//! Text from peers, made safe for a terminal or a log.
//!
//! Invariant: the result is UTF-8 without a character that moves a cursor, starts an escape sequence, changes the
//! direction of writing or ends a line. Nothing is removed, so a replaced character stays visible. Does not detect
//! letters that look alike.

use std::borrow::Cow;

/// Replaces characters that could deceive a reader or control a terminal with U+FFFD.
///
/// These are control characters (C0 except tab, DEL, C1), bidirectional controls, and line and paragraph separators.
/// Bytes that are not UTF-8 are replaced, too. Clean text is borrowed. The result is at most three times as long as the
/// input.
///
/// ```
/// use switchboard::sanitize;
///
/// assert_eq!(sanitize(b"tab\tand \xc3\xbc stay"), "tab\tand ü stay");
/// assert_eq!(sanitize(b"\x1b[2J\xff"), "\u{FFFD}[2J\u{FFFD}");
/// ```
#[must_use]
pub fn sanitize(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) if is_plain(text.as_bytes()) => Cow::Borrowed(text),
        Ok(text) if !text.chars().any(is_forbidden) => Cow::Borrowed(text),
        _ => Cow::Owned(replace(text)),
    }
}

/// Whether the text is ASCII without control characters, as most lines are. Counting every byte, rather than stopping
/// at the first match, lets the compiler compare many bytes at a time.
fn is_plain(text: &[u8]) -> bool {
    text.iter().filter(|&&byte| !matches!(byte, b'\t' | b' '..=b'~')).count() == 0
}

/// Whether a character must not reach a terminal or a log.
fn is_forbidden(found: char) -> bool {
    match found {
        '\t' | ' '..='~' => false,
        '\u{61C}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}'
        | '\u{2028}'
        | '\u{2029}' => true,
        // C0, DEL and C1. NEL (U+0085) in C1 is a line end to some terminals.
        other => other.is_control(),
    }
}

fn replace(text: &[u8]) -> String {
    let mut clean = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let replaced = |found| if is_forbidden(found) { char::REPLACEMENT_CHARACTER } else { found };
        clean.extend(chunk.valid().chars().map(replaced));
        if !chunk.invalid().is_empty() {
            clean.push(char::REPLACEMENT_CHARACTER);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORBIDDEN: [std::ops::RangeInclusive<u32>; 8] = [
        0x00..=0x08,
        0x0A..=0x1F,
        0x7F..=0x9F,
        0x61C..=0x61C,
        0x200E..=0x200F,
        0x2028..=0x2029,
        0x202A..=0x202E,
        0x2066..=0x2069,
    ];

    #[test]
    fn every_character_is_kept_or_replaced_as_listed() {
        for found in '\0'..=char::MAX {
            let text = found.to_string();
            let is_listed = FORBIDDEN.iter().any(|range| range.contains(&u32::from(found)));
            let expected = if is_listed { "\u{FFFD}" } else { &text };
            assert_eq!(sanitize(text.as_bytes()), expected, "U+{:04X}", u32::from(found));
        }
    }

    #[test]
    fn clean_text_is_borrowed() {
        for text in ["", "plain", "tab\there", "grüße, мир, 你好, 👋🏽", "zero\u{200D}width\u{200C}joiners"]
        {
            assert!(matches!(sanitize(text.as_bytes()), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn escapes_become_harmless_and_stay_visible() {
        assert_eq!(sanitize(b"\x1b]0;title\x07"), "\u{FFFD}]0;title\u{FFFD}");
        assert_eq!(sanitize("a\u{202E}b\u{2028}c\u{85}d".as_bytes()), "a\u{FFFD}b\u{FFFD}c\u{FFFD}d");
        assert_eq!(sanitize(b"\xe2\x82"), "\u{FFFD}", "an incomplete sequence is one wrong character");
        assert_eq!(sanitize(b"\xc3(\x9b"), "\u{FFFD}(\u{FFFD}", "a lone C1 byte is invalid UTF-8");
    }

    proptest! {
        #[test]
        fn no_forbidden_character_survives(text: Vec<u8>) {
            let clean = sanitize(&text);
            prop_assert!(!clean.chars().any(is_forbidden));
            prop_assert!(clean.len() <= 3 * text.len());
            prop_assert!(matches!(sanitize(clean.as_bytes()), Cow::Borrowed(same) if same == clean));
        }
    }
}
