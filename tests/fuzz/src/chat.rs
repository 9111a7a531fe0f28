//! A chat room of several members who type anything. One of them only listens, and reads everything: from what it sees
//! it has to know, after each step, which members are here, and no member can speak as another or as the server.

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use switchboard::servers::{Chat, ChatOptions};
use switchboard::{Limits, Rate, Sim, SimPeer, sanitize};

use crate::show;

/// The most members beside the listener.
const MOST_MEMBERS: usize = 6;
/// By then the slowest member is shown the last line of the longest script, and the most patient room has lost its
/// patience.
const LONGEST_REST: Duration = Duration::from_secs(3600);
const LISTENER: &str = "listener";
const STOPPING: &str = "The server is stopping.";
const PROMPT: &str = "Enter your nickname: ";
/// How lines begin that the server says to one member, and how their texts end.
const ANSWERS: [(&str, &str); 17] = [
    ("No history", " is kept."),
    ("Type /history", " lines"),
    ("Too many people join ", " Please wait for your turn."),
    ("A nickname is ", "(please choose another one)"),
    ("The nickname ", " is taken (please choose another one)"),
    ("The name of a room is ", "(please choose another one)"),
    ("You are in the room ", " already"),
    ("There are too many rooms ", " (type /rooms for a list)"),
    ("1 room is open: ", "."),
    ("This is a chat server", " does not speak HTTP."),
    ("You took too long", " to choose a nickname."),
    ("Your line is over ", " bytes and was not sent."),
    ("No member is called ", ""),
    ("There is no command /", " (type /help for a list)"),
    ("This command needs more: /", ""),
    ("Good bye!", ""),
    ("/", ""),
];

/// One thing that happens in the room.
#[derive(Debug)]
enum Step<'a> {
    Join,
    /// With a line end, and a nickname or a command before it to make it worth more.
    Say {
        member: u8,
        start: &'static str,
        text: &'a [u8],
    },
    /// As it is.
    Send {
        member: u8,
        bytes: &'a [u8],
    },
    Stall(u8),
    Resume(u8),
    Leave(u8),
    Vanish(u8),
    Wait(Duration),
    Stop,
}

const STARTS: [&str; 16] = [
    "",
    "",
    "ann",
    "bob",
    "/me ",
    "/nick ",
    "/msg ann ",
    "/msg listener ",
    "/who",
    "/quit",
    "//",
    "/help",
    "/join a",
    "/join lobby",
    "/join ",
    "/rooms",
];

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        if bytes.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        let step = match u8::arbitrary(bytes)? % 16 {
            0..=5 => {
                let (member, start) = (bytes.arbitrary()?, usize::from(u8::arbitrary(bytes)?));
                Step::Say { member, start: STARTS[start % STARTS.len()], text: text(bytes)? }
            }
            6 | 7 => Step::Send { member: bytes.arbitrary()?, bytes: text(bytes)? },
            8 => Step::Stall(bytes.arbitrary()?),
            9 => Step::Resume(bytes.arbitrary()?),
            10 => Step::Leave(bytes.arbitrary()?),
            11 => Step::Vanish(bytes.arbitrary()?),
            13 => Step::Wait(Duration::from_millis(100 * u64::from(u8::arbitrary(bytes)?))),
            // Seldom, since nothing much happens after it.
            12 if bytes.len() < 8 => Step::Stop,
            _ => Step::Join,
        };
        Ok(step)
    }
}

/// A few bytes, their number before them.
pub(crate) fn text<'a>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let count = usize::from(u8::arbitrary(bytes)? % 64).min(bytes.len());
    bytes.bytes(count)
}

/// The limits of a room. Zero is the default, or none; small ones are met soon.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Frame {
    max_line: u8,
    max_queue: u8,
    feed_buffer: u8,
    rate: u8,
    handshake: u8,
    arrivals: u8,
}

impl Frame {
    fn limits(self) -> (ChatOptions, Limits) {
        let or = |small: u8, default| if small == 0 { default } else { 8 * usize::from(small) };
        let rate = Rate { count: self.rate.into(), per: Duration::from_secs(1), burst: self.rate.into() };
        let mut options = ChatOptions::default();
        options.max_line = or(self.max_line, 4096);
        options.rate = Some(rate).filter(|rate| rate.count > 0);
        let (joins, crowd) = (self.arrivals / 16, self.arrivals % 16);
        let join_rate = Rate { count: joins.into(), per: Duration::from_secs(1), burst: joins.into() };
        options.join_rate = Some(join_rate).filter(|rate| rate.count > 0);
        // Without a crowd, the few members never are one.
        options.crowd = if crowd == 0 { usize::MAX } else { crowd.into() };
        options.handshake = Some(Duration::from_secs(self.handshake.into())).filter(|handshake| !handshake.is_zero());
        options.max_rooms = Some(1 + usize::from(self.max_line % 3));
        let mut limits = Limits::default();
        limits.max_queue = Some(or(self.max_queue, 1 << 20));
        limits.feed_buffer = Some(or(self.feed_buffer, 1 << 22));
        (options, limits)
    }
}

