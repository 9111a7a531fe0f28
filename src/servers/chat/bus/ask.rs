//! What a server asks of the broker, and what it remembers of it until the answer.

/// A change that a member or this server asks for. Names are given as they are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// A newcomer enters a room. Also asked for a member that the broker has forgotten, or has taken for gone: if it is
    /// there, nothing changes.
    Join { nick: &'a str, room: &'a str },
    /// A member goes from one room to another: a `part` in the one, and a `join` in the other.
    Move { nick: &'a str, from: &'a str, to: &'a str },
    /// A member leaves the server.
    Leave { nick: &'a str, room: &'a str, cause: &'a str },
    /// A member takes another nickname.
    Rename { old: &'a str, nick: &'a str, room: &'a str },
    /// A member says something.
    Say { nick: &'a str, room: &'a str, text: &'a str },
    /// A member does something.
    Act { nick: &'a str, room: &'a str, text: &'a str },
    /// The operator removes a member of this server. Its `Leave` follows. The reason may be empty.
    Kick { nick: &'a str, room: &'a str, reason: &'a str },
    /// A private message to a member of another server. It is in no stream.
    Tell { from: &'a str, to: &'a str, text: &'a str },
    /// A line of the operator, for all rooms of all servers.
    Operator { text: &'a str },
    /// The list of the rooms of all servers.
    Rooms,
    /// This server stops: all its members leave. It asks nothing afterwards.
    Depart,
}

/// An ask whose answer has arrived, with the texts that an answer to the member needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Join {
        nick: Box<str>,
        room: Box<str>,
    },
    Move {
        to: Box<str>,
    },
    Leave,
    Rename {
        nick: Box<str>,
    },
    Say,
    Act,
    Kick,
    /// If the message was passed on, `to` is the nickname as it is shown, otherwise as it was asked for.
    Tell {
        to: Box<str>,
        text: Box<str>,
    },
    Operator,
    Depart,
}
