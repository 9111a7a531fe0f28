//! Random requests, to the rooms and to plain lists of members that know nothing of maps and folding.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Nicknames and the numbers of their members: names of one number are the same. The numbers are in the order of names.
const NICKS: [(&str, u8); 6] = [("ann", 0), ("Ann", 0), ("bob", 1), ("MASSE", 2), ("maße", 2), ("zoe", 3)];
/// Rooms, likewise.
const ROOMS: [(&str, u8); 6] = [("lobby", 0), ("LOBBY", 0), ("rust", 1), ("Rust", 1), ("go", 2), ("c", 3)];
/// The most rooms at a time.
const MOST: usize = 3;

type Name = (&'static str, u8);

/// What the person at a connection asks for. A person without a nickname only joins.
#[derive(Clone, Copy, Debug)]
enum Request {
    Join(Name, Name),
    Leave,
    Rename(Name),
    Say,
    Tell(Name),
    Operator,
}

/// The members in the order in which they have joined, and the rooms in the order in which they have begun.
#[derive(Debug)]
struct Plain {
    members: Vec<PlainMember>,
    rooms: Vec<Name>,
}

#[derive(Clone, Copy, Debug)]
struct PlainMember {
    link: Link,
    nick: Name,
    room: u8,
}

impl Plain {
    fn place(&self, link: Link) -> Option<usize> {
        self.members.iter().position(|member| member.link == link)
    }

    fn has(&self, (_, number): Name, but: Option<Link>) -> bool {
        self.members.iter().any(|member| member.nick.1 == number && Some(member.link) != but)
    }

    fn count(&self, room: u8) -> usize {
        self.members.iter().filter(|member| member.room == room).count()
    }

    /// The rooms that there would be if this member were gone.
    fn rooms_without(&self, member: Option<&PlainMember>) -> usize {
        let is_alone = member.is_some_and(|member| member.room != 0 && self.count(member.room) == 1);
        self.rooms.len() - usize::from(is_alone)
    }

    fn check_room(&self, (_, room): Name, member: Option<&PlainMember>) -> Result<(), Refusal> {
        let is_open = self.rooms.iter().any(|&(_, open)| open == room);
        if is_open || self.rooms_without(member) < MOST { Ok(()) } else { Err(Refusal::TooManyRooms) }
    }

    fn enter(&mut self, link: Link, nick: Name, room: Name) {
        if self.rooms.iter().all(|open| open.1 != room.1) {
            self.rooms.push(room);
        }
        self.members.retain(|member| member.link != link);
        self.members.push(PlainMember { link, nick, room: room.1 });
        self.end_empty();
    }

    fn end_empty(&mut self) {
        let members = &self.members;
        self.rooms.retain(|&(_, room)| room == 0 || members.iter().any(|member| member.room == room));
    }
}

/// The rooms, those of another server with the same events, and the plain ones.
struct All {
    rooms: Rooms,
    others: Rooms,
    plain: Plain,
}

impl All {
    fn new() -> All {
        let [rooms, others] = [(); 2].map(|()| Rooms::new("lobby", MOST));
        All { rooms, others, plain: Plain { members: Vec::new(), rooms: vec![ROOMS[0]] } }
    }

    /// Submits a change, and applies it everywhere.
    fn perform(&mut self, what: What<&str>, wanted: Result<(), Refusal>) -> Result<bool, TestCaseError> {
        let event = self.rooms.submit(what, SystemTime::UNIX_EPOCH);
        prop_assert_eq!(&self.rooms, &self.others, "to submit changes nothing");
        prop_assert_eq!(event.as_ref().map(drop), wanted.as_ref().map(drop));
        let Ok(event) = event else { return Ok(false) };
        prop_assert_eq!(event.id, self.rooms.last + 1);
        self.rooms.apply(&event);
        self.others.apply(&event);
        Ok(true)
    }

    fn ask(&mut self, link: Link, request: Request) -> Result<(), TestCaseError> {
        let member = self.plain.place(link).map(|place| self.plain.members[place]);
        let nick = member.map_or("", |member| member.nick.0);
        match (request, member) {
            (Request::Operator, _) => drop(self.perform(What::Operator { text: "hello" }, Ok(()))?),
            (Request::Join(nick, room), None) => {
                let taken = if self.plain.has(nick, None) { Err(Refusal::TakenNick) } else { Ok(()) };
                let wanted = taken.and_then(|()| self.plain.check_room(room, None));
                if self.perform(What::Join { nick: nick.0, room: room.0, link }, wanted)? {
                    self.plain.enter(link, nick, room);
                }
            }
            (Request::Join(_, room), Some(member)) => {
                let same = if member.room == room.1 { Err(Refusal::SameRoom) } else { Ok(()) };
                let wanted = self.plain.check_room(room, Some(&member)).and(same);
                if self.perform(What::Part { nick, to: room.0 }, wanted)? {
                    self.perform(What::Join { nick, room: room.0, link }, Ok(()))?;
                    self.plain.enter(link, member.nick, room);
                }
            }
            (_, None) => {}
            (Request::Leave, Some(_)) => {
                self.perform(What::Leave { nick, cause: "done" }, Ok(()))?;
                self.plain.members.retain(|member| member.link != link);
                self.plain.end_empty();
            }
            (Request::Rename(new), Some(_)) => {
                let wanted = if self.plain.has(new, Some(link)) { Err(Refusal::TakenNick) } else { Ok(()) };
                if self.perform(What::Rename { old: nick, nick: new.0 }, wanted)? {
                    let place = self.plain.place(link).expect("a member");
                    self.plain.members[place].nick = new;
                }
            }
            (Request::Say, Some(_)) => drop(self.perform(What::Say { nick, text: "hello" }, Ok(()))?),
            (Request::Tell(to), Some(_)) => {
                let wanted = if self.plain.has(to, None) { Ok(()) } else { Err(Refusal::UnknownNick) };
                self.perform(What::Tell { from: nick, to: to.0, text: "hello" }, wanted)?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(&self.rooms, &self.others);
        let plain = &self.plain;
        let open: Vec<_> = self.rooms.iter().map(|room| (&*room.name, room.members)).collect();
        let wanted: Vec<_> = plain.rooms.iter().map(|&(name, room)| (name, plain.count(room))).collect();
        prop_assert_eq!(open, wanted);
        for &(name, room) in &ROOMS {
            let id = self.rooms.find(name);
            prop_assert_eq!(id.is_some(), plain.rooms.iter().any(|open| open.1 == room));
            let Some(id) = id else { continue };
            let mut nicks: Vec<_> = plain.members.iter().filter(|member| member.room == room).collect();
            nicks.sort_by_key(|member| member.nick.1);
            prop_assert_eq!(self.rooms.nicks(id), nicks.iter().map(|member| member.nick.0).collect::<Vec<_>>());
        }
        prop_assert_eq!(self.rooms.persons(), plain.members.len());
        for &PlainMember { link, nick, .. } in &plain.members {
            let found = self.rooms.member(nick.0).map(|member| (&*member.nick, member.link));
            prop_assert_eq!(found, Some((nick.0, link)));
        }
        Ok(())
    }
}

fn requests() -> impl Strategy<Value = Vec<(u32, Request)>> {
    let (nick, room) = (|| select(&NICKS[..]), || select(&ROOMS[..]));
    let request = prop_oneof![
        6 => (nick(), room()).prop_map(|(nick, room)| Request::Join(nick, room)),
        2 => Just(Request::Leave),
        2 => nick().prop_map(Request::Rename),
        1 => Just(Request::Say),
        1 => nick().prop_map(Request::Tell),
        1 => Just(Request::Operator),
    ];
    proptest::collection::vec((1..6_u32, request), 0..80)
}

proptest! {
    #[test]
    fn requests_change_what_plain_lists_say_and_only_events_do(requests in requests()) {
        let mut all = All::new();
        for (connection, request) in requests {
            let token = Token::from_bits(u64::from(connection) << 32 | u64::from(connection));
            all.ask(Link { token, rendering: Rendering::Line }, request)?;
            all.check()?;
        }
    }
}
