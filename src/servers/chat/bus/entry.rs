//! Entries of the stream of a room: what has happened in it, in the order on which all servers agree.

use std::time::SystemTime;

use super::ServerId;

/// What has happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The time of the broker, in milliseconds: all servers show the same.
    pub(crate) at: SystemTime,
    pub(crate) by: Author,
    pub(crate) what: Happened,
}

/// The connection that an entry or a member belongs to, among all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Author {
    pub(crate) server: ServerId,
    /// The bits of its [`Token`](crate::Token) at that server. 0 if the entry is of no member.
    pub(crate) connection: u64,
}

/// The kinds of entries. Nicknames are as they are shown, and texts are sanitized by the server that has asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A member enters the room.
    Join { nick: String },
    /// A member goes to another room.
    Part { nick: String, to: String },
    /// A member leaves its server. The cause is for the log.
    Leave { nick: String, cause: String },
    /// A member has another nickname.
    Rename { old: String, nick: String },
    /// A member says something.
    Say { nick: String, text: String },
    /// A member does something.
    Act { nick: String, text: String },
    /// The operator of its server removes a member. Its `Leave` follows. The reason may be empty.
    Kick { nick: String, reason: String },
    /// A line of the operator of a server.
    Operator { text: String },
    /// These members leave: their server has stopped, or is dead.
    Gone { nicks: Vec<String> },
}
