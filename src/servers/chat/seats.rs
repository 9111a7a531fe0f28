//! Where the members of this server are, and which connections have asked to enter a room.
//!
//! Invariant: a connection follows a feed of its room exactly while it has a seat. A seat is given and taken by the
//! events of the rooms, which may come in a callback of another connection. So it is not a part of its session.

use std::collections::HashMap;
use std::sync::Arc;

use slotmap::SecondaryMap;

use crate::connection::token::{ConnectionKey, Token};

use super::rendering::Rendering;
use super::room::RoomId;
#[cfg(feature = "web")]
use super::web::Arrival;

/// The seats of members, and those that are asked for.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: SecondaryMap<ConnectionKey, Seat>,
    /// Those that have asked to enter a room. Few at a time, and none between two callbacks without a bus.
    entering: HashMap<Token, Entering>,
}

/// The place of a member.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// The nickname as shown.
    pub(super) nick: Arc<str>,
    pub(super) room: RoomId,
    /// The id of the event with which it has entered the room.
    pub(super) since: u64,
    pub(super) rendering: Rendering,
}

/// A connection that has asked to enter a room.
#[derive(Debug)]
pub(super) struct Entering {
    /// The nickname as shown.
    pub(super) nick: Arc<str>,
    /// The room that it enters.
    pub(super) room: RoomId,
    /// The room that it comes from. `None`: it is a newcomer.
    #[cfg_attr(not(feature = "bus"), expect(dead_code, reason = "without a bus, none is refused any more"))]
    pub(super) from: Option<RoomId>,
    pub(super) rendering: Rendering,
    /// What a page has besides.
    #[cfg(feature = "web")]
    pub(super) arrival: Option<Box<Arrival>>,
}

impl Seats {
    /// The seat of a connection.
    pub(super) fn get(&self, token: Token) -> Option<&Seat> {
        self.taken.get(token.key())
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Seat> {
        self.taken.get_mut(token.key())
    }

    /// Gives a connection its seat.
    pub(super) fn give(&mut self, token: Token, seat: Seat) {
        self.taken.insert(token.key(), seat);
    }

    /// Takes the seat of a connection back.
    pub(super) fn take(&mut self, token: Token) -> Option<Seat> {
        self.taken.remove(token.key())
    }

    /// Whether no connection has a seat or has asked for one.
    #[cfg(feature = "bus")]
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.entering.is_empty()
    }

    /// Whether a connection has a seat, or has asked for one.
    #[cfg(feature = "bus")]
    pub(super) fn has(&self, token: Token) -> bool {
        self.taken.contains_key(token.key()) || self.entering.contains_key(&token)
    }

    /// The connections with a seat.
    #[cfg(feature = "bus")]
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.taken.keys().map(Token::new)
    }

    /// The connections that have asked to enter a room.
    #[cfg(feature = "bus")]
    pub(super) fn tokens_entering(&self) -> impl Iterator<Item = Token> {
        self.entering.keys().copied()
    }

    /// Those of them that have no seat in another room.
    #[cfg(feature = "bus")]
    pub(super) fn newcomers(&self) -> impl Iterator<Item = Token> {
        let newcomers = self.entering.iter().filter(|(_, entering)| entering.from.is_none());
        newcomers.map(|(token, _)| *token)
    }

    /// What a connection has asked for that has asked to enter a room.
    pub(super) fn entering(&self, token: Token) -> Option<&Entering> {
        self.entering.get(&token)
    }

    /// Notes that a connection has asked to enter a room.
    pub(super) fn begin_entering(&mut self, token: Token, entering: Entering) {
        self.entering.insert(token, entering);
    }

    /// Ends that, for a connection that enters, is refused or has gone.
    pub(super) fn end_entering(&mut self, token: Token) -> Option<Entering> {
        self.entering.remove(&token)
    }
}
