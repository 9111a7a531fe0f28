//! The header of a frame (RFC 6455, section 5.2).
//!
//! Invariant: a header that breaks the protocol is refused as soon as its bytes show it, whole or not.

use super::close_code::CloseCode;

/// The bit of a last fragment, in the first byte.
pub(super) const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// The bit of a masked payload, in the second byte.
const MASKED: u8 = 0x80;
/// The bit of the control frames, in an opcode.
const CONTROL: u8 = 0x08;

/// Longest payload of a control frame.
pub(super) const MAX_CONTROL: usize = 125;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

impl Opcode {
    fn new(bits: u8) -> Option<Self> {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        [Continuation, Text, Binary, Close, Ping, Pong].into_iter().find(|&opcode| opcode as u8 == bits)
    }

    pub(super) fn is_control(self) -> bool {
        self as u8 & CONTROL != 0
    }
}

/// Why a peer's input ends the connection: the code of the close frame, and a reason in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: CloseCode,
    pub(super) reason: &'static str,
}

impl Violation {
    /// Code 1002.
    pub(super) const fn new(reason: &'static str) -> Self {
        Violation { code: CloseCode::PROTOCOL_ERROR, reason }
    }
}

/// The header of a frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    /// The bytes of the header itself.
    pub(super) size: usize,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl Header {
    /// Reads the header at the beginning of `input`. Returns `None` if it is incomplete.
    #[inline]
    pub(super) fn read(input: &[u8]) -> Result<Option<Header>, Violation> {
        let Some((&first, rest)) = input.split_first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::new("a reserved bit is set"));
        }
        let opcode = Opcode::new(first & 0x0f).ok_or(Violation::new("the opcode is not known"))?;
        let is_final = first & FINAL != 0;
        if opcode.is_control() && !is_final {
            return Err(Violation::new("a control frame is fragmented"));
        }
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Violation::new("a frame is not masked"));
        }
        let short = usize::from(second & !MASKED);
        if opcode.is_control() && short > MAX_CONTROL {
            return Err(Violation::new("a control frame is too long"));
        }
        let Some((length, rest)) = read_length(short, rest)? else { return Ok(None) };
        let Some(&mask) = rest.first_chunk() else { return Ok(None) };
        let size = input.len() - rest.len() + mask.len();
        Ok(Some(Header { is_final, opcode, size, length, mask }))
    }
}

/// Reads the length of a payload from the 7 bits `short` and the bytes after them. It must have its shortest form.
#[inline]
fn read_length(short: usize, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    const LONG: Violation = Violation::new("a length is longer than it has to be");
    Ok(match short {
        126 => match rest.split_first_chunk() {
            None => None,
            Some((&bytes, rest)) => match u16::from_be_bytes(bytes) {
                ..126 => return Err(LONG),
                length => Some((u64::from(length), rest)),
            },
        },
        127 => match rest.split_first_chunk() {
            None => None,
            Some((&bytes, rest)) => match u64::from_be_bytes(bytes) {
                ..0x1_0000 => return Err(LONG),
                0x8000_0000_0000_0000.. => return Err(Violation::new("a length is over 63 bits")),
                length => Some((length, rest)),
            },
        },
        _ => Some((short as u64, rest)),
    })
}

/// Removes the mask from `payload`, in place (RFC 6455, section 5.3). `mask` begins with that of the first byte.
#[inline]
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_removed_from_any_number_of_bytes() {
        let mask = [0xa5, 0x01, 0xff, 0x3c];
        for length in 0..40 {
            let plain: Vec<u8> = (0..length).collect();
            let mut bytes: Vec<u8> = plain.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            unmask(&mut bytes, mask);
            assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn a_header_has_one_of_three_lengths() {
        for (input, size, length) in [
            (&b"\x81\x80abcd"[..], 6, 0),
            (b"\x81\xfdabcd", 6, 125),
            (b"\x81\xfe\x00\x7eabcd", 8, 126),
            (b"\x81\xfe\xff\xffabcd", 8, 65_535),
            (b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00abcd", 14, 65_536),
            (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd", 14, i64::MAX as u64),
        ] {
            let want = Header { is_final: true, opcode: Opcode::Text, size, length, mask: *b"abcd" };
            assert_eq!(Header::read(input), Ok(Some(want)));
            for end in 0..size {
                assert_eq!(Header::read(&input[..end]), Ok(None), "{}", input[..end].escape_ascii());
            }
        }
    }

    /// The shortest input that shows it is refused.
    #[test]
    fn a_header_that_breaks_the_protocol_is_refused() {
        for (input, reason) in [
            (&b"\xc1"[..], "a reserved bit is set"),
            (b"\xa1", "a reserved bit is set"),
            (b"\x91", "a reserved bit is set"),
            (b"\x83", "the opcode is not known"),
            (b"\x87", "the opcode is not known"),
            (b"\x8b", "the opcode is not known"),
            (b"\x0f", "the opcode is not known"),
            (b"\x09", "a control frame is fragmented"),
            (b"\x08", "a control frame is fragmented"),
            (b"\x81\x05", "a frame is not masked"),
            (b"\x89\xfe", "a control frame is too long"),
            (b"\x88\xff", "a control frame is too long"),
            (b"\x82\xfe\x00\x7d", "a length is longer than it has to be"),
            (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", "a length is longer than it has to be"),
            (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", "a length is over 63 bits"),
        ] {
            assert_eq!(Header::read(input), Err(Violation::new(reason)));
            assert_eq!(Header::read(&input[..input.len() - 1]), Ok(None));
        }
    }
}
