//! What a connection does before its session opens.

use std::fmt;
use std::io;

use crate::connection::origin::Via;
use crate::connection::stream::Stream;

/// The handshake of one connection in the phase `Handshaking`. Most connections have none.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// How the connection was established, for [`Handler::open`](crate::Handler::open).
    pub(crate) via: Via,
    pub(crate) step: Step,
}

/// The steps of a handshake, in their order.
#[derive(Debug)]
pub(crate) enum Step {
    /// The TLS handshake.
    Tls,
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS has these steps"))]
pub(crate) enum Progress {
    /// The step is complete.
    Done,
    /// More input is needed.
    Reading,
    /// The kernel takes no more output for now.
    Writing,
}

/// The reason why a handshake has failed. Its `Display` completes the sentence "no session: ...".
#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS fails in these ways"))]
pub(crate) enum HandshakeError {
    /// The first byte belongs to no TLS record.
    PlainText,
    /// The peer is gone, or the two ends do not agree.
    Failed(io::Error),
    /// The handshake took longer than [`Limits::handshake_timeout`](crate::Limits::handshake_timeout).
    TimedOut(std::time::Duration),
}

impl Step {
    /// The first step of a connection with this stream, or `None` if its session opens at once.
    pub(crate) fn first(stream: &Stream) -> Option<Step> {
        stream.is_tls().then_some(Step::Tls)
    }

    /// Does as much of the step as the kernel allows.
    pub(crate) fn advance(&mut self, stream: &mut Stream) -> Result<Progress, HandshakeError> {
        match self {
            Step::Tls => stream.handshake(),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::PlainText => f.write_str("plain text instead of TLS"),
            HandshakeError::Failed(error) => error.fmt(f),
            HandshakeError::TimedOut(limit) => write!(f, "not complete after {limit:?}"),
        }
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Failed(error) => error,
            HandshakeError::PlainText => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
            HandshakeError::TimedOut(_) => io::Error::new(io::ErrorKind::TimedOut, error.to_string()),
        }
    }
}
