//! The parts of a stream of frames: messages and control frames.
//!
//! Invariants: the messages and the first violation depend on the bytes alone, not on how they arrive. A message that
//! is whole in the input is unmasked there; only the parts of other messages are kept, up to the limit. A byte is
//! unmasked when it is used, so what stays in the inbox is as it arrived.

use std::ops::Range;

use super::close_code::CloseCode;
use super::header::{Header, Opcode, Violation, unmask};
use super::partial::{NOT_UTF8, Partial};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

/// What is at the beginning of the unread input. The numbers are those of its bytes that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More input is needed.
    Partial,
    /// Bytes that complete nothing.
    Skip(usize),
    /// A message that is whole in the input. It is at this range, at the end of the used bytes. A text is not checked.
    Whole(Kind, Range<usize>),
    /// The end of a message that was joined: [`Decoder::partial`].
    Joined(usize),
    /// A ping with the payload at this range, at the end of the used bytes.
    Ping(Range<usize>),
    /// A close, with its code if it has one.
    Close(Option<CloseCode>, usize),
}

/// The state of the input of one connection. It is small, since most connections wait most of the time.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) partial: Option<Box<Partial>>,
    max_message: usize,
}

impl Decoder {
    pub(super) fn new(max_message: usize) -> Self {
        Decoder { partial: None, max_message }
    }

    /// Drops a message that was joined.
    #[inline]
    pub(super) fn forget_joined(&mut self) {
        if self.partial.as_ref().is_some_and(|partial| partial.is_complete()) {
            self.partial = None;
        }
    }

    #[inline]
    pub(super) fn next(&mut self, input: &mut [u8]) -> Result<Part, Violation> {
        if let Some(partial) = &mut self.partial
            && partial.is_in_frame()
        {
            return partial.take(input);
        }
        let Some(header) = Header::read(input)? else { return Ok(Part::Partial) };
        let body =
            usize::try_from(header.length).ok().and_then(|length| input.get_mut(header.size..)?.get_mut(..length));
        match (header.opcode, body) {
            (opcode, None) if opcode.is_control() => Ok(Part::Partial),
            (opcode, Some(body)) if opcode.is_control() => control(&header, body),
            (_, body) => self.data(&header, body),
        }
    }

    /// Takes a data frame, of which `body` is the payload if it is whole in the input.
    fn data(&mut self, header: &Header, body: Option<&mut [u8]>) -> Result<Part, Violation> {
        let kind = match (header.opcode, &self.partial) {
            (Opcode::Continuation, None) => return Err(Violation::new("no message is continued")),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::new("a message is not complete")),
            (Opcode::Text, None) => Kind::Text,
            (_, _) => Kind::Binary,
        };
        let room = self.max_message - self.partial.as_ref().map_or(0, |partial| partial.len());
        if header.length > room as u64 {
            return Err(Violation { code: CloseCode::MESSAGE_TOO_BIG, reason: "a message is too long" });
        }
        match body {
            Some(body) if header.is_final && self.partial.is_none() => {
                let end = header.size + body.len();
                unmask(body, header.mask);
                Ok(Part::Whole(kind, header.size..end))
            }
            _ => self.partial.get_or_insert_with(|| Box::new(Partial::new(kind))).begin_frame(header),
        }
    }
}

/// Takes a control frame, whole and final.
#[cold]
fn control(header: &Header, body: &mut [u8]) -> Result<Part, Violation> {
    let end = header.size + body.len();
    unmask(body, header.mask);
    match (header.opcode, &*body) {
        (Opcode::Ping, _) => Ok(Part::Ping(header.size..end)),
        (Opcode::Close, []) => Ok(Part::Close(None, end)),
        (Opcode::Close, [_]) => Err(Violation::new("a close code has one byte")),
        (Opcode::Close, &[high, low, ref reason @ ..]) => {
            let code = CloseCode::new(u16::from_be_bytes([high, low]));
            let code = code.ok_or(Violation::new("the close code is not allowed"))?;
            str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
            Ok(Part::Close(Some(code), end))
        }
        _ => Ok(Part::Skip(end)),
    }
}
