//! Members at both doors see the same events in the same order, whatever becomes of their connections.
//!
//! Two members stay in each room, one at each door, and read everything: what they have seen is what has happened.
//! Four others come, move, stall, vanish, come back and leave. What each of them has seen must be a part of that.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::state::limits::Limits;

const ROOMS: [&str; 2] = ["lobby", "rust"];
/// The first two are at the line door, the others at the web door.
const NICKS: [&str; 4] = ["nora", "nils", "page", "paul"];

/// What a member does. A member without a connection enters or comes back instead.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Say,
    Act,
    Move(usize),
    Stall,
    Resume,
    /// A stalled member takes this number of bytes.
    Allow(usize),
    /// A page loses its connection.
    Cut,
    /// A page opens another connection, while the first one may still be open.
    Back,
    Quit,
    /// The operator speaks to all rooms.
    Operator,
}

/// A line of a room and the id of its event.
type Entry = (u64, String);

/// A member, and what it has seen.
struct Actor {
    nick: &'static str,
    is_page: bool,
    /// `None` if it has left or was cut off.
    peer: Option<SimPeer>,
    is_stalled: bool,
    /// What a member at the line door was sent.
    text: String,
    page: Page,
}

/// What a page knows.
#[derive(Default)]
struct Page {
    unread: Vec<u8>,
    key: Option<String>,
    /// The id of its last event or entrance.
    last: u64,
    room: String,
    members: BTreeSet<String>,
    /// The present connection has had an entrance.
    is_inside: bool,
    stays: Vec<Stay>,
}

/// A stay of a page in a room, perhaps over several connections.
#[derive(Debug)]
struct Stay {
    room: String,
    /// The events that it has seen.
    ids: Vec<u64>,
    /// It has ended with a move, so the page has seen all of it.
    is_complete: bool,
}

impl Page {
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let whole = whole_frames(&self.unread);
        let bytes: Vec<u8> = self.unread.drain(..whole).collect();
        for message in messages(&bytes) {
            if let Ok(message) = serde_json::from_str::<Value>(&message) {
                self.hear(&message);
            }
        }
    }

    fn hear(&mut self, message: &Value) {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        match &*text("type") {
            "join" => drop(self.members.insert(text("nick"))),
            "part" | "leave" => drop(self.members.remove(&text("nick"))),
            "entrance" => {
                let is_resumed = message["is_resumed"] == true && message["has_gap"] == false;
                if !is_resumed || text("room") != self.room {
                    if let Some(stay) = self.stays.last_mut() {
                        stay.is_complete = self.is_inside;
                    }
                    self.stays.push(Stay { room: text("room"), ids: Vec::new(), is_complete: false });
                }
                self.is_inside = true;
                (self.key, self.room) = (Some(text("key")), text("room"));
                self.last = message["id"].as_u64().expect("an id");
                let members = message["members"].as_array().expect("a list").iter();
                self.members = members.map(|nick| nick.as_str().expect("a nickname").to_owned()).collect();
                return message["history"].as_array().expect("a list").iter().for_each(|event| self.see(event));
            }
            _ => {}
        }
        self.see(message);
    }

    fn see(&mut self, event: &Value) {
        if let (Some(id), Some(stay)) = (event["id"].as_u64(), self.stays.last_mut()) {
            stay.ids.push(id);
            self.last = self.last.max(id);
        }
    }
}

