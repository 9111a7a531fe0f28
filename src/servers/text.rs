//! Shared by the text protocols: texts with gaps, counted nouns, the comparison of names, and the refusal of web
//! requests.
//!
//! Does not make a client's text harmless: that is the task of [`sanitize`](crate::sanitize).

use std::fmt::Display;

use memchr::memchr;
use unicode_normalization::UnicodeNormalization;

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

/// Returns the form in which names are compared: NFKC and lower case. The name is mapped to capitals first, so that `ß`
/// equals `ss` and the two small sigmas are equal.
pub(super) fn fold(name: &str) -> Box<str> {
    let capitals = name.nfkc().flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).nfkc().collect::<String>().into_boxed_str()
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
    fn web_requests_are_known_by_their_first_word() {
        for line in ["GET / HTTP/1.1", "POST /x", "TRACE *", "Host: here", "host:x"] {
            assert!(is_http(line.as_bytes()), "{line}");
        }
        for line in ["GET", "get out", "GETTER x", "", "Host", "ann"] {
            assert!(!is_http(line.as_bytes()), "{line}");
        }
    }
}
