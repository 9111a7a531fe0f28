//! A person at a door of a server: what it types, and what it is shown.

use serde_json::Value;

use super::world::World;
use crate::servers::chat::texts;
use crate::servers::doors::tests::{frame, open};
use crate::sim::{Ending, SimPeer};

/// A person.
pub(super) struct Person {
    pub(super) server: usize,
    pub(super) peer: SimPeer,
    pub(super) is_page: bool,
    /// The bits of the token of its connection.
    pub(super) connection: u64,
    /// What it has said and done, in order. Each text is another one.
    pub(super) said: Vec<String>,
    /// What it was shown in each room that it has entered, one after the other, as at the line door.
    pub(super) stays: Vec<Vec<String>>,
    /// Its own nickname, by what it was shown.
    pub(super) nick: String,
    /// It is asked for a nickname.
    pub(super) is_asked: bool,
    pub(super) has_ended: bool,
    /// What was received, and is no whole line or frame yet.
    input: Vec<u8>,
}

impl Person {
    /// Connects to a server that runs.
    pub(super) fn arrive(world: &mut World, server: usize, is_page: bool) -> Option<Person> {
        let sim = world.running(server)?;
        let peer = if is_page { open(sim) } else { sim.connect() };
        sim.run();
        let connection = sim.token(peer).to_bits();
        Some(Person {
            server,
            peer,
            is_page,
            connection,
            said: Vec::new(),
            stays: Vec::new(),
            nick: String::new(),
            is_asked: is_page,
            has_ended: false,
            input: Vec::new(),
        })
    }

    /// Sends a line.
    pub(super) fn type_line(&mut self, world: &mut World, line: &str) {
        if self.has_ended {
            return;
        }
        self.is_asked = false;
        let (is_page, peer) = (self.is_page, self.peer);
        let Some(sim) = world.running(self.server) else { return };
        sim.send(peer, &if is_page { frame(0x81, line.as_bytes()) } else { format!("{line}\n").into_bytes() });
        sim.run();
    }

    /// Says a text that no other person says.
    pub(super) fn say(&mut self, world: &mut World, text: &str) {
        if world.running(self.server).is_none() {
            return;
        }
        let act = text.strip_prefix("/me ");
        self.said.push(act.unwrap_or(text).to_owned());
        self.type_line(world, text);
    }

    /// Ends its connection.
    pub(super) fn reset(&mut self, world: &mut World) {
        self.look(world);
        if let Some(sim) = world.running(self.server).filter(|_| !self.has_ended) {
            sim.reset(self.peer);
            sim.run();
            self.has_ended = true;
        }
    }

    /// Whether it is in a room.
    pub(super) fn is_inside(&self) -> bool {
        !self.has_ended && !self.stays.is_empty() && !self.is_asked
    }

    /// Reads what it is shown.
    pub(super) fn look(&mut self, world: &mut World) {
        if world.servers[self.server].sim.is_none() {
            self.has_ended = true;
        }
        let peer = self.peer;
        let Some(sim) = world.running(self.server).filter(|_| !self.has_ended) else { return };
        self.input.extend(sim.received(peer));
        self.has_ended = sim.ending(peer) == Some(Ending::Reset);
        let is_over = sim.ending(peer) == Some(Ending::Eof);
        if self.is_page {
            self.read_messages();
        } else {
            self.read_lines();
        }
        self.has_ended |= is_over;
    }

    fn read_lines(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        loop {
            while input.starts_with(texts::PROMPT.as_bytes()) {
                input.drain(..texts::PROMPT.len());
                self.is_asked = true;
            }
            let Some(end) = input.iter().position(|&byte| byte == b'\n') else { break };
            let line: Vec<u8> = input.drain(..=end).collect();
            self.read_line(String::from_utf8(line).expect("UTF-8").trim_end());
        }
        self.input = input;
    }

    fn read_line(&mut self, line: &str) {
        if line.ends_with(" is here.") || line.ends_with(" persons are here.") {
            // The line before is its own welcome, which is the last one of the stay before.
            let welcome = self.stays.last_mut().and_then(Vec::pop).unwrap_or_else(|| std::mem::take(&mut self.nick));
            welcome.split(' ').nth(1).expect("a nickname").clone_into(&mut self.nick);
            self.stays.push(Vec::new());
        } else if is_shown_to_all(line) {
            match self.stays.last_mut() {
                Some(stay) => stay.push(line.to_owned()),
                // Its welcome, until the next line.
                None => line.clone_into(&mut self.nick),
            }
        }
    }

    fn read_messages(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        while let [_, short, rest @ ..] = &input[..] {
            let (length, begin) = match (short, rest) {
                (126, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 4),
                (126, _) => break,
                (127, _) => panic!("a very long frame"),
                (short, _) => (usize::from(*short), 2),
            };
            if input.len() < begin + length {
                break;
            }
            let frame: Vec<u8> = input.drain(..begin + length).collect();
            if frame[0] == 0x81 {
                self.read_message(&serde_json::from_slice(&frame[begin..]).expect("JSON"));
            }
        }
        self.input = input;
    }

    fn read_message(&mut self, message: &Value) {
        let field = |name: &str| message[name].as_str().unwrap_or_default();
        let nick = field("nick");
        let line = match field("type") {
            "entrance" => {
                nick.clone_into(&mut self.nick);
                return self.stays.push(Vec::new());
            }
            "refused" => {
                self.is_asked = true;
                return;
            }
            "join" => format!("Welcome {nick} to the room!"),
            "part" | "leave" => format!("{nick} leaves the room!"),
            "rename" => format!("{nick} is now known as {}.", field("to")),
            "say" => format!("{nick}: {}", field("text")),
            "act" => format!("* {nick} {}", field("text")),
            _ => return,
        };
        self.stays.last_mut().expect("what is shown follows an entrance").push(line);
    }
}

/// Whether this is an event of the room, and no answer or notice.
fn is_shown_to_all(line: &str) -> bool {
    let notices = [texts::CATCHING_UP, texts::WAIT_FOR_ROOM, texts::UNREACHABLE, texts::MISSING, texts::BYE];
    let answers = ["The nickname ", "There are too many rooms", "You are in the room", "Another member has taken"];
    !notices.iter().any(|notice| notice.trim_end() == line)
        && !answers.iter().any(|answer| line.starts_with(answer))
        && !line.starts_with('[')
        && !line.starts_with("No member is called")
        && !line.contains(" open: ")
}
