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
//! They share one wrapper, [`Framed`], and differ in a [`Framer`], which only says where the next message is. What holds for
//! all of them is written there. A handler frames its replies itself: with [`write_netstring`], [`LengthPrefix::write`],
//! or a line end.

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

#[cfg(test)]
mod tests;
