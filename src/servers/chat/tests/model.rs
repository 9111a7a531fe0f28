//! Random scripts, played to the chat and to a plain room that knows nothing of feeds, queues and folding. All members
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
const PROMPT: &str = "Enter your nickname: ";
const BAD_NICK: &str =
    "A nickname is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n";

type Request = (&'static str, Option<u8>);

/// A nickname as it is shown.
fn nickname((typed, _): Request) -> &'static str {
    if typed == "ＡＮＮ" { "ANN" } else { typed }
}

/// What a person does. A person without a nickname asks for one instead.
#[derive(Clone, Debug)]
enum Deed {
    Line(Line, Request),
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
    Nothing,
}

#[derive(Default)]
struct Person {
    is_gone: bool,
    request: Option<Request>,
    owed: String,
}

/// The plain room.
#[derive(Default)]
struct Plain {
    persons: Vec<Person>,
    /// The time, and the end of the second in which joins and leaves are counted, in milliseconds.
    now: u64,
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

    fn tell_all(&mut self, text: &str, but: Option<usize>) {
        for (who, person) in self.persons.iter_mut().enumerate() {
            if person.request.is_some() && Some(who) != but {
                person.owed += text;
            }
        }
    }

    /// Counts a join or a leave. Returns whether it has a notice.
    fn is_shown(&mut self, is_join: bool) -> bool {
        if self.hidden.is_none() && self.now >= self.end {
            (self.end, self.count) = (self.now + 1000, 0);
        }
        self.count += 1;
        if self.count > CROWD {
            self.hidden.get_or_insert_default();
        }
        let Some((joined, left)) = &mut self.hidden else { return true };
        *if is_join { joined } else { left } += 1;
        false
    }

    /// Lets time pass.
    fn wait(&mut self, time: u64) {
        let until = self.now + time;
        while let Some((joined, left)) = self.hidden.filter(|_| self.end <= until) {
            let goes_on = self.count > CROWD;
            self.hidden = goes_on.then_some((0, 0));
            if joined + left > 0 {
                let people = if joined == 1 { "person" } else { "people" };
                self.tell_all(&format!("{joined} {people} joined, {left} left\n"), None);
            }
            if goes_on {
                (self.end, self.count) = (self.end + 1000, 0);
            }
        }
        self.now = until;
    }

    /// Gives a person a nickname, or says why not.
    fn claim(&mut self, who: usize, request: Request) -> bool {
        let owner = self.find(request);
        if request.1.is_none() {
            self.tell(who, BAD_NICK);
        } else if owner.is_some_and(|owner| owner != who) {
            self.tell(who, &format!("The nickname {} is taken (please choose another one)\n", nickname(request)));
        } else {
            self.persons[who].request = Some(request);
            return true;
        }
        false
    }

    /// Does what a line says; returns the line.
    fn line(&mut self, who: usize, line: &Line, request: Request) -> String {
        let nick = self.nick(who);
        if self.persons[who].request.is_none() {
            if self.claim(who, request) {
                let count = self.persons.iter().filter(|person| person.request.is_some()).count();
                let welcome = format!("Welcome {} to the room!\n", nickname(request));
                if self.is_shown(true) {
                    self.tell_all(&welcome, None);
                } else {
                    self.tell(who, &welcome);
                }
                self.tell(who, &format!("{}.\n", people_here(count)));
            } else {
                self.tell(who, PROMPT);
            }
            return request.0.to_owned();
        }
        match line {
            Line::Say(text) => {
                self.tell_all(&format!("{nick}: {}\n", shown(text)), Some(who));
                text.clone()
            }
            Line::Act(text) => {
                self.tell_all(&format!("* {nick} {}\n", shown(text)), Some(who));
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
                if self.claim(who, request) {
                    self.tell_all(&format!("{nick} is now known as {}.\n", nickname(request)), None);
                }
                format!("/nick {}", request.0)
            }
            Line::Who => {
                let mut here: Vec<Request> = self.persons.iter().filter_map(|person| person.request).collect();
                here.sort_by_key(|(_, number)| *number);
                let nicks: Vec<&str> = here.iter().map(|&request| nickname(request)).collect();
                self.tell(who, &format!("{}: {}.\n", people_here(nicks.len()), nicks.join(", ")));
                "/who".to_owned()
            }
            Line::Nothing => String::new(),
        }
    }

    fn leave(&mut self, who: usize) {
        self.persons[who].is_gone = true;
        let nick = self.nick(who);
        if self.persons[who].request.take().is_some() && self.is_shown(false) {
            self.tell_all(&format!("{nick} leaves the room!\n"), None);
        }
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
        1 => Just(Line::Nothing),
    ];
    let deed = prop_oneof![
        20 => (line, select(&REQUESTS[..])).prop_map(|(line, request)| Deed::Line(line, request)),
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
            Deed::Quit => {
                room.says(peer, "/quit");
                self.plain.tell(who, "Good bye!\n");
                self.plain.leave(who);
            }
            Deed::End => {
                room.sim.shut_down(peer);
                self.plain.leave(who);
            }
            Deed::Reset => {
                room.sim.reset(peer);
                self.plain.leave(who);
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
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn each_member_receives_what_a_plain_room_would_send(script in deeds()) {
        let options = ChatOptions { join_rate: None, crowd: CROWD, handshake: None, ..ChatOptions::default() };
        let (mut room, mut both) = (Room::with(options, Limits::default()), Both::default());
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
