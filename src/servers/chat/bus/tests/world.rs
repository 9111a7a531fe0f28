//! Servers on a bus, their broker and the network between them, in one virtual time.
//!
//! Invariant: nothing moves by itself. Bytes are carried, and commands executed, only as the test says; so each order
//! of everything that can happen can be tried, and the same deeds always give the same result.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use switchboard_harness::redis::{Appended, Client, Kept, Redis};

use super::*;
use crate::framing::websocket::WebSocketOptions;
use crate::servers::chat::{Chat, ChatOptions, Record};
use crate::servers::doors::Doors;
use crate::servers::local_time::{LocalDate, LocalTime};
use crate::sim::{Ending, Sim, SimPeer};

/// The broker is looked at this often while time passes.
const TICK: Duration = Duration::from_millis(50);

pub(super) struct World {
    pub(super) redis: Redis,
    pub(super) servers: Vec<Server>,
    /// All entries of all rooms, in order.
    pub(super) story: Vec<Appended>,
    options: fn() -> ChatOptions,
    /// The number of servers that were started.
    begun: u64,
}

/// A server, and its links as the network knows them.
pub(super) struct Server {
    pub(super) id: ServerId,
    /// `None`: it is dead.
    pub(super) sim: Option<Sim<OnBus<Doors<Chat>>>>,
    wires: Vec<Wire>,
    /// Nothing reaches it, or comes from it.
    is_cut: bool,
    /// How long it has been stopped by SIGSTOP.
    stopped: Option<Duration>,
}

/// A connection between a server and the broker.
struct Wire {
    peer: SimPeer,
    client: Client,
    /// Bytes on the way.
    to_broker: VecDeque<u8>,
    to_server: VecDeque<u8>,
    /// How the server has ended its side.
    ending: Option<Ending>,
}

/// Options without anything that depends on the time, except what the bus does.
pub(super) fn plain() -> ChatOptions {
    let date = LocalDate { year: 2000, month: 1, day: 1 };
    let record = Record::new(move |_| LocalTime { date, hour: 12, minute: 0, second: 0, offset: 0 });
    ChatOptions {
        rate: None,
        join_rate: None,
        crowd: usize::MAX,
        handshake: None,
        record: Some(record),
        ..ChatOptions::default()
    }
}

impl World {
    /// A broker, and `count` servers that have found it.
    pub(super) fn of(count: usize) -> World {
        World::with(count, plain)
    }

    pub(super) fn with(count: usize, options: fn() -> ChatOptions) -> World {
        let mut world = World { redis: Redis::new(), servers: Vec::new(), story: Vec::new(), options, begun: 0 };
        for _ in 0..count {
            world.start();
        }
        world.settle();
        world
    }

    /// Starts a further server.
    pub(super) fn start(&mut self) -> usize {
        self.begun += 1;
        let id = ServerId(NonZeroU64::new(self.begun).expect("a number"));
        let options = (self.options)();
        let first = options.room.as_str().to_owned();
        let bus = BusOptions { first, max_rooms: options.max_rooms, ..BusOptions::default() };
        let chat = Chat::room(options).share(Bus::new(id, bus, Instant::now()));
        let doors = Doors::new(chat, WebSocketOptions::default());
        let to = "127.0.0.1:6379".parse().expect("an address");
        let sim = Sim::new(OnBus::new(doors, to).without_log());
        self.servers.push(Server { id, sim: Some(sim), wires: Vec::new(), is_cut: false, stopped: None });
        self.servers.len() - 1
    }

    /// The server, unless it is dead or stopped.
    pub(super) fn running(&mut self, server: usize) -> Option<&mut Sim<OnBus<Doors<Chat>>>> {
        let server = &mut self.servers[server];
        server.sim.as_mut().filter(|_| server.stopped.is_none())
    }

    /// The chat of a server that runs.
    pub(super) fn chat(&mut self, server: usize) -> Option<&mut Chat> {
        self.running(server).map(|sim| sim.handler_mut().inner_mut().get_mut())
    }

    /// Carries at most `most` bytes in each direction of each link, and lets each client of the broker have one command
    /// executed. Returns whether anything has happened.
    pub(super) fn trickle(&mut self, most: usize) -> bool {
        let mut has_moved = false;
        for server in &mut self.servers {
            has_moved |= server.carry(&mut self.redis, most);
        }
        for client in self.redis.ready() {
            self.redis.step(client);
            has_moved = true;
        }
        let rooms = self.redis.take_appended().into_iter().filter(|entry| entry.key.starts_with("switchboard:room:"));
        self.story.extend(rooms);
        has_moved
    }

    /// Carries and executes everything, until nothing is left to be done at this time.
    pub(super) fn settle(&mut self) {
        while self.trickle(usize::MAX) {}
    }

