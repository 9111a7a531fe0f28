//! Shared by the text protocols: texts with gaps, counted nouns, the rules and the comparison of names, and the refusal
//! of web requests.
//!
//! Does not make a client's text harmless: that is the task of [`sanitize`](crate::sanitize).

use std::fmt::Display;

use memchr::memchr;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::handler::context::Context;

/// Replies with `text`, filled with `values` as by [`fill`].
pub(super) fn reply(text: &str, values: &[&str], cx: &mut Context<'_>) {
    for_each_piece(text, values, |piece| cx.reply(piece));
}

/// Appends `text` to `out`. Each name in braces is replaced by the next of `values`; braces in a value have no meaning.
pub(super) fn fill(out: &mut Vec<u8>, text: &str, values: &[&str]) {
    for_each_piece(text, values, |piece| out.extend_from_slice(piece));
}

fn for_each_piece(text: &str, values: &[&str], mut append: impl FnMut(&[u8])) {
    let (mut rest, mut values) = (text.as_bytes(), values.iter());
    while let Some(start) = memchr(b'{', rest) {
        let end = memchr(b'}', &rest[start..]).map_or(rest.len(), |length| start + length + 1);
        debug_assert!(values.len() > 0, "{text:?} has more names than values");
        append(&rest[..start]);
        append(values.next().unwrap_or(&"").as_bytes());
        rest = &rest[end..];
    }
    append(rest);
    debug_assert!(values.len() == 0, "{text:?} has fewer names than values");
}

/// A count with its noun: `1 line`, `2 lines`.
pub(super) fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Returns the form in which names are compared: NFKC and lower case, without invisible characters. The name is mapped
/// to capitals first, so that `ß` equals `ss` and the two small sigmas are equal.
///
/// This is `NFKC_Casefold` of the Unicode Standard, chapter 3.13, for names that [`is_visible`] accepts.
pub(super) fn fold(name: &str) -> Box<str> {
    let capitals = name.chars().filter(|&found| !is_invisible(found)).nfkc().flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).nfkc().collect::<String>().into_boxed_str()
}

/// The most combining marks and joiners of one character in a name. Burmese has five, and the flag of Wales six.
const MOST_MARKS: usize = 6;

/// Whether everything in a name can be seen, so that no two names differ only in what cannot be seen.
///
/// Not accepted are:
///
/// - an invisible character, such as U+200B (zero width space) or U+3164 (Hangul filler),
/// - a combining mark, a joiner or a variation selector that follows no character or a space,
/// - more than [`MOST_MARKS`] of these on one character, which would cover the lines around it.
///
/// An empty text and spaces are accepted. Letters that look alike are not detected, nor are the controls that
/// [`sanitize`](crate::sanitize) replaces.
pub(super) fn is_visible(name: &str) -> bool {
    let mut room: usize = 0;
    for found in name.nfd() {
        if is_joiner(found) || is_combining_mark(found) && !is_invisible(found) {
            let Some(rest) = room.checked_sub(1) else { return false };
            room = rest;
        } else if is_invisible(found) {
            return false;
        } else {
            room = if found.is_whitespace() { 0 } else { MOST_MARKS };
        }
    }
    true
}

