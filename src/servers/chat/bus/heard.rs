//! What the chat hears from the bus.

use std::sync::Arc;

use crate::connection::token::Token;
use crate::servers::chat::room::Refusal;

use super::ask::Asked;
use super::entry::{Author, Entry};

/// What the chat hears from the bus, in order. A room is named by its folded name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The broker has carried out an ask. What it has changed is read as an entry, before or after this.
    Acknowledged { by: Token, asked: Asked },
    /// The broker has refused an ask. Nothing has changed.
    Refused { by: Token, asked: Asked, refusal: Refusal },
    /// Something has happened in a room that is followed. Each entry is heard once and in order.
    Entry { room: Arc<str>, entry: Entry },
    /// The state of a room.
    Snapshot(Snapshot),
    /// A private message for a member of this server.
    Told { from: String, to: Token, nick: String, text: String },
    /// All rooms with the numbers of their members, in no order.
    Rooms { by: Token, rooms: Vec<(String, u64)> },
    /// The broker has lost data. The chat asks to join again for all of its members.
    Forgotten,
    /// The broker cannot be reached, or does not answer. Asks are kept meanwhile.
    OutageBegan,
    /// The broker answers again.
    OutageEnded,
}

/// The state of a room at one place in its order. The entries that are heard next follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The folded name of the room.
    pub(crate) room: Arc<str>,
    pub(crate) reason: Reason,
    /// In no order.
    pub(crate) members: Vec<Present>,
    /// The last entries, as many as [`BusOptions::history`](super::BusOptions::history) says, oldest first.
    pub(crate) history: Vec<Entry>,
}

/// A member in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    /// The nickname as it is shown.
    pub(crate) nick: String,
    pub(crate) home: Author,
}

/// Why a snapshot was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// This server begins to follow the room.
    Followed,
    /// Entries before it were never read, because the broker keeps only the last ones. The members are told.
    Missed,
    /// The broker has lost its data a while ago, and servers have entered their members again. Those that are missing
    /// here have left.
    Renewed,
}
