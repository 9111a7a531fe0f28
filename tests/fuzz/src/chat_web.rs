//! Pages at the web door of a chat that send anything, lose their connections and come back, and a netcat that listens.
//! Each page knows from its messages which members are in its room, and gets no event twice.

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use serde_json::Value;
use switchboard::framing::websocket::WebSocketOptions;
use switchboard::net::Door;
use switchboard::servers::{Chat, ChatOptions, Doors};
use switchboard::{Limits, Sim, SimPeer};

use crate::chat::text;
use crate::show;

const MOST_PAGES: usize = 5;
const LISTENER: &str = "listener";
const ROOM: &str = "lobby";
const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a page may say first.
const STARTS: [&str; 16] = [
    "",
    "ann",
    "bob",
    "ann",
    "/me ",
    "/nick ",
    "/msg ann ",
    "/msg listener ",
    "/who",
    "/quit",
    "/join a",
    "/join lobby",
    "/rooms",
    "/help",
    "/history",
    "/resume ",
];

/// One thing that happens.
#[derive(Debug)]
enum Step<'a> {
    Open,
    /// In one text frame.
    Say {
        page: u8,
        start: &'static str,
        text: &'a [u8],
    },
    /// As it is, in place of a frame.
    Send {
        page: u8,
        bytes: &'a [u8],
    },
    Stall(u8),
    Read(u8),
    Lose(u8),
    /// The page resumes on another connection, whether it has lost the former one or not.
    Return(u8),
    Wait(Duration),
}

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        if bytes.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        Ok(match u8::arbitrary(bytes)? % 16 {
            0..=6 => {
                let (page, start) = (bytes.arbitrary()?, usize::from(u8::arbitrary(bytes)?));
                Step::Say { page, start: STARTS[start % STARTS.len()], text: text(bytes)? }
            }
            7 => Step::Send { page: bytes.arbitrary()?, bytes: text(bytes)? },
            8 => Step::Stall(bytes.arbitrary()?),
            9 => Step::Read(bytes.arbitrary()?),
            10 => Step::Lose(bytes.arbitrary()?),
            11 | 12 => Step::Return(bytes.arbitrary()?),
            13 => Step::Wait(Duration::from_millis(100 * u64::from(u8::arbitrary(bytes)?))),
            _ => Step::Open,
        })
    }
}

/// Plays the bytes as a script. The first one chooses the limits.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(frame) = bytes.arbitrary::<u8>() else { return };
    let mut room = Room::new(frame);
    while let Ok(step) = bytes.arbitrary::<Step<'_>>() {
        show(&step);
        room.take(&step);
        room.look();
    }
    room.end();
}

struct Room {
    sim: Sim<Doors<Chat>>,
    listener: SimPeer,
    pages: Vec<Page>,
    /// The former connections of pages that came back. Some seem to be open.
    former: Vec<SimPeer>,
    /// The members of the first room, as the listener has heard.
    present: BTreeSet<String>,
    has_crowds: bool,
}

/// What a page knows.
struct Page {
    peer: SimPeer,
    is_stalled: bool,
    /// Input that is no whole message yet.
    rest: Vec<u8>,
    is_open: bool,
    key: Option<String>,
    last: u64,
    room: Option<String>,
    members: BTreeSet<String>,
}

