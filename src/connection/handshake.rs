//! What a connection does before its session opens.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::Connection;
use crate::connection::flags::Flags;
use crate::connection::origin::Via;
use crate::connection::stream::{Received, Stream};
use crate::net::{ProxyHeader, ProxyHeaderError};

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
    /// The PROXY header, which a proxy sends before all else.
    Proxy,
    /// The TLS handshake.
    Tls,
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The step is complete.
    Done,
    /// The step of the PROXY header is complete, and the header has named this client.
    Client(Option<SocketAddr>),
    /// More input is needed.
    Reading,
    /// The kernel takes no more output for now.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only TLS writes"))]
    Writing,
}

/// The reason why a handshake has failed. Its `Display` completes the sentence "no session: ...".
#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS fails in these ways"))]
pub(crate) enum HandshakeError {
    /// The first byte belongs to no TLS record.
    PlainText,
    /// The first input of a proxy is not a PROXY header.
    Header(ProxyHeaderError),
    /// A proxy has not sent its PROXY header in this time.
    NoHeader(Duration),
    /// The peer is gone, or the two ends do not agree.
    Failed(io::Error),
    /// The handshake took longer than [`Limits::handshake_timeout`](crate::Limits::handshake_timeout).
    TimedOut(Duration),
}

impl Step {
    /// The first step of a connection with this stream, or `None` if its session opens at once.
    pub(crate) fn first(connection: &Connection) -> Option<Step> {
        if connection.flags.contains(Flags::HOST_UNKNOWN) { Some(Step::Proxy) } else { Step::last(&connection.stream) }
    }

    /// The step after a PROXY header, or `None` if the session opens then.
    pub(crate) fn last(stream: &Stream) -> Option<Step> {
        stream.is_tls().then_some(Step::Tls)
    }

    /// Does as much of the step as the kernel allows.
    pub(crate) fn advance(&mut self, stream: &mut Stream) -> Result<Progress, HandshakeError> {
        match self {
            Step::Proxy => read_header(stream),
            Step::Tls => stream.handshake(),
        }
    }

    /// The failure of a step that has taken longer than `limit`.
    pub(crate) fn timed_out(&self, limit: Duration) -> HandshakeError {
        match self {
            Step::Proxy => HandshakeError::NoHeader(limit),
            Step::Tls => HandshakeError::TimedOut(limit),
        }
    }
}

/// Reads a PROXY header, if all of it has arrived, and no byte of what follows.
fn read_header(stream: &mut Stream) -> Result<Progress, HandshakeError> {
    let mut buffer = [0; ProxyHeader::MAX];
    let arrived = match stream.peek(&mut buffer) {
        Ok(0) => return Err(HandshakeError::Failed(ErrorKind::UnexpectedEof.into())),
        Ok(count) => &buffer[..count],
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Reading),
        Err(error) => return Err(HandshakeError::Failed(error)),
    };
    let Some(header) = ProxyHeader::parse(arrived).map_err(HandshakeError::Header)? else {
        return Ok(Progress::Reading);
    };
    let mut rest = &mut buffer[..header.length];
    while !rest.is_empty() {
        match stream.transport().read(rest).map_err(HandshakeError::Failed)? {
            Received::Bytes(count) => rest = &mut rest[count..],
            Received::Eof => return Err(HandshakeError::Failed(ErrorKind::UnexpectedEof.into())),
        }
    }
    Ok(Progress::Client(header.client))
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Header(error) => error.fmt(f),
            HandshakeError::NoHeader(limit) => write!(f, "no PROXY header within {limit:?}"),
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
            HandshakeError::PlainText | HandshakeError::Header(_) => {
                io::Error::new(ErrorKind::InvalidData, error.to_string())
            }
            HandshakeError::TimedOut(_) | HandshakeError::NoHeader(_) => {
                io::Error::new(ErrorKind::TimedOut, error.to_string())
            }
        }
    }
}
