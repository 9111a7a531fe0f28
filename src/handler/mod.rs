//! The trait that a server implements, and what its methods may ask for.
//!
//! Invariant: a handler touches no socket, thread, clock or file. What it needs of them, it asks of its [`Context`].

pub(crate) mod commands;
pub(crate) mod context;
pub(crate) mod events;
pub(crate) mod sanitize;
pub(crate) mod services;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::handler::context::Context;
use crate::handler::events::events;

/// A protocol: bytes and time in, bytes and requests out.
///
/// A handler does no I/O. A [`Reactor`](crate::Reactor) calls it when something has happened, and it asks for
/// everything else through its [`Context`]. For this reason, a [`Sim`](crate::Sim) can run the same handler without
/// sockets.
///
/// A handler for whole messages, such as lines, implements [`MessageHandler`](crate::framing::MessageHandler) instead.
///
/// # Order of calls
///
/// One value of the handler serves all its connections. What it keeps for one of them is a [`Session`](Self::Session).
/// The calls for one connection have this order:
///
/// ```text
/// open  ( data | drained | timer | done )*  ( eof  ( drained | timer | done )* )?  ( kicked | dismissed )?  closed
/// ```
///
/// [`open`](Self::open) comes first and exactly once, [`closed`](Self::closed) last and exactly once. After
/// [`eof`](Self::eof) there is no more [`data`](Self::data). For a program that [`Context::spawn`] has started,
/// [`exited`](Self::exited) comes at most once, anywhere between [`open`](Self::open) and [`closed`](Self::closed).
/// The other methods belong to the service as a whole. [`started`](Self::started) comes before everything else, and the
/// others may be called at any time.
///
/// # Concurrency
///
/// All methods run on the thread of the reactor, one at a time. A request takes effect at once, but no method is ever
/// called from within another, so a handler needs neither locks nor a `RefCell`.
///
/// While a method runs, no other connection is served. Slow work belongs on a pool of threads: see
/// [`Context::offload`].
///
/// # Errors
///
/// No method returns an error. A connection that fails ends with [`closed`](Self::closed), which receives the cause. A
/// panic is not caught: it ends [`Reactor::run`](crate::Reactor::run).
///
/// # Examples
///
/// ```
/// use switchboard::{Context, Handler, Origin};
///
/// /// Replies with the number of bytes received, at the end of input.
/// struct Count;
///
/// impl Handler for Count {
///     type Session = usize;
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) -> usize {
///         0
///     }
///
///     fn data<'a>(&mut self, total: &mut usize, input: &'a mut [u8], _: &mut Context<'a>) -> usize {
///         *total += input.len();
///         input.len()
///     }
///
///     fn eof(&mut self, total: &mut usize, cx: &mut Context<'_>) {
///         cx.reply(format!("{total} bytes\n").as_bytes());
///         cx.close();
///     }
/// }
///
/// let mut sim = switchboard::Sim::new(Count);
/// let peer = sim.connect();
/// sim.send(peer, b"hello");
/// sim.shut_down(peer);
/// assert_eq!(sim.received(peer), b"5 bytes\n");
/// ```
pub trait Handler {
    /// The state that the handler keeps for each connection. The reactor stores it.
    type Session;

    /// A connection is open: a peer has connected, a connection requested with [`Context::connect`] was made, or a
    /// program was started with [`Context::spawn`].
    ///
    /// Returns the session of the connection.
    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session;

    /// Input has arrived. Returns the number of bytes of `input` that were used.
    ///
    /// The handler may change `input` in place and send a part of it back without a copy, with
    /// [`Context::reply_input`]. Unused bytes are kept and passed again, followed by newer input:
    ///
    /// - when more input arrives,
    /// - when the queued output has fallen to the low mark, after [`Context::is_writable`] returned false,
    /// - when a job of the session is [`done`](Self::done),
    /// - at the end of input, when [`Context::is_eof`] is true.
    ///
    /// Bytes that are unused at the end of input, while [`Context::may_continue`] is true, are dropped. If the handler
    /// uses nothing while [`Limits::inbox`](crate::Limits::inbox) bytes are kept, the connection is closed with
    /// [`Closed::InboxFull`](crate::Closed::InboxFull).
    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize;

    /// The operator is about to close this connection (`kick`), for a `reason` that may be empty.
    ///
    /// The handler may reply with a last message, which is still sent. [`closed`](Self::closed) follows. The default
    /// does nothing: a line of text would be garbage in a protocol of bytes.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {}

    events! { connection => declare }
    events! { closing => declare }
    events! { service => declare }
    events! { process => declare }
}

/// A handler that is lent: for a server whose parts are handlers by turns.
impl<H: Handler> Handler for &mut H {
    type Session = H::Session;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        (**self).open(origin, cx)
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        (**self).data(session, input, cx)
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