    /// Lets time pass in which everything is carried and executed.
    pub(super) fn pass(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let tick = left.min(TICK);
            self.wait(tick);
            self.settle();
            left -= tick;
        }
    }

    /// Lets time pass in which nothing is carried or executed.
    pub(super) fn wait(&mut self, time: Duration) {
        for server in &mut self.servers {
            match (&mut server.stopped, &mut server.sim) {
                (Some(stopped), _) => *stopped += time,
                (None, Some(sim)) => sim.advance(time),
                (None, None) => {}
            }
        }
        self.redis.advance(time);
    }

    /// Breaks a link of a server, with all that is on the way.
    pub(super) fn lose(&mut self, server: usize, link: usize) {
        let server = &mut self.servers[server];
        if server.is_cut || link >= server.wires.len() {
            return;
        }
        let wire = server.wires.remove(link);
        self.redis.reset(wire.client);
        if let Some(sim) = &mut server.sim {
            sim.reset(wire.peer);
        }
    }

    /// Cuts a server off, or lets it be reached again.
    pub(super) fn cut(&mut self, server: usize, is_cut: bool) {
        self.servers[server].is_cut = is_cut;
    }

    /// Stops a server, as SIGSTOP does.
    pub(super) fn stop_server(&mut self, server: usize) {
        self.servers[server].stopped.get_or_insert(Duration::ZERO);
    }

    /// Continues a stopped server.
    pub(super) fn continue_server(&mut self, server: usize) {
        let server = &mut self.servers[server];
        if let (Some(stopped), Some(sim)) = (server.stopped.take(), &mut server.sim) {
            sim.suspend(stopped);
            // What has arrived meanwhile is found before any deadline.
            for wire in server.wires.iter_mut().filter(|_| !server.is_cut) {
                let output = self.redis.output(wire.client).map(std::mem::take).unwrap_or_default();
                let bytes: Vec<u8> = wire.to_server.drain(..).chain(output).collect();
                if !bytes.is_empty() {
                    sim.send(wire.peer, &bytes);
                }
            }
        }
    }

    /// Ends a server, as SIGKILL does. Its links end.
    pub(super) fn kill_server(&mut self, server: usize) {
        let server = &mut self.servers[server];
        server.sim = None;
        for wire in server.wires.drain(..) {
            self.redis.reset(wire.client);
        }
    }

    /// Kills the broker, and starts it again with what it has kept.
    pub(super) fn restart_broker(&mut self, kept: Kept) {
        self.redis.restart(kept);
    }

    /// Ends all trouble.
    pub(super) fn mend(&mut self) {
        self.redis.resume();
        for server in 0..self.servers.len() {
            self.cut(server, false);
            self.continue_server(server);
        }
    }
}

impl Server {
    /// Carries at most `most` bytes in each direction of each link. Returns whether anything has moved.
    fn carry(&mut self, redis: &mut Redis, most: usize) -> bool {
        let (Some(sim), None, false) = (&mut self.sim, self.stopped, self.is_cut) else { return false };
        let mut has_moved = false;
        for request in sim.requests() {
            has_moved = true;
            match redis.connect() {
                None => sim.refuse(&request, io::ErrorKind::ConnectionRefused.into()),
                Some(client) => {
                    let peer = sim.accept(&request);
                    let (to_broker, to_server) = (VecDeque::new(), VecDeque::new());
                    self.wires.push(Wire { peer, client, to_broker, to_server, ending: None });
                }
            }
        }
        self.wires.retain_mut(|wire| {
            let (moved, is_over) = wire.carry(sim, redis, most);
            has_moved |= moved | is_over;
            !is_over
        });
        has_moved
    }
}

impl Wire {
    /// Returns whether anything has moved, and whether both sides have ended.
    fn carry(&mut self, sim: &mut Sim<OnBus<Doors<Chat>>>, redis: &mut Redis, most: usize) -> (bool, bool) {
        self.to_broker.extend(sim.received(self.peer));
        self.ending = self.ending.or(sim.ending(self.peer));
        let count = most.min(self.to_broker.len());
        let bytes: Vec<u8> = self.to_broker.drain(..count).collect();
        redis.send(self.client, &bytes);
        match self.ending {
            // What was on the way is lost.
            Some(Ending::Reset) => {
                redis.reset(self.client);
                return (true, true);
            }
            Some(Ending::Eof) if self.to_broker.is_empty() => {
                redis.shut_down(self.client);
                return (true, true);
            }
            _ => {}
        }
        if let Some(output) = redis.output(self.client) {
            self.to_server.extend(output.drain(..));
        }
        let down = most.min(self.to_server.len());
        let bytes: Vec<u8> = self.to_server.drain(..down).collect();
        if down > 0 {
            sim.send(self.peer, &bytes);
        }
        let is_over = !redis.is_connected(self.client) && self.to_server.is_empty();
        if is_over {
            sim.reset(self.peer);
        }
        (count + down > 0, is_over)
    }
}
