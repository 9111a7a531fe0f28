//! The wrapper that all framings share: it asks a framer where the next message is, and shows it to a handler.
//!
//! Invariant: the wrapped handler is shown each message once, whole, in order, however the stream was split. Here and
//! only here is what a wrapper passes on to the handler within. Keeps no bytes: what is unread stays in the
//! connection's inbox.

use super::MessageHandler;
use super::framer::{Frame, Framer};
use crate::connection::closed::Closed;
use crate::connection::framing_error::FramingError;
use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::events::events;

/// A handler behind a framing: each call of its [`MessageHandler::message`] is one message.
///
/// What holds for every framing:
///
/// - The wrapped handler uses the whole message: what it returns from `data` is not looked at.
/// - A message that is not whole yet waits in the connection's inbox, so [`Limits::inbox`](crate::Limits::inbox) must
///   not be smaller than the longest message with what is around it. Where it is, a long message may end its connection
///   ([`Closed::InboxFull`](crate::Closed::InboxFull)).
/// - A message that is too long is discarded as it comes and takes no memory. [`MessageHandler::too_long`] is called
///   once for it, and what follows it is understood again.
/// - Where the input is malformed or ends within a message, [`MessageHandler::framing_failed`] is called, and the log
///   has a warning with the peer and the figures (one each 10 s of a kind): what was cut off is lost data, whatever the
///   handler does about it. An incomplete message is never shown. After malformed input the session is closed; after
///   the end of input, [`MessageHandler::eof`] follows as always.
/// - Messages wait while output to their sender is over the high mark, or a job of its session is under way
///   ([`Context::may_continue`]).
/// - Datagrams are messages already, and what is typed at the console is a line: both reach the handler as they are.
/// - One framing is not put around another: within a message there is no more input to wait for.
#[derive(Debug)]
pub struct Framed<F, H> {
    inner: H,
    framer: F,
}

/// What [`Framed`] keeps for a connection: the session of the wrapped handler, and how far the framer has looked.
#[derive(Debug)]
pub struct FramedSession<S, P> {
    inner: S,
    state: P,
}

impl<F: Framer, H: MessageHandler> Framed<F, H> {
    /// A handler behind a framing of one's own. The framings here have a `new`.
    pub fn with_framer(inner: H, framer: F) -> Self {
        Framed { inner, framer }
    }

    /// The wrapped handler.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// The input has ended after a message that was not whole.
    fn end<'a>(
        &mut self,
        session: &mut FramedSession<H::Session, F::State>,
        (rest, needed): (&'a mut [u8], Option<usize>),
        cx: &mut Context<'a>,
    ) {
        match self.framer.last(rest) {
            Some(body) => self.inner.message(&mut session.inner, &mut rest[body], cx),
            None => self.fail(session, FramingError::Truncated { received: rest.len(), needed }, cx),
        }
    }

    fn fail(&mut self, session: &mut FramedSession<H::Session, F::State>, error: FramingError, cx: &mut Context<'_>) {
        cx.note_framing(&error);
        self.inner.framing_failed(&mut session.inner, &error, cx);
    }
}

impl<F: Framer, H: MessageHandler> Handler for Framed<F, H> {
    type Session = FramedSession<H::Session, F::State>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        FramedSession { inner: self.inner.open(origin, cx), state: F::State::default() }
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let total = input.len();
        let mut rest = input;
        while !rest.is_empty() && cx.may_continue() {
            let unread = rest.len();
            match self.framer.next(&mut session.state, rest) {
                Frame::Message { body, used } => {
                    let (frame, after) = rest.split_at_mut(used);
                    rest = after;
                    self.inner.message(&mut session.inner, &mut frame[body], cx);
                }
                Frame::TooLong { limit, used } => {
                    rest = &mut rest[used..];
                    self.inner.too_long(&mut session.inner, limit, cx);
                }
                Frame::Discard(used) => rest = &mut rest[used..],
                Frame::Partial { .. } if !cx.is_eof() => break,
                Frame::Partial { needed } => {
                    self.end(session, (rest, needed), cx);
                    return total;
                }
                Frame::Failed(error) => {
                    self.fail(session, error, cx);
                    cx.close();
                    return total;
                }
            }
            debug_assert!(rest.len() < unread, "a framer uses at least one byte of a message");
        }
        total - rest.len()
    }

    fn closed(&mut self, session: Self::Session, why: &Closed, cx: &mut Context<'_>) {
        self.inner.closed(session.inner, why, cx);
    }

    events! { connection => forward(self, session, cx) to self.inner, &mut session.inner }
    events! { service => forward(self, cx) to self.inner }
    events! { console => forward(self, cx) to self.inner }
}
