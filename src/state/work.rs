//! The work lists of a reactor.

use crate::connection::closed::Closed;
use crate::connection::feeds::FeedSlot;
use crate::connection::ids::ServiceId;
use crate::connection::token::Token;

/// The work left for this turn or the next.
///
/// Invariants: a connection is on `ready` and on `dirty` at most once (its flags say whether it is there), a feed is on
/// `dirty_feeds` at most once; a token on `ended` still has its session, a token on `dead` still has its connection.
#[derive(Debug, Default)]
pub(crate) struct WorkLists {
    /// Connections to be served without a new edge.
    pub(crate) ready: Vec<Token>,
    /// Connections to be flushed.
    pub(crate) dirty: Vec<Token>,
    /// Feeds to flush.
    pub(crate) dirty_feeds: Vec<FeedSlot>,
    /// Connections that the operator closes, each with the reason. Their sessions are told first.
    pub(crate) kicked: Vec<(Token, Box<str>)>,
    /// Sessions that are over, each with the cause to pass to [`closed`](crate::Handler::closed).
    pub(crate) ended: Vec<(Token, Closed)>,
    /// Connections to remove.
    pub(crate) dead: Vec<Token>,
    /// Receipts to give: the service of each, its ticket, and the number of unsent bytes.
    pub(crate) receipts: Vec<(ServiceId, u64, u64)>,
    /// Whether a listener has datagrams for the next turn.
    pub(crate) has_datagrams: bool,
    /// Outbound connections to be established: requested, with an edge, or with a failed try.
    pub(crate) connects: Vec<Token>,
    /// While the reactor stops, the connections that close last.
    pub(crate) last: Vec<Token>,
}