impl Room {
    fn new(frame: u8) -> Self {
        let has_crowds = frame % 2 == 1;
        let mut options = ChatOptions::default();
        options.crowd = if has_crowds { 2 } else { usize::MAX };
        options.handshake = None;
        options.max_rooms = Some(1 + usize::from(frame / 2 % 3));
        let mut limits = Limits::default();
        limits.feed_buffer = Some(if frame >= 128 { 500 } else { 1 << 22 });
        let doors = Doors::new(Chat::room(options), WebSocketOptions::default());
        let mut sim = Sim::with_limits(doors, limits);
        let listener = sim.connect();
        sim.send(listener, format!("{LISTENER}\n").as_bytes());
        sim.received(listener);
        Room {
            sim,
            listener,
            pages: Vec::new(),
            former: Vec::new(),
            present: BTreeSet::from([LISTENER.to_owned()]),
            has_crowds,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        match *step {
            Step::Open if self.pages.len() < MOST_PAGES => {
                let peer = self.open();
                self.pages.push(Page::new(peer));
            }
            Step::Open => {}
            Step::Say { page, start, text } => {
                let line = String::from_utf8_lossy(&[start.as_bytes(), text].concat()).into_owned();
                self.with(page, |sim, page| page.send(&frame(line.as_bytes()), sim));
            }
            Step::Send { page, bytes } => self.with(page, |sim, page| page.send(bytes, sim)),
            Step::Stall(page) => self.with(page, |sim, page| {
                page.is_stalled = true;
                sim.stall(page.peer);
            }),
            Step::Read(page) => self.with(page, |sim, page| {
                page.is_stalled = false;
                sim.resume(page.peer);
            }),
            Step::Lose(page) => self.with(page, |sim, page| {
                page.is_open = false;
                sim.reset(page.peer);
            }),
            Step::Return(page) => {
                let (peer, mut former) = (self.open(), None);
                self.with(page, |sim, page| former = Some(page.come_back(peer, sim)));
                self.former.push(former.unwrap_or(peer));
            }
            Step::Wait(time) => self.sim.advance(time),
        }
    }

    fn open(&mut self) -> SimPeer {
        let peer = self.sim.connect_at(Door::Web);
        self.sim.send(peer, REQUEST);
        let head = self.sim.received(peer);
        assert!(head.starts_with(b"HTTP/1.1 101 ") && head.ends_with(b"\r\n\r\n"), "{head:?}");
        peer
    }

    fn with(&mut self, page: u8, act: impl FnOnce(&mut Sim<Doors<Chat>>, &mut Page)) {
        if !self.pages.is_empty() {
            let number = usize::from(page) % self.pages.len();
            act(&mut self.sim, &mut self.pages[number]);
        }
    }

    /// Reads what the listener and the pages have received.
    fn look(&mut self) {
        let heard = String::from_utf8(self.sim.received(self.listener)).expect("the server sends UTF-8");
        heard.lines().for_each(|line| self.hear(line));
        for page in &mut self.pages {
            page.rest.extend(self.sim.received(page.peer));
            while let Some(message) = next_text(&mut page.rest) {
                page.hear(&message, self.has_crowds);
            }
            page.is_open &= self.sim.ending(page.peer).is_none();
            // While a crowd is counted, neither a page nor the listener knows of all.
            if page.is_open && !page.is_stalled && !self.has_crowds && page.room.as_deref() == Some(ROOM) {
                assert_eq!(page.members, self.present);
            }
        }
    }

    /// A line at the listener: notices change the members, and talk does not.
    fn hear(&mut self, line: &str) {
        if let Some(nick) = line.strip_prefix("Welcome ").and_then(|rest| rest.strip_suffix(" to the room!")) {
            self.present.insert(nick.to_owned());
        } else if let Some(nick) = line.strip_suffix(" leaves the room!").filter(|nick| !nick.contains(' ')) {
            self.present.remove(nick);
        } else if let Some((old, new)) = line.strip_suffix('.').and_then(|line| line.split_once(" is now known as "))
            && !old.contains(' ')
        {
            self.present.remove(old);
            self.present.insert(new.to_owned());
        }
    }

    /// All pages go, and nothing is left of them.
    fn end(mut self) {
        for page in &mut self.pages {
            page.is_open = false;
            self.former.push(page.peer);
        }
        for &peer in &self.former {
            self.sim.reset(peer);
        }
        self.sim.advance(Duration::from_secs(3600));
        self.look();
        assert_eq!(self.sim.handler_mut().get_ref().persons(), 1);
        self.sim.stop();
        self.sim.shut_down(self.listener);
        assert!(self.sim.is_stopped());
        assert_eq!((self.sim.handler_mut().get_ref().persons(), self.sim.timers()), (0, 0));
    }
}

impl Page {
    fn new(peer: SimPeer) -> Self {
        Page {
            peer,
            is_stalled: false,
            rest: Vec::new(),
            is_open: true,
            key: None,
            last: 0,
            room: None,
            members: BTreeSet::new(),
        }
    }

