//! The rooms of a server and their members: the pure core of the chat.
//!
//! Invariants: only [`Rooms::apply`] changes the rooms, and it does so by its event alone. So each copy of the rooms
//! that applies the same events in the same order is in the same state. A nickname belongs to one member, and a member
//! is in one room. The first room always exists, and any other one while it has members.
//!
//! Sends nothing, and knows no connection: a [`Link`] is only kept for its member.

mod event;
mod history;
pub(crate) mod nickname;
mod room_name;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::token::Token;
use crate::servers::text::fold;

use super::rendering::Rendering;

pub(crate) use event::{Event, Tally, What};
pub(crate) use history::{History, HistoryLimits, Past};
pub use room_name::RoomName;

/// Names a room: by the id of the event with which it began, or 0 for the first room. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomId(u64);

impl RoomId {
    /// The room that always exists.
    pub(crate) const FIRST: RoomId = RoomId(0);
}

/// The connection of a member, and how it is shown the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) token: Token,
    pub(crate) rendering: Rendering,
}

/// A person with a nickname, in a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The nickname as shown.
    pub(crate) nick: Arc<str>,
    pub(crate) room: RoomId,
    pub(crate) link: Link,
}

/// A room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) name: Arc<str>,
    /// The number of its members.
    pub(crate) members: usize,
}

/// The rooms of a server, and the members of all of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rooms {
    open: BTreeMap<RoomId, Room>,
    /// By folded name.
    ids: HashMap<Box<str>, RoomId>,
    /// By folded nickname.
    members: HashMap<Arc<str>, Member>,
    /// The id of the last event.
    last: u64,
    /// The most rooms at a time.
    most: usize,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another member has this nickname, or one that differs only in case or form.
    TakenNick,
    /// No member has this nickname.
    UnknownNick,
    /// The member is in this room.
    SameRoom,
    /// A further room would be over the limit.
    TooManyRooms,
}

impl Rooms {
    /// Creates the first room. There may be `most` rooms at a time.
    pub(crate) fn new(first: &str, most: usize) -> Self {
        let room = Room { name: first.into(), members: 0 };
        Rooms {
            open: BTreeMap::from([(RoomId::FIRST, room)]),
            ids: HashMap::from([(fold(first), RoomId::FIRST)]),
            members: HashMap::new(),
            last: 0,
            most,
        }
    }

    /// Requests a change. If the rooms allow it, returns the event, which is still to be [applied](Self::apply).
    pub(crate) fn submit<'a>(&self, what: What<&'a str>, at: SystemTime) -> Result<Event<'a>, Refusal> {
        match what {
            What::Join { nick, link, .. } if self.member(nick).is_some_and(|member| member.link != link) => {
                return Err(Refusal::TakenNick);
            }
            What::Join { nick, room, .. } => self.check_room(room, self.member(nick))?,
            What::Part { nick, to } => {
                let member = self.member(nick);
                self.check_room(to, member)?;
                if member.is_some_and(|member| self.find(to) == Some(member.room)) {
                    return Err(Refusal::SameRoom);
                }
            }
            What::Rename { old, nick } if self.member(nick).is_some() && fold(nick) != fold(old) => {
                return Err(Refusal::TakenNick);
            }
            What::Tell { to, .. } if self.member(to).is_none() => return Err(Refusal::UnknownNick),
            _ => {}
        }
        Ok(Event { id: self.last + 1, at, what })
    }

    /// Checks that a room of this name exists or may begin. A member that is alone ends its room as it leaves.
    pub(crate) fn check_room(&self, name: &str, member: Option<&Member>) -> Result<(), Refusal> {
        let is_alone =
            member.is_some_and(|member| member.room != RoomId::FIRST && self.open[&member.room].members == 1);
        let others = self.open.len() - usize::from(is_alone);
        if self.find(name).is_some() || others < self.most { Ok(()) } else { Err(Refusal::TooManyRooms) }
    }

    /// Changes the rooms as an event says.
    pub(crate) fn apply(&mut self, event: &Event<'_>) {
        debug_assert!(event.id > self.last, "events are applied in order");
        self.last = event.id;
        match event.what {
            What::Join { nick, room: name, link } => {
                let room = self.find(name).unwrap_or_else(|| self.begin(RoomId(event.id), name));
                if let Some(room) = self.open.get_mut(&room) {
                    room.members += 1;
                }
                if let Some(former) = self.seat(Member { nick: nick.into(), room, link }) {
                    self.unseat(former.room);
                }
            }
            What::Leave { nick, .. } => {
                if let Some(member) = self.members.remove(&*fold(nick)) {
                    self.unseat(member.room);
                }
            }
            What::Rename { old, nick } => {
                if let Some(member) = self.members.remove(&*fold(old)) {
                    self.seat(Member { nick: nick.into(), ..member });
                }
            }
            _ => {}
        }
    }

    /// The member with this nickname, or with one that differs only in case or form.
    pub(crate) fn member(&self, nick: &str) -> Option<&Member> {
        self.members.get(&*fold(nick))
    }

    /// The number of members of all rooms.
    pub(crate) fn persons(&self) -> usize {
        self.members.len()
    }

    /// All rooms, the first one first and the others by age.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.open.values()
    }

    /// All members, in no order. Each comes with its folded nickname.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.members.iter().map(|(folded, member)| (&**folded, member))
    }

    /// The nicknames in a room. Their order ignores case.
    pub(crate) fn nicks(&self, room: RoomId) -> Vec<&str> {
        let mut members: Vec<_> = self.members().filter(|(_, member)| member.room == room).collect();
        members.sort_unstable_by_key(|(folded, _)| *folded);
        members.into_iter().map(|(_, member)| &*member.nick).collect()
    }

    /// A room, unless it has ended.
    pub(crate) fn get(&self, room: RoomId) -> Option<&Room> {
        self.open.get(&room)
    }

    /// The number of members of a room.
    pub(crate) fn count(&self, room: RoomId) -> usize {
        self.get(room).map_or(0, |room| room.members)
    }

    /// The room with this name, or with one that differs only in case or form.
    pub(crate) fn find(&self, name: &str) -> Option<RoomId> {
        self.ids.get(&*fold(name)).copied()
    }

    /// Creates a room for its first member.
    fn begin(&mut self, id: RoomId, name: &str) -> RoomId {
        self.open.insert(id, Room { name: name.into(), members: 0 });
        self.ids.insert(fold(name), id);
        id
    }

    /// Adds a member, and returns the one that had its nickname.
    fn seat(&mut self, member: Member) -> Option<Member> {
        let folded = fold(&member.nick);
        // Most nicknames equal their folded form and share one allocation with it.
        let key = if *folded == *member.nick { Arc::clone(&member.nick) } else { folded.into() };
        self.members.insert(key, member)
    }

    /// Counts a member that has left a room. Without members, the room ends, unless it is the first.
    fn unseat(&mut self, id: RoomId) {
        let Some(room) = self.open.get_mut(&id) else { return };
        room.members -= 1;
        if room.members == 0 && id != RoomId::FIRST {
            self.ids.remove(&*fold(&room.name));
            self.open.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
