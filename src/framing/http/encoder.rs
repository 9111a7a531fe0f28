//! The bytes of an answer: its head, and the framing of its body.
//!
//! Invariant: whatever a handler passes, the answer ends where its head says. It writes to any `Write`, and knows
//! neither connection nor request.

use std::fmt::Arguments;
use std::io::Write;
use std::time::SystemTime;

use super::date::date_line;
use super::head::{Version, is_token};
use super::status::Status;

/// How an answer has to be framed: what the request, and the part of the answer that was written, decide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder {
    version: Version,
    /// The answer to HEAD has the head of a body, and no body.
    is_head: bool,
    /// Whether another request may follow on this connection.
    pub(super) keeps_alive: bool,
    body: Body,
    /// Remaining bytes of a body with a length.
    left: u64,
}

/// The framing of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Length,
    Chunked,
    /// The end of the connection is the end of the body: for HTTP/1.0, which has no chunks.
    UntilClose,
    /// The bytes are the whole answer, with its head. The end of the connection is its end.
    Raw,
}

impl Encoder {
    /// The framing of an answer to a request.
    pub(super) fn new(version: Version, method: &str, keeps_alive: bool) -> Self {
        Encoder { version, is_head: method == "HEAD", keeps_alive, body: Body::Length, left: 0 }
    }

    /// The framing of an answer to input that is no request. The connection ends after it.
    pub(super) fn of_rejection() -> Self {
        Encoder::new(Version::Http11, "", false)
    }

    /// The framing of an answer whose bytes are those of another program. The end of the connection is its end.
    pub(super) fn of_raw_bytes(version: Version) -> Self {
        Encoder { body: Body::Raw, ..Encoder::new(version, "", false) }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn is_raw(&self) -> bool {
        self.body == Body::Raw
    }

    /// Whether no more bytes of the body are sent.
    pub(super) fn is_complete(&self) -> bool {
        self.is_head || self.body == Body::Length && self.left == 0
    }

    /// Writes the status line and the date.
    pub(super) fn start(out: &mut impl Write, status: Status, now: SystemTime) {
        match status.line() {
            Some(line) => put(out, line.as_bytes()),
            None => show(out, format_args!("HTTP/1.1 {status}\r\n")),
        }
        put(out, &date_line(now));
    }

    /// Ends a head before a body of `length` bytes.
    pub(super) fn end_with_length(&mut self, out: &mut impl Write, status: Status, length: u64) {
        if !status.is_bodiless() {
            put(out, b"Content-Length: ");
            put(out, Decimal::of(length).digits());
            put(out, b"\r\n");
        }
        self.left = if self.is_head || status.is_bodiless() { 0 } else { length };
        self.end(out);
    }

    /// Ends a head before a body of unknown length.
    pub(super) fn end_with_chunks(&mut self, out: &mut impl Write, status: Status) {
        if status.is_bodiless() {
            self.left = 0;
        } else if self.version >= Version::Http11 {
            put(out, b"Transfer-Encoding: chunked\r\n");
            self.body = Body::Chunked;
        } else {
            self.keeps_alive = false;
            self.body = Body::UntilClose;
        }
        self.end(out);
    }

    /// Ends the head of an answer after which another protocol follows.
    pub(super) fn end_with_upgrade(out: &mut impl Write) {
        put(out, b"Connection: Upgrade\r\n\r\n");
    }

    fn end(&self, out: &mut impl Write) {
        match (self.keeps_alive, self.version) {
            (false, _) => put(out, b"Connection: close\r\n"),
            (true, Version::Http10) => put(out, b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
        put(out, b"\r\n");
    }

    /// Writes bytes of the body. Bytes beyond the length that the head has are dropped. Returns the number of the
    /// others.
    pub(super) fn write(&mut self, out: &mut impl Write, bytes: &[u8]) -> u64 {
        match self.body {
            _ if bytes.is_empty() => {}
            Body::Length => {
                let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= count as u64;
                put(out, &bytes[..count]);
                return count as u64;
            }
            _ if self.is_head => return 0,
            Body::Chunked => {
                show(out, format_args!("{:x}\r\n", bytes.len()));
                put(out, bytes);
                put(out, b"\r\n");
            }
            Body::UntilClose | Body::Raw => put(out, bytes),
        }
        bytes.len() as u64
    }

    /// Counts `bytes` bytes of a body with a length that are sent in another way. Returns whether to send them: not in
    /// the answer to HEAD.
    pub(super) fn sends(&mut self, bytes: u64) -> bool {
        if self.body != Body::Length {
            return !self.is_head;
        }
        let fits = bytes > 0 && bytes <= self.left;
        self.left -= if fits { bytes } else { 0 };
        fits
    }

    /// Writes the end of the body. Returns whether the answer is complete: if not, bytes are missing, and the
    /// connection must end.
    pub(super) fn finish(&mut self, out: &mut impl Write) -> bool {
        if self.body == Body::Chunked && !self.is_head {
            put(out, b"0\r\n\r\n");
        }
        self.body != Body::Length || self.left == 0
    }
}

/// Writes a header. Bytes that a value cannot have (CR, LF, other control characters) are replaced by spaces (RFC
/// 9110, section 5.5), so a value from a peer cannot add a header.
///
/// # Panics
/// If `name` is not a token.
pub(crate) fn encode_header(out: &mut impl Write, name: &str, value: &[u8]) {
    assert!(is_token(name), "{name:?} is not the name of a header");
    put(out, name.as_bytes());
    put(out, b": ");
    let is_bad = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    if value.iter().any(|&byte| is_bad(byte)) {
        put(out, &value.iter().map(|&byte| if is_bad(byte) { b' ' } else { byte }).collect::<Vec<_>>());
    } else {
        put(out, value);
    }
    put(out, b"\r\n");
}

/// The digits of a number. Each answer has one, and the formatting of the standard library takes 150 instructions.
struct Decimal {
    /// Digits at the end.
    bytes: [u8; 20],
    start: usize,
}

impl Decimal {
    fn of(mut number: u64) -> Self {
        let mut decimal = Decimal { bytes: [0; 20], start: 20 };
        loop {
            decimal.start -= 1;
            decimal.bytes[decimal.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    fn digits(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Writes to a buffer. What is written to has no errors: a context or a vector.
fn put(out: &mut impl Write, bytes: &[u8]) {
    let result = out.write_all(bytes);
    debug_assert!(result.is_ok(), "{result:?}");
}

fn show(out: &mut impl Write, text: Arguments<'_>) {
    let result = out.write_fmt(text);
    debug_assert!(result.is_ok(), "{result:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_digits() {
        for number in [0, 7, 10, 1024, 1_048_576, u64::MAX] {
            assert_eq!(Decimal::of(number).digits(), number.to_string().as_bytes());
        }
    }
}
