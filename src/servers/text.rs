//! What the protocols of text have in common: texts with gaps, the comparing of names, and what no client of theirs sends.
//!
//! Invariant: pure functions of what they are given. Replaces nothing that could deceive: that is
//! [`sanitize`](crate::sanitize)'s.

use memchr::memchr;
use unicode_normalization::UnicodeNormalization;

/// Appends a text, its names in braces replaced by the values in order. Braces in values mean nothing.
pub(super) fn fill(out: &mut Vec<u8>, text: &str, values: &[&str]) {
    let (mut rest, mut values) = (text.as_bytes(), values.iter());
    while let Some(start) = memchr(b'{', rest) {
        let end = memchr(b'}', &rest[start..]).map_or(rest.len(), |length| start + length + 1);
        debug_assert!(values.len() > 0, "{text:?} has more names than values");
        out.extend_from_slice(&rest[..start]);
        out.extend_from_slice(values.next().unwrap_or(&"").as_bytes());
        rest = &rest[end..];
    }
    out.extend_from_slice(rest);
    debug_assert!(values.len() == 0, "{text:?} has fewer names than values");
}

/// The form in which names are compared: NFKC and lower case. By way of capitals, so that `ß` is `ss` and both small
/// sigmas are one.
pub(super) fn fold(name: &str) -> Box<str> {
    let capitals = name.nfkc().flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).nfkc().collect::<String>().into_boxed_str()
}

/// Whether a line is the beginning of a web request: a page that was made to post to a port of this machine must not get to
/// speak there.
pub(super) fn is_http(line: &[u8]) -> bool {
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
