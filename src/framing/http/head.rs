//! The head of a request: where it ends, and whether its lines are valid.
//!
//! Invariant: the verdict depends on the bytes alone, not on how they arrive. Lines are examined in order, each when it
//! is complete, and no byte is searched twice.

use memchr::{memchr, memrchr};

use super::options::HttpOptions;
use super::rejection::Rejection;
use super::status::Status;

/// How far an incomplete section of lines was searched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    /// Start of the first line that is not complete.
    line: u32,
    /// Bytes of the input that were searched for a line end.
    searched: u32,
}

/// The bounds of a section of lines, and the status beyond them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    max_line: usize,
    max_section: usize,
    /// Whether the section begins with a request line.
    has_request_line: bool,
}

impl Bounds {
    pub(super) fn of_head(options: &HttpOptions) -> Self {
        Bounds { max_line: options.max_line, max_section: options.max_head, has_request_line: true }
    }

    pub(super) fn of_trailers(options: &HttpOptions) -> Self {
        Bounds { max_line: options.max_line, max_section: options.max_trailers, has_request_line: false }
    }

    fn too_long(self, line: usize) -> Rejection {
        if line == 0 && self.has_request_line {
            Rejection::new(Status::URI_TOO_LONG, "the request line is too long")
        } else {
            Rejection::new(Status::HEADER_FIELDS_TOO_LARGE, "a header line is too long")
        }
    }
}

impl Search {
    /// Returns the number of bytes of the section with its empty line, or `None` if it is not complete.
    ///
    /// Each line must end in CRLF (RFC 9112, section 2.2, allows a bare LF; servers disagree about it, which smuggles
    /// requests), and no line may begin with white space (section 5.2: obs-fold).
    pub(super) fn end(&mut self, input: &[u8], bounds: Bounds) -> Result<Option<usize>, Rejection> {
        let is_begun = self.line > 0;
        let found = self.search(input, bounds);
        // The request line of a complete section is parsed by the caller. Any other one must be valid now.
        if !matches!(found, Ok(Some(_))) && bounds.has_request_line && !is_begun && self.line > 0 {
            RequestLine::first_of(input)?;
        }
        found
    }

    fn search(&mut self, input: &[u8], bounds: Bounds) -> Result<Option<usize>, Rejection> {
        let input = &input[..input.len().min(bounds.max_section)];
        while let Some(found) = memchr(b'\n', &input[self.searched as usize..]) {
            let (start, end) = (self.line as usize, self.searched as usize + found);
            if end - start > bounds.max_line + 1 {
                return Err(bounds.too_long(start));
            }
            let Some(line) = input[start..end].strip_suffix(b"\r") else {
                return Err(Rejection::bad("a line ends in LF without CR"));
            };
            (self.line, self.searched) = (end as u32 + 1, end as u32 + 1);
            match line.first() {
                None => return Ok(Some(end + 1)),
                Some(b' ' | b'\t') => return Err(Rejection::bad("a line begins with white space")),
                Some(_) => {}
            }
        }
        self.searched = input.len() as u32;
        if input.len() - self.line as usize > bounds.max_line + 1 {
            return Err(bounds.too_long(self.line as usize));
        }
        if input.len() == bounds.max_section {
            return Err(Rejection::new(Status::HEADER_FIELDS_TOO_LARGE, "the head is too large"));
        }
        Ok(None)
    }
}

/// The first line of a request: `GET /path HTTP/1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) version: Version,
}

/// The version of a request. Later minor versions count as 1.1 (RFC 9110, section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

impl<'a> RequestLine<'a> {
    /// Parses the first line of a section.
    pub(super) fn first_of(section: &'a [u8]) -> Result<Self, Rejection> {
        let line = &section[..memchr(b'\n', section).unwrap_or_default()];
        RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Parses a line without its end (RFC 9112, section 3): one space between method, target and version.
    fn parse(line: &'a [u8]) -> Result<Self, Rejection> {
        let text = str::from_utf8(line).map_err(|_| Rejection::bad("the request line is not UTF-8"))?;
        let spaces = memchr(b' ', line).zip(memrchr(b' ', line)).filter(|(first, last)| first < last);
        let words = spaces.map(|(first, last)| (&text[..first], &text[first + 1..last], &text[last + 1..]));
        let Some((method, target, version)) = words else { return Err(NO_THREE_WORDS) };
        if !is_token(method) {
            return Err(Rejection::bad("the method is not a token"));
        }
        if target.is_empty() || !target.bytes().all(|byte| Class::Target.has(byte)) {
            let is_one_word = !target.contains(' ');
            return Err(if is_one_word {
                Rejection::bad("a character is not allowed in the target")
            } else {
                NO_THREE_WORDS
            });
        }
        Ok(RequestLine { method, target, version: Version::parse(version)? })
    }
}

const NO_THREE_WORDS: Rejection = Rejection::bad("the request line is not METHOD TARGET VERSION");

impl Version {
    fn parse(text: &str) -> Result<Self, Rejection> {
        match text.strip_prefix("HTTP/").map(str::as_bytes) {
            Some(b"1.0") => Ok(Version::Http10),
            Some([b'1', b'.', b'1'..=b'9']) => Ok(Version::Http11),
            Some([b'0'..=b'9', b'.', b'0'..=b'9']) => {
                Err(Rejection::new(Status::VERSION_NOT_SUPPORTED, "this server speaks HTTP/1.1 and HTTP/1.0"))
            }
            _ => Err(Rejection::bad("the version is not HTTP/DIGIT.DIGIT")),
        }
    }
}

/// The bytes that may stand in a part of a head. One look at a table decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Class {
    /// A token: a method, or the name of a header (RFC 9110, section 5.6.2).
    Token = 1,
    /// A target. What a path may not have is decided later.
    Target = 2,
    /// The name of a host, or an IPv4 address (RFC 3986, section 3.2.2).
    Host = 4,
}

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let is_letter = (byte as u8).is_ascii_alphanumeric();
        let (is_token, is_host) = (contains(b"!#$%&'*+-.^_`|~", byte), contains(b"-._~%!$&'()*+,;=", byte));
        let is_target = byte > b' ' as usize && byte != 0x7f && byte != b'#' as usize;
        classes[byte] |= if is_letter || is_token { Class::Token as u8 } else { 0 };
        classes[byte] |= if is_target { Class::Target as u8 } else { 0 };
        classes[byte] |= if is_letter || is_host { Class::Host as u8 } else { 0 };
        byte += 1;
    }
    classes
};

const fn contains(list: &[u8], byte: usize) -> bool {
    let mut place = 0;
    while place < list.len() && list[place] as usize != byte {
        place += 1;
    }
    place < list.len()
}

impl Class {
    pub(super) fn has(self, byte: u8) -> bool {
        CLASSES[usize::from(byte)] & self as u8 != 0
    }
}

/// Whether a text is a token.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| Class::Token.has(byte))
}
