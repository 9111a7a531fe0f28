//! The WebSocket side of one connection: messages in, pongs and the close out.

use super::close_code::CloseCode;
use super::decoder::{Decoder, Kind, Part};
use super::encoder::{binary_frame, close_frame, frame, text_frame};
use super::header::{Opcode, Violation};
use super::opening;
use super::options::WebSocketOptions;
use super::partial::{Body, NOT_UTF8};
use crate::framing::http::{Exchange, Request};
use crate::framing::unread::Unread;
use crate::handler::context::Context;

/// The WebSocket side of one connection, after its opening. A [`Handler`](crate::Handler) has it in its session, where
/// it takes the place of the [`Exchange`]. It takes 16 bytes; a message that arrives in parts takes more until it is
/// complete.
///
/// It answers pings and the close of the peer, and closes the connection after input that breaks the protocol. When
/// the reactor stops, the handler sends the close: see [`Handler::dismissed`](crate::Handler::dismissed).
///
/// An example is in `docs/websocket.md`. [`WebSocket`](super::WebSocket) needs less code if a connection does nothing
/// but exchange messages.
#[derive(Debug)]
pub struct Socket {
    decoder: Decoder,
}

/// A message of the peer. It may be changed in place.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// A text, for a page a string.
    Text(&'m mut str),
    /// Any bytes.
    Binary(&'m mut [u8]),
}

impl Message<'_> {
    /// Returns the bytes of either kind.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the message as a server sends it: [`text_frame`] or [`binary_frame`].
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        match self {
            Message::Text(text) => text_frame(text),
            Message::Binary(bytes) => binary_frame(bytes),
        }
    }
}

impl Socket {
    /// Whether a request asks for a WebSocket: then [`accept`](Self::accept) answers it.
    #[must_use]
    pub fn is_requested(request: &Request<'_>) -> bool {
        opening::is_requested(request)
    }

    /// Answers a request for a WebSocket: with 101 if it is valid and `options` allow it, and otherwise with an error
    /// and `None`.
    ///
    /// With 101, all further input of the connection belongs to the socket, and the exchange is over.
    ///
    /// # Panics
    /// As [`Exchange::respond`].
    pub fn accept(
        options: &WebSocketOptions,
        request: &Request<'_>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Option<Socket> {
        opening::answer(options, request, exchange, cx).then(|| Socket::new(options.max_message))
    }

    pub(super) fn new(max_message: usize) -> Socket {
        Socket { decoder: Decoder::new(max_message) }
    }

    /// Takes the next message from the unread input. Returns `None` if none is whole, or if the handler should use no
    /// more input now ([`Context::may_continue`]).
    pub fn next<'s, 'i: 's>(&'s mut self, unread: &mut Unread<'i>, cx: &mut Context<'_>) -> Option<Message<'s>> {
        self.decoder.forget_joined();
        let found = self.find(unread, cx)?;
        cx.count_message();
        match found {
            Found::Text(text) => Some(Message::Text(text)),
            Found::Binary(bytes) => Some(Message::Binary(bytes)),
            Found::Joined => Some(match &mut self.decoder.partial.as_mut()?.body {
                Body::Text(joined) => Message::Text(&mut joined.text),
                Body::Binary(joined) => Message::Binary(joined),
            }),
        }
    }

    fn find<'i>(&mut self, unread: &mut Unread<'i>, cx: &mut Context<'_>) -> Option<Found<'i>> {
        while !unread.rest().is_empty() && cx.may_continue() {
            match self.decoder.next(unread.rest_mut()) {
                Ok(Part::Whole(kind, body)) => {
                    let body = &mut unread.take(body.end)[body.start..];
                    match kind {
                        Kind::Binary => return Some(Found::Binary(body)),
                        Kind::Text => match str::from_utf8_mut(body) {
                            Ok(text) => return Some(Found::Text(text)),
                            Err(_) => fail(NOT_UTF8, cx),
                        },
                    }
                }
                Ok(Part::Partial) => return None,
                Ok(Part::Skip(used)) => drop(unread.take(used)),
                Ok(Part::Joined(used)) => {
                    unread.take(used);
                    return Some(Found::Joined);
                }
                Ok(Part::Ping(body)) => {
                    let payload = &unread.take(body.end)[body.start..];
                    cx.reply(&frame(Opcode::Pong, payload));
                }
                Ok(Part::Close(code, used)) => {
                    unread.take(used);
                    cx.reply(&code.map_or_else(|| frame(Opcode::Close, b""), |code| close_frame(code, "")));
                    cx.close();
                }
                Err(violation) => fail(violation, cx),
            }
        }
        None
    }
}

/// Where a message is.
enum Found<'i> {
    Text(&'i mut str),
    Binary(&'i mut [u8]),
    Joined,
}

#[cold]
fn fail(violation: Violation, cx: &mut Context<'_>) {
    log::debug!("{}: WebSocket closed with {}: {}", cx.peer(), violation.code, violation.reason);
    close(violation.code, violation.reason, cx);
}

/// Ends the WebSocket of this connection: sends a close frame and closes the connection. Replies after this call are
/// dropped.
///
/// The peer answers with a close frame of its own, for which the connection waits as long as
/// [`Limits::linger`](crate::Limits::linger). Of a `reason` over 123 bytes, the beginning is sent.
pub fn close(code: CloseCode, reason: &str, cx: &mut Context<'_>) {
    cx.reply(&close_frame(code, reason));
    cx.close();
}
