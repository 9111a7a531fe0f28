//! Random pages that lose their connections and come back, and a netcat. All see the same lines in the same order, and
//! no page misses one or sees one twice.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::state::limits::Limits;

const NICKS: [&str; 3] = ["ann", "bob", "cid"];

/// What happens to the page with a number.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// A line is said, by the netcat if there is no page with this number.
    Say(usize),
    /// The page reads what it was sent.
    Read(usize),
    /// The page takes no more output.
    Stall(usize),
    /// The connection is reset. What was not read is lost.
    Reset(usize),
    /// The page can no longer use its connection, which the server does not know.
    Forget(usize),
    /// The page comes back if it has no connection.
    Return(usize),
    /// This number of seconds passes.
    Wait(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let page = 0..NICKS.len();
    let deed = prop_oneof![
        6 => (0..=NICKS.len()).prop_map(Deed::Say),
        3 => page.clone().prop_map(Deed::Read),
        1 => page.clone().prop_map(Deed::Stall),
        2 => page.clone().prop_map(Deed::Reset),
        2 => page.clone().prop_map(Deed::Forget),
        4 => page.prop_map(Deed::Return),
        1 => (0..20u64).prop_map(Deed::Wait),
    ];
    proptest::collection::vec(deed, 0..40)
}

/// A page, and what it remembers.
struct Visitor {
    /// `None` without a connection that it can use.
    peer: Option<SimPeer>,
    key: String,
    /// The last event.
    last: u64,
    said: Vec<String>,
}

impl Visitor {
    fn take(&mut self, message: &str) {
        let message: Value = serde_json::from_str(message).expect("JSON");
        match message["type"].as_str().expect("a type") {
            "entrance" => {
                assert_eq!(message["has_gap"], false, "{message}");
                self.key = message["key"].as_str().expect("a key").to_owned();
                message["history"].as_array().expect("events").iter().for_each(|event| self.happen(event));
                self.last = message["id"].as_u64().expect("the id of its join");
            }
            _ => self.happen(&message),
        }
    }

    fn happen(&mut self, event: &Value) {
        let id = event["id"].as_u64().unwrap_or_else(|| panic!("no event: {event}"));
        assert!(id > self.last, "{id} after {}", self.last);
        self.last = id;
        if event["type"] == "say" {
            self.said.push(format!(
                "{}: {}",
                event["nick"].as_str().expect("text"),
                event["text"].as_str().expect("text")
            ));
        }
    }
}

/// A server with its visitors, and what was said since all of them are there.
struct Scene {
    server: Server,
    visitors: Vec<Visitor>,
    nc: SimPeer,
    said: Vec<String>,
}

impl Scene {
    fn new() -> Scene {
        let options = ChatOptions {
            record: Some(record()),
            rate: None,
            join_rate: None,
            crowd: usize::MAX,
            handshake: None,
            ..ChatOptions::default()
        };
        let limits = Limits { queue_time: None, ..Limits::default() };
        let handler = Doors::new(Chat::room(options), WebSocketOptions::default());
        let mut server = Server { sim: Sim::with_limits(handler, limits) };
        let peers = NICKS.map(|nick| server.page(&[nick]));
        let nc = server.nc("nc");
        let visitors = peers.map(|peer| Visitor { peer: Some(peer), key: String::new(), last: 0, said: Vec::new() });
        let mut scene = Scene { server, visitors: visitors.into(), nc, said: Vec::new() };
        (0..NICKS.len()).for_each(|number| scene.read(number));
        scene
    }

    fn play(&mut self, deed: Deed) {
        match deed {
            Deed::Say(number) => self.say(number),
            Deed::Read(number) => self.read(number),
            Deed::Stall(number) => drop(self.visitors[number].peer.map(|peer| self.server.sim.stall(peer))),
            Deed::Reset(number) => drop(self.visitors[number].peer.take().map(|peer| self.server.reset(peer))),
            Deed::Forget(number) => drop(self.visitors[number].peer.take().map(|peer| self.server.sim.stall(peer))),
            Deed::Return(number) => self.come_back(number),
            Deed::Wait(seconds) => self.server.sim.advance(Duration::from_secs(seconds)),
        }
    }

    fn say(&mut self, number: usize) {
        let text = self.said.len().to_string();
        let Some(visitor) = self.visitors.get(number) else {
            self.server.sim.send(self.nc, format!("{text}\n").as_bytes());
            self.server.sim.run();
            return self.said.push(format!("nc: {text}"));
        };
        if let Some(peer) = visitor.peer {
            self.server.say(peer, &text);
            self.said.push(format!("{}: {text}", NICKS[number]));
        }
    }

    fn read(&mut self, number: usize) {
        let Some(peer) = self.visitors[number].peer else { return };
        self.server.sim.resume(peer);
        for message in self.server.sees(peer).into_iter().filter(|message| message != "ping") {
            self.visitors[number].take(&message);
        }
    }

    fn come_back(&mut self, number: usize) {
        if self.visitors[number].peer.is_some() {
            return;
        }
        let visitor = &self.visitors[number];
        let request = format!("/resume {} {}", visitor.key, visitor.last);
        self.visitors[number].peer = Some(self.server.page(&[&request]));
        self.read(number);
    }
}

proptest! {
    #[test]
    fn no_line_is_missed_or_seen_twice(deeds in deeds()) {
        let mut scene = Scene::new();
        for deed in deeds {
            scene.play(deed);
        }
        for number in 0..NICKS.len() {
            scene.come_back(number);
            scene.read(number);
            prop_assert_eq!(&scene.visitors[number].said, &scene.said);
        }
        let shown = scene.server.reads(scene.nc);
        let heard: Vec<&str> = shown.lines().filter(|line| line.contains(": ")).collect();
        let others = scene.said.iter().filter(|said| !said.starts_with("nc: "));
        prop_assert_eq!(heard, others.collect::<Vec<_>>());
        scene.server.sim.stop();
        for visitor in &scene.visitors {
            let seen = scene.server.sees(visitor.peer.expect("it came back"));
            prop_assert_eq!(seen.last().map(String::as_str), Some("close 1001 "));
        }
    }
}
