//! Header fields, as they stand in a head or a trailer section.

use memchr::memchr;

/// The header fields of a request, or its trailer fields: names and values that are valid (RFC 9110, section 5).
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// Lines that end in CRLF, without the empty line. Each has a name, a colon and a value.
    lines: &'a [u8],
    /// The lengths that names have, as bits. Most names that are asked for have another one.
    lengths: u32,
}

/// The bit of the names with this length.
#[inline]
fn length_bit(length: usize) -> u32 {
    1 << (length % 32)
}

impl<'a> Headers<'a> {
    /// `lines` were checked: each ends in CRLF and has a valid name, a colon and a valid value.
    pub(super) fn of_valid(lines: &'a [u8]) -> Self {
        Headers { lines, lengths: u32::MAX }
    }

    /// As [`of_valid`](Self::of_valid), with the names in the lines.
    pub(super) fn of_names<'n>(lines: &'a [u8], names: impl Iterator<Item = &'n str>) -> Self {
        Headers { lines, lengths: names.fold(0, |lengths, name| lengths | length_bit(name.len())) }
    }

    /// Returns the names and values in the order of the request. Values have no white space at their ends.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.fields().map(|(name, value)| (str::from_utf8(name).unwrap_or_default(), value))
    }

    fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            let (name, after) = rest.split_at(memchr(b':', rest)?);
            let end = memchr(b'\n', after)?;
            rest = &after[end + 1..];
            Some((name, after[1..end].trim_ascii()))
        })
    }

    /// Returns the value of the first field with this name, in which case does not matter.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        if self.may_have(name) { self.all(name).next() } else { None }
    }

    /// Whether a name has this length. If not, no field has to be looked at.
    #[inline]
    fn may_have(&self, name: &str) -> bool {
        self.lengths & length_bit(name.len()) != 0
    }

    /// Returns the values of all fields with this name.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let fields = if self.may_have(name) { *self } else { Headers::default() }.fields();
        fields.filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Returns the elements of all fields with this name, each a list with commas. Elements have no white space at
    /// their ends, and none is empty.
    pub fn elements<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.all(name).flat_map(elements)
    }

    /// Whether the fields with this name, each a list with commas, have this element, in which case does not matter:
    /// `has_token("Connection", "upgrade")`.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Returns the elements of a list with commas, without white space around them and without empty ones (RFC 9110,
/// section 5.6.1).
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &[u8] =
        b"Host: a\r\nAccept:text/html \r\nEmpty:\r\nCONNECTION:  keep-alive ,, Upgrade\t\r\naccept: */*\r\n";

    #[test]
    fn fields_are_in_order_without_white_space() {
        let headers = Headers::of_valid(HEADERS);
        let want: [(&str, &[u8]); 5] = [
            ("Host", b"a"),
            ("Accept", b"text/html"),
            ("Empty", b""),
            ("CONNECTION", b"keep-alive ,, Upgrade"),
            ("accept", b"*/*"),
        ];
        assert_eq!(headers.iter().collect::<Vec<_>>(), want);
        assert_eq!(Headers::default().iter().count(), 0);
    }

    /// RFC 9110, section 5.1: names are case-insensitive. Section 5.6.1: empty elements of a list are ignored.
    #[test]
    fn a_name_is_found_in_any_case() {
        let all = Headers::of_valid(HEADERS);
        for headers in [all, Headers::of_names(HEADERS, all.iter().map(|(name, _)| name))] {
            assert_eq!(headers.get("HOST"), Some(&b"a"[..]));
            assert_eq!(headers.get("Hos"), None);
            assert_eq!(headers.all("Accept").collect::<Vec<_>>(), [&b"text/html"[..], b"*/*"]);
            assert!(headers.has_token("connection", "upgrade") && headers.has_token("Connection", "Keep-Alive"));
            assert!(!headers.has_token("connection", "") && !headers.has_token("Connection", "keep"));
        }
    }
}
