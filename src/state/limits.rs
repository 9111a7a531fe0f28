//! Every number that bounds the reactor, each with the reason for its default.
//!
//! Invariant: each amount of memory and each amount of work in a turn that a peer can cause has a bound in [`Limits`].

use std::time::Duration;

use crate::state::rate::Rate;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of a [`Reactor`](crate::Reactor) or a [`Sim`](crate::Sim), or of one of its services.
///
/// Start with [`Limits::default`] and change the fields that matter. Sizes are in bytes. `None` switches a limit off;
/// budgets and buffers cannot be switched off.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the one buffer that every read goes through. 64 KiB: what Linux returns from one call at full speed.
    pub read_buffer: usize,
    /// Bytes read from one connection in a turn. 64 KiB: one full buffer.
    pub turn_input: usize,
    /// Bytes written to one connection in a turn. 256 KiB: a peer that reads at once does not delay the others for
    /// long.
    pub turn_output: usize,
    /// Connections accepted from one listener in a turn. 256: a burst of 500 takes two turns, and clients wait little
    /// for it.
    pub turn_accepts: usize,
    /// Datagrams received from one socket in a turn. 256: a burst of 500 takes two turns.
    pub turn_datagrams: usize,
    /// Results of workers delivered in a turn. 256: a burst of 500 takes two turns.
    pub turn_jobs: usize,
    /// Children started in a turn. A further [`Context::spawn`](crate::Context::spawn) fails with
    /// [`ResourceBusy`](std::io::ErrorKind::ResourceBusy). 8: on a busy machine, the loop waits some milliseconds for
    /// each start.
    pub turn_spawns: usize,
    /// Steps of handshakes taken in a turn, each for one connection. 16: with TLS, a step takes a few hundred
    /// microseconds at most, and open sessions wait for all of them.
    pub turn_handshakes: usize,
    /// How long a connection may take for its handshake (a PROXY header, TLS), before it has a session. 10 s: several
    /// round trips, also on a bad network. A peer that stays silent keeps a place among `max_connections` no longer.
    pub handshake_timeout: Option<Duration>,
    /// Unused input kept for one connection. If the handler uses nothing of a full inbox, the connection is closed
    /// ([`Closed::InboxFull`](crate::Closed::InboxFull)). 64 KiB: sixteen times the default limit of a line.
    pub inbox: usize,
    /// Output that *others* may queue for one connection. Above it, the connection is closed
    /// ([`Closed::QueueFull`](crate::Closed::QueueFull)). Output that the peer's *own* input caused does not close it:
    /// the peer is not read while there is more than [`high_mark`](Self::high_mark) of it. 1 MiB: one second of a slow
    /// home line.
    pub max_queue: Option<usize>,
    /// How long a peer may take none of the output that *others* have for it. After that, it is closed
    /// ([`Closed::QueueStalled`](crate::Closed::QueueStalled)). 10 s: a network that is gone for longer rarely comes
    /// back in time, and the memory is better used for other peers.
    pub queue_time: Option<Duration>,
    /// How far a follower may fall behind its feed, in bytes, together with what others have queued for it. After that,
    /// it is closed ([`Closed::FeedBehind`](crate::Closed::FeedBehind)). It also bounds the memory of the feed. 4 MiB:
    /// about fifty thousand lines of a chat.
    pub feed_buffer: Option<usize>,
    /// Datagrams answered for one host (for IPv6, one /64). Further ones are dropped and counted. A thousand a second
    /// after a burst of ten thousand: more than a client needs, and the most that the victim of a forged source address
    /// receives.
    pub datagram_rate: Option<Rate>,
    /// Output pending for all connections together, feeds included. Above it, the connection with the most is closed
    /// ([`Closed::MemoryFull`](crate::Closed::MemoryFull)), and then the next one. Over TLS, each connection also keeps
    /// at most one record of it (16 KiB) encrypted, which does not count. Neither does what waits on a link with limits
    /// of its own ([`Link::limits`](crate::Link::limits)). Off: the bound is the number of connections times the limits
    /// of each.
    pub memory_limit: Option<usize>,
    /// Open connections, except outbound ones. A further one is accepted and closed at once. Off: descriptors are the
    /// natural limit, and a client that waits for one is served later instead of refused.
    pub max_connections: Option<usize>,
    /// Descriptors that accepting leaves for the files and programs of handlers: further clients wait, as they do when
    /// there are no descriptors left. 0: most handlers open nothing.
    pub spare_descriptors: usize,
    /// Open connections of one host (for IPv6, one /64). A further one is closed at once. Peers of Unix sockets have no
    /// host. Off: many clients may share an address, and a server on the loopback interface has one host only.
    pub max_per_host: Option<usize>,
    /// New connections of one host (for IPv6, one /64). A further one is closed at once. Off: many clients may share an
    /// address.
    pub connect_rate: Option<Rate>,
    /// Children of the service that were not reaped. A further [`Context::spawn`](crate::Context::spawn) fails with
    /// [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded). 64: more than most machines have cores for.
    pub max_children: Option<usize>,
    /// How long a connection may neither send nor take bytes. After that, it is closed
    /// ([`Closed::Idle`](crate::Closed::Idle)). Off: many good clients are quiet.
    pub idle_timeout: Option<Duration>,
    /// How long one socket address may take to accept an outbound connection. After that, the next address of the name
    /// is tried, and after the last one [`connect_failed`](crate::Handler::connect_failed) is called with `TimedOut`.
    /// 10 s: longer than any network needs, while the system itself tries for two minutes.
    pub connect_timeout: Option<Duration>,
    /// How long a closing connection may continue to send after its last output was flushed. 1 s: longer than a round
    /// trip to any place on Earth. Without this time, late input would turn the close into a reset, which can destroy
    /// the last output.
    pub linger: Duration,
    /// How long a closing connection may take none of its pending output. After that, it is dropped. 30 s: a network
    /// may be gone for a while, but TCP itself would wait for a quarter of an hour.
    pub flush_stall: Duration,
    /// How long connections may take to receive their pending output after a stop was requested. 5 s: longer than a
    /// good peer needs, and shorter than an operator or a service manager waits.
    pub drain: Duration,
    /// A turn that takes longer is logged, since all connections waited for it. 50 ms: half of the delay that a person
    /// notices.
    pub slow_turn: Option<Duration>,
    /// The time after which accepting is tried again when the process has no descriptors left. 100 ms: ten failed calls
    /// a second cost nothing, and a descriptor that is freed elsewhere is found soon.
    pub accept_retry: Duration,
    /// Longest line read from standard input. 4096: what a Linux terminal can deliver in one line.
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
            turn_spawns: 8,
            turn_handshakes: 16,
            handshake_timeout: Some(Duration::from_secs(10)),
            inbox: 64 * KIB,
            max_queue: Some(MIB),
            queue_time: Some(Duration::from_secs(10)),
            feed_buffer: Some(4 * MIB),
            datagram_rate: Some(Rate { count: 1000, per: Duration::from_secs(1), burst: 10_000 }),
            memory_limit: None,
            max_connections: None,
            spare_descriptors: 0,
            max_per_host: None,
            connect_rate: None,
            max_children: Some(64),
            idle_timeout: None,
            connect_timeout: Some(Duration::from_secs(10)),
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
    /// These limits with at least one unit of work in every budget. With a budget of 0, some work would never be done.
    pub(crate) fn with_budgets(self) -> Self {
        Limits {
            read_buffer: self.read_buffer.max(1),
            turn_input: self.turn_input.max(1),
            turn_output: self.turn_output.max(1),
            turn_accepts: self.turn_accepts.max(1),
            turn_datagrams: self.turn_datagrams.max(1),
            turn_jobs: self.turn_jobs.max(1),
            turn_spawns: self.turn_spawns.max(1),
            turn_handshakes: self.turn_handshakes.max(1),
            ..self
        }
    }

    /// The high mark: a peer is not read while more than this of the output that its own input caused is queued. A
    /// quarter of [`max_queue`](Self::max_queue), or of its default if that is off, so memory stays bounded.
    #[must_use]
    pub fn high_mark(&self) -> usize {
        self.max_queue.unwrap_or(MIB) / 4
    }

    /// The low mark: the peer is read again when no more than this is queued. A sixteenth of
    /// [`max_queue`](Self::max_queue), or of its default.
    #[must_use]
    pub fn low_mark(&self) -> usize {
        self.max_queue.unwrap_or(MIB) / 16
    }

    /// A feed that grew by more than this within a turn is flushed at once. A quarter of
    /// [`feed_buffer`](Self::feed_buffer), or of its default.
    pub(crate) fn feed_flush(&self) -> usize {
        self.feed_buffer.unwrap_or(4 * MIB) / 4
    }
}
