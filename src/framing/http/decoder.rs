//! The parts of a stream of requests: heads, bodies and trailers.
//!
//! Invariant: the parts depend on the bytes alone, not on how they arrive. The decoder keeps no bytes.

use memchr::memchr;

use super::head::{Bounds, Search, is_token_byte};
use super::options::HttpOptions;
use super::rejection::Rejection;
use super::request::{BodyLength, TOO_LARGE, parse_fields};

/// What is at the beginning of the unread input. The numbers are those of its bytes, at least one except for `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More input is needed.
    Partial,
    /// A head. The caller parses it and calls [`Decoder::expect_body`].
    Head(usize),
    /// Bytes of the body.
    Body(usize),
    /// Bytes that belong to no part, such as the size of a chunk.
    Skip(usize),
    /// The end of a request with a body, and its trailer section: no bytes if there is none.
    End(usize),
}

/// Where the decoder is in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before a head, or within one.
    #[default]
    Head,
    /// In a body of which this number of bytes remain.
    Length(u64),
    /// Before the size of a chunk.
    ChunkSize,
    /// In a chunk of which this number of bytes remain, and then CRLF.
    Chunk(u64),
    Trailers,
}

/// The state of the input of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    place: Place,
    search: Search,
    /// Bytes that the body in chunks has had.
    received: u64,
    /// Bytes that the lines with sizes of chunks have had beyond [`CHUNK_LINE`] bytes each.
    extensions: u32,
}

/// Bytes of a line with the size of a chunk that do not count as extensions.
const CHUNK_LINE: usize = 16;

type Found = Result<Part, Rejection>;

impl Decoder {
    /// Whether the next byte belongs to a new request.
    pub(super) fn is_before_head(&self) -> bool {
        self.place == Place::Head
    }

    /// The number of bytes that remain of the body, if it is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.place {
            Place::Head => Some(0),
            Place::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Expects a body after the head that was found.
    pub(super) fn expect_body(&mut self, length: BodyLength) {
        self.place = match length {
            BodyLength::None => Place::Head,
            BodyLength::Known(length) => Place::Length(length),
            BodyLength::Chunked => Place::ChunkSize,
        };
        (self.received, self.extensions) = (0, 0);
    }

    pub(super) fn next(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        match self.place {
            Place::Length(0) => {
                self.place = Place::Head;
                Ok(Part::End(0))
            }
            _ if input.is_empty() => Ok(Part::Partial),
            Place::Head => self.head(input, options),
            Place::Length(left) => {
                let count = first(input, left);
                self.place = Place::Length(left - count as u64);
                Ok(Part::Body(count))
            }
            Place::ChunkSize => self.chunk_size(input, options),
            Place::Chunk(0) => self.chunk_end(input),
            Place::Chunk(left) => {
                let count = first(input, left);
                self.place = Place::Chunk(left - count as u64);
                Ok(Part::Body(count))
            }
            Place::Trailers => self.trailers(input, options),
        }
    }

    fn head(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        match input {
            // RFC 9112, section 2.2: empty lines before a request are ignored.
            [b'\r'] => return Ok(Part::Partial),
            [b'\r', b'\n', ..] => return Ok(Part::Skip(2)),
            // The answer to other protocols, such as TLS, does not wait for the end of a line.
            [byte, ..] if !is_token_byte(*byte) => return Err(Rejection::bad("the method is not a token")),
            _ => {}
        }
        Ok(self.search.end(input, Bounds::of_head(options))?.map_or(Part::Partial, Part::Head))
    }

    /// Finds the line before a chunk (RFC 9112, section 7.1).
    fn chunk_size(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        let longest = options.max_chunk_line + 2;
        let Some(end) = memchr(b'\n', &input[..input.len().min(longest)]) else {
            let is_partial = input.len() < longest;
            return if is_partial { Ok(Part::Partial) } else { Err(Rejection::bad("the line of a chunk is too long")) };
        };
        let line = input[..end].strip_suffix(b"\r");
        let size = chunk_size(line.ok_or(Rejection::bad("the line of a chunk ends in LF without CR"))?)?;
        self.extensions = self.extensions.saturating_add(end.saturating_sub(CHUNK_LINE) as u32);
        if self.extensions as usize > options.max_chunk_extensions {
            return Err(Rejection::bad("the extensions of chunks are too long"));
        }
        self.received = self.received.saturating_add(size);
        if options.max_body.is_some_and(|most| self.received > most) {
            return Err(TOO_LARGE);
        }
        self.place = if size == 0 { Place::Trailers } else { Place::Chunk(size) };
        Ok(Part::Skip(end + 1))
    }

    fn chunk_end(&mut self, input: &[u8]) -> Found {
        match input {
            [b'\r'] => Ok(Part::Partial),
            [b'\r', b'\n', ..] => {
                self.place = Place::ChunkSize;
                Ok(Part::Skip(2))
            }
            _ => Err(Rejection::bad("a chunk does not end where its size says")),
        }
    }

    fn trailers(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        let Some(end) = self.search.end(input, Bounds::of_trailers(options))? else { return Ok(Part::Partial) };
        parse_fields(&input[..end], |name, _| {
            // RFC 9110, section 6.5.1: fields that frame or route a message are no trailers.
            let is_forbidden = ["content-length", "host", "transfer-encoding"].contains(&&*name.to_ascii_lowercase());
            if is_forbidden { Err(Rejection::bad("a trailer field is not allowed")) } else { Ok(()) }
        })?;
        self.place = Place::Head;
        Ok(Part::End(end))
    }
}

/// The number of bytes of `input` that belong to a body of which `left` bytes remain.
fn first(input: &[u8], left: u64) -> usize {
    input.len().min(usize::try_from(left).unwrap_or(usize::MAX))
}

/// Parses a line before a chunk: at most 16 hexadecimal digits, and extensions, which are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, Rejection> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    let size = str::from_utf8(size).ok().filter(|size| !size.is_empty());
    let size = size.ok_or(Rejection::bad("the size of a chunk is not a hexadecimal number"))?;
    let size = u64::from_str_radix(size, 16).map_err(|_| Rejection::bad("the size of a chunk is too large"))?;
    let is_valid = extensions.is_empty() || extensions.trim_ascii_start().starts_with(b";");
    if !is_valid || extensions.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(Rejection::bad("the size of a chunk is followed by more than extensions"));
    }
    Ok(size)
}
