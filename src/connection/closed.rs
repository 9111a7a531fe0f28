//! Why a session is over.

use std::fmt;
use std::io;
use std::time::Duration;

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
    /// The peer fell a whole feed behind ([`Limits::feed_buffer`](crate::Limits::feed_buffer)).
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
