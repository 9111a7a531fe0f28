//! Random scripts, played to the chat and to plain rooms that know nothing of feeds, queues and folding. All members
//! must receive the same bytes. The texts are written out, because users' scripts rely on them.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// A requested nickname and the number of its member: requests of one number mean the same name. The numbers are in
/// the order of the names. A request without a number is no nickname.
const REQUESTS: [(&str, Option<u8>); 10] = [
    ("ann", Some(0)),
    ("ANN", Some(0)),
    ("ＡＮＮ", Some(0)),
    ("bob", Some(1)),
    ("Bob", Some(1)),
    ("MASSE", Some(2)),
    ("maße", Some(2)),
    ("o'ne", None),
    ("ann bob", None),
    ("*", None),
];
/// Rooms, likewise.
const ROOMS: [(&str, Option<u8>); 7] = [
    ("lobby", Some(0)),
    ("LOBBY", Some(0)),
    ("rust", Some(1)),
    ("Rust", Some(1)),
    ("go", Some(2)),
    ("c", Some(3)),
    ("a b", None),
];
/// The most rooms at a time.
const MOST_ROOMS: usize = 3;
const PROMPT: &str = "Enter your nickname: ";
const BAD_NICK: &str =
    "A nickname is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n";

const BAD_ROOM: &str =
    "The name of a room is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n";

type Request = (&'static str, Option<u8>);

/// A nickname as it is shown.
fn nickname((typed, _): Request) -> &'static str {
    if typed == "ＡＮＮ" { "ANN" } else { typed }
}

/// What a person does. A person without a nickname asks for one instead.
#[derive(Clone, Debug)]
enum Deed {
    Line(Line, Request),
    /// `/join`, also without a nickname.
    Join(Request),
    Quit,
    End,
    Reset,
    Stall,
    Resume,
    /// All do nothing for this number of milliseconds.
    Wait(u64),
}

#[derive(Clone, Debug)]
enum Line {
    Say(String),
    Act(String),
    Tell(String),
    Rename,
    Who,
    Rooms,
    Nothing,
}

#[derive(Default)]
struct Person {
    is_gone: bool,
    request: Option<Request>,
    /// The room of a member, or the one that a newcomer has chosen.
    room: Option<Request>,
    owed: String,
}

/// The plain rooms.
#[derive(Default)]
struct Plain {
    persons: Vec<Person>,
    /// In the order in which they have begun. The first one always exists.
    rooms: Vec<PlainRoom>,
    /// The time, in milliseconds.
    now: u64,
}

struct PlainRoom {
    request: Request,
    /// The end of the second in which joins and leaves are counted, in milliseconds.
    end: u64,
    /// Joins and leaves in that second.
    count: usize,
    /// Those of them without a notice. `None` while each has one.
    hidden: Option<(u64, u64)>,
}

/// The joins and leaves of a second that have notices.
const CROWD: usize = 3;

impl Plain {
    fn find(&self, (_, number): Request) -> Option<usize> {
        self.persons.iter().position(|person| person.request.is_some_and(|(_, other)| other == number))
    }

