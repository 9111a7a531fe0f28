//! The sanitizer, against a plain form of its contract that looks at one character at a time.

use std::borrow::Cow;

use switchboard::sanitize;

/// What may not reach a terminal, as numbers: C0 but tab, DEL and C1, bidirectional controls, separators of lines and
/// paragraphs.
const FORBIDDEN: [std::ops::RangeInclusive<u32>; 7] =
    [0x00..=0x08, 0x0A..=0x1F, 0x7F..=0x9F, 0x61C..=0x61C, 0x200E..=0x200F, 0x2028..=0x202E, 0x2066..=0x2069];

/// Sanitizes the bytes.
pub fn run(bytes: &[u8]) {
    let clean = sanitize(bytes);
    let replaced = |found| {
        let is_forbidden = FORBIDDEN.iter().any(|range| range.contains(&u32::from(found)));
        if is_forbidden { char::REPLACEMENT_CHARACTER } else { found }
    };
    let want: String = String::from_utf8_lossy(bytes).chars().map(replaced).collect();
    assert_eq!(clean, want);
    assert_eq!(matches!(clean, Cow::Borrowed(_)), clean.as_bytes() == bytes, "clean text is borrowed, and no other");
    assert!(clean.len() <= 3 * bytes.len());
    assert!(matches!(sanitize(clean.as_bytes()), Cow::Borrowed(_)), "what was sanitized is clean");
}