/// Plays the bytes as a script of the room.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(frame) = bytes.arbitrary::<Frame>() else { return };
    let (options, limits) = frame.limits();
    let mut room = Room::new(options, limits);
    while let Ok(step) = bytes.arbitrary::<Step<'_>>() {
        show(&step);
        room.take(&step);
        room.look();
    }
    room.end();
}

/// A room, and what a listener knows of it.
struct Room {
    sim: Sim<Chat>,
    members: Vec<Member>,
    listener: SimPeer,
    /// By what was announced.
    present: BTreeSet<String>,
    /// Members that only the line of a crowd has counted, less the present ones that only such a line has seen leave.
    hidden: i64,
    has_crowds: bool,
    /// Whether members can go to a room where the listener is not.
    has_rooms: bool,
    is_stopping: bool,
}

struct Member {
    handle: SimPeer,
    is_gone: bool,
    /// What it received and was not looked at, since no line end has come.
    rest: Vec<u8>,
}

impl Room {
    fn new(options: ChatOptions, limits: Limits) -> Self {
        let (has_crowds, has_rooms) = (options.crowd < usize::MAX, options.max_rooms != Some(1));
        let mut sim = Sim::with_limits(Chat::room(options), limits);
        let listener = sim.connect();
        sim.send(listener, format!("{LISTENER}\n").as_bytes());
        let greeting = format!("{PROMPT}Welcome {LISTENER} to the room!\n1 person is here.\n");
        assert_eq!(sim.received(listener), greeting.as_bytes());
        let present = BTreeSet::from([LISTENER.to_owned()]);
        Room { sim, members: Vec::new(), listener, present, hidden: 0, has_crowds, has_rooms, is_stopping: false }
    }

    fn take(&mut self, step: &Step<'_>) {
        match *step {
            Step::Join if self.members.len() < MOST_MEMBERS && !self.is_stopping => {
                let handle = self.sim.connect();
                self.members.push(Member { handle, is_gone: false, rest: Vec::new() });
            }
            Step::Join => {}
            Step::Say { member, start, text } => self.send(member, &[start.as_bytes(), text, b"\n"].concat()),
            Step::Send { member, bytes } => self.send(member, bytes),
            Step::Stall(member) => self.with(member, Sim::stall),
            Step::Resume(member) => self.with(member, Sim::resume),
            Step::Leave(member) => self.lose(member, Sim::shut_down),
            Step::Vanish(member) => self.lose(member, Sim::reset),
            Step::Wait(time) => self.sim.advance(time),
            Step::Stop => {
                if !std::mem::replace(&mut self.is_stopping, true) {
                    self.sim.stop();
                }
            }
        }
    }

    fn with(&mut self, member: u8, act: impl FnOnce(&mut Sim<Chat>, SimPeer)) {
        if !self.members.is_empty() {
            let number = usize::from(member) % self.members.len();
            act(&mut self.sim, self.members[number].handle);
        }
    }

    fn send(&mut self, member: u8, bytes: &[u8]) {
        if !self.members.is_empty() {
            let number = usize::from(member) % self.members.len();
            if !self.members[number].is_gone {
                self.sim.send(self.members[number].handle, bytes);
            }
        }
    }

    fn lose(&mut self, member: u8, act: impl FnOnce(&mut Sim<Chat>, SimPeer)) {
        if !self.members.is_empty() {
            let number = usize::from(member) % self.members.len();
            self.members[number].is_gone = true;
            act(&mut self.sim, self.members[number].handle);
        }
    }

