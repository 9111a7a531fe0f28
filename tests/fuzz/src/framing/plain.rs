//! The formats read plainly: all of the input is there, and nothing is fast. What the framings are compared with.

use super::{Framing, Told};
use crate::telnet::{BYTE_ORDER_MARK, without_telnet};

impl Framing {
    /// The messages that a handler gets of this input, with its end.
    pub(super) fn plain(self, input: &[u8]) -> Vec<Told> {
        let mut told = Vec::new();
        let mut at = 0;
        while at < input.len() {
            let (event, used) = match self {
                // A line of fewer bytes has no room for a byte order mark.
                Framing::Lines { max_line: 3.. } if at == 0 && input.starts_with(BYTE_ORDER_MARK) => {
                    at = BYTE_ORDER_MARK.len();
                    continue;
                }
                Framing::Lines { .. } => self.line(&input[at..]),
                Framing::Netstrings { .. } => self.netstring(&input[at..]),
                Framing::LengthPrefixed { prefix, .. } => self.prefixed(prefix.real().size(), &input[at..]),
                Framing::Fixed { .. } => self.sized(0, self.longest(), &input[at..]),
            };
            at += used;
            match event {
                Told::Malformed(offset, found) => {
                    told.push(Told::Malformed(offset + at as u64, found));
                    return told;
                }
                // What is too long is told before its end is seen, and its end may be wrong.
                Told::TooLong(_) if self.lacks_comma(input, at) => {
                    told.extend([event, Told::Malformed(at as u64 - 1, input[at - 1])]);
                    return told;
                }
                event => told.push(event),
            }
        }
        told.push(Told::End);
        told
    }

    fn lacks_comma(self, input: &[u8], at: usize) -> bool {
        matches!(self, Framing::Netstrings { .. }) && at <= input.len() && input[at - 1] != b','
    }

    /// A line ends in LF, CRLF or CR NUL, or with the input.
    fn line(self, input: &[u8]) -> (Told, usize) {
        let is_end = |at: &usize| input[..=*at].ends_with(b"\n") || input[..=*at].ends_with(b"\r\0");
        let end = (0..input.len()).find(is_end);
        let text = &input[..end.unwrap_or(input.len())];
        let told = match self.whole(text.strip_suffix(b"\r").unwrap_or(text)) {
            Told::Message(line) => Told::Message(without_telnet(&line)),
            told => told,
        };
        (told, end.map_or(input.len(), |end| end + 1))
    }

    /// Up to nine digits without leading zeros, a colon, as many bytes as they say, a comma.
    fn netstring(self, input: &[u8]) -> (Told, usize) {
        let most = if input[0] == b'0' { 1 } else { 9 };
        let digits = input.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        match input.get(digits) {
            Some(b':') if digits > 0 => {}
            Some(&other) => return (Told::Malformed(digits as u64, other), 0),
            None => return (Told::Truncated { received: input.len(), needed: None }, input.len()),
        }
        let length = input[..digits].iter().fold(0, |length, digit| 10 * length + usize::from(digit - b'0'));
        let (told, used) = self.sized(digits + 1, length, input);
        match (told, input.get(used)) {
            (Told::Message(_), Some(&other)) if other != b',' => (Told::Malformed(used as u64, other), 0),
            (Told::Message(_), None) => {
                (Told::Truncated { received: input.len(), needed: Some(used + 1) }, input.len())
            }
            (Told::Truncated { received, needed }, _) => {
                (Told::Truncated { received, needed: needed.map(|needed| needed + 1) }, used)
            }
            (told, _) => (told, used + 1),
        }
    }

    /// A length of `size` bytes, then as many bytes as it says.
    fn prefixed(self, size: usize, input: &[u8]) -> (Told, usize) {
        let Some(prefix) = input.get(..size) else {
            return (Told::Truncated { received: input.len(), needed: None }, input.len());
        };
        let length = prefix.iter().fold(0, |length, &byte| length * 256 + usize::from(byte));
        self.sized(size, length, input)
    }

    /// The `length` bytes from `start` on.
    fn sized(self, start: usize, length: usize, input: &[u8]) -> (Told, usize) {
        let end = start + length;
        if length > self.longest() {
            return (Told::TooLong(self.longest()), end);
        }
        match input.get(start..end) {
            Some(body) => (Told::Message(body.to_vec()), end),
            None => (Told::Truncated { received: input.len(), needed: Some(end) }, input.len()),
        }
    }

    fn whole(self, message: &[u8]) -> Told {
        if message.len() > self.longest() { Told::TooLong(self.longest()) } else { Told::Message(message.to_vec()) }
    }
}
