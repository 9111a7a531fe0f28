//! WebSocket for servers (RFC 6455): messages to and from web pages, after a request of HTTP.
//!
//! | to | use |
//! |---|---|
//! | exchange messages, and answer other requests with pages | [`WebSocketHandler`], made a handler by [`WebSocket`] |
//! | open sockets in a handler that has more to do with HTTP | [`Socket::accept`], and a [`Socket`] in the session |
//! | send | [`text_frame`] or [`binary_frame`], passed to [`Context::reply`], `send` or `publish` |
//! | end | [`close`] |
//!
//! ```text
//!  request --Exchange--> Socket::accept --> 101, or 400, 403, 426
//!  input ---Decoder----> Socket::next ----> Message --> handler
//!                           |                              | reply, send, publish
//!  output <--- pong, close -+------------- text_frame -----+
//! ```
//!
//! A socket answers pings and the close of the peer itself. Text is checked as it arrives: a message that is no UTF-8
//! ends the connection at its first bad byte. Input that breaks the protocol ends the connection with a close code.
//!
//! A frame is bytes, and does not depend on its receiver, so a chat encodes an event once for all members. There are no
//! extensions, so no compression, and no client.
//!
//! [`Context::reply`]: crate::Context::reply

mod close_code;
mod decoder;
mod encoder;
mod handler;
mod header;
mod opening;
mod options;
mod partial;
mod socket;

pub use close_code::CloseCode;
#[cfg(feature = "web")]
pub(crate) use encoder::append_text_frame;
pub use encoder::{binary_frame, close_frame, ping_frame, text_frame};
pub use handler::{WebSocket, WebSocketHandler, WebSocketSession};
pub use options::WebSocketOptions;
pub use socket::{Message, Socket, close};

#[cfg(test)]
pub(crate) mod tests;
