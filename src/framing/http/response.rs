//! The answer to a request, as a handler writes it.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use super::encoder::{Encoder, encode_header};
use super::exchange::Exchange;
use super::status::Status;
use crate::handler::context::Context;

/// An answer that has begun: add headers, then end it with a body.
///
/// The framing adds `Date`, `Content-Length`, `Transfer-Encoding` and `Connection`. A body is not sent in the answer to
/// `HEAD` and with the statuses that have none, so a handler answers `HEAD` as it answers `GET`.
#[derive(Debug)]
#[must_use = "an answer is incomplete until a method has ended it, such as `body`"]
pub struct Response<'x, 'cx> {
    exchange: &'x mut Exchange,
    status: Status,
    cx: &'x mut Context<'cx>,
}

impl<'x, 'cx> Response<'x, 'cx> {
    pub(super) fn new(exchange: &'x mut Exchange, status: Status, cx: &'x mut Context<'cx>) -> Self {
        Response { exchange, status, cx }
    }

    /// Adds a header. Characters that a value cannot have, such as line ends, are replaced by spaces.
    ///
    /// # Panics
    /// If `name` is not a token.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        encode_header(self.cx, name, value.as_ref());
        self
    }

    /// Adds headers that were encoded before: lines that end in CRLF.
    pub(crate) fn encoded(self, lines: &[u8]) -> Self {
        self.cx.reply(lines);
        self
    }

    /// Ends the answer with these bytes as its body.
    pub fn body(self, bytes: &[u8]) {
        self.exchange.encoder.end_with_length(self.cx, self.status, bytes.len() as u64);
        self.exchange.write(bytes, self.cx);
        self.exchange.finish(self.cx);
    }

    /// Ends the answer with a text as its body, and adds the header for its type.
    pub fn text(self, text: &str) {
        self.header("Content-Type", "text/plain; charset=utf-8").body(text.as_bytes());
    }

    /// Ends the answer with a page of one line: the status and `reason`, which may be empty.
    pub fn page(self, reason: &str) {
        let separator = if reason.is_empty() { "" } else { ": " };
        let page = format!("{}{separator}{reason}\n", self.status);
        self.text(&page);
    }

    /// Ends the answer with a range of an open file as its body ([`Context::reply_file`]).
    ///
    /// If the range cannot be sent, the connection is aborted.
    pub fn file(self, file: Arc<File>, range: Range<u64>) {
        let length = range.end.saturating_sub(range.start);
        self.exchange.encoder.end_with_length(self.cx, self.status, length);
        self.exchange.write_file(file, range, self.cx);
        self.exchange.finish(self.cx);
    }

    /// Ends the head before a body of `length` bytes. [`Exchange::write`] and [`Exchange::finish`] follow.
    pub fn start_with_length(self, length: u64) {
        self.exchange.encoder.end_with_length(self.cx, self.status, length);
    }

    /// Ends the head before a body of unknown length. [`Exchange::write`] and [`Exchange::finish`] follow.
    ///
    /// The body is sent in chunks; for HTTP/1.0, the connection ends with it.
    pub fn start(self) {
        self.exchange.encoder.end_with_chunks(self.cx, self.status);
    }

    /// Ends the answer, and HTTP on this connection: what follows is another protocol, in both directions. For
    /// [`Status::SWITCHING_PROTOCOLS`] with the header `Upgrade`.
    ///
    /// The session keeps what it needs for the other protocol, and passes on no more input to the exchange.
    pub fn switch_protocols(self) {
        Encoder::end_with_upgrade(self.cx);
        self.exchange.hand_over(self.cx);
    }
}
