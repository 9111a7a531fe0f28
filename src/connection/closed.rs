//! The cause of the end of a session.

use std::fmt;
use std::io;
use std::time::Duration;

/// The cause of the end of a session. Its `Display` completes the sentence "closed: ...".
#[derive(Debug)]
#[non_exhaustive]
pub enum Closed {
    /// The handler closed it.
    ByHandler,
    /// The operator closed it (`kick`).
    ByOperator,
    /// The transport failed. In most cases, the peer has reset the connection.
    Failed(io::Error),
    /// No byte was received, and none was taken by the peer, for this time.
    Idle(Duration),
    /// Other connections queued more output for this peer than [`Limits::max_queue`](crate::Limits::max_queue).
    QueueFull {
        /// The number of queued bytes.
        queued: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer fell behind its feed by more than [`Limits::feed_buffer`](crate::Limits::feed_buffer).
    FeedBehind {
        /// The number of bytes kept for the peer.
        behind: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// For [`Limits::queue_time`](crate::Limits::queue_time), the peer took none of the output queued by others.
    QueueStalled {
        /// The number of queued bytes.
        queued: usize,
        /// The time limit.
        limit: Duration,
    },
    /// The output pending for all connections was over [`Limits::memory_limit`](crate::Limits::memory_limit), and this
    /// connection had most of it.
    MemoryFull {
        /// The number of bytes pending for this connection.
        pending: usize,
        /// The limit for all connections, in bytes.
        limit: usize,
    },
    /// The inbox was full, with this number of bytes ([`Limits::inbox`](crate::Limits::inbox)), and the handler used
    /// none of them.
    InboxFull(usize),
    /// The peer has sent a PROXY header, and it is not one of the service's [`Proxies`](crate::Proxies).
    ForeignHeader,
    /// The reactor is stopping.
    Stopping,
}

impl Closed {
    /// Whether a limit or a rule of the reactor is the cause. Such an end is logged as a warning.
    pub(crate) fn is_by_limit(&self) -> bool {
        match self {
            Closed::QueueFull { .. }
            | Closed::QueueStalled { .. }
            | Closed::FeedBehind { .. }
            | Closed::MemoryFull { .. }
            | Closed::InboxFull(_)
            | Closed::ForeignHeader => true,
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
                write!(
                    f,
                    "{pending} bytes pending, the most of all connections, limit {limit} in total (--memory-limit)"
                )
            }
            Closed::InboxFull(limit) => write!(f, "a message of over {limit} bytes"),
            Closed::ForeignHeader => f.write_str("a PROXY header of a peer that is no proxy (--proxy-protocol)"),
            Closed::Stopping => f.write_str("stopping"),
        }
    }
}