/// Whether a character is invisible by itself, but changes the look of the character before it: joiners, variation
/// selectors, and the tags in flags. Persian names and emoji need them.
fn is_joiner(found: char) -> bool {
    matches!(found,
        '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Whether a character has no appearance of its own.
///
/// These are the code points with the property `Default_Ignorable_Code_Point` (`DerivedCoreProperties.txt`, Unicode
/// 17; unassigned ranges are reserved for it), the interlinear annotations (U+FFF9 to U+FFFB), and the blank pattern of
/// Braille (U+2800).
pub(super) fn is_invisible(found: char) -> bool {
    matches!(found,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// If `line` begins a web request, replies with `notice` and closes the connection. Returns whether it did.
///
/// A web page can make its reader's browser post to a port of the reader's machine. Such a request must not be obeyed.
pub(super) fn refuse_http(line: &[u8], notice: &str, cx: &mut Context<'_>) -> bool {
    let is_request = is_http(line);
    if is_request {
        cx.reply(notice.as_bytes());
        cx.close();
    }
    is_request
}

/// Whether `line` is a request line or the field `Host`.
fn is_http(line: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"CONNECT", b"TRACE"];
    let word = line.split(|&byte| byte == b' ').next().unwrap_or(line);
    let is_request = word.len() < line.len() && METHODS.contains(&word);
    is_request || line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"host:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_in_order_and_braces_of_values_stay() {
        let mut out = b"> ".to_vec();
        fill(&mut out, "{name} is {what}, {end}\n", &["{ann}", "", "}{"]);
        assert_eq!(out, b"> {ann} is , }{\n");
    }

    #[test]
    fn only_a_count_of_one_is_singular() {
        let counts = [0_u64, 1, 2, 11].map(|number| counted(number, "line"));
        assert_eq!(counts, ["0 lines", "1 line", "2 lines", "11 lines"]);
    }

    #[test]
    fn case_width_and_composition_do_not_make_another_name() {
        for (one, other) in
            [("Ann", "aNN"), ("ＡＮＮ", "ann"), ("ﬁn", "FIN"), ("maße", "MASSE"), ("ΟΔΟΣ", "οδος"), ("x²", "x2")]
        {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("ann"), fold("änn"));
    }

    #[test]
    fn invisible_characters_make_no_other_name() {
        for (one, other) in [("ann\u{200D}", "ann"), ("علی\u{200C}رضا", "علیرضا"), ("❤\u{FE0F}", "❤")] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn a_name_of_any_script_is_visible() {
        for name in [
            "",
            "Ann Smith",
            "o\u{308}",
            "Việt",
            "Ἀρχιμήδης",
            "עִבְרִית",
            "علی\u{200C}رضا",
            "नमस्ते",
            "ชื่อ",
            "한국어",
            "小明",
        ] {
            assert!(is_visible(name), "{name}");
        }
        for name in ["လျှို့ဝှက်", "1\u{FE0F}\u{20E3}", "❤\u{FE0F}\u{200D}🔥", "👩🏽\u{200D}💻", "x\u{E0100}"]
        {
            assert!(is_visible(name), "{name}");
        }
        let wales: String = ['🏴'].into_iter().chain("gbwls\u{7F}".chars().map(tag)).collect();
        assert!(is_visible(&wales));
    }

    /// The tag character for an ASCII character.
    fn tag(ascii: char) -> char {
        char::from_u32(0xE0000 + u32::from(ascii)).expect("a tag for each ASCII character")
    }

    #[test]
    fn a_name_with_an_invisible_character_is_not() {
        let invisible = "\u{AD}\u{34F}\u{115F}\u{1160}\u{180E}\u{200B}\u{2060}\u{2064}\u{2800}\u{3164}\
                         \u{FEFF}\u{FFA0}\u{FFF9}\u{1D173}\u{E0001}";
        for found in invisible.chars() {
            for name in [format!("{found}"), format!("a{found}"), format!("a {found}b")] {
                assert!(!is_visible(&name), "{name:?}");
            }
        }
    }

    #[test]
    fn a_mark_needs_a_character_and_six_are_the_most() {
        for mark in ["\u{301}", "\u{20DD}", "\u{93E}", "\u{E31}", "\u{200C}", "\u{200D}", "\u{FE0F}", "\u{E0067}"] {
            for name in [mark.into(), format!("{mark}a"), format!("a {mark}"), format!("a{}", mark.repeat(7))] {
                assert!(!is_visible(&name), "{name:?}");
            }
            assert!(is_visible(&format!("a{}b{mark}", mark.repeat(6))), "{mark:?}");
        }
        assert!(!is_visible(&format!("ệ{}", "\u{301}".repeat(5))), "the letter has two marks already");
    }

    #[test]
    fn web_requests_are_known_by_their_first_word() {
        for line in ["GET / HTTP/1.1", "POST /x", "TRACE *", "Host: here", "host:x"] {
            assert!(is_http(line.as_bytes()), "{line}");
        }
        for line in ["GET", "get out", "GETTER x", "", "Host", "ann"] {
            assert!(!is_http(line.as_bytes()), "{line}");
        }
    }
}
