//! The rooms of a server and their members: the pure core of the chat.
//!
//! Invariants: what is in a room is changed by the events of that room alone, in their order. So each copy of a room
//! that applies the same events in the same order has the same members. A nickname belongs to one member of a room, and
//! a member that is here is in one room. The first room always exists.
//!
//! Sends nothing, and knows no connection: a [`Home`] is only kept for its member.

mod event;
mod history;
pub(crate) mod nickname;
mod room_name;

#[cfg(feature = "bus")]
use std::collections::HashSet;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::token::Token;
use crate::servers::text::fold;

pub(crate) use event::{Event, Tally, What};
pub(crate) use history::{History, HistoryLimits, Past};
pub use room_name::RoomName;

/// Names a room. The ids are in the order in which the rooms have begun, and none is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomId(u64);

impl RoomId {
    /// The room that always exists.
    pub(crate) const FIRST: RoomId = RoomId(0);
}

/// Where a member is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// To this server.
    Here(Token),
    /// To another server of the same bus.
    #[cfg_attr(not(any(test, feature = "bus")), expect(dead_code, reason = "without a bus, all members are here"))]
    Elsewhere { server: NonZeroU64, connection: u64 },
}

impl Home {
    /// The connection of a member that is here.
    pub(crate) fn token(self) -> Option<Token> {
        if let Home::Here(token) = self { Some(token) } else { None }
    }

    /// Whether both are at one server.
    #[cfg(feature = "bus")]
    pub(crate) fn is_beside(self, other: Home) -> bool {
        match (self, other) {
            (Home::Here(_), Home::Here(_)) => true,
            (Home::Elsewhere { server, .. }, Home::Elsewhere { server: other, .. }) => server == other,
            _ => false,
        }
    }
}

/// A person with a nickname, in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    home: Home,
    /// The nickname as shown, unless it equals its folded form.
    shown: Option<Box<Arc<str>>>,
}

/// A room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) name: Arc<str>,
    /// By folded nickname.
    members: BTreeMap<Arc<str>, Member>,
}

/// The rooms of a server, and their members.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rooms {
    open: BTreeMap<RoomId, Room>,
    /// By folded name.
    ids: HashMap<Box<str>, RoomId>,
    /// The rooms of the members that are here, by folded nickname.
    here: HashMap<Arc<str>, RoomId>,
    /// The id of the last event.
    last: u64,
    /// The number of rooms that have begun, beside the first.
    begun: u64,
    /// The most rooms at a time.
    most: usize,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another member has this nickname, or one that differs only in case or form.
    TakenNick,
    /// No member has this nickname.
    #[cfg(feature = "bus")]
    UnknownNick,
    /// The member is in this room.
    SameRoom,
    /// A further room would be over the limit.
    TooManyRooms,
}

impl Member {
    /// The nickname as shown.
    fn nick<'a>(&'a self, folded: &'a Arc<str>) -> &'a Arc<str> {
        self.shown.as_deref().unwrap_or(folded)
    }
}

impl Room {
    /// The number of its members.
    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// The nicknames as shown, in their order, which ignores case.
    pub(crate) fn nicks(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(folded, member)| &**member.nick(folded))
    }

    /// Where a member is connected.
    #[cfg(feature = "bus")]
    pub(crate) fn home(&self, nick: &str) -> Option<Home> {
        self.members.get(&*fold(nick)).map(|member| member.home)
    }

    /// The nickname of a member as it is shown. Each nickname is kept once.
    pub(crate) fn nick(&self, nick: &str) -> Option<&Arc<str>> {
        self.members.get_key_value(&*fold(nick)).map(|(folded, member)| member.nick(folded))
    }
}

impl Rooms {
    /// Creates the first room. There may be `most` rooms at a time.
    pub(crate) fn new(first: &str, most: usize) -> Self {
        let room = Room { name: first.into(), members: BTreeMap::new() };
        Rooms {
            open: BTreeMap::from([(RoomId::FIRST, room)]),
            ids: HashMap::from([(fold(first), RoomId::FIRST)]),
            here: HashMap::new(),
            last: 0,
            begun: 0,
            most,
        }
    }

    /// Checks whether the rooms allow a change.
    pub(crate) fn check(&self, what: &What<&str>) -> Result<(), Refusal> {
        match *what {
            What::Join { nick, home, .. } if self.member(nick).is_some_and(|(_, token)| home != Home::Here(token)) => {
                Err(Refusal::TakenNick)
            }
            What::Join { room, .. } => self.check_room(room, None),
            What::Part { nick, to } => {
                let room = self.member(nick).map(|(room, _)| room);
                self.check_room(to, room)?;
                if room.is_some_and(|room| self.find(to) == Some(room)) { Err(Refusal::SameRoom) } else { Ok(()) }
            }
            What::Rename { old, nick } if self.member(nick).is_some() && fold(nick) != fold(old) => {
                Err(Refusal::TakenNick)
            }
            _ => Ok(()),
        }
    }

    /// Checks that a room of this name exists or may begin. A member that is alone in `from` ends that room as it
    /// leaves.
    pub(crate) fn check_room(&self, name: &str, from: Option<RoomId>) -> Result<(), Refusal> {
        let is_alone = from.is_some_and(|from| from != RoomId::FIRST && self.count(from) == 1);
        let others = self.open.len() - usize::from(is_alone);
        if self.find(name).is_some() || others < self.most { Ok(()) } else { Err(Refusal::TooManyRooms) }
    }

