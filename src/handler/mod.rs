//! The one trait that a server implements, and what its methods are told.

pub(crate) mod commands;
pub(crate) mod context;
pub(crate) mod sanitize;
pub(crate) mod services;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::framing::FramingError;
use crate::handler::context::Context;
use crate::net::Address;
use crate::state::timer::TimerId;
use crate::workers::Done;

slotmap::new_key_type! {
    /// Names one connection. Never names another one later: a token that is kept beyond the end of its connection names
    /// nothing, and whatever is sent to it goes nowhere.
    pub struct Token;
}

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

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The name of the connection, for [`Context::send`] and its like.
    pub token: Token,
    /// Who is at the other end.
    pub peer: Peer,
    /// How it came about.
    pub via: Via,
}

/// How a connection came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The listener of this number, in the order of [`Reactor::listen`](crate::Reactor::listen), accepted it.
    Listener(usize),
    /// [`Context::connect`] asked for it.
    Connect(Address),
}

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Who sent it, or claims to have: a UDP source address can be forged.
    pub address: SocketAddr,
    /// The number of the listener that received it, in the order of [`Reactor::listen`](crate::Reactor::listen).
    pub listener: usize,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A host and port.
    Inet(SocketAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}

/// Why a session is over. Its `Display` completes the sentence "closed: ...".
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The handler asked for it.
    ByHandler,
    /// The operator asked for it (`kick`).
    ByOperator,
    /// The transport failed: a reset by the peer, mostly.
    Failed(io::Error),
    /// Nothing was received, and no byte taken, for this long.
    Idle(Duration),
    /// Others queued more for this peer than [`Limits::max_queue`](crate::Limits::max_queue).
    QueueFull {
        /// Bytes that were queued.
        queued: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer fell a whole feed behind ([`Limits::room_buffer`](crate::Limits::room_buffer)).
    FeedBehind {
        /// Bytes that were kept for the peer.
        behind: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Others have output for this peer, and none of it was taken for [`Limits::queue_time`](crate::Limits::queue_time).
    QueueStalled {
        /// Bytes that were queued.
        queued: usize,
        /// The limit.
        limit: Duration,
    },
    /// All connections together were owed more than [`Limits::memory_limit`](crate::Limits::memory_limit), and this one most.
    MemoryFull {
        /// Bytes that were kept for this one.
        pending: usize,
        /// The limit, in bytes, for all.
        limit: usize,
    },
    /// The handler used nothing of a full inbox of this many bytes ([`Limits::inbox`](crate::Limits::inbox)).
    InboxFull(usize),
    /// The reactor is stopping.
    Stopping,
}

impl Closed {
    /// Whether a limit of the reactor ended it that an operator will want to know of.
    pub(crate) fn is_by_limit(&self) -> bool {
        match self {
            Closed::QueueFull { .. }
            | Closed::QueueStalled { .. }
            | Closed::FeedBehind { .. }
            | Closed::MemoryFull { .. }
            | Closed::InboxFull(_) => true,
            Closed::ByHandler | Closed::ByOperator | Closed::Failed(_) | Closed::Idle(_) | Closed::Stopping => false,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::ByHandler => f.write_str("done"),
            Closed::ByOperator => f.write_str("by the operator"),
            Closed::Failed(error) => error.fmt(f),
            Closed::Idle(limit) => write!(f, "idle for {limit:?}"),
            Closed::QueueFull { queued, limit } => {
                write!(f, "{queued} bytes queued and not read, limit {limit} (--max-queue)")
            }
            Closed::FeedBehind { behind, limit } => {
                write!(f, "{behind} bytes behind the room, limit {limit} (--room-buffer)")
            }
            Closed::QueueStalled { queued, limit } => {
                write!(f, "{queued} bytes queued and none taken for {limit:?} (--queue-time)")
            }
            Closed::MemoryFull { pending, limit } => {
                write!(f, "{pending} bytes kept, more than for any other, limit {limit} for all (--memory-limit)")
            }
            Closed::InboxFull(held) => write!(f, "a message of over {held} bytes"),
            Closed::Stopping => f.write_str("stopping"),
        }
    }
}
