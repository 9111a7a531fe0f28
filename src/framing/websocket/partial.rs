//! A message that arrives in parts: in several frames, or in a frame that is longer than one read.
//!
//! Invariant: a text is checked up to its last byte that has arrived. Its memory grows with what has arrived, not with
//! what a header announces.

use super::close_code::CloseCode;
use super::decoder::{Kind, Part};
use super::header::{Header, Violation, unmask};

/// The beginning of a message, and where its next byte is.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) body: Body,
    /// Remaining bytes of the present frame. At 0, another frame follows, unless this was the last one.
    left: u64,
    /// The mask of the next byte.
    mask: [u8; 4],
    is_last_frame: bool,
}

/// The bytes of a message up to now.
#[derive(Debug)]
pub(super) enum Body {
    Text(PartialText),
    Binary(Vec<u8>),
}

impl Partial {
    pub(super) fn new(kind: Kind) -> Self {
        let body = match kind {
            Kind::Text => Body::Text(PartialText::default()),
            Kind::Binary => Body::Binary(Vec::new()),
        };
        Partial { body, left: 0, mask: [0; 4], is_last_frame: false }
    }

    /// Whether the next byte belongs to the payload of a frame.
    pub(super) fn is_in_frame(&self) -> bool {
        self.left > 0
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left == 0 && self.is_last_frame
    }

    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
        }
    }

    /// Begins with another frame, of which the header is used.
    pub(super) fn begin_frame(&mut self, header: &Header) -> Result<Part, Violation> {
        (self.left, self.mask, self.is_last_frame) = (header.length, header.mask, header.is_final);
        self.after(header.size)
    }

    /// Takes the bytes of the present frame from `input`.
    pub(super) fn take(&mut self, input: &mut [u8]) -> Result<Part, Violation> {
        let count = input.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let bytes = &mut input[..count];
        unmask(bytes, self.mask);
        self.mask.rotate_left(count % 4);
        match &mut self.body {
            Body::Text(text) => text.push(bytes)?,
            Body::Binary(joined) => joined.extend_from_slice(bytes),
        }
        self.left -= count as u64;
        self.after(count)
    }

    fn after(&self, used: usize) -> Result<Part, Violation> {
        match &self.body {
            _ if !self.is_complete() => Ok(Part::Skip(used)),
            Body::Text(text) if text.tail_len > 0 => Err(NOT_UTF8),
            _ => Ok(Part::Joined(used)),
        }
    }
}

/// A text that arrives in parts, which may be cut within a character.
#[derive(Debug, Default)]
pub(super) struct PartialText {
    pub(super) text: String,
    /// The beginning of a character, at most three bytes. The fourth place is for the byte that completes it.
    tail: [u8; 4],
    tail_len: usize,
}

/// The end of a text that is no UTF-8: code 1007.
pub(super) const NOT_UTF8: Violation = Violation { code: CloseCode::INVALID_DATA, reason: "a text is not UTF-8" };

impl PartialText {
    fn len(&self) -> usize {
        self.text.len() + self.tail_len
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while self.tail_len > 0
            && let Some((&byte, rest)) = bytes.split_first()
        {
            self.tail[self.tail_len] = byte;
            self.tail_len += 1;
            bytes = rest;
            match str::from_utf8(&self.tail[..self.tail_len]) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.tail_len = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NOT_UTF8),
            }
        }
        match str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_none() => {
                let (text, tail) = bytes.split_at(error.valid_up_to());
                self.text.push_str(str::from_utf8(text).map_err(|_| NOT_UTF8)?);
                self.tail[..tail.len()].copy_from_slice(tail);
                self.tail_len = tail.len();
            }
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each cut, and each bad byte at the place where it shows.
    #[test]
    fn a_text_is_checked_as_it_arrives() {
        let text = "a\u{e9}\u{20ac}\u{1f600}z";
        for size in 1..=text.len() {
            let mut partial = PartialText::default();
            for bytes in text.as_bytes().chunks(size) {
                partial.push(bytes).expect("valid so far");
            }
            assert_eq!((&*partial.text, partial.tail_len), (text, 0), "in pieces of {size} bytes");
        }
        for (valid, bad) in [
            (&b""[..], 0x80),
            (b"a", 0xff),
            (b"\xc3\xa9", 0xc0),
            (b"\xce\xba\xe1", 0x28),
            (b"\xe0", 0x80), // an overlong form
            (b"\xed", 0xa0), // a surrogate
            (b"\xf4", 0x90), // above U+10FFFF
            (b"\xf0\x9f\x98", b'z'),
        ] {
            let mut partial = PartialText::default();
            for &byte in valid {
                assert_eq!(partial.push(&[byte]), Ok(()));
            }
            assert_eq!(partial.push(&[bad]), Err(NOT_UTF8), "{}", valid.escape_ascii());
            assert_eq!(PartialText::default().push(&[valid, &[bad]].concat()), Err(NOT_UTF8));
        }
    }
}
