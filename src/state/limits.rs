//! Every number that bounds the reactor, in one struct, each with the reason for its default.
//!
//! Invariant: memory that a peer can make the process hold, and work that a peer can make one turn do, is bounded by a
//! field of [`Limits`]. `None` switches a limit off; budgets and buffers cannot be switched off.

use std::time::Duration;

use crate::state::rate::Rate;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The bounds that a [`Reactor`](crate::Reactor) or a [`Sim`](crate::Sim) keeps.
///
/// Sizes are in bytes. Make one with [`Limits::default`] and change the fields that matter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the one buffer that every read goes through. 64 KiB: what Linux hands over in one call at full speed.
    pub read_buffer: usize,
    /// Bytes read from one connection in a turn before the others get theirs. 64 KiB: one full buffer.
    pub turn_input: usize,
    /// Bytes written to one connection in a turn. 256 KiB: a peer that reads at once is not favoured over the rest.
    pub turn_output: usize,
    /// Connections accepted from one listener in a turn. 256: a burst of 500 takes two turns, and nobody waits long.
    pub turn_accepts: usize,
    /// Datagrams taken from one socket in a turn. 256, for the same reason.
    pub turn_datagrams: usize,
    /// Results of workers handed over in a turn. 256, for the same reason.
    pub turn_jobs: usize,
    /// Unused input kept for one connection. A handler that uses nothing of a full inbox loses the connection
    /// ([`Closed::InboxFull`](crate::Closed::InboxFull)). 64 KiB: sixteen times the default line.
    pub inbox: usize,
    /// Output that *others* may queue for one connection before it is closed. Reading a peer pauses while more than a
    /// quarter that its *own* input caused is queued, and goes on under a sixteenth. 1 MiB: one second of a slow home line.
    pub max_queue: Option<usize>,
    /// How long the kernel may take no byte of what *others* have for a connection before it is closed. 10 s: a network that
    /// is gone for longer has mostly gone for good, and what is kept for it is better kept for others.
    pub queue_time: Option<Duration>,
    /// How far a follower may fall behind a feed before it is closed; also the size that a feed keeps to. 4 MiB:
    /// about fifty thousand chat lines.
    pub feed_buffer: Option<usize>,
    /// Datagrams of one host (of IPv6, of one /64) that are answered; the others are dropped and counted. A thousand a second
    /// after ten thousand at once: more than a client asks for, and whoever is meant by a forged source gets no more either.
    pub datagram_rate: Option<Rate>,
    /// Output kept for all connections together, feeds included. Over it the connection that is owed most is closed, and the
    /// next. Off: the limits of each connection bound it, times their number.
    pub memory_limit: Option<usize>,
    /// Connections open at a time; one more is accepted and closed at once. Off: descriptors are the natural limit,
    /// and who waits for one is served later rather than refused.
    pub max_connections: Option<usize>,
    /// Connections of one host open at a time (of IPv6, of one /64); one more is closed at once. Peers of Unix sockets have no
    /// host. Off: many may share an address, and a server that starts on loopback serves one host only.
    pub max_per_host: Option<usize>,
    /// A connection that neither sends nor takes bytes for this long is closed. Off: many good clients are quiet.
    pub idle_timeout: Option<Duration>,
    /// After the last byte was flushed, how long a closing connection may go on sending before it is dropped. 1 s: a
    /// round trip to anywhere, and the reason why late bytes do not turn into a reset that destroys the answer.
    pub linger: Duration,
    /// A closing connection of which the kernel took no byte for this long is dropped. 30 s: a network may be gone for a
    /// while, and TCP's own patience is a quarter of an hour.
    pub flush_stall: Duration,
    /// After a stop is asked for, how long connections may take to receive what they are owed. 5 s: longer than
    /// any good peer needs, shorter than an operator or a service manager waits.
    pub drain: Duration,
    /// A turn that takes longer is logged, since everybody waited for it. 50 ms: half of what a person notices.
    pub slow_turn: Option<Duration>,
    /// When descriptors run out and nobody leaves: how long until accepting is tried again. 100 ms: ten
    /// failed calls a second cost nothing, and a freed descriptor elsewhere is found soon.
    pub accept_retry: Duration,
    /// Longest line taken from standard input. 4096: what a Linux terminal can deliver in one line.
    pub console_line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            read_buffer: 64 * KIB,
            turn_input: 64 * KIB,
            turn_output: 256 * KIB,
            turn_accepts: 256,
            turn_datagrams: 256,
            turn_jobs: 256,
            inbox: 64 * KIB,
            max_queue: Some(MIB),
            queue_time: Some(Duration::from_secs(10)),
            feed_buffer: Some(4 * MIB),
            datagram_rate: Some(Rate { count: 1000, per: Duration::from_secs(1), burst: 10_000 }),
            memory_limit: None,
            max_connections: None,
            max_per_host: None,
            idle_timeout: None,
            linger: Duration::from_secs(1),
            flush_stall: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            slow_turn: Some(Duration::from_millis(50)),
            accept_retry: Duration::from_millis(100),
            console_line: 4096,
        }
    }
}

impl Limits {
    /// The same, with at least one unit of work in every budget: with none, a turn would do nothing for ever.
    pub(crate) fn with_budgets(self) -> Self {
        Limits {
            read_buffer: self.read_buffer.max(1),
            turn_input: self.turn_input.max(1),
            turn_output: self.turn_output.max(1),
            turn_accepts: self.turn_accepts.max(1),
            turn_datagrams: self.turn_datagrams.max(1),
            turn_jobs: self.turn_jobs.max(1),
            ..self
        }
    }

    /// Reading a peer pauses while more than this, caused by its own input, is queued for it: a quarter of [`max_queue`](Self::max_queue). With the
    /// hard limit off, a quarter of its default: memory stays bounded whatever a peer sends.
    #[must_use]
    pub fn high_mark(&self) -> usize {
        self.max_queue.unwrap_or(MIB) / 4
    }

    /// Reading goes on when no more than this of it is queued: a sixteenth of [`max_queue`](Self::max_queue).
    #[must_use]
    pub fn low_mark(&self) -> usize {
        self.max_queue.unwrap_or(MIB) / 16
    }

    /// A feed that grew by this much within a turn is flushed at once: a quarter of [`feed_buffer`](Self::feed_buffer).
    pub(crate) fn feed_flush(&self) -> usize {
        self.feed_buffer.unwrap_or(4 * MIB) / 4
    }
}
