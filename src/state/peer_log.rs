//! The log about peers: at most one warning in an interval for each kind of event, so that many peers cannot fill the
//! disk.
//!
//! A warning that is suppressed is logged as information instead (`-v`), and counted in the next one of its kind.

use std::fmt;
use std::io;
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use crate::connection::closed::Closed;
use crate::connection::framing_error::FramingError;
use crate::connection::handshake::HandshakeError;
use crate::connection::origin::Peer;
use crate::state::admission::Refusal;
use crate::state::roster::NamedPeer;
use crate::state::throttle::Throttles;

/// Logs what happens to peers.
#[derive(Debug)]
pub(crate) struct PeerLog {
    warnings: Throttles<Kind>,
    is_silent: bool,
}

/// The kinds of warnings.
#[derive(Debug, PartialEq)]
enum Kind {
    Refused(Refusal),
    Lost,
    PlainText,
    UnexpectedTls,
    Header,
    Closed(Discriminant<Closed>),
    Stuck,
    Truncated,
    Framing(Discriminant<FramingError>),
}

impl PeerLog {
    pub(crate) fn new() -> Self {
        PeerLog { warnings: Throttles::new(), is_silent: false }
    }

    /// Logs nothing from now on.
    #[cfg(feature = "bus")]
    pub(crate) fn silence(&mut self) {
        self.is_silent = true;
    }

    /// Logs a refused connection.
    pub(crate) fn refused(&mut self, peer: Peer, refusal: Refusal, now: Instant) {
        self.warn(Kind::Refused(refusal), now, &format_args!("{peer} refused: {refusal}"));
    }

    /// Logs an accepted connection that the poll has refused.
    pub(crate) fn lost(&mut self, peer: Peer, error: &io::Error, now: Instant) {
        self.warn(Kind::Lost, now, &format_args!("{peer} lost: {error}"));
    }

    /// Logs a failed handshake. It is a warning if the peer has mistaken the protocol.
    pub(crate) fn handshake(&mut self, peer: Peer, error: &HandshakeError, now: Instant) {
        match error {
            HandshakeError::PlainText => {
                let remedy = "clients have to connect with TLS here";
                self.warn(Kind::PlainText, now, &format_args!("{peer} refused: {error}; {remedy}"));
            }
            HandshakeError::Header(_) | HandshakeError::NoHeader(_) => {
                self.warn(Kind::Header, now, &format_args!("{peer} refused: {error} (--proxy-protocol)"));
            }
            HandshakeError::Failed(_) | HandshakeError::TimedOut(_) => {
                self.note(&format_args!("{peer} handshake: {error}"));
            }
        }
    }

    /// Warns if the first input of a connection without TLS begins a TLS handshake (RFC 8446, sections 4 and 5.1).
    #[cold]
    pub(crate) fn first_input(&mut self, peer: Peer, input: &[u8], now: Instant) {
        // A record of a handshake, of any version from 3.0 to 3.4, with a message of the client.
        if let [22, 3, 0..=4, _, _, 1, ..] = input {
            let line = format_args!("{peer} speaks TLS to an address without it; listen on tls:ADDR, too");
            self.warn(Kind::UnexpectedTls, now, &line);
        }
    }

    /// Logs the end of a session, after which `left` sessions are open. It is a warning if a limit is the cause.
    pub(crate) fn closed(&mut self, peer: NamedPeer<'_>, why: &Closed, left: usize, now: Instant) {
        let line = format_args!("{peer} closed: {why} (connections: {left})");
        if why.is_by_limit() {
            self.warn(Kind::Closed(discriminant(why)), now, &line);
        } else {
            self.note(&line);
        }
    }

    /// Logs a closing connection that is dropped since its peer took none of the last `bytes` bytes for the time
    /// `limit`.
    pub(crate) fn stuck(&mut self, peer: NamedPeer<'_>, bytes: u64, limit: Duration, now: Instant) {
        self.warn(Kind::Stuck, now, &format_args!("{peer} dropped: {bytes} bytes not taken for {limit:?}"));
    }

    /// Logs a file that ended before all of it was sent.
    pub(crate) fn truncated(&mut self, peer: NamedPeer<'_>, error: &io::Error, now: Instant) {
        self.warn(Kind::Truncated, now, &format_args!("{peer} reset: {error}"));
    }

    /// Logs input that is not a sequence of whole messages.
    pub(crate) fn framing(&mut self, peer: NamedPeer<'_>, error: &FramingError, now: Instant) {
        self.warn(Kind::Framing(discriminant(error)), now, &format_args!("{peer}: {error}"));
    }

    fn warn(&mut self, kind: Kind, now: Instant, line: &fmt::Arguments<'_>) {
        match self.warnings.note(kind, now) {
            Some(repeats) if !self.is_silent => log::warn!("{line}{repeats}"),
            _ => self.note(line),
        }
    }

    fn note(&self, line: &fmt::Arguments<'_>) {
        if !self.is_silent {
            log::info!("{line}");
        }
    }
}
