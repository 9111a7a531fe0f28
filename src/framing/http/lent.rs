//! An answer that is encoded apart from its exchange.
//!
//! Invariant: it is framed as the exchange would have framed it. It writes to a buffer, and knows no connection.

use std::time::SystemTime;

use super::encoder::Encoder;
use super::status::Status;

/// An answer that an [`Exchange`](super::Exchange) has lent to another session of the handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LentAnswer {
    pub(super) encoder: Encoder,
    pub(super) status: Option<Status>,
    /// Bytes of the body, without its framing.
    pub(super) body: u64,
}

impl LentAnswer {
    pub(super) fn new(encoder: Encoder) -> Self {
        LentAnswer { encoder, status: None, body: 0 }
    }

    /// Returns the head. `headers` are lines that end in CRLF, without those that frame the body. Without a `length` of
    /// the body, it is sent in chunks or, for HTTP/1.0, up to the end of the connection.
    pub(crate) fn start(&mut self, status: Status, headers: &[&[u8]], length: Option<u64>, now: SystemTime) -> Vec<u8> {
        self.status = Some(status);
        let mut head = Vec::with_capacity(512);
        Encoder::start(&mut head, status, now);
        for lines in headers {
            head.extend_from_slice(lines);
        }
        match length {
            Some(length) => self.encoder.end_with_length(&mut head, status, length),
            None => self.encoder.end_with_chunks(&mut head, status),
        }
        head
    }

    /// Makes the bytes that follow the whole answer, with a head of their own. The connection ends after them.
    pub(crate) fn start_raw(&mut self) {
        self.encoder = Encoder::of_raw_bytes(self.encoder.version());
    }

    /// Whether [`start_raw`](Self::start_raw) was called.
    pub(crate) fn is_raw(&self) -> bool {
        self.encoder.is_raw()
    }

    /// Appends bytes of the body to `out`, framed. Bytes beyond the length in the head are dropped.
    pub(crate) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.is_raw() && self.body == 0 {
            self.status = status_of(bytes);
        }
        self.body += self.encoder.write(out, bytes);
    }

    /// Whether the client gets no more bytes of the body: it has the length in the head, or there is none. Only after
    /// the head.
    pub(crate) fn is_complete(&self) -> bool {
        self.encoder.is_complete()
    }
}

/// The status of an answer that begins with these bytes, as far as they tell.
fn status_of(bytes: &[u8]) -> Option<Status> {
    let code = str::from_utf8(bytes.strip_prefix(b"HTTP/1.")?.get(2..5)?).ok()?;
    Status::from_code(code.parse().ok()?)
}
