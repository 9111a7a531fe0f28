//! Messages out of a stream of bytes: handlers that wrap a handler and show it whole messages. No I/O.
//!
//! TCP carries a stream of bytes and knows no messages: two writes may arrive as one read, and one write as several. A
//! *framing* says where messages begin and end. There are four, each a type to put around a handler:
//!
//! | framing | on the wire | a message may hold |
//! |---|---|---|
//! | [`Lines`] | `hello world!` and LF or CRLF | any byte but LF |
//! | [`Netstrings`] | `12:hello world!,` | any byte |
//! | [`LengthPrefixed`] | a length of 1, 2 or 4 bytes, then so many bytes | any byte |
//! | [`Fixed`] | always the same number of bytes | any byte |
//!
//! They share one wrapper, [`Framed`], and differ in a [`Framer`], which only says where the next message is. What
//! holds for all of them is written there. A handler frames its replies itself: with [`write_netstring`],
//! [`LengthPrefix::write`], or a line end.

mod fixed;
mod framed;
mod framer;
mod length_prefixed;
mod lines;
mod netstrings;

pub use crate::connection::framing_error::FramingError;
pub use fixed::{Fixed, FixedFramer};
pub use framed::{Framed, FramedSession};
pub use framer::{Frame, Framer};
pub use length_prefixed::{LengthFramer, LengthPrefix, LengthPrefixed};
pub use lines::{LineFramer, LineState, Lines};
pub use netstrings::{NetstringFramer, NetstringState, Netstrings, write_netstring};

use crate::connection::origin::Origin;
use crate::handler::context::Context;
use crate::handler::events::events;

/// A protocol of whole messages: a handler behind a framing.
///
/// [`Framed`] makes a [`Handler`](crate::Handler) of it. It differs from that trait in its input:
/// [`message`](Self::message) is called once for each message, with all of it, and uses all of it.
/// [`too_long`](Self::too_long) and [`framing_failed`](Self::framing_failed) report what is no message. All other
/// events are those of [`Handler`](crate::Handler), in the same order.
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
    /// What the handler keeps for each connection. The reactor stores it beside the socket.
    type Session;

    /// A connection is open: a peer has connected, or a connection requested with [`Context::connect`] was made.
    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session;

    /// A whole message has arrived, given without what the framing puts around it.
    fn message<'a>(&mut self, session: &mut Self::Session, message: &'a mut [u8], cx: &mut Context<'a>);

    /// A message is longer than the framing's limit of `limit` bytes and is discarded.
    ///
    /// Called once for each such message, when its length is known. Replies with the line `line too long: the limit is
    /// LIMIT bytes`, unless overridden. A handler whose replies are not lines overrides it.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn too_long(&mut self, session: &mut Self::Session, limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("line too long: the limit is {limit} bytes\n").as_bytes());
    }

    /// The input is not a sequence of whole messages. The log has a warning already.
    ///
    /// - [`FramingError::Malformed`]: replies with a line that describes the error, unless overridden. The connection
    ///   is closed when this call returns.
    /// - [`FramingError::Truncated`]: replies nothing, unless overridden. [`eof`](Self::eof) follows, unless this call
    ///   closes the connection. If earlier messages are worthless without the rest, the handler undoes them here.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn framing_failed(&mut self, session: &mut Self::Session, error: &FramingError, cx: &mut Context<'_>) {
        if let FramingError::Malformed { .. } = error {
            cx.reply(format!("{error}\n").as_bytes());
        }
    }

    events! { connection => declare }
    events! { closing => declare }
    events! { service => declare }
    events! { console => declare }
}

#[cfg(test)]
mod tests;
