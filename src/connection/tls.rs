//! TLS between a connection and its socket.
//!
//! Invariants: at most one record of output is encrypted ahead of the kernel. Its bytes count as written only when the
//! kernel has taken the ciphertext. So an outbox is empty only if nothing is left to send, and all limits and times
//! that concern output hold for TLS, too. Plaintext is left in the library only if a read has filled its buffer.
//!
//! TLS 1.3 is RFC 8446, and TLS 1.2 is RFC 5246. Configurations are made in `net::tls`.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, IoState, ServerConfig, ServerConnection};

use crate::connection::handshake::{HandshakeError, Progress};
use crate::connection::stream::{Received, Stream};
use crate::net::tls::explain;

/// Plaintext that is encrypted ahead of the kernel, in bytes. It is the most that one record carries (RFC 8446, section
/// 5.1).
const RECORD: usize = 16 * 1024;

/// The first byte of a record of a handshake, and of an alert (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;

/// A stream that carries TLS.
pub(crate) struct TlsStream {
    pub(crate) inner: Stream,
    tls: rustls::Connection,
    /// Bytes of plaintext whose ciphertext the kernel has not taken. The next write begins with them.
    ahead: usize,
    /// The last read of ciphertext was short: the socket is empty.
    is_drained: bool,
    /// The library has met the end of the peer's side, or a fault. Plaintext before it may still be unread.
    has_last: bool,
    /// A byte has arrived, so the protocol of the peer is known.
    has_begun: bool,
}

