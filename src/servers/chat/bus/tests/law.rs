//! What must hold, judged by the entries of all rooms in their order.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_harness::redis::{Appended, Reply};

use super::person::Person;
use super::world::World;
use crate::servers::chat::bus::HearsBus;
use crate::servers::text::fold;

/// An entry of a room.
struct Line<'a> {
    room: &'a str,
    server: &'a str,
    connection: u64,
    kind: &'a str,
    a: &'a str,
    b: &'a str,
}

impl<'a> Line<'a> {
    fn of(entry: &'a Appended) -> Line<'a> {
        let field = |name: &str| {
            let pair = entry.fields.chunks_exact(2).find(|pair| pair[0] == name);
            pair.map_or("", |pair| &*pair[1])
        };
        let room = entry.key.strip_prefix("switchboard:room:").expect("an entry of a room");
        let connection = field("c").parse().expect("a number");
        Line { room, server: field("s"), connection, kind: field("k"), a: field("a"), b: field("b") }
    }

    /// What it shows at the line door.
    fn shown(&self) -> Vec<String> {
        let Line { a, b, .. } = self;
        match self.kind {
            "join" => vec![format!("Welcome {a} to the room!")],
            "part" | "leave" => vec![format!("{a} leaves the room!")],
            "rename" => vec![format!("{a} is now known as {b}.")],
            "say" => vec![format!("{a}: {b}")],
            "act" => vec![format!("* {a} {b}")],
            "operator" => vec![format!("*** Operator: {b}")],
            "gone" => b.split(' ').map(|nick| format!("{nick} leaves the room!")).collect(),
            kind => panic!("an entry of the kind {kind}"),
        }
    }
}

/// A stay of a member in a room, as the entries tell it.
#[derive(Default)]
struct Stay {
    shown: Vec<String>,
    /// It has ended.
    is_over: bool,
}

/// The stays of a member.
fn stays(world: &World, person: &Person) -> Vec<Stay> {
    let server = world.servers[person.server].id.to_string();
    let mut stays: Vec<Stay> = Vec::new();
    let mut room = None;
    for line in world.story.iter().map(Line::of) {
        let is_own = line.server == server && line.connection == person.connection;
        match line.kind {
            // One that was taken for gone enters the same room again.
            "join" if is_own && room != Some(line.room) => {
                room = Some(line.room);
                stays.push(Stay::default());
            }
            "part" | "leave" if is_own => {
                room = None;
                stays.last_mut().expect("it was there").is_over = true;
            }
            "say" | "act" if is_own && !person.is_page => {}
            _ if room == Some(line.room) => stays.last_mut().expect("it is there").shown.extend(line.shown()),
            _ => {}
        }
    }
    stays
}

/// A member has seen its rooms as all others have: what has happened there, in order, without a gap.
pub(super) fn has_seen_its_rooms(world: &World, person: &Person) {
    let expected = stays(world, person);
    let name = &person.nick;
    assert!(person.stays.len() <= expected.len(), "{name} was in rooms that it has not entered");
    for (at, (seen, stay)) in person.stays.iter().zip(&expected).enumerate() {
        let is_last = at + 1 == person.stays.len();
        let is_part = if is_last && !stay.is_over && !person.has_ended {
            stay.shown.ends_with(seen)
        } else {
            seen.is_empty() || stay.shown.windows(seen.len()).any(|window| window == seen)
        };
        assert!(is_part, "{name} has seen in its stay {at}:\n{seen:#?}\nand this has happened:\n{:#?}", stay.shown);
    }
    if !person.has_ended {
        assert_eq!(person.stays.len(), expected.len(), "{name} has not seen that it is in another room");
    }
}

/// What a member has said is in the order of its room, in its own order and once. Only what it has said last can be
/// missing, and only if its connection has ended.
pub(super) fn was_heard_once(world: &World, person: &Person) {
    let server = world.servers[person.server].id.to_string();
    let lines = world.story.iter().map(Line::of);
    let own = lines.filter(|line| line.server == server && line.connection == person.connection);
    let heard: Vec<&str> = own.filter(|line| matches!(line.kind, "say" | "act")).map(|line| line.b).collect();
    let said: Vec<&str> = person.said.iter().map(String::as_str).collect();
    assert!(said.starts_with(&heard), "{} has said {said:?}, and {heard:?} was heard", person.nick);
    assert!(person.has_ended || said.len() == heard.len(), "of {} {heard:?} of {said:?} was heard", person.nick);
}

/// No text was shown twice to a member. Each text is said once.
pub(super) fn has_seen_nothing_twice(person: &Person) {
    let mut seen = BTreeSet::new();
    for line in person.stays.iter().flatten() {
        if let Some((_, text)) = line.split_once("text ") {
            assert!(seen.insert(text), "{} has seen text {text} twice: {:#?}", person.nick, person.stays);
        }
    }
}

/// Each nickname has one owner at every time, and only the owner speaks with it.
pub(super) fn nicknames_have_one_owner(world: &World) {
    let mut owners: BTreeMap<Box<str>, (&str, u64, &str)> = BTreeMap::new();
    for line in world.story.iter().map(Line::of) {
        let author = (line.server, line.connection, line.room);
        let nick = fold(line.a);
        match line.kind {
            "join" => {
                assert_eq!(owners.insert(nick, author), None, "{} joins twice", line.a);
            }
            "part" | "leave" => {
                assert_eq!(owners.remove(&nick), Some(author), "{} leaves, and was not there", line.a);
            }
            "gone" => {
                for nick in line.b.split(' ') {
                    assert!(owners.remove(&fold(nick)).is_some(), "{nick} is gone, and was not there");
                }
            }
            "operator" => {}
            kind => {
                assert_eq!(owners.get(&nick), Some(&author), "{kind} of {}", line.a);
                if kind == "rename" {
                    owners.remove(&nick);
                    assert_eq!(owners.insert(fold(line.b), author), None, "{} takes {}", line.a, line.b);
                }
            }
        }
    }
}

/// After some quiet time, each server has the members of its rooms as the broker has them, and waits for nothing.
pub(super) fn servers_agree(world: &mut World, persons: &[Person]) {
    for server in 0..world.servers.len() {
        let Some(chat) = world.chat(server) else { continue };
        let bus = chat.bus();
        assert!(bus.is_ready() && !bus.is_out(), "server {server} is not ready");
        assert_eq!(bus.pending.len(), 0, "server {server} waits for answers");
        let rooms: Vec<(Box<str>, BTreeSet<String>)> = chat
            .rooms
            .iter()
            .map(|room| (fold(&room.name), room.nicks().map(|nick| fold(nick).into()).collect()))
            .collect();
        let followed: BTreeSet<&str> = rooms.iter().map(|(room, _)| &**room).collect();
        assert_eq!(chat.bus().rooms.keys().map(|room| &**room).collect::<BTreeSet<_>>(), followed);
        for (room, members) in rooms {
            assert_eq!(keys(world, &format!("switchboard:members:{room}")), members, "in {room} at server {server}");
        }
        let here = persons.iter().filter(|person| person.server == server && !person.has_ended).count();
        let sim = world.running(server).expect("it runs");
        assert_eq!(sim.stats().connections, here + 2, "connections of server {server}");
        assert!(sim.timers() <= 2 * here + 4, "{} timers for {here} persons", sim.timers());
    }
    let nicks = keys(world, "switchboard:nicks");
    let inside: Vec<String> =
        persons.iter().filter(|person| person.is_inside()).map(|person| fold(&person.nick).into()).collect();
    assert_eq!(nicks.len(), inside.len(), "{nicks:?} are owned, and these are inside: {inside:?}");
}

/// The fields of a hash of the broker.
pub(super) fn keys(world: &mut World, hash: &str) -> BTreeSet<String> {
    texts(world.redis.execute(&["HKEYS", hash])).into_iter().collect()
}

/// The texts of an array.
pub(super) fn texts(reply: Reply) -> Vec<String> {
    let Reply::Array(found) = reply else { panic!("no array: {reply:?}") };
    let text = |item| if let Reply::Bulk(text) = item { String::from_utf8(text).ok() } else { None };
    found.into_iter().filter_map(text).collect()
}