    /// Makes an event: a change that is in the order of its room. It is still to be [applied](Self::apply).
    pub(crate) fn event<'a>(&mut self, what: What<&'a str>, by: Option<Token>, at: SystemTime) -> Event<'a> {
        self.last += 1;
        Event { id: self.last, at, by, what }
    }

    /// Changes a room as an event says. Returns whether the event has an effect: it has none if its member has entered
    /// already, or is not there.
    pub(crate) fn apply(&mut self, room: RoomId, event: &Event<'_>) -> bool {
        match event.what {
            What::Join { nick, home, .. } => self.insert(room, nick, home),
            What::Part { nick, .. } | What::Leave { nick, .. } => self.remove(room, nick).is_some(),
            What::Rename { old, nick } => self.remove(room, old).is_some_and(|home| self.insert(room, nick, home)),
            _ => self.open.contains_key(&room),
        }
    }

    /// The room and the connection of the member that is here and has this nickname, or one that differs only in case
    /// or form.
    pub(crate) fn member(&self, nick: &str) -> Option<(RoomId, Token)> {
        let nick = fold(nick);
        let room = *self.here.get(&*nick)?;
        Some((room, self.get(room)?.members.get(&*nick)?.home.token()?))
    }

    /// The number of members of all rooms.
    pub(crate) fn persons(&self) -> usize {
        self.open.values().map(Room::count).sum()
    }

    /// All rooms, the first one first and the others by age.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.open.values()
    }

    /// The members that are here, in no order. Each comes with its folded nickname.
    pub(crate) fn members_here(&self) -> impl Iterator<Item = (&str, Token)> {
        self.here.iter().filter_map(|(nick, room)| Some((&**nick, self.get(*room)?.members.get(nick)?.home.token()?)))
    }

    /// A room, unless it has ended.
    pub(crate) fn get(&self, room: RoomId) -> Option<&Room> {
        self.open.get(&room)
    }

    /// The number of members of a room.
    pub(crate) fn count(&self, room: RoomId) -> usize {
        self.get(room).map_or(0, Room::count)
    }

    /// The room with this name, or with one that differs only in case or form.
    pub(crate) fn find(&self, name: &str) -> Option<RoomId> {
        self.ids.get(&*fold(name)).copied()
    }

    /// The room with this folded name.
    #[cfg(feature = "bus")]
    pub(crate) fn find_folded(&self, folded: &str) -> Option<RoomId> {
        self.ids.get(folded).copied()
    }

    /// The room with this name. It begins if it does not exist.
    pub(crate) fn find_or_begin(&mut self, name: &str) -> RoomId {
        *self.ids.entry(fold(name)).or_insert_with(|| {
            self.begun += 1;
            let id = RoomId(self.begun);
            self.open.insert(id, Room { name: name.into(), members: BTreeMap::new() });
            id
        })
    }

    /// The id of the last event.
    #[cfg(feature = "bus")]
    pub(crate) fn last_id(&self) -> u64 {
        self.last
    }

    /// Replaces the members of a room. Returns the difference, and the connections of the former members that were here
    /// and are not any more.
    #[cfg(feature = "bus")]
    pub(crate) fn load(&mut self, id: RoomId, members: &[(String, Home)]) -> (Tally, Vec<Token>) {
        let Some(room) = self.open.get_mut(&id) else { return (Tally::default(), Vec::new()) };
        let former = std::mem::take(&mut room.members);
        for folded in former.keys() {
            self.leave_here(folded, id);
        }
        for (nick, home) in members {
            self.insert(id, nick, *home);
        }
        let current = &self.open[&id].members;
        let (newcomers, leavers) = (missing(current, &former), missing(&former, current));
        let here: HashSet<Token> = current.values().filter_map(|member| member.home.token()).collect();
        let lost = former.values().filter_map(|member| member.home.token()).filter(|token| !here.contains(token));
        let (joined, left) = (newcomers.len() as u64, leavers.len() as u64);
        (Tally { joined, left, newcomers, leavers }, lost.collect())
    }

    /// Ends a room, unless it is the first.
    pub(crate) fn end(&mut self, id: RoomId) {
        if id != RoomId::FIRST
            && let Some(room) = self.open.remove(&id)
        {
            self.ids.remove(&*fold(&room.name));
            for nick in room.members.keys() {
                self.leave_here(nick, id);
            }
        }
    }

    /// Adds a member to a room. Returns false if it is there already.
    fn insert(&mut self, id: RoomId, nick: &str, home: Home) -> bool {
        let Some(room) = self.open.get_mut(&id) else { return false };
        let folded: Arc<str> = fold(nick).into();
        let shown = (*folded != *nick).then(|| Box::new(nick.into()));
        let member = Member { home, shown };
        if room.members.get(&folded) == Some(&member) {
            return false;
        }
        room.members.insert(Arc::clone(&folded), member);
        if home.token().is_some() {
            self.here.insert(folded, id);
        } else {
            self.leave_here(&folded, id);
        }
        true
    }

    /// Removes a member from a room, and returns its home.
    fn remove(&mut self, id: RoomId, nick: &str) -> Option<Home> {
        let nick = fold(nick);
        let member = self.open.get_mut(&id)?.members.remove(&*nick)?;
        self.leave_here(&nick, id);
        Some(member.home)
    }

    /// Forgets that a member is here, unless it is in another room by now.
    fn leave_here(&mut self, folded: &str, id: RoomId) {
        if self.here.get(folded) == Some(&id) {
            self.here.remove(folded);
        }
    }
}

/// The nicknames of members that `others` do not show.
#[cfg(feature = "bus")]
fn missing(members: &BTreeMap<Arc<str>, Member>, others: &BTreeMap<Arc<str>, Member>) -> Vec<Arc<str>> {
    let is_shown = |folded, member: &Member| others.get(folded).is_some_and(|other| other.shown == member.shown);
    let missing = members.iter().filter(|&(folded, member)| !is_shown(folded, member));
    missing.map(|(folded, member)| Arc::clone(member.nick(folded))).collect()
}

#[cfg(test)]
mod tests;
