//! The one trait that a server implements, and what its methods are told.

pub(crate) mod commands;
pub(crate) mod context;
pub(crate) mod sanitize;
pub(crate) mod services;

use std::io;

use crate::connection::closed::Closed;
use crate::connection::framing_error::FramingError;
use crate::connection::origin::{Origin, Source};
use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::net::Address;
use crate::workers::Done;

/// A protocol: bytes and time in, bytes and requests out.
///
/// A handler holds no socket and does no I/O: everything that it may ask for is in the [`Context`]. Requests take effect
/// without running another method beneath the one that made them, so a handler needs no locks and no `RefCell`.
///
/// For each connection the calls come in this order: [`open`](Self::open), any number of [`data`](Self::data),
/// [`drained`](Self::drained), [`timer`](Self::timer) and [`done`](Self::done), at most one [`eof`](Self::eof), and exactly one
/// [`closed`](Self::closed), after which no call concerns it.
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
    /// It is shown again when more has arrived, when output has drained after [`Context::is_writable`] was false, when a job
    /// is [`done`](Self::done), and at the end of input ([`Context::is_eof`]). What is not used at the end of input, while
    /// [`Context::may_continue`] is true, is dropped.
    /// A handler that uses nothing while [`Limits::inbox`](crate::Limits::inbox) bytes wait loses the connection.
    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize;

    /// A framer met a message longer than its limit, in bytes, and discards it. Answers with a line, unless overridden; a
    /// handler whose replies are not lines overrides it.
    fn too_long(&mut self, _session: &mut Self::Session, limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("line too long: the limit is {limit} bytes\n").as_bytes());
    }

    /// A framer was given input that is no sequence of whole messages; the log says so already.
    ///
    /// Malformed input: says in a line what is wrong, unless overridden. The session is closed when this returns.
    /// Input that ended within a message: replies nothing, unless overridden. [`eof`](Self::eof) follows, if the session is
    /// still open. A handler for which what came before is worth nothing without the rest undoes it here.
    fn framing_failed(&mut self, _session: &mut Self::Session, error: &FramingError, cx: &mut Context<'_>) {
        if let FramingError::Malformed { .. } = error {
            cx.reply(format!("{error}\n").as_bytes());
        }
    }

    /// The peer will send no more, and everything that it sent has been used. Closes, unless overridden.
    fn eof(&mut self, _session: &mut Self::Session, cx: &mut Context<'_>) {
        cx.close();
    }

    /// Output was over the high mark ([`Context::is_writable`] was false) and has fallen to the low mark.
    fn drained(&mut self, _session: &mut Self::Session, _cx: &mut Context<'_>) {}

    /// A timer that this connection set is due.
    fn timer(&mut self, _session: &mut Self::Session, _timer: TimerId, _cx: &mut Context<'_>) {}

    /// The job that this session gave to [`Context::offload`] is done. Input that came meanwhile is shown after this.
    fn done(&mut self, _session: &mut Self::Session, _done: Done, _cx: &mut Context<'_>) {}

    /// The session is over: no call for it follows. What it is still owed is being sent. A reply is dropped here;
    /// publishing and sending to others is allowed.
    fn closed(&mut self, _session: Self::Session, _why: &Closed, _cx: &mut Context<'_>) {}

    /// A datagram has arrived at a `udp:` listener. All replies of one call go back as one datagram; none if there are none.
    fn datagram<'a>(&mut self, _source: &Source, _input: &'a mut [u8], _cx: &mut Context<'a>) {}

    /// A line was typed at standard input (without its line end), where lines are commands or input. Knows `help`, `stats`,
    /// `who`, `kick` and `quit`, unless overridden.
    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        crate::handler::commands::run(line, cx);
    }

    /// Standard input has ended, where lines are commands or input. Stops, unless overridden.
    fn console_end(&mut self, cx: &mut Context<'_>) {
        cx.stop();
    }

    /// A timer that was set outside of any connection is due.
    fn service_timer(&mut self, _timer: TimerId, _cx: &mut Context<'_>) {}

    /// A job that was given to [`Context::offload`] outside of any connection, or to [`Context::offload_detached`], is done.
    fn service_done(&mut self, _done: Done, _cx: &mut Context<'_>) {}

    /// A connection asked for by [`Context::connect`] has not come about.
    fn connect_failed(&mut self, _to: &Address, _error: &io::Error, _cx: &mut Context<'_>) {}
}
