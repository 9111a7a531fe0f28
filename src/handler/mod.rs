//! The one trait that a server implements, and what its methods are told.

pub(crate) mod commands;
pub(crate) mod context;
pub(crate) mod events;
pub(crate) mod sanitize;
pub(crate) mod services;

use crate::connection::origin::Origin;
use crate::handler::context::Context;
use crate::handler::events::events;

/// A protocol: bytes and time in, bytes and requests out.
///
/// A handler holds no socket and does no I/O: everything that it may ask for is in the [`Context`]. Requests take
/// effect without running another method beneath the one that made them, so a handler needs no locks and no `RefCell`.
///
/// For each connection the calls come in this order: [`open`](Self::open), any number of [`data`](Self::data),
/// [`drained`](Self::drained), [`timer`](Self::timer) and [`done`](Self::done), at most one [`eof`](Self::eof), and
/// exactly one [`closed`](Self::closed), after which no call concerns it.
///
/// ```
/// use switchboard::{Context, Handler, Origin};
///
/// /// Counts the bytes of each client and says so when the client is done.
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
    /// What the handler keeps for each connection; stored by the reactor beside the socket.
    type Session;

    /// A peer has connected, or a connection asked for by [`Context::connect`] has come about.
    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session;

    /// Input has arrived. Returns how many bytes were used; the rest is kept and shown again, with what follows it.
    ///
    /// It is shown again when more has arrived, when output has drained after [`Context::is_writable`] was false, when
    /// a job is [`done`](Self::done), and at the end of input ([`Context::is_eof`]). What is not used at the end of
    /// input, while [`Context::may_continue`] is true, is dropped. A handler that uses nothing while
    /// [`Limits::inbox`](crate::Limits::inbox) bytes wait loses the connection.
    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize;

    events! { connection => declare }
    events! { closing => declare }
    events! { service => declare }
    events! { console => declare }
}
