//! The frames of a server: whole messages without a mask, as bytes.
//!
//! Invariant: what a function returns depends on its arguments alone, so it can be sent to any number of peers.

use super::close_code::CloseCode;
use super::header::{FINAL, MAX_CONTROL, Opcode};

/// Returns a text message as it is sent.
///
/// ```
/// use switchboard::framing::websocket::text_frame;
///
/// assert_eq!(text_frame("hi"), b"\x81\x02hi");
/// ```
#[must_use]
pub fn text_frame(text: &str) -> Vec<u8> {
    frame(Opcode::Text, text.as_bytes())
}

/// Returns a binary message as it is sent.
#[must_use]
pub fn binary_frame(bytes: &[u8]) -> Vec<u8> {
    frame(Opcode::Binary, bytes)
}

/// Returns a ping, which the peer answers with a pong. That shows that the peer is alive: it counts as activity for
/// [`Limits::idle_timeout`](crate::Limits::idle_timeout).
///
/// # Panics
/// If `payload` is longer than 125 bytes.
#[must_use]
pub fn ping_frame(payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= MAX_CONTROL, "a ping of {} bytes is too long", payload.len());
    frame(Opcode::Ping, payload)
}

/// Returns a close frame. Nothing may be sent after it, so the connection is closed then; [`close`](super::close) does
/// both.
///
/// Of a `reason` over 123 bytes, the beginning is sent.
#[must_use]
pub fn close_frame(code: CloseCode, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    frame(Opcode::Close, &[&code.number().to_be_bytes(), &reason.as_bytes()[..end]].concat())
}

/// Appends a text message whose text `write` appends. It must be UTF-8.
///
/// The text is written behind room for the longest header, and moved to the end of its own. So a buffer that is used
/// again needs no other one.
#[cfg(feature = "web")]
pub(crate) fn append_text_frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.resize(start + MAX_HEADER, 0);
    write(out);
    let payload = start + MAX_HEADER;
    debug_assert!(str::from_utf8(&out[payload..]).is_ok(), "a text is UTF-8");
    let mut header = [0; MAX_HEADER];
    let length = write_header(Opcode::Text, out.len() - payload, &mut header);
    out[start..start + length].copy_from_slice(&header[..length]);
    out.drain(start + length..payload);
}

/// Returns a frame with any payload.
pub(super) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; MAX_HEADER];
    let length = write_header(opcode, payload.len(), &mut header);
    [&header[..length], payload].concat()
}

/// The longest header: two bytes, and a length of eight.
const MAX_HEADER: usize = 10;

/// Writes the header of a frame with a payload of this length, and returns its own length.
fn write_header(opcode: Opcode, payload: usize, header: &mut [u8; MAX_HEADER]) -> usize {
    header[0] = FINAL | opcode as u8;
    match payload {
        0..126 => {
            header[1] = payload as u8;
            2
        }
        126..0x1_0000 => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload as u64).to_be_bytes());
            MAX_HEADER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, section 5.7.
    #[test]
    fn frames_are_those_of_the_examples() {
        assert_eq!(text_frame("Hello"), b"\x81\x05Hello");
        assert_eq!(ping_frame(b"Hello"), b"\x89\x05Hello");
        for (length, head) in [
            (125, &b"\x82\x7d"[..]),
            (126, b"\x82\x7e\x00\x7e"),
            (256, b"\x82\x7e\x01\x00"),
            (65_535, b"\x82\x7e\xff\xff"),
            (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            assert_eq!(binary_frame(&vec![7; length]), [head, &vec![7; length]].concat());
        }
    }

    #[test]
    #[cfg(feature = "web")]
    fn an_appended_frame_is_that_of_its_text() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            let mut out = b"before".to_vec();
            append_text_frame(&mut out, |out| out.extend_from_slice(text.as_bytes()));
            append_text_frame(&mut out, |_| {});
            assert_eq!(out, [b"before", &*text_frame(&text), b"\x81\x00"].concat());
        }
    }

    #[test]
    fn a_close_frame_has_a_code_and_a_short_reason() {
        assert_eq!(close_frame(CloseCode::NORMAL, ""), b"\x88\x02\x03\xe8");
        assert_eq!(close_frame(CloseCode::GOING_AWAY, "bye"), b"\x88\x05\x03\xe9bye");
        // The letter has two bytes, of which only the first one has room.
        let long = format!("{}\u{e9}", "x".repeat(122));
        assert_eq!(close_frame(CloseCode::NORMAL, &long)[4..], *"x".repeat(122).as_bytes());
    }

    #[test]
    #[should_panic(expected = "a ping of 126 bytes is too long")]
    fn a_ping_has_a_limit() {
        let _ = ping_frame(&[0; 126]);
    }
}
