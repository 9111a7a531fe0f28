//! The parts of a stream of requests: heads, bodies and trailers.
//!
//! Invariant: the parts depend on the bytes alone, not on how they arrive. The decoder keeps no bytes.

use memchr::memchr;

use super::head::{Bounds, Class, Search};
use super::meter::Meter;
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

/// The state of the input of one connection: where the next byte is in a request. It is one pointer, which is empty
/// between requests, since most connections wait for a request most of the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    within: Option<Box<Within>>,
}

/// A request of which a part has arrived.
#[derive(Clone, Debug)]
enum Within {
    /// Within a head or the empty lines before it.
    Head(PartialHead),
    Body(Body),
}

#[derive(Clone, Copy, Debug, Default)]
struct PartialHead {
    search: Search,
    /// The empty lines before the head.
    empty_lines: u8,
}

#[derive(Clone, Debug)]
struct Body {
    place: Place,
    /// Bytes that the chunks up to this one have.
    chunked: u64,
    /// Bytes that the lines with sizes have had beyond [`CHUNK_LINE`] bytes each.
    extensions: usize,
    meter: Meter,
}

/// Where the next byte is in a body.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a body with a length, of which this number of bytes remain.
    Known(u64),
    /// Before a chunk.
    Size,
    /// In a chunk of which this number of bytes remain, and then CRLF.
    Data(u64),
    Trailers(Search),
}

/// Bytes of a line with the size of a chunk that do not count as extensions.
const CHUNK_LINE: usize = 16;

/// The most empty lines before a head. RFC 9112, section 2.2, asks for one at least: a client may send it after a body.
const MAX_EMPTY_LINES: u8 = 4;

type Found = Result<Part, Rejection>;

impl Decoder {
    /// Whether the next byte belongs to a new request.
    pub(super) fn is_before_head(&self) -> bool {
        !matches!(self.within.as_deref(), Some(Within::Body(_)))
    }

    /// The number of bytes that remain of the body, if it is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.within.as_deref() {
            Some(Within::Body(body)) => match body.place {
                Place::Known(left) => Some(left),
                Place::Size | Place::Data(_) | Place::Trailers(_) => None,
            },
            None | Some(Within::Head(_)) => Some(0),
        }
    }

    /// The meter of the body, within one.
    pub(super) fn meter(&mut self) -> Option<&mut Meter> {
        if let Some(Within::Body(body)) = self.within.as_deref_mut() { Some(&mut body.meter) } else { None }
    }

    /// Expects a body after the head that was found.
    pub(super) fn expect_body(&mut self, length: BodyLength) {
        let place = match length {
            BodyLength::None => return,
            BodyLength::Known(length) => Place::Known(length),
            BodyLength::Chunked => Place::Size,
        };
        self.within = Some(Box::new(Within::Body(Body { place, chunked: 0, extensions: 0, meter: Meter::default() })));
    }

    pub(super) fn next(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        let partial = match self.within.as_deref_mut() {
            None => PartialHead::default(),
            Some(Within::Head(partial)) => *partial,
            Some(Within::Body(body)) => {
                let part = body.next(input, options)?;
                if let Part::End(_) = part {
                    self.within = None;
                }
                return Ok(part);
            }
        };
        self.head(partial, input, options)
    }

    fn head(&mut self, mut partial: PartialHead, input: &[u8], options: &HttpOptions) -> Found {
        let part = match input {
            [] | [b'\r'] => return Ok(Part::Partial),
            [b'\r', b'\n', ..] if partial.empty_lines == MAX_EMPTY_LINES => {
                return Err(Rejection::bad("too many empty lines precede the request"));
            }
            [b'\r', b'\n', ..] => {
                partial.empty_lines += 1;
                Part::Skip(2)
            }
            // The answer to other protocols, such as TLS, does not wait for the end of a line.
            [byte, ..] if !Class::Token.has(*byte) => return Err(Rejection::bad("the method is not a token")),
            _ => partial.search.end(input, Bounds::of_head(options))?.map_or(Part::Partial, Part::Head),
        };
        self.within = if let Part::Head(_) = part { None } else { Some(Box::new(Within::Head(partial))) };
        Ok(part)
    }
}

impl Body {
    fn next(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        match &mut self.place {
            Place::Known(0) => Ok(Part::End(0)),
            _ if input.is_empty() => Ok(Part::Partial),
            Place::Size => self.size(input, options),
            Place::Data(0) => self.data_end(input),
            Place::Known(left) | Place::Data(left) => Ok(Part::Body(take(left, input))),
            Place::Trailers(search) => trailers(search, input, options),
        }
    }

    /// Finds the line before a chunk (RFC 9112, section 7.1).
    fn size(&mut self, input: &[u8], options: &HttpOptions) -> Found {
        let longest = options.max_chunk_line + 2;
        let Some(end) = memchr(b'\n', &input[..input.len().min(longest)]) else {
            let is_partial = input.len() < longest;
            return if is_partial { Ok(Part::Partial) } else { Err(Rejection::bad("the line of a chunk is too long")) };
        };
        let line = input[..end].strip_suffix(b"\r");
        let size = chunk_size(line.ok_or(Rejection::bad("the line of a chunk ends in LF without CR"))?)?;
        self.extensions = self.extensions.saturating_add(end.saturating_sub(CHUNK_LINE));
        if self.extensions > options.max_chunk_extensions {
            return Err(Rejection::bad("the extensions of chunks are too long"));
        }
        self.chunked = self.chunked.saturating_add(size);
        if options.max_body.is_some_and(|most| self.chunked > most) {
            return Err(TOO_LARGE);
        }
        self.place = if size == 0 { Place::Trailers(Search::default()) } else { Place::Data(size) };
        Ok(Part::Skip(end + 1))
    }

    fn data_end(&mut self, input: &[u8]) -> Found {
        match input {
            [b'\r'] => Ok(Part::Partial),
            [b'\r', b'\n', ..] => {
                self.place = Place::Size;
                Ok(Part::Skip(2))
            }
            _ => Err(Rejection::bad("a chunk does not end where its size says")),
        }
    }
}

fn trailers(search: &mut Search, input: &[u8], options: &HttpOptions) -> Found {
    let Some(end) = search.end(input, Bounds::of_trailers(options))? else { return Ok(Part::Partial) };
    parse_fields(&input[..end], |name, _| {
        // RFC 9110, section 6.5.1: fields that frame or route a message are no trailers.
        let is_forbidden = ["content-length", "host", "transfer-encoding"].contains(&&*name.to_ascii_lowercase());
        if is_forbidden { Err(Rejection::bad("a trailer field is not allowed")) } else { Ok(()) }
    })?;
    Ok(Part::End(end))
}

/// Takes what `input` has of `left` bytes. Returns the number of bytes.
fn take(left: &mut u64, input: &[u8]) -> usize {
    let count = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= count as u64;
    count
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
