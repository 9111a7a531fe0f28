//! The log of what arrives and leaves (`-vv`).
//!
//! Invariant: if the log does not show this level when a connection begins, or its service keeps secrets, its stream is
//! not wrapped. So reads and writes need not ask the log.

use std::fmt::{self, Display};
use std::io::{self, IoSlice};

use crate::connection::origin::Peer;
use crate::connection::stream::{Received, Stream, joined};

/// A stream whose reads and writes are logged.
#[derive(Debug)]
pub(crate) struct TracedStream {
    pub(crate) inner: Stream,
    pub(crate) peer: Peer,
}

/// Wraps the stream of `peer` if the log shows what arrives and leaves.
pub(crate) fn trace(stream: Stream, peer: Peer) -> Stream {
    if !log::log_enabled!(log::Level::Debug) {
        return stream;
    }
    Stream::Traced(Box::new(TracedStream { inner: stream, peer }))
}

/// Logs bytes that have arrived from `peer`.
pub(crate) fn log_received(peer: &impl Display, bytes: &[u8]) {
    log::debug!("data received from {peer}, {}", Excerpt(bytes));
}

/// Logs bytes that the kernel has taken for `peer`.
pub(crate) fn log_sent(peer: &impl Display, bytes: &[u8]) {
    log::debug!("data sent to {peer}, {}", Excerpt(bytes));
}

// Not inlined, so that the methods of `Stream` stay short enough to be inlined.
impl TracedStream {
    #[cold]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let received = self.inner.read(buffer)?;
        if let Received::Bytes(count) = received {
            log_received(&self.peer, &buffer[..count]);
        }
        Ok(received)
    }

    #[cold]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        log_sent(&self.peer, &bytes[..count]);
        Ok(count)
    }

    #[cold]
    pub(crate) fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&joined(pieces))
    }
}

/// The number of bytes and the first of them, escaped.
struct Excerpt<'a>(&'a [u8]);

/// Bytes that a line of the log shows.
const MAX_SHOWN: usize = 64;

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excerpt(bytes) = self;
        let (unit, shown) = (if bytes.len() == 1 { "byte" } else { "bytes" }, &bytes[..bytes.len().min(MAX_SHOWN)]);
        write!(f, "{} {unit}: {}", bytes.len(), shown.escape_ascii())?;
        if shown.len() < bytes.len() { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_64_bytes_are_shown_and_none_of_them_raw() {
        assert_eq!(Excerpt(b"").to_string(), "0 bytes: ");
        assert_eq!(Excerpt(b"\n").to_string(), r"1 byte: \n");
        assert_eq!(Excerpt("\x1b[2J ü\u{85}".as_bytes()).to_string(), r"9 bytes: \x1b[2J \xc3\xbc\xc2\x85");
        let exactly = "x".repeat(64);
        assert_eq!(Excerpt(exactly.as_bytes()).to_string(), format!("64 bytes: {exactly}"));
        assert_eq!(Excerpt("x".repeat(4096).as_bytes()).to_string(), format!("4096 bytes: {exactly}..."));
    }
}
