//! A request: its line, its headers, and what they say about its body and its connection.

use memchr::{memchr, memchr2};

use super::head::{Class, RequestLine, Version};
use super::headers::{Headers, elements};
use super::options::HttpOptions;
use super::rejection::Rejection;
use super::status::Status;

/// Largest number of header fields, and of trailer fields. Above it, the answer is 431.
pub(super) const MAX_FIELDS: usize = 100;

/// The head of a request. Its body, if it [has one](Self::has_body), arrives after it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    bytes: &'a [u8],
    line: RequestLine<'a>,
    /// The host of an absolute target, or the value of the header `Host`.
    host: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    headers: Headers<'a>,
    pub(super) fields: FramingFields,
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// No body.
    #[default]
    None,
    /// A body of this number of bytes, more than 0.
    Known(u64),
    /// A body in chunks, of any length.
    Chunked,
}

/// What the headers say about the framing of the request and the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FramingFields {
    pub(super) body: BodyLength,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// Whether the client sends another request on this connection.
    pub(super) keeps_alive: bool,
}

impl<'a> Request<'a> {
    /// Returns the method, as it was sent. Methods are case-sensitive.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.line.method
    }

    /// Returns the target, as it was sent.
    #[must_use]
    pub fn target(&self) -> &'a str {
        self.line.target
    }

    /// Returns the path of the target, not decoded: it begins with `/`. It is `*` for the target `*` of `OPTIONS`, and
    /// the authority for `CONNECT`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Returns what follows the first `?` of the target, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Returns the host with its port, if one was sent, of an absolute target or else of the header `Host`.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.host
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// Returns the header fields.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// Returns the value of the first header with this name, in which case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.get(name)
    }

    /// Returns the length of the body, if it is known.
    #[must_use]
    pub fn body_length(&self) -> BodyLength {
        self.fields.body
    }

    /// Whether a body follows.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.fields.body != BodyLength::None
    }

    /// Returns the bytes of the head.
    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Parses a complete head.
    pub(crate) fn parse(head: &'a [u8], options: &HttpOptions) -> Result<Self, Rejection> {
        let end = memchr(b'\n', head).unwrap_or_default();
        let line = RequestLine::first_of(head)?;
        let mut found = Fields::default();
        let headers = parse_fields(&head[end + 1..], |name, value| found.add(name, value))?;
        let (authority, path) = split_target(line)?;
        let (path, query) = match memchr(b'?', path.as_bytes()) {
            Some(mark) => (&path[..mark], Some(&path[mark + 1..])),
            None => (path, None),
        };
        let host = found.host(line.version, authority)?;
        Ok(Request { bytes: head, line, host, path, query, headers, fields: found.framing(line, options)? })
    }
}

/// Parses the lines of a head or a trailer section up to the empty line, and passes each field to `each`.
pub(super) fn parse_fields<'a>(
    section: &'a [u8],
    each: impl FnMut(&'a str, &'a [u8]) -> Result<(), Rejection>,
) -> Result<Headers<'a>, Rejection> {
    /// More than browsers send. To clear the room for [`MAX_FIELDS`] would take a tenth of the time of a request.
    const USUAL: usize = 24;
    let mut fields = [httparse::EMPTY_HEADER; USUAL];
    match httparse::parse_headers(section, &mut fields) {
        Err(httparse::Error::TooManyHeaders) => parse_many_fields(section, each),
        parsed => pass_fields(section, parsed, each),
    }
}

#[cold]
fn parse_many_fields<'a>(
    section: &'a [u8],
    each: impl FnMut(&'a str, &'a [u8]) -> Result<(), Rejection>,
) -> Result<Headers<'a>, Rejection> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    pass_fields(section, httparse::parse_headers(section, &mut fields), each)
}

fn pass_fields<'a>(
    section: &'a [u8],
    parsed: httparse::Result<(usize, &[httparse::Header<'a>])>,
    mut each: impl FnMut(&'a str, &'a [u8]) -> Result<(), Rejection>,
) -> Result<Headers<'a>, Rejection> {
    match parsed {
        Ok(httparse::Status::Complete((used, fields))) => {
            fields.iter().try_for_each(|field| each(field.name, field.value))?;
            Ok(Headers::of_names(&section[..used - 2], fields.iter().map(|field| field.name)))
        }
        Ok(httparse::Status::Partial) => Err(Rejection::bad("the head is not complete")),
        Err(httparse::Error::HeaderName) => Err(Rejection::bad("the name of a header is not a token")),
        Err(httparse::Error::TooManyHeaders) => {
            Err(Rejection::new(Status::HEADER_FIELDS_TOO_LARGE, "there are too many headers"))
        }
        Err(_) => Err(Rejection::bad("a character is not allowed in the value of a header")),
    }
}

