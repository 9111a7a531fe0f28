//! What a server asks of the broker, and what it remembers of it until the answer.

use crate::connection::token::Token;
use crate::servers::text::fold;

use super::command::arguments;

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

impl Ask<'_> {
    /// Whether it changes something, so that it has a number.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Ask::Rooms | Ask::Depart)
    }

    /// The op of the script, and its arguments: their number, and their encoding.
    pub(super) fn words(&self, by: Token, max_rooms: Option<usize>) -> (&'static str, (usize, Vec<u8>)) {
        let connection = by.to_bits().to_string();
        let most = max_rooms.map_or(NO_LIMIT.to_owned(), |most| most.to_string());
        // The ops of a member begin with it.
        let of_member = |op, nick: &str, room: &str, rest: &[&str]| {
            let (nick_folded, room_folded) = (fold(nick), fold(room));
            let member = [nick, &nick_folded, room, &room_folded, &connection];
            (op, arguments(&[&member, rest].concat()))
        };
        match *self {
            Ask::Join { nick, room } => of_member("join", nick, room, &[&most]),
            Ask::Move { nick, from, to } => of_member("move", nick, from, &[to, &fold(to), &most]),
            Ask::Leave { nick, room, cause } => of_member("leave", nick, room, &[cause]),
            Ask::Rename { old, nick, room } => of_member("rename", old, room, &[nick, &fold(nick)]),
            Ask::Say { nick, room, text } => of_member("say", nick, room, &[text]),
            Ask::Act { nick, room, text } => of_member("act", nick, room, &[text]),
            Ask::Kick { nick, room, reason } => of_member("kick", nick, room, &[reason]),
            Ask::Tell { from, to, text } => ("tell", arguments(&[from, &fold(to), text])),
            Ask::Operator { text } => ("operator", arguments(&[text])),
            Ask::Rooms => ("rooms", arguments(&[])),
            Ask::Depart => ("depart", arguments(&[])),
        }
    }

    /// What is remembered until the answer. `None` for [`Ask::Rooms`].
    pub(super) fn asked(&self) -> Option<Asked> {
        Some(match *self {
            Ask::Join { nick, room } => Asked::Join { nick: nick.into(), room: room.into() },
            Ask::Move { to, .. } => Asked::Move { to: to.into() },
            Ask::Leave { .. } => Asked::Leave,
            Ask::Rename { nick, .. } => Asked::Rename { nick: nick.into() },
            Ask::Say { .. } => Asked::Say,
            Ask::Act { .. } => Asked::Act,
            Ask::Kick { .. } => Asked::Kick,
            Ask::Tell { to, text, .. } => Asked::Tell { to: to.into(), text: text.into() },
            Ask::Operator { .. } => Asked::Operator,
            Ask::Rooms => return None,
            Ask::Depart => Asked::Depart,
        })
    }
}

/// More rooms than any broker has.
const NO_LIMIT: &str = "1000000000";