impl TlsStream {
    /// The server's end.
    pub(crate) fn server(inner: Stream, config: Arc<ServerConfig>) -> io::Result<TlsStream> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsStream::new(inner, tls.into()))
    }

    /// The client's end. The server has to prove that it is `name`.
    pub(crate) fn client(inner: Stream, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<TlsStream> {
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(TlsStream::new(inner, tls.into()))
    }

    fn new(inner: Stream, mut tls: rustls::Connection) -> TlsStream {
        tls.set_buffer_limit(Some(RECORD));
        TlsStream { inner, tls, ahead: 0, is_drained: false, has_last: false, has_begun: false }
    }

    /// Does as much of the handshake as the kernel allows. It is done when its last message was taken.
    #[cold]
    pub(crate) fn handshake(&mut self) -> Result<Progress, HandshakeError> {
        loop {
            match self.send() {
                Ok(_) if self.tls.wants_write() => return Ok(Progress::Writing),
                Ok(_) if !self.tls.is_handshaking() => return Ok(Progress::Done),
                Ok(_) => {}
                Err(error) => return Err(HandshakeError::Failed(error)),
            }
            match self.receive() {
                Ok(0) => {
                    let error = io::Error::new(ErrorKind::UnexpectedEof, "ended by the peer before it was complete");
                    return Err(HandshakeError::Failed(error));
                }
                Ok(_) if self.has_last => self.last_fault().map_err(HandshakeError::Failed)?,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Reading),
                Err(error) if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<PlainText>) => {
                    return Err(HandshakeError::PlainText);
                }
                Err(error) => return Err(HandshakeError::Failed(error)),
            }
        }
    }

    /// The application protocol that both ends have agreed on (ALPN, RFC 7301).
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// Reads plaintext.
    #[cold]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        // An edge may have come since the last read of ciphertext.
        self.is_drained = false;
        loop {
            match self.tls.reader().read(buffer) {
                Ok(0) if !buffer.is_empty() => return Ok(Received::Eof),
                Ok(count) => return Ok(Received::Bytes(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(truncated()),
                Err(error) => return Err(error),
            }
            if self.has_last {
                self.last_fault()?;
            }
            self.receive()?;
            // The answer to what has arrived, such as a new key. What the kernel refuses is flushed later.
            if self.tls.wants_write() {
                self.send()?;
            }
        }
    }

    /// Whether a short read of plaintext proves nothing: the socket may have more ciphertext, the end was already read
    /// from it, or an answer of the library to what was read waits for the kernel.
    #[cold]
    pub(crate) fn hides_input(&self) -> bool {
        !self.is_drained || self.has_last || self.has_answer()
    }

    /// Whether there is input that was not read: plaintext in the library, its end, or ciphertext in the socket.
    #[cold]
    pub(crate) fn has_unread(&mut self) -> bool {
        // This looks at nothing new, since no ciphertext was read before it.
        let has_plaintext = self.tls.process_new_packets().map_or(true, |state| state.plaintext_bytes_to_read() > 0);
        has_plaintext || self.hides_input() || self.inner.has_unread()
    }

    /// Whether a message of the library itself waits for the kernel.
    pub(crate) fn has_answer(&self) -> bool {
        self.ahead == 0 && self.tls.wants_write()
    }

    #[cold]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.write_vectored(&[IoSlice::new(&bytes[taken..])]) {
                Ok(count) => taken += count,
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Writes at most one record of plaintext. Returns the number of bytes whose ciphertext the kernel has taken.
    ///
    /// If it is less than all, the caller keeps the rest and passes it again, as after any short write. The rest is
    /// encrypted already, and is only sent then.
    pub(crate) fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.ahead == 0 {
            if self.tls.wants_write() {
                self.send()?;
                if self.tls.wants_write() {
                    return Err(ErrorKind::WouldBlock.into());
                }
            }
            self.ahead = self.tls.writer().write_vectored(pieces)?;
        }
        let sent = self.send()?;
        // A record that was taken in part counts in part, so that a slow peer is not taken for a stalled one.
        let written = if self.tls.wants_write() { sent.min(self.ahead.saturating_sub(1)) } else { self.ahead };
        let written = written.min(length);
        self.ahead -= written;
        if written == 0 && length > 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    /// Sends the messages of the library that wait.
    ///
    /// # Errors
    /// `WouldBlock` if the kernel does not take all of it.
    #[cold]
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        if self.tls.wants_write() { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    /// Tells the peer that our side has ended, and shuts it down. The peer takes an end without this message for an
    /// attack (RFC 8446, section 6.1).
    ///
    /// # Errors
    /// `WouldBlock` if the kernel does not take the message now.
    #[cold]
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        // The library says it once.
        self.tls.send_close_notify();
        self.flush()?;
        self.inner.shutdown_write()
    }

    /// Reads ciphertext once and decrypts it. Returns the number of bytes, 0 at the end of input.
    fn receive(&mut self) -> io::Result<usize> {
        let TlsStream { inner, tls, is_drained, has_begun, .. } = self;
        let count = tls.read_tls(&mut Ciphertext { inner, is_drained, has_begun })?;
        let processed = self.tls.process_new_packets();
        self.has_last = processed.as_ref().map_or(true, IoState::peer_has_closed);
        if processed.is_err() {
            // The alert tells the peer the reason. If it cannot be sent, the connection ends all the same.
            let _ = self.send();
        }
        Ok(count)
    }

    /// The fault that the library has met, if there was one. It repeats it.
    fn last_fault(&mut self) -> io::Result<()> {
        let repeated = self.tls.process_new_packets();
        repeated.map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, explain(&error)))
    }

    /// Sends ciphertext until all is sent or the kernel takes no more. Returns the number of bytes.
    fn send(&mut self) -> io::Result<usize> {
        let mut sent = 0;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(&mut self.inner)) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("inner", &self.inner).field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

/// The error of a stream that ended without `close_notify`. An attacker may have cut it.
#[cold]
fn truncated() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "truncated: the peer ended without TLS close_notify")
}

/// The peer does not speak TLS.
#[derive(Debug)]
struct PlainText;

impl fmt::Display for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain text instead of TLS")
    }
}

impl Error for PlainText {}

/// The input of the socket.
struct Ciphertext<'a> {
    inner: &'a mut Stream,
    is_drained: &'a mut bool,
    has_begun: &'a mut bool,
}

impl Read for Ciphertext<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer)? {
            Received::Bytes(count) => count,
            Received::Eof => 0,
        };
        *self.is_drained = count < buffer.len();
        // The library waits for five bytes before it looks. A person who types a short line would wait for the timeout.
        if !*self.has_begun && count > 0 {
            *self.has_begun = true;
            if !matches!(buffer[0], HANDSHAKE | ALERT) {
                return Err(io::Error::new(ErrorKind::InvalidData, PlainText));
            }
        }
        Ok(count)
    }
}

/// The output of the socket.
struct Socket<'a>(&'a mut Stream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // A record is nearly always alone, and then the shorter call is enough.
        if let [piece] = pieces { self.0.write(piece) } else { self.0.write_vectored(pieces) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