/// The length of the whole frames at the beginning.
fn whole_frames(bytes: &[u8]) -> usize {
    let (mut whole, mut rest) = (0, bytes);
    while let [_, short, after @ ..] = rest {
        let length = match (short, after) {
            (126, [high, low, ..]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            (126 | 127, _) => break,
            (short, _) => 2 + usize::from(*short),
        };
        let Some(next) = rest.get(length..) else { break };
        whole += length;
        rest = next;
    }
    whole
}

/// The line that the line door shows of an event.
fn line(event: &Value) -> Option<String> {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    match text("type") {
        "join" => Some(format!("Welcome {} to the room!", text("nick"))),
        "part" | "leave" => Some(format!("{} leaves the room!", text("nick"))),
        "say" => Some(format!("{}: {}", text("nick"), text("text"))),
        "act" => Some(format!("* {} {}", text("nick"), text("text"))),
        "operator" => Some(format!("*** Operator: {}", text("text"))),
        _ => None,
    }
}

/// The server, the members that stay, and the others.
struct Play {
    server: Server,
    pages: [SimPeer; 2],
    lines: [SimPeer; 2],
    actors: Vec<Actor>,
    said: usize,
}

impl Play {
    fn new() -> Play {
        let (rate, join_rate, handshake, crowd) = (None, None, None, usize::MAX);
        let options =
            ChatOptions { record: Some(record()), rate, join_rate, handshake, crowd, ..ChatOptions::default() };
        let limits = Limits { queue_time: None, ..Limits::default() };
        let mut server =
            Server { sim: Sim::with_limits(Doors::new(Chat::room(options), WebSocketOptions::default()), limits) };
        let [lobby, rust] = ROOMS.map(|room| format!("/join {room}"));
        let pages = [server.page(&[&lobby, "p0"]), server.page(&[&rust, "p1"])];
        let lines = [server.nc(&format!("{lobby}\nn0")), server.nc(&format!("{rust}\nn1"))];
        for page in pages {
            server.sees(page);
        }
        let actor = |nick| Actor {
            nick,
            is_page: nick.starts_with('p'),
            peer: None,
            is_stalled: false,
            text: String::new(),
            page: Page::default(),
        };
        Play { server, pages, lines, actors: NICKS.map(actor).into(), said: 0 }
    }

    fn send(&mut self, who: usize, line: &str) {
        let Some(peer) = self.actors[who].peer else { return };
        if self.actors[who].is_page {
            self.server.say(peer, line);
        } else {
            self.server.sim.send(peer, format!("{line}\n").as_bytes());
            self.server.sim.run();
        }
    }

    fn connect(&mut self, who: usize, first: &str) {
        let peer = if self.actors[who].is_page { open(&mut self.server.sim) } else { self.server.sim.connect() };
        self.actors[who].peer = Some(peer);
        self.actors[who].is_stalled = false;
        self.send(who, first);
    }

    /// Comes back with the key, or else enters for the first time.
    fn come_back(&mut self, who: usize) {
        let page = &mut self.actors[who].page;
        page.unread.clear();
        page.is_inside = false;
        match &page.key {
            Some(key) => {
                let request = format!("/resume {key} {}", page.last);
                self.connect(who, &request);
            }
            None => self.connect(who, NICKS[who]),
        }
    }

    fn act(&mut self, who: usize, deed: Deed) {
        let Some(peer) = self.actors[who].peer else { return self.come_back(who) };
        self.said += 1;
        let is_page = self.actors[who].is_page;
        match deed {
            Deed::Say => self.send(who, &format!("w{}", self.said)),
            Deed::Act => self.send(who, &format!("/me w{}", self.said)),
            Deed::Move(room) => self.send(who, &format!("/join {}", ROOMS[room])),
            Deed::Stall => {
                self.server.sim.stall(peer);
                self.actors[who].is_stalled = true;
            }
            Deed::Resume => {
                self.server.sim.resume(peer);
                self.actors[who].is_stalled = false;
            }
            Deed::Allow(bytes) if self.actors[who].is_stalled => self.server.sim.allow(peer, bytes),
            Deed::Cut if is_page => {
                self.server.reset(peer);
                self.actors[who].peer = None;
            }
            Deed::Back if is_page && self.actors[who].page.key.is_some() => self.come_back(who),
            Deed::Quit => {
                self.server.sim.resume(peer);
                self.send(who, "/quit");
                self.read(who);
                let actor = &mut self.actors[who];
                (actor.peer, actor.page.key) = (None, None);
            }
            Deed::Operator => {
                self.server.sim.console(format!("say w{}", self.said).as_bytes());
            }
            Deed::Allow(_) | Deed::Cut | Deed::Back => {}
        }
    }

    fn read(&mut self, who: usize) {
        let Some(peer) = self.actors[who].peer else { return };
        let bytes = self.server.sim.received(peer);
        let actor = &mut self.actors[who];
        if actor.is_page {
            actor.page.read(&bytes);
        } else {
            actor.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// What has happened in each room, as seen at both doors.
    fn truth(&mut self) -> Result<[Vec<Entry>; 2], TestCaseError> {
        let mut truth = [Vec::new(), Vec::new()];
        for (room, truth) in truth.iter_mut().enumerate() {
            for message in self.server.sees(self.pages[room]) {
                let event: Value = serde_json::from_str(&message).unwrap_or_default();
                truth.extend(event["id"].as_u64().zip(line(&event)));
            }
            let lines: String = truth.iter().flat_map(|(_, line)| [line, "\n"]).collect();
            prop_assert_eq!(lines, self.server.reads(self.lines[room]));
        }
        Ok(truth)
    }
}

/// The entries of a room from a member's join at `from` to its leave.
fn stay<'a>(truth: &'a [Entry], from: usize, nick: &str) -> &'a [Entry] {
    let leaves = format!("{nick} leaves the room!");
    let rest = &truth[from + 1..];
    &rest[..rest.iter().position(|(_, line)| *line == leaves).unwrap_or(rest.len())]
}

/// What a member at the line door has seen, without answers: each of its stays without its own words.
fn check_line(actor: &Actor, truth: &[Vec<Entry>; 2]) -> Result<(), TestCaseError> {
    let welcome = format!("Welcome {} to the room!", actor.nick);
    let own = [format!("{}: ", actor.nick), format!("* {} ", actor.nick)];
    let mut stays = Vec::new();
    for truth in truth {
        for (from, (id, _)) in truth.iter().enumerate().filter(|(_, (_, line))| *line == welcome) {
            stays.push((*id, stay(truth, from, actor.nick)));
        }
    }
    stays.sort_by_key(|(id, _)| *id);
    let mut wanted = Vec::new();
    for (_, entries) in stays {
        wanted.push(&*welcome);
        let others = entries.iter().map(|(_, line)| &**line);
        wanted.extend(others.filter(|line| !own.iter().any(|own| line.starts_with(own))));
    }
    let text = actor.text.replace("Enter your nickname: ", "");
    let is_answer = |line: &&str| line.contains(" here.") || line.contains(" already") || *line == "Good bye!";
    let seen: Vec<_> = text.lines().filter(|line| !is_answer(line)).collect();
    prop_assert_eq!(seen, wanted, "{}", actor.nick);
    Ok(())
}

/// What a page has seen: in each of its stays all events in order, over all connections.
fn check_page(actor: &Actor, truth: &[Vec<Entry>; 2]) -> Result<(), TestCaseError> {
    let last = actor.page.stays.len().saturating_sub(1);
    for (number, Stay { room, ids, is_complete }) in actor.page.stays.iter().enumerate() {
        let truth = &truth[usize::from(*room == ROOMS[1])];
        let Some(first) = ids.first().and_then(|first| truth.iter().position(|(id, _)| id == first)) else { continue };
        prop_assert_eq!(&truth[first - 1].1, &format!("Welcome {} to the room!", actor.nick), "{:?}", ids);
        let (seen, unseen) = follow(&truth[first..], ids, actor.nick);
        prop_assert_eq!(&seen, ids, "{} in {}", actor.nick, room);
        if *is_complete || number == last && actor.peer.is_some() {
            prop_assert_eq!(unseen, Vec::<u64>::new(), "{} in {}", actor.nick, room);
        }
    }
    Ok(())
}

/// Follows the entries of a room as a page would see them that has seen `ids`. Returns those ids as far as they are
/// right, and the ids that come after them up to the end of the stay.
fn follow(truth: &[Entry], ids: &[u64], nick: &str) -> (Vec<u64>, Vec<u64>) {
    let (welcome, leaves) = (format!("Welcome {nick} to the room!"), format!("{nick} leaves the room!"));
    let (mut seen, mut unseen, mut entries) = (Vec::new(), Vec::new(), truth.iter());
    while let Some((id, line)) = entries.next() {
        let next = ids.get(seen.len());
        if next == Some(id) {
            seen.push(*id);
        } else if *line == leaves && next.is_some() {
            // It was in the other room, and has lost the entrances of both moves with its connection.
            entries.by_ref().find(|(_, line)| *line == welcome);
        } else if *line == leaves {
            break;
        } else if *line != welcome {
            if next.is_some() {
                break;
            }
            unseen.push(*id);
        }
    }
    (seen, unseen)
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        8 => Just(Deed::Say),
        2 => Just(Deed::Act),
        6 => (0..2_usize).prop_map(Deed::Move),
        2 => Just(Deed::Stall),
        2 => Just(Deed::Resume),
        2 => (0..400_usize).prop_map(Deed::Allow),
        3 => Just(Deed::Cut),
        2 => Just(Deed::Back),
        1 => Just(Deed::Quit),
        1 => Just(Deed::Operator),
    ];
    proptest::collection::vec((0..NICKS.len(), deed), 0..120)
}

proptest! {
    #[test]
    fn members_at_both_doors_see_the_same_order(deeds in deeds()) {
        let mut play = Play::new();
        for (who, deed) in deeds {
            play.act(who, deed);
            (0..NICKS.len()).for_each(|who| play.read(who));
        }
        for who in 0..NICKS.len() {
            if play.actors[who].peer.is_some() {
                play.act(who, Deed::Resume);
            } else if play.actors[who].page.key.is_some() {
                play.come_back(who);
            }
            play.read(who);
        }
        (0..NICKS.len()).for_each(|who| play.read(who));
        let truth = play.truth()?;
        for actor in &play.actors {
            if !actor.is_page {
                check_line(actor, &truth)?;
                continue;
            }
            check_page(actor, &truth)?;
            if actor.peer.is_some() {
                let chat = play.server.sim.handler_mut().get_ref();
                let room = chat.rooms.find(&actor.page.room).and_then(|room| chat.rooms.get(room));
                let members: Vec<_> = room.map(|room| room.nicks().collect()).unwrap_or_default();
                prop_assert_eq!(Vec::from_iter(&actor.page.members), members, "{}", actor.nick);
            }
        }
    }
}
