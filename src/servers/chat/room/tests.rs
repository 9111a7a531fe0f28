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
    Find(Name),
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
    token: Token,
    nick: Name,
    room: u8,
}

impl Plain {
    fn place(&self, token: Token) -> Option<usize> {
        self.members.iter().position(|member| member.token == token)
    }

    fn has(&self, (_, number): Name, but: Option<Token>) -> bool {
        self.members.iter().any(|member| member.nick.1 == number && Some(member.token) != but)
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

    fn enter(&mut self, token: Token, nick: Name, room: Name) {
        if self.rooms.iter().all(|open| open.1 != room.1) {
            self.rooms.push(room);
        }
        self.members.retain(|member| member.token != token);
        self.members.push(PlainMember { token, nick, room: room.1 });
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

    /// Checks a change, and applies it everywhere.
    fn perform(&mut self, what: &What<&str>, wanted: Result<(), Refusal>) -> Result<bool, TestCaseError> {
        let checked = self.rooms.check(what);
        prop_assert_eq!(checked, wanted);
        if checked.is_err() {
            return Ok(false);
        }
        let room = match what {
            What::Join { .. } => None,
            What::Part { nick, .. } | What::Leave { nick, .. } | What::Say { nick, .. } => Some(*nick),
            What::Rename { old, .. } => Some(*old),
            _ => return Ok(true),
        };
        let room = room.map(|nick| self.rooms.member(nick).expect("a member").0);
        for rooms in [&mut self.rooms, &mut self.others] {
            let event = rooms.event(what.clone(), None, SystemTime::UNIX_EPOCH);
            let room = match what {
                What::Join { room, .. } => rooms.find_or_begin(room),
                _ => room.expect("a room"),
            };
            prop_assert!(rooms.apply(room, &event));
            if rooms.count(room) == 0 {
                rooms.end(room);
            }
        }
        prop_assert_eq!(&self.rooms, &self.others);
        Ok(true)
    }

    fn ask(&mut self, token: Token, request: Request) -> Result<(), TestCaseError> {
        let member = self.plain.place(token).map(|place| self.plain.members[place]);
        let nick = member.map_or("", |member| member.nick.0);
        let home = Home::Here(token);
        match (request, member) {
            (Request::Operator, _) => drop(self.perform(&What::Operator { text: "hello" }, Ok(()))?),
            (Request::Join(nick, room), None) => {
                let is_free = if self.plain.has(nick, None) { Err(Refusal::TakenNick) } else { Ok(()) };
                let wanted = is_free.and_then(|()| self.plain.check_room(room, None));
                if self.perform(&What::Join { nick: nick.0, room: room.0, home }, wanted)? {
                    self.plain.enter(token, nick, room);
                }
            }
            (Request::Join(_, room), Some(member)) => {
                let same = if member.room == room.1 { Err(Refusal::SameRoom) } else { Ok(()) };
                let wanted = self.plain.check_room(room, Some(&member)).and(same);
                if self.perform(&What::Part { nick, to: room.0 }, wanted)? {
                    self.perform(&What::Join { nick, room: room.0, home }, Ok(()))?;
                    self.plain.enter(token, member.nick, room);
                }
            }
            (_, None) => {}
            (Request::Leave, Some(_)) => {
                self.perform(&What::Leave { nick, cause: "done" }, Ok(()))?;
                self.plain.members.retain(|member| member.token != token);
                self.plain.end_empty();
            }
            (Request::Rename(new), Some(_)) => {
                let wanted = if self.plain.has(new, Some(token)) { Err(Refusal::TakenNick) } else { Ok(()) };
                if self.perform(&What::Rename { old: nick, nick: new.0 }, wanted)? {
                    let place = self.plain.place(token).expect("a member");
                    self.plain.members[place].nick = new;
                }
            }
            (Request::Say, Some(_)) => drop(self.perform(&What::Say { nick, text: "hello" }, Ok(()))?),
            (Request::Find(other), Some(_)) => {
                prop_assert_eq!(self.rooms.member(other.0).is_some(), self.plain.has(other, None));
            }
        }
        Ok(())
    }

    fn shown(&self, room: RoomId, nick: &str) -> Option<&str> {
        self.rooms.get(room)?.nick(nick).map(|nick| &**nick)
    }

    fn nicks(&self, room: RoomId) -> Vec<&str> {
        self.rooms.get(room).map(|room| room.nicks().collect()).unwrap_or_default()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(&self.rooms, &self.others);
        let plain = &self.plain;
        let open: Vec<_> = self.rooms.iter().map(|room| (&*room.name, room.count())).collect();
        let wanted: Vec<_> = plain.rooms.iter().map(|&(name, room)| (name, plain.count(room))).collect();
        prop_assert_eq!(open, wanted);
        for &(name, room) in &ROOMS {
            let id = self.rooms.find(name);
            prop_assert_eq!(id.is_some(), plain.rooms.iter().any(|open| open.1 == room));
            let Some(id) = id else { continue };
            let mut nicks: Vec<_> = plain.members.iter().filter(|member| member.room == room).collect();
            nicks.sort_by_key(|member| member.nick.1);
            prop_assert_eq!(self.nicks(id), nicks.iter().map(|member| member.nick.0).collect::<Vec<_>>());
        }
        prop_assert_eq!(self.rooms.persons(), plain.members.len());
        for &PlainMember { token, nick, .. } in &plain.members {
            let found = self.rooms.member(nick.0).map(|(room, token)| (self.shown(room, nick.0), token));
            prop_assert_eq!(found, Some((Some(nick.0), token)));
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
        1 => nick().prop_map(Request::Find),
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
            all.ask(token, request)?;
            all.check()?;
        }
    }
}

/// Two rooms, and a member of each: one that is here and one that is not.
fn shared() -> (Rooms, [RoomId; 2], [Home; 2]) {
    let mut rooms = Rooms::new("lobby", MOST);
    let ids = [RoomId::FIRST, rooms.find_or_begin("rust")];
    let server = NonZeroU64::new(7).expect("not 0");
    (rooms, ids, [Home::Here(Token::from_bits(1 << 32 | 1)), Home::Elsewhere { server, connection: 3 }])
}

fn apply(rooms: &mut Rooms, room: RoomId, what: What<&str>) -> bool {
    let event = rooms.event(what, None, SystemTime::UNIX_EPOCH);
    rooms.apply(room, &event)
}

#[test]
fn an_event_that_changes_nothing_has_no_effect() {
    let (mut rooms, [lobby, _], [here, elsewhere]) = shared();
    let join = |home| What::Join { nick: "ann", room: "lobby", home };
    let leave = What::Leave { nick: "Ann", cause: "done" };
    assert!(apply(&mut rooms, lobby, join(elsewhere)) && !apply(&mut rooms, lobby, join(elsewhere)));
    assert!(rooms.member("ann").is_none(), "it is elsewhere");
    assert!(apply(&mut rooms, lobby, join(here)), "the member has another home");
    assert!(rooms.member("ann").is_some());
    assert!(apply(&mut rooms, lobby, leave.clone()) && !apply(&mut rooms, lobby, leave));
    assert!(!apply(&mut rooms, lobby, What::Rename { old: "ann", nick: "bob" }));
    assert_eq!((rooms.persons(), rooms.here.len()), (0, 0));
}

#[test]
fn a_nickname_may_be_in_two_rooms_for_a_moment() {
    for here_first in [true, false] {
        let (mut rooms, [lobby, rust], homes) = shared();
        let (nick, part) = ("ann", What::Part { nick: "ann", to: "rust" });
        let [old, new] = if here_first { homes } else { [homes[1], homes[0]] };
        assert!(apply(&mut rooms, lobby, What::Join { nick, room: "lobby", home: old }));
        assert!(apply(&mut rooms, rust, What::Join { nick, room: "rust", home: new }));
        assert_eq!(rooms.member(nick).map(|(room, _)| room), Some(if here_first { lobby } else { rust }));
        assert!(apply(&mut rooms, lobby, part), "the stream of the first room is read late");
        assert_eq!([lobby, rust].map(|room| rooms.count(room)), [0, 1]);
        assert_eq!(rooms.member(nick).is_some(), !here_first, "the other one is elsewhere");
    }
}
