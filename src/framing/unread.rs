//! The unread input of one call of a handler, from which framers take messages.
//!
//! Invariant: the bytes that no framer has used stay contiguous, so the next message can be found by another framer.

use super::framer::{Frame, Framer};
use crate::connection::framing_error::FramingError;
use crate::handler::context::Context;

/// The input of one call of [`Handler::data`](crate::Handler::data), and how much of it is used.
///
/// [`Framed`](super::Framed) takes its messages from it. A handler whose connections change their framing does so
/// itself: it keeps the state of the present framer in its session, and calls [`next`](Self::next) with this framer
/// until that returns `None`. What the last framer has not used is left for the one that follows. What none has used is
/// not lost: return [`used`](Self::used) from `data`, and the rest is passed again.
///
/// An example is in `docs/upgrade.md`.
#[derive(Debug)]
pub struct Unread<'a> {
    rest: &'a mut [u8],
    total: usize,
}

/// What a framer has found in the unread input.
#[derive(Debug)]
pub enum Found<'a> {
    /// A whole message, without its framing.
    Message(&'a mut [u8]),
    /// The beginning of a message that is longer than this limit of the framing, in bytes. The message is discarded as
    /// it arrives.
    TooLong(usize),
    /// The input is malformed, or ends within a message. It is discarded, and a warning has been logged. A handler
    /// closes the connection after [`FramingError::Malformed`], since the beginning of the next message is not known.
    Failed(FramingError),
}

impl<'a> Unread<'a> {
    /// Begins with all of `input`.
    #[inline]
    pub fn new(input: &'a mut [u8]) -> Self {
        Unread { total: input.len(), rest: input }
    }

    /// Takes the next message. Returns `None` if no whole message is left, or if the handler should use no more input
    /// now ([`Context::may_continue`]).
    ///
    /// At the end of input, an incomplete message is [`Framer::last`] or [`Found::Failed`].
    #[inline]
    pub fn next<F: Framer>(&mut self, framer: &F, state: &mut F::State, cx: &mut Context<'_>) -> Option<Found<'a>> {
        while !self.rest.is_empty() && cx.may_continue() {
            match framer.next(state, self.rest) {
                Frame::Message { body, used } => {
                    let frame = self.take(used);
                    return Some(message(framer, &mut frame[body], cx));
                }
                Frame::TooLong { limit, used } => {
                    self.take(used);
                    return Some(Found::TooLong(limit));
                }
                Frame::Discard(used) => drop(self.take(used)),
                Frame::Partial { .. } if !cx.is_eof() => return None,
                Frame::Partial { needed } => {
                    let rest = self.take_rest();
                    return Some(match framer.last(rest) {
                        Some(body) => message(framer, &mut rest[body], cx),
                        None => failed(FramingError::Truncated { received: rest.len(), needed }, cx),
                    });
                }
                Frame::Failed(error) => {
                    self.take_rest();
                    return Some(failed(error, cx));
                }
            }
        }
        None
    }

    /// Returns the unread bytes and leaves them unread, for a handler that finds its messages itself.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.rest
    }

    /// Returns the unread bytes, for a framing that decodes them in place.
    #[cfg(feature = "websocket")]
    pub(super) fn rest_mut(&mut self) -> &mut [u8] {
        self.rest
    }

    /// Takes all unread bytes, for a protocol without messages.
    pub fn take_rest(&mut self) -> &'a mut [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The number of bytes used, which [`Handler::data`](crate::Handler::data) returns.
    #[must_use]
    #[inline]
    pub fn used(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Uses the first `used` bytes.
    #[inline]
    pub(super) fn take(&mut self, used: usize) -> &'a mut [u8] {
        debug_assert!(used > 0, "a framer uses at least one byte of a message");
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(used);
        self.rest = rest;
        taken
    }
}

#[inline]
fn message<'a, F: Framer>(framer: &F, body: &'a mut [u8], cx: &mut Context<'_>) -> Found<'a> {
    cx.count_message();
    let length = framer.clean(body);
    Found::Message(&mut body[..length])
}

#[cold]
fn failed<'a>(error: FramingError, cx: &mut Context<'_>) -> Found<'a> {
    cx.log_framing_error(&error);
    Found::Failed(error)
}