/// The fields that decide about the framing, as they are found.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a str>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    has_close: bool,
    has_keep_alive: bool,
    expect: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn add(&mut self, name: &str, value: &'a [u8]) -> Result<(), Rejection> {
        // The length of a name decides most comparisons.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                let host = str::from_utf8(value).ok().filter(|host| is_host(host));
                let host = host.ok_or(Rejection::bad("the value of Host is not a host"))?;
                once(&mut self.host, host, "there are two Host headers")
            }
            6 if name.eq_ignore_ascii_case("expect") => once(&mut self.expect, value, "there are two Expect headers"),
            10 if name.eq_ignore_ascii_case("connection") => {
                for option in elements(value) {
                    self.has_close |= option.eq_ignore_ascii_case(b"close");
                    self.has_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                once(&mut self.length, value, "there are two Content-Length headers")
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                once(&mut self.coding, value, "there are two Transfer-Encoding headers")
            }
            _ => Ok(()),
        }
    }

    /// Returns the host of the request (RFC 9112, section 3.2): HTTP/1.1 requires the header even if the target has an
    /// authority, which then replaces it.
    fn host(&self, version: Version, authority: Option<&'a str>) -> Result<Option<&'a str>, Rejection> {
        if version >= Version::Http11 && self.host.is_none() {
            return Err(Rejection::bad("there is no Host header"));
        }
        Ok(authority.or(self.host))
    }

    /// Decides about the body (RFC 9112, section 6.3) and the connection (section 9.3).
    fn framing(&self, line: RequestLine<'_>, options: &HttpOptions) -> Result<FramingFields, Rejection> {
        let body = match (self.coding, self.length) {
            (None, None) if line.version == Version::Http10 && matches!(line.method, "POST" | "PUT" | "PATCH") => {
                return Err(Rejection::new(Status::LENGTH_REQUIRED, "there is no Content-Length header"));
            }
            (None, None) => BodyLength::None,
            (None, Some(value)) => known_length(value, options)?,
            (Some(_), Some(_)) => {
                return Err(Rejection::bad("there are both Content-Length and Transfer-Encoding"));
            }
            (Some(_), None) if line.version == Version::Http10 => {
                return Err(Rejection::bad("HTTP/1.0 has no Transfer-Encoding"));
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => BodyLength::Chunked,
            (Some(_), None) => {
                return Err(Rejection::new(Status::NOT_IMPLEMENTED, "the only transfer coding is chunked"));
            }
        };
        let expects_continue = match self.expect {
            // RFC 9110, section 10.1.1: an expectation of HTTP/1.0 is ignored.
            Some(value) if line.version >= Version::Http11 => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Rejection::new(Status::EXPECTATION_FAILED, "the only expectation is 100-continue"));
                }
                body != BodyLength::None
            }
            _ => false,
        };
        let keeps_alive = !self.has_close && (line.version >= Version::Http11 || self.has_keep_alive);
        Ok(FramingFields { body, expects_continue, keeps_alive })
    }
}

fn once<T>(place: &mut Option<T>, value: T, twice: &'static str) -> Result<(), Rejection> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Rejection::bad(twice)),
    }
}

/// Returns the length of a body (RFC 9110, section 8.6): digits only. A list of equal lengths is refused, as a second
/// header is.
fn known_length(value: &[u8], options: &HttpOptions) -> Result<BodyLength, Rejection> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = digits.filter(|text| !text.is_empty());
    let digits = digits.ok_or(Rejection::bad("the value of Content-Length is not a number"))?;
    // The only error that digits have is that they are too many.
    let length = digits.parse().unwrap_or(u64::MAX);
    if length == u64::MAX || options.max_body.is_some_and(|most| length > most) {
        return Err(TOO_LARGE);
    }
    Ok(if length == 0 { BodyLength::None } else { BodyLength::Known(length) })
}

/// The answer to a body over [`HttpOptions::max_body`].
pub(super) const TOO_LARGE: Rejection = Rejection::new(Status::CONTENT_TOO_LARGE, "the body is too large");

/// Splits a target into its authority and its path with query, in each of the four forms of RFC 9112, section 3.2.
fn split_target(line: RequestLine<'_>) -> Result<(Option<&str>, &str), Rejection> {
    let RequestLine { method, target, .. } = line;
    if method == "CONNECT" {
        let is_authority = is_host(target) && target.contains(':');
        return if is_authority {
            Ok((Some(target), target))
        } else {
            Err(Rejection::bad("the target is not HOST:PORT"))
        };
    }
    if target.starts_with('/') || target == "*" && method == "OPTIONS" {
        return Ok((None, target));
    }
    let Some(after) = after_scheme(target) else {
        return Err(Rejection::bad("the target is neither a path nor an http URL"));
    };
    let (authority, path) = after.split_at(memchr2(b'/', b'?', after.as_bytes()).unwrap_or(after.len()));
    if authority.is_empty() || !is_host(authority) {
        return Err(Rejection::bad("the host of the target is not a host"));
    }
    match path {
        // RFC 9112, section 3.2.4: a proxy passes on `OPTIONS *` as a URL without a path.
        "" if method == "OPTIONS" => Ok((Some(authority), "*")),
        "" => Ok((Some(authority), "/")),
        path if path.starts_with('/') => Ok((Some(authority), path)),
        _ => Err(Rejection::bad("the target has a query without a path")),
    }
}

fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, after) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(after)
}

/// Whether a text may be a host with an optional port (RFC 9110, section 7.2). An empty host is allowed.
fn is_host(text: &str) -> bool {
    let text = text.as_bytes();
    let name = match text {
        [b'[', inner @ ..] => match memchr(b']', inner) {
            Some(end) if end > 0 && inner[..end].iter().all(|&byte| byte == b':' || Class::Host.has(byte)) => end + 2,
            _ => return false,
        },
        _ => text.iter().take_while(|&&byte| Class::Host.has(byte)).count(),
    };
    match &text[name..] {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