    /// Reads what each member has received.
    fn look(&mut self) {
        let seen = String::from_utf8(self.sim.received(self.listener)).expect("the server sends UTF-8");
        for line in seen.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or_else(|| panic!("{line:?} has no end"));
            assert_eq!(sanitize(line.as_bytes()), line);
            self.hear(line);
        }
        for member in &mut self.members {
            member.rest.extend(self.sim.received(member.handle));
            let whole = member.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let seen: Vec<u8> = member.rest.drain(..whole).collect();
            let seen = String::from_utf8(seen).expect("the server sends UTF-8");
            seen.lines().for_each(check_line);
        }
        if !self.is_stopping && !self.has_crowds {
            let (here, all) = (self.present.len(), self.sim.handler_mut().persons());
            assert!(here == all || self.has_rooms && here < all, "{all} persons, and here are {:?}", self.present);
        }
    }

    /// A line at the listener, which has asked nothing: the talk of a present member, or a notice.
    fn hear(&mut self, line: &str) {
        if let Some((nick, _)) = line.split_once(' ').filter(|(_, rest)| *rest == "leaves the room!") {
            self.go(nick);
        } else if let Some((old, new)) = renamed(line) {
            self.go(old);
            self.come(new);
        } else if let Some(nick) = line.strip_prefix("Welcome ").and_then(|rest| rest.strip_suffix(" to the room!")) {
            self.come(nick);
        } else if let Some((joined, left)) = crowd(line) {
            assert!(self.has_crowds && joined + left > 0, "{line:?} without a crowd");
            self.hidden += joined - left;
        } else if line == STOPPING {
            assert!(self.is_stopping, "it does not stop");
        } else {
            let nick = speaker(line).unwrap_or_else(|| panic!("{line:?} is neither talk nor a notice"));
            let is_private = line.starts_with('[');
            let may_be_away = self.has_crowds || self.has_rooms && is_private;
            assert!(self.present.contains(nick) || may_be_away, "{nick} is not here");
        }
    }

    fn come(&mut self, nick: &str) {
        if !self.present.insert(nick.to_owned()) {
            assert!(self.has_crowds, "{nick} was here");
            self.hidden += 1;
        }
    }

    fn go(&mut self, nick: &str) {
        if !self.present.remove(nick) {
            assert!(self.has_crowds, "{nick} was not here");
            self.hidden -= 1;
        }
    }

    /// All leave, and the listener sees them go.
    fn end(mut self) {
        for number in 0..self.members.len() {
            self.take(&Step::Resume(number as u8));
            self.look();
            self.take(&Step::Leave(number as u8));
            self.look();
        }
        self.take(&Step::Wait(LONGEST_REST));
        self.look();
        if !self.is_stopping {
            assert_eq!(i64::try_from(self.present.len()).expect("few") + self.hidden, 1, "{:?}", self.present);
            assert!(self.present.contains(LISTENER));
        }
        self.take(&Step::Stop);
        self.look();
        self.sim.shut_down(self.listener);
        assert!(self.sim.is_stopped());
        assert_eq!((self.sim.handler_mut().persons(), self.sim.timers()), (0, 0));
    }
}

/// The speaker, if a member said this.
fn speaker(line: &str) -> Option<&str> {
    if let Some(action) = line.strip_prefix("* ") {
        return action.split_once(' ').map(|(nick, _)| nick);
    }
    if let Some(private) = line.strip_prefix('[') {
        return private.split_once("] ").map(|(nick, _)| nick);
    }
    line.split_once(": ").map(|(nick, _)| nick).filter(|nick| !nick.contains(' '))
}

/// The numbers of a line that stands for a crowd.
fn crowd(line: &str) -> Option<(i64, i64)> {
    let (joined, left) = line.strip_suffix(" left")?.split_once(" joined, ")?;
    let (joined, people) = joined.split_once(' ')?;
    assert_eq!(people, if joined == "1" { "person" } else { "people" });
    Some((joined.parse().ok()?, left.parse().ok()?))
}

fn renamed(line: &str) -> Option<(&str, &str)> {
    let (old, rest) = line.split_once(' ')?;
    Some((old, rest.strip_prefix("is now known as ")?.strip_suffix('.')?))
}

/// A line that a member sees who may have asked for something. Prompts have no end, so they come before other texts.
fn check_line(line: &str) {
    assert_eq!(sanitize(line.as_bytes()), line);
    let mut line = line;
    while let Some(rest) = line.strip_prefix(PROMPT) {
        line = rest;
    }
    let is_answer = ANSWERS.iter().any(|(start, end)| line.starts_with(start) && line.ends_with(end));
    let is_count = line.starts_with("1 person is here")
        || [" persons are here", " rooms are open: "]
            .iter()
            .any(|words| line.split_once(words).is_some_and(|(count, _)| count.parse::<usize>().is_ok()));
    let is_notice = line == STOPPING
        || crowd(line).is_some()
        || line.ends_with(" leaves the room!")
        || line.starts_with("Welcome ")
        || renamed(line).is_some();
    let is_talk = speaker(line).is_some() || line.starts_with("[to ");
    assert!(is_answer || is_count || is_notice || is_talk, "{line:?} is not a text of the server");
}
