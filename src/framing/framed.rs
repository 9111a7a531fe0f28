//! The wrapper that all framings share: it asks a framer for the next message and passes it to a handler.
//!
//! Invariant: the handler receives each message once, whole and in order, however the stream was split. The wrapper
//! keeps no bytes: unread input stays in the connection's inbox.

use super::MessageHandler;
use super::framer::Framer;
use super::unread::{Found, Unread};
use crate::connection::closed::Closed;
use crate::connection::framing_error::FramingError;
use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::events::events;

/// A [`Handler`] made of a [`MessageHandler`] and a [`Framer`].
///
/// Every framing has these properties:
///
/// - An incomplete message waits in the connection's inbox, so [`Limits::inbox`](crate::Limits::inbox) must have room
///   for the longest message with its framing. Otherwise a long message can end its connection
///   ([`Closed::InboxFull`](crate::Closed::InboxFull)).
/// - A message over the framing's limit is discarded as it arrives and takes no memory. The handler receives
///   [`MessageHandler::too_long`] once. Framing continues with the next message.
/// - If the input is malformed, the handler receives [`MessageHandler::framing_failed`], and the connection is closed.
/// - If the input ends within a message, the handler receives [`MessageHandler::framing_failed`], then
///   [`MessageHandler::eof`]. The incomplete message is not passed on.
/// - Both errors are logged as a warning with the peer and the figures, at most once in 10 s for each kind.
/// - Messages wait while a job of their session runs, while the session's input is paused, and while the output to
///   their sender is over the high mark ([`Context::may_continue`]).
/// - Datagrams and lines of the console have boundaries of their own and are passed on unchanged.
/// - Framings do not nest: the bytes of a message are complete, so an inner framing could not wait for more input.
#[derive(Debug)]
pub struct Framed<F, H> {
    inner: H,
    pub(super) framer: F,
}

/// The session of a [`Framed`] handler: the session of the inner handler, and the state of the framer.
#[derive(Debug)]
pub struct FramedSession<S, P> {
    inner: S,
    state: P,
}

impl<F: Framer, H: MessageHandler> Framed<F, H> {
    /// Puts `framer` around `inner`. The framings of this module have a `new` of their own.
    pub fn with_framer(inner: H, framer: F) -> Self {
        Framed { inner, framer }
    }

    /// Returns the inner handler.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// Returns the handler within, to change it between turns.
    pub fn get_mut(&mut self) -> &mut H {
        &mut self.inner
    }

    /// Returns the handler within, such as after [`Reactor::run`](crate::Reactor::run).
    pub fn into_inner(self) -> H {
        self.inner
    }
}

impl<F: Framer, H: MessageHandler> Handler for Framed<F, H> {
    type Session = FramedSession<H::Session, F::State>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        FramedSession { inner: self.inner.open(origin, cx), state: self.framer.begin(origin) }
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(found) = unread.next(&self.framer, &mut session.state, cx) {
            match found {
                Found::Message(message) => self.inner.message(&mut session.inner, message, cx),
                Found::TooLong(limit) => self.inner.too_long(&mut session.inner, limit, cx),
                Found::Failed(error) => {
                    self.inner.framing_failed(&mut session.inner, &error, cx);
                    if let FramingError::Malformed { .. } = error {
                        cx.close();
                    }
                }
            }
        }
        unread.used()
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        self.inner.closed(session.inner, cause, cx);
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        self.inner.kicked(&mut session.inner, reason, cx);
    }

    events! { connection => forward(self, session, cx) to self.inner, &mut session.inner }
    events! { service => forward(self, cx) to self.inner }
    events! { process => forward(self, cx) to self.inner }
}