    fn nick(&self, who: usize) -> &'static str {
        self.persons[who].request.map_or("nobody", nickname)
    }

    fn tell(&mut self, who: usize, text: &str) {
        self.persons[who].owed += text;
    }

    /// Tells all members of a room.
    fn tell_all(&mut self, room: Request, text: &str, but: Option<usize>) {
        for (who, person) in self.persons.iter_mut().enumerate() {
            if person.request.is_some() && Some(who) != but && person.room.is_some_and(|(_, of)| of == room.1) {
                person.owed += text;
            }
        }
    }

    fn room(&mut self, (_, number): Request) -> Option<&mut PlainRoom> {
        self.rooms.iter_mut().find(|room| room.request.1 == number)
    }

    fn members(&self, (_, number): Request) -> Vec<Request> {
        let members = self.persons.iter().filter(|person| person.room.is_some_and(|(_, of)| of == number));
        members.filter_map(|person| person.request).collect()
    }

    /// Counts a join or a leave. Returns whether it has a notice.
    fn is_shown(&mut self, room: Request, is_join: bool) -> bool {
        let now = self.now;
        let Some(room) = self.room(room) else { return false };
        if room.hidden.is_none() && now >= room.end {
            (room.end, room.count) = (now + 1000, 0);
        }
        room.count += 1;
        if room.count > CROWD {
            room.hidden.get_or_insert_default();
        }
        let Some((joined, left)) = &mut room.hidden else { return true };
        *if is_join { joined } else { left } += 1;
        false
    }

    /// Lets time pass.
    fn wait(&mut self, time: u64) {
        let until = self.now + time;
        for index in 0..self.rooms.len() {
            while let PlainRoom { request, end, count, hidden: Some((joined, left)) } = self.rooms[index]
                && end <= until
            {
                let goes_on = count > CROWD;
                self.rooms[index].hidden = goes_on.then_some((0, 0));
                if joined + left > 0 {
                    let people = if joined == 1 { "person" } else { "people" };
                    self.tell_all(request, &format!("{joined} {people} joined, {left} left\n"), None);
                }
                if goes_on {
                    (self.rooms[index].end, self.rooms[index].count) = (end + 1000, 0);
                }
            }
        }
        self.now = until;
    }

    /// Whether a person may take a nickname. If not, says why.
    fn may_take(&mut self, who: usize, request: Request) -> bool {
        let owner = self.find(request);
        if request.1.is_none() {
            self.tell(who, BAD_NICK);
        } else if owner.is_some_and(|owner| owner != who) {
            self.tell(who, &format!("The nickname {} is taken (please choose another one)\n", nickname(request)));
        } else {
            return true;
        }
        false
    }

    /// Whether a person may enter a room. If not, says why.
    fn may_enter(&mut self, who: usize, room: Request) -> bool {
        let current = self.persons[who].request.and(self.persons[who].room);
        let is_alone = current.is_some_and(|current| current.1 != Some(0) && self.members(current).len() == 1);
        let others = self.rooms.len() - usize::from(is_alone);
        if room.1.is_none() {
            self.tell(who, BAD_ROOM);
        } else if current.is_some_and(|current| current.1 == room.1) {
            self.tell(who, &format!("You are in the room {} already\n", room.0));
        } else if self.room(room).is_none() && others >= MOST_ROOMS {
            self.tell(who, &format!("There are too many rooms to begin {} (type /rooms for a list)\n", room.0));
        } else {
            return true;
        }
        false
    }

    /// Makes a person a member of a room, or moves it there.
    fn enter(&mut self, who: usize, request: Request, room: Request) {
        if self.persons[who].request.is_some() {
            self.leave(who);
        }
        if self.room(room).is_none() {
            self.rooms.push(PlainRoom { request: room, end: 0, count: 0, hidden: None });
        }
        self.persons[who].request = Some(request);
        self.persons[who].room = Some(room);
        let welcome = format!("Welcome {} to the room!\n", nickname(request));
        if self.is_shown(room, true) {
            self.tell_all(room, &welcome, None);
        } else {
            self.tell(who, &welcome);
        }
        let count = self.members(room).len();
        self.tell(who, &format!("{}.\n", people_here(count)));
    }

    /// Does what a line of a newcomer says.
    fn newcomer_line(&mut self, who: usize, request: Request) {
        if self.may_take(who, request) {
            let room = self.persons[who].room.take().unwrap_or(ROOMS[0]);
            if self.may_enter(who, room) {
                return self.enter(who, request, room);
            }
        }
        self.tell(who, PROMPT);
    }

    /// Does what `/join` says; returns the line.
    fn join(&mut self, who: usize, room: Request) -> String {
        let may_enter = self.may_enter(who, room);
        match self.persons[who].request {
            Some(request) if may_enter => self.enter(who, request, room),
            Some(_) => {}
            None => {
                if may_enter {
                    self.persons[who].room = Some(room);
                }
                self.tell(who, PROMPT);
            }
        }
        format!("/join {}", room.0)
    }

    /// Does what a line says; returns the line.
    fn line(&mut self, who: usize, line: &Line, request: Request) -> String {
        let nick = self.nick(who);
        let Some(room) = self.persons[who].request.and(self.persons[who].room) else {
            self.newcomer_line(who, request);
            return request.0.to_owned();
        };
        match line {
            Line::Say(text) => {
                self.tell_all(room, &format!("{nick}: {}\n", shown(text)), Some(who));
                text.clone()
            }
            Line::Act(text) => {
                self.tell_all(room, &format!("* {nick} {}\n", shown(text)), Some(who));
                format!("/me {text}")
            }
            Line::Tell(text) => {
                let word = request.0.split(' ').next().unwrap_or_default();
                let rest = request.0.strip_prefix(word).unwrap_or_default().trim();
                let text = [rest, text].join(" ").trim().to_owned();
                let to = REQUESTS.iter().find(|(nick, _)| *nick == word).filter(|(_, number)| number.is_some());
                match to.and_then(|&to| self.find(to)) {
                    Some(to) => {
                        self.tell(who, &format!("[to {}] {}\n", self.nick(to), shown(&text)));
                        self.tell(to, &format!("[{nick}] {}\n", shown(&text)));
                    }
                    None => self.tell(who, &format!("No member is called {word}\n")),
                }
                format!("/msg {word} {text}")
            }
            Line::Rename => {
                if self.may_take(who, request) {
                    self.persons[who].request = Some(request);
                    self.tell_all(room, &format!("{nick} is now known as {}.\n", nickname(request)), None);
                }
                format!("/nick {}", request.0)
            }
            Line::Who => {
                let mut here = self.members(room);
                here.sort_by_key(|(_, number)| *number);
                let nicks: Vec<&str> = here.iter().map(|&request| nickname(request)).collect();
                self.tell(who, &format!("{}: {}.\n", people_here(nicks.len()), nicks.join(", ")));
                "/who".to_owned()
            }
            Line::Rooms => {
                let shown = |room: &PlainRoom| format!("{} ({})", room.request.0, self.members(room.request).len());
                let rooms: Vec<_> = self.rooms.iter().map(shown).collect();
                let open = if rooms.len() == 1 { "1 room is".to_owned() } else { format!("{} rooms are", rooms.len()) };
                self.tell(who, &format!("{open} open: {}.\n", rooms.join(", ")));
                "/rooms".to_owned()
            }
            Line::Nothing => String::new(),
        }
    }

    /// Ends the membership of a person, which may also be in no room.
    fn leave(&mut self, who: usize) {
        let nick = self.nick(who);
        let (Some(_), Some(room)) = (self.persons[who].request.take(), self.persons[who].room.take()) else { return };
        if self.is_shown(room, false) {
            self.tell_all(room, &format!("{nick} leaves the room!\n"), None);
        }
        if room.1 != Some(0) && self.members(room).is_empty() {
            self.rooms.retain(|open| open.request.1 != room.1);
        }
    }

    /// The person has gone.
    fn go(&mut self, who: usize) {
        self.persons[who].is_gone = true;
        self.leave(who);
    }
}