    fn send(&self, bytes: &[u8], sim: &mut Sim<Doors<Chat>>) {
        if self.is_open {
            sim.send(self.peer, bytes);
        }
    }

    /// Returns the former connection.
    fn come_back(&mut self, peer: SimPeer, sim: &mut Sim<Doors<Chat>>) -> SimPeer {
        let former = std::mem::replace(self, Page::new(peer));
        if let Some(key) = former.key {
            sim.send(peer, &frame(format!("/resume {key} {}", former.last).as_bytes()));
            (self.key, self.last) = (Some(key), former.last);
        }
        former.peer
    }

    /// A message of the server.
    fn hear(&mut self, text: &str, has_crowds: bool) {
        let message: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let string = |name: &str| message[name].as_str().unwrap_or_else(|| panic!("no {name} in {text}")).to_owned();
        let strings = |name: &str| -> Vec<String> {
            let list = message[name].as_array().unwrap_or_else(|| panic!("no {name} in {text}"));
            list.iter().map(|text| text.as_str().expect("a string").to_owned()).collect()
        };
        let kind = string("type");
        match &*kind {
            "entrance" => {
                let is_resumed = message["is_resumed"] == true;
                for event in message["history"].as_array().expect("a list") {
                    let id = event["id"].as_u64().expect("a number");
                    assert!(!is_resumed || id > self.last, "{id} is shown twice");
                }
                self.key = Some(string("key"));
                self.room = Some(string("room"));
                self.members = strings("members").into_iter().collect();
                assert!(self.members.contains(&string("nick")), "{text}");
            }
            "notice" | "refused" => assert!(!string("text").is_empty()),
            "history" => assert!(message["events"].is_array()),
            "expired" => self.key = None,
            "join" => self.members.extend([string("nick")]),
            "part" | "leave" => {
                self.members.remove(&string("nick"));
            }
            "rename" => {
                self.members.remove(&string("nick"));
                self.members.insert(string("to"));
            }
            "crowd" => {
                let left = strings("left");
                self.members.retain(|nick| !left.contains(nick));
                self.members.extend(strings("joined"));
            }
            "say" | "act" => {
                let is_known = self.members.contains(&string("nick"));
                assert!(is_known || has_crowds, "{text}: {:?}", self.members);
            }
            "tell" | "operator" | "stop" => assert!(message["at"].is_u64()),
            _ => panic!("an unknown message: {text}"),
        }
        if let Some(id) = message["id"].as_u64() {
            assert!(id > self.last, "{text} after {}", self.last);
            self.last = id;
        }
    }
}

/// A text frame of a client, with a mask of zeros.
fn frame(text: &[u8]) -> Vec<u8> {
    let length = match text.len() {
        length @ ..126 => vec![0x80 | length as u8],
        length => [&[0xfe][..], &(length as u16).to_be_bytes()].concat(),
    };
    [&[0x81][..], &length, &[0; 4], text].concat()
}

/// Takes the next whole text frame of the server. Frames of another kind are skipped.
fn next_text(bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        let (length, head) = match bytes[..] {
            [_, length @ 0..=125, ..] => (length.into(), 2),
            [_, 126, high, low, ..] => (usize::from(u16::from_be_bytes([high, low])), 4),
            [_, 127, ..] => panic!("a message over 64 KiB"),
            _ => return None,
        };
        if bytes.len() < head + length {
            return None;
        }
        let frame: Vec<u8> = bytes.drain(..head + length).collect();
        match frame[0] {
            0x81 => return Some(String::from_utf8(frame[head..].to_vec()).expect("a text of UTF-8")),
            0x88..=0x8a => {}
            other => panic!("an unknown frame: {other:#x}"),
        }
    }
}
