//! What happens in the rooms of a server.
//!
//! Invariants: an event holds all that [`Rooms::apply`](super::Rooms::apply) and each rendering need. Its nicknames are
//! valid, and its texts are sanitized, so each form of it is free of control characters.

use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::token::Token;

use super::Home;

/// An event of the rooms.
#[derive(Clone, Debug)]
pub(crate) struct Event<'a> {
    /// Increases with each event of the server. The first one has 1.
    pub(crate) id: u64,
    pub(crate) at: SystemTime,
    /// The member of this server that has asked for it. `None`: another server or the server itself, and in a history.
    pub(crate) by: Option<Token>,
    pub(crate) what: What<&'a str>,
}

/// What has happened. `S` is a text: `&str` in an event that happens now, and a range in a history.
#[derive(Clone, Debug)]
pub(crate) enum What<S> {
    /// A newcomer enters a room, or a member after its [`Part`](What::Part). A room without members begins with it.
    Join {
        nick: S,
        room: S,
        home: Home,
    },
    /// A member goes to another room. Its `Join` there follows.
    Part {
        nick: S,
        to: S,
    },
    /// A member leaves the server. The cause is for the log.
    Leave {
        nick: S,
        cause: S,
    },
    Rename {
        old: S,
        nick: S,
    },
    Say {
        nick: S,
        text: S,
    },
    Act {
        nick: S,
        text: S,
    },
    /// A private message. It is in no history and no log.
    Tell {
        from: S,
        to: S,
        text: S,
    },
    /// The operator removes a member. Its `Leave` follows. The reason may be empty.
    Kick {
        nick: S,
        reason: S,
    },
    /// A line of the operator, for all rooms.
    Operator {
        text: S,
    },
    /// Joins and leaves of a second that had no event of their own.
    Crowd(Arc<Tally>),
    /// The server stops.
    Stop,
}

/// The joins and leaves of a crowd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The number of joins and of leaves.
    pub(crate) joined: u64,
    pub(crate) left: u64,
    /// The nicknames that are new at the end of the second, and those that are gone.
    pub(crate) newcomers: Vec<Arc<str>>,
    pub(crate) leavers: Vec<Arc<str>>,
}

impl Tally {
    /// The numbers without the nicknames.
    pub(crate) fn numbers(&self) -> Tally {
        Tally { joined: self.joined, left: self.left, ..Tally::default() }
    }
}

impl<S> What<S> {
    /// Whether a member said or did something.
    pub(crate) fn is_talk(&self) -> bool {
        matches!(self, What::Say { .. } | What::Act { .. })
    }

    /// Returns the same with other texts.
    pub(crate) fn map<'s, T>(&'s self, mut text: impl FnMut(&'s S) -> T) -> What<T> {
        match self {
            What::Join { nick, room, home } => What::Join { nick: text(nick), room: text(room), home: *home },
            What::Part { nick, to } => What::Part { nick: text(nick), to: text(to) },
            What::Leave { nick, cause } => What::Leave { nick: text(nick), cause: text(cause) },
            What::Rename { old, nick } => What::Rename { old: text(old), nick: text(nick) },
            What::Say { nick, text: said } => What::Say { nick: text(nick), text: text(said) },
            What::Act { nick, text: done } => What::Act { nick: text(nick), text: text(done) },
            What::Tell { from, to, text: told } => What::Tell { from: text(from), to: text(to), text: text(told) },
            What::Kick { nick, reason } => What::Kick { nick: text(nick), reason: text(reason) },
            What::Operator { text: said } => What::Operator { text: text(said) },
            What::Crowd(tally) => What::Crowd(Arc::clone(tally)),
            What::Stop => What::Stop,
        }
    }
}