fn people_here(count: usize) -> String {
    if count == 1 { "1 person is here".to_owned() } else { format!("{count} persons are here") }
}

/// Text as others see it.
fn shown(text: &str) -> String {
    text.replace('\x1b', "\u{FFFD}")
}

fn deeds() -> impl Strategy<Value = Vec<(Option<Index>, Deed)>> {
    let text = || "[a-z:*\x1b]([a-zß :*/]{0,9}[a-z\x1b])?";
    let line = prop_oneof![
        4 => text().prop_map(Line::Say),
        1 => text().prop_map(Line::Act),
        3 => text().prop_map(Line::Tell),
        3 => Just(Line::Rename),
        1 => Just(Line::Who),
        1 => Just(Line::Rooms),
        1 => Just(Line::Nothing),
    ];
    let deed = prop_oneof![
        20 => (line, select(&REQUESTS[..])).prop_map(|(line, request)| Deed::Line(line, request)),
        4 => select(&ROOMS[..]).prop_map(Deed::Join),
        1 => Just(Deed::Quit),
        1 => Just(Deed::End),
        1 => Just(Deed::Reset),
        2 => Just(Deed::Stall),
        2 => Just(Deed::Resume),
        2 => (0..1500u64).prop_map(Deed::Wait),
    ];
    // Without a person, a newcomer does it.
    proptest::collection::vec((proptest::option::weighted(0.9, any::<Index>()), deed), 0..80)
}

