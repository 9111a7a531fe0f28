//! What became of a request, for an access log.

use std::time::SystemTime;

use memchr::memchr;

use super::headers::Headers;
use super::status::Status;

/// A request and what its answer was: what an access log shows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The head, or what arrived of one that was refused.
    head: Box<[u8]>,
    is_valid: bool,
    /// When the head was complete, or was refused.
    pub at: SystemTime,
    /// The status of the answer. `None` if the connection has ended before there was one.
    pub status: Option<Status>,
    /// Bytes of the body of the answer, without its framing. They were replied, and may not be sent yet
    /// ([`Context::request_receipt`](crate::Context::request_receipt)).
    pub body: u64,
}

impl Outcome {
    /// The beginning of the exchange with this head.
    pub(super) fn of_request(head: &[u8], at: SystemTime) -> Self {
        Outcome { head: head.into(), is_valid: true, at, status: None, body: 0 }
    }

    /// The beginning of the answer to input that is no request. Of that, only the first line is kept.
    pub(super) fn of_rejection(input: &[u8], at: SystemTime) -> Self {
        Outcome { head: first_line(input).into(), is_valid: false, at, status: None, body: 0 }
    }

    /// The request line as it arrived, without its end. Empty if none did.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        first_line(&self.head)
    }

    /// The headers of the request. None if it was refused for its head.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        let lines = memchr(b'\n', &self.head).filter(|_| self.is_valid).map_or(self.head.len(), |end| end + 1);
        Headers::of_valid(&self.head[lines..])
    }
}

/// The first line that is not empty, without its end.
fn first_line(input: &[u8]) -> &[u8] {
    let input = &input[input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()..];
    let line = &input[..memchr(b'\n', input).unwrap_or(input.len())];
    line.strip_suffix(b"\r").unwrap_or(line)
}
