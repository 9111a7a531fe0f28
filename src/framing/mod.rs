//! Messages out of a stream of bytes.
//!
//! TCP carries a stream of bytes, not messages: two writes may arrive as one read, and one write as several. A
//! *framing* is a rule that says where a message ends. This module has four, each a type that wraps a
//! [`MessageHandler`]:
//!
//! | framing | on the wire | bytes of a message |
//! |---|---|---|
//! | [`Lines`] | `hello world!` and LF, CRLF or CR NUL | any except LF and what belongs to Telnet |
//! | [`Netstrings`] | `12:hello world!,` | any |
//! | [`LengthPrefixed`] | a length of 1, 2 or 4 bytes, then that number of bytes | any |
//! | [`Fixed`] | always the same number of bytes | any |
//!
//! All four are the wrapper [`Framed`], whose page lists their common properties, with a [`Framer`], which only finds
//! the next message. With the feature `bus`, there is also a framer of RESP, the protocol of Redis. A connection can
//! change its framing: see [`Unread`]. A handler frames its own replies: with [`write_netstring`],
//! [`LengthPrefix::write`], or a line end.

mod fixed;
mod framed;
mod framer;
#[cfg(feature = "http")]
pub mod http;
mod length_prefixed;
mod lines;
mod netstrings;
#[cfg(feature = "bus")]
pub(crate) mod resp;
mod unread;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use crate::connection::framing_error::FramingError;
pub use fixed::{Fixed, FixedFramer};
pub use framed::{Framed, FramedSession};
pub use framer::{Frame, Framer};
pub use length_prefixed::{LengthFramer, LengthPrefix, LengthPrefixed};
pub use lines::{LineFramer, LineState, Lines};
pub use netstrings::{NetstringFramer, NetstringState, Netstrings, write_netstring};
#[cfg(feature = "bus")]
pub use resp::{Element, RespFramer, RespState, write_command};
pub use unread::{Found, Unread};

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::handler::context::Context;
use crate::handler::events::events;

/// A protocol of whole messages.
///
/// [`Framed`] makes a [`Handler`](crate::Handler) of it, which can then be hosted. The two traits differ only in their
/// input: [`message`](Self::message) takes the place of `data`, and [`too_long`](Self::too_long) and
/// [`framing_failed`](Self::framing_failed) report input that is not a message. All other methods have the same
/// contract, and the calls for one connection have the same order.
///
/// ```
/// use switchboard::framing::{Lines, MessageHandler};
/// use switchboard::{Context, Origin, Sim};
///
/// /// Answers each line with its length.
/// struct Length;
///
/// impl MessageHandler for Length {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///
///     fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
///         cx.reply(format!("{}\n", line.len()).as_bytes());
///     }
/// }
///
/// let mut sim = Sim::new(Lines::new(Length, 80));
/// let peer = sim.connect();
/// sim.send(peer, b"hel");
/// sim.send(peer, b"lo\nworld!\n");
/// assert_eq!(sim.received(peer), b"5\n6\n");
/// ```
pub trait MessageHandler {
    /// The state that the handler keeps for each connection.
    type Session;

    /// A connection is open: a peer has connected, a connection requested with [`Context::connect`] was made, or a
    /// program was started with [`Context::spawn`].
    ///
    /// Returns the session of the connection.
    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session;

    /// A whole message has arrived. It is passed without its framing: a line without its line end, for example.
    ///
    /// The message is used when this returns: it is not passed again. To keep it, copy it. To send a part of it back
    /// without a copy, call [`Context::reply_input`].
    fn message<'a>(&mut self, session: &mut Self::Session, message: &'a mut [u8], cx: &mut Context<'a>);

    /// A message is longer than `limit`, the limit of the framing in bytes, and is being discarded.
    ///
    /// Called once for each such message, before all of it has arrived. The default replies with the line `line too
    /// long: the limit is LIMIT bytes`. A handler whose replies are not lines overrides it.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn too_long(&mut self, session: &mut Self::Session, limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("line too long: the limit is {limit} bytes\n").as_bytes());
    }

    /// The input is not a sequence of whole messages. A warning has been logged.
    ///
    /// - [`FramingError::Malformed`]: the next message cannot be found. The default replies with a line that describes
    ///   the error. The connection is closed after this call.
    /// - [`FramingError::Truncated`]: the input ended within a message. The default does nothing. [`eof`](Self::eof)
    ///   follows, unless this call closes the connection. If the earlier messages are worthless without the rest, undo
    ///   them here.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn framing_failed(&mut self, session: &mut Self::Session, error: &FramingError, cx: &mut Context<'_>) {
        if let FramingError::Malformed { .. } = error {
            cx.reply(format!("{error}\n").as_bytes());
        }
    }

    /// The operator is about to close this connection (`kick`), for a `reason` that may be empty.
    ///
    /// The handler may reply with a last message, which is still sent. [`closed`](Self::closed) follows. The default
    /// replies with the line `closed by the operator: REASON`. A handler whose replies are not lines overrides it.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        cx.reply(b"closed by the operator");
        if !reason.is_empty() {
            cx.reply(format!(": {reason}").as_bytes());
        }
        cx.reply(b"\n");
    }

    events! { connection => declare }
    events! { closing => declare }
    events! { service => declare }
    events! { process => declare }
}

/// A handler that is lent: a wrapper can be put around it for one call.
impl<H: MessageHandler> MessageHandler for &mut H {
    type Session = H::Session;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        (**self).open(origin, cx)
    }

    fn message<'a>(&mut self, session: &mut Self::Session, message: &'a mut [u8], cx: &mut Context<'a>) {
        (**self).message(session, message, cx);
    }

    fn too_long(&mut self, session: &mut Self::Session, limit: usize, cx: &mut Context<'_>) {
        (**self).too_long(session, limit, cx);
    }

    fn framing_failed(&mut self, session: &mut Self::Session, error: &FramingError, cx: &mut Context<'_>) {
        (**self).framing_failed(session, error, cx);
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        (**self).kicked(session, reason, cx);
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        (**self).closed(session, cause, cx);
    }

    events! { connection => forward(self, session, cx) to **self, session }
    events! { service => forward(self, cx) to **self }
    events! { process => forward(self, cx) to **self }
}

#[cfg(test)]
mod tests;