/// The chat, the plain room, and what each member has received.
#[derive(Default)]
struct Both {
    plain: Plain,
    peers: Vec<(SimPeer, String)>,
    /// Those who receive what they are owed only when they read again.
    stalled: Vec<usize>,
}

impl Both {
    fn join(&mut self, room: &mut Room) -> usize {
        self.peers.push((room.sim.connect(), String::new()));
        self.plain.persons.push(Person { owed: PROMPT.to_owned(), ..Person::default() });
        self.peers.len() - 1
    }

    fn act(&mut self, who: usize, deed: &Deed, room: &mut Room) {
        let (peer, _) = self.peers[who];
        match deed {
            Deed::Wait(time) => {
                room.sim.advance(Duration::from_millis(*time));
                self.plain.wait(*time);
            }
            Deed::Stall => {
                room.sim.stall(peer);
                self.stalled.push(who);
            }
            Deed::Resume => {
                room.sim.resume(peer);
                self.stalled.retain(|&stalled| stalled != who);
            }
            _ if self.plain.persons[who].is_gone => {}
            Deed::Line(line, request) => room.says(peer, &self.plain.line(who, line, *request)),
            Deed::Join(of) => room.says(peer, &self.plain.join(who, *of)),
            Deed::Quit => {
                room.says(peer, "/quit");
                self.plain.tell(who, "Good bye!\n");
                self.plain.go(who);
            }
            Deed::End => {
                room.sim.shut_down(peer);
                self.plain.go(who);
            }
            Deed::Reset => {
                room.sim.reset(peer);
                self.plain.go(who);
                if self.stalled.contains(&who) {
                    // What was kept is lost.
                    self.plain.persons[who].owed = self.peers[who].1.clone();
                }
            }
        }
    }

    fn check(&mut self, room: &mut Room) -> Result<(), TestCaseError> {
        for (who, (peer, received)) in self.peers.iter_mut().enumerate() {
            received.push_str(&room.sees(*peer));
            if !self.stalled.contains(&who) {
                prop_assert_eq!(&*received, &self.plain.persons[who].owed, "person {}", who);
            }
        }
        let here = self.plain.persons.iter().filter(|person| person.request.is_some()).count();
        prop_assert_eq!(room.persons(), here);
        prop_assert_eq!(
            room.feeds(),
            self.plain.rooms.iter().filter(|room| !self.plain.members(room.request).is_empty()).count()
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn each_member_receives_what_plain_rooms_would_send(script in deeds()) {
        let (join_rate, handshake, max_rooms) = (None, None, Some(MOST_ROOMS));
        let options = ChatOptions { join_rate, crowd: CROWD, handshake, max_rooms, ..ChatOptions::default() };
        let (mut room, mut both) = (Room::with(options, Limits::default()), Both::default());
        both.plain.rooms.push(PlainRoom { request: ROOMS[0], end: 0, count: 0, hidden: None });
        for (who, deed) in script {
            let who = match who {
                Some(who) if !both.peers.is_empty() => who.index(both.peers.len()),
                _ => both.join(&mut room),
            };
            both.act(who, &deed, &mut room);
            both.check(&mut room)?;
        }
        for who in 0..both.peers.len() {
            both.act(who, &Deed::Resume, &mut room);
            both.check(&mut room)?;
        }
    }
}
