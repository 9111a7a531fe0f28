//! Tests of the client against a simulated broker, which runs the real script.

mod faults;
mod talk;

use std::num::NonZero;
use std::time::{Duration, Instant};

use switchboard_harness::redis::{Client, Redis};

use super::*;
use crate::framing::{Frame, Framer, RespFramer, RespState};
use crate::servers::chat::bus::heard::Present;
use crate::servers::chat::bus::{Asked, Author, Entry, Happened, Reason, Snapshot};
use crate::servers::chat::room::Refusal;

/// A broker, and servers that are connected to it.
struct World {
    redis: Redis,
    now: Instant,
    servers: Vec<Server>,
    /// The most bytes that arrive together.
    piece: usize,
    /// Commands that the broker executes before it pauses. `None`: it does not pause.
    budget: Option<usize>,
}

struct Server {
    bus: Bus,
    /// By [`LinkKind`].
    links: [Option<Connection>; 2],
    heard: Vec<Heard>,
    faults: Vec<(LinkKind, Fault)>,
    /// When each link was connected.
    attempts: Vec<(LinkKind, Instant)>,
    is_dead: bool,
}

/// One end of a link.
#[derive(Default)]
struct Connection {
    client: Option<Client>,
    state: RespState,
    /// What has arrived and was not used.
    inbox: Vec<u8>,
}

/// The connection of a member.
fn token(number: u64) -> Token {
    Token::from_bits(1 << 32 | number)
}

fn server(number: u64) -> ServerId {
    ServerId(NonZero::new(number).expect("a number over zero"))
}

fn options() -> BusOptions {
    BusOptions { first: "Lobby".to_owned(), max_rooms: Some(3), history: 10, ..BusOptions::default() }
}

impl World {
    fn new(servers: u64) -> World {
        let now = Instant::now();
        let mut world = World { redis: Redis::new(), now, servers: Vec::new(), piece: usize::MAX, budget: None };
        for id in 1..=servers {
            world.start(id, options());
        }
        world
    }

    fn start(&mut self, id: u64, options: BusOptions) -> usize {
        self.servers.push(Server {
            bus: Bus::new(server(id), options, self.now),
            links: [None, None],
            heard: Vec::new(),
            faults: Vec::new(),
            attempts: Vec::new(),
            is_dead: false,
        });
        self.run();
        self.servers.len() - 1
    }

    /// Lets everything happen that needs no time.
    fn run(&mut self) {
        loop {
            let mut progress = false;
            for at in 0..self.servers.len() {
                progress |= self.serve(at);
            }
            for client in self.redis.ready() {
                if self.budget != Some(0) {
                    self.budget = self.budget.map(|budget| budget - 1);
                    self.redis.step(client);
                    progress = true;
                }
            }
            if !progress {
                return;
            }
        }
    }

    /// Lets time pass, in steps of 10 ms.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now += Duration::from_millis(10);
            self.redis.advance(Duration::from_millis(10));
            self.run();
        }
    }

    /// Takes the steps of a server, sends its output, and delivers what the broker has sent to it.
    fn serve(&mut self, at: usize) -> bool {
        let World { redis, now, servers, piece, .. } = self;
        let server = &mut servers[at];
        if server.is_dead {
            return false;
        }
        let mut progress = false;
        for kind in LinkKind::ALL {
            let Some(client) = server.client(kind) else { continue };
            server.bus.send_pending();
            let output = std::mem::take(server.bus.output(kind));
            progress |= !output.is_empty();
            redis.send(client, &output);
            let Some(output) = redis.output(client) else {
                server.links[kind as usize] = None;
                server.bus.lost(kind, *now);
                progress = true;
                continue;
            };
            let arrived = std::mem::take(output);
            for piece in arrived.chunks(*piece) {
                server.read(kind, piece, *now);
                progress = true;
            }
        }
        server.bus.tick(*now);
        progress | server.step(redis, *now)
    }

    fn ask(&mut self, at: usize, by: u64, ask: Ask<'_>) {
        self.servers[at].bus.ask(token(by), ask);
    }

    /// A member of a server enters a room.
    fn join(&mut self, at: usize, by: u64, nick: &str, room: &str) {
        self.servers[at].bus.follow(room);
        self.ask(at, by, Ask::Join { nick, room });
        self.run();
    }

    fn say(&mut self, at: usize, by: u64, nick: &str, text: &str) {
        self.ask(at, by, Ask::Say { nick, room: "Lobby", text });
    }

    /// Breaks a link as a reset does: what was not read is lost.
    fn cut(&mut self, at: usize, kind: LinkKind) {
        if let Some(client) = self.servers[at].client(kind) {
            self.redis.reset(client);
        }
    }

    /// What a server has heard since the last call.
    fn heard(&mut self, at: usize) -> Vec<Heard> {
        std::mem::take(&mut self.servers[at].heard)
    }

    /// What has happened in the lobby, as a server has heard it since the last call. Forgets all else.
    fn lobby(&mut self, at: usize) -> Vec<Happened> {
        let heard = self.heard(at).into_iter();
        let entries = heard.filter_map(|heard| match heard {
            Heard::Entry { room, entry } if &*room == "lobby" => Some(entry.what),
            _ => None,
        });
        entries.collect()
    }
}

impl Server {
    fn client(&self, kind: LinkKind) -> Option<Client> {
        self.links[kind as usize].as_ref()?.client
    }

    fn step(&mut self, redis: &mut Redis, now: Instant) -> bool {
        let mut progress = false;
        while let Some(step) = self.bus.poll() {
            progress = true;
            match step {
                Step::Connect(kind) => {
                    self.attempts.push((kind, now));
                    match redis.connect() {
                        Some(client) => {
                            let connection = Connection { client: Some(client), ..Connection::default() };
                            self.links[kind as usize] = Some(connection);
                            self.bus.opened(kind, now);
                        }
                        None => self.bus.lost(kind, now),
                    }
                }
                Step::Abort(kind, fault) => {
                    if let Some(client) = self.links[kind as usize].take().and_then(|link| link.client) {
                        redis.reset(client);
                    }
                    self.faults.push((kind, fault));
                }
                Step::Hear(heard) => self.heard.push(heard),
            }
        }
        progress
    }

    fn read(&mut self, kind: LinkKind, arrived: &[u8], now: Instant) {
        let Some(Connection { state, inbox, .. }) = &mut self.links[kind as usize] else { return };
        inbox.extend_from_slice(arrived);
        let mut used = 0;
        while used < inbox.len() {
            let rest = &mut inbox[used..];
            match RespFramer::new(1 << 20).next(state, rest) {
                Frame::Message { body, used: more } => {
                    self.bus.receive(kind, &Element::of(&rest[body]), now);
                    used += more;
                }
                Frame::Partial { .. } => break,
                frame => panic!("{frame:?}"),
            }
        }
        inbox.drain(..used);
    }
}
