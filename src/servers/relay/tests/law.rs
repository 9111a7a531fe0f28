//! Whatever the splits, stalls, ends, deaths and stops: bytes arrive in order, none is lost while both peers live, and
//! a slow side bounds the memory.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::state::limits::Limits;

/// One step. The side is 0 for the client, and 1 for the upstream server.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The upstream server accepts.
    Accept,
    Send(usize, usize),
    Look,
    Stall(usize),
    Allow(usize, usize),
    Resume(usize),
    LimitWrites(usize, usize),
    ShutDown(usize),
    Reset(usize),
    HangUp(usize),
    Stop,
}

/// Steps without a death, or with some.
fn acts(with_deaths: bool) -> impl Strategy<Value = Vec<Act>> {
    let side = 0..2usize;
    let living = prop_oneof![
        1 => Just(Act::Accept),
        8 => (side.clone(), 1..5000usize).prop_map(|(side, count)| Act::Send(side, count)),
        4 => Just(Act::Look),
        2 => side.clone().prop_map(Act::Stall),
        3 => (side.clone(), 0..3000usize).prop_map(|(side, count)| Act::Allow(side, count)),
        1 => side.clone().prop_map(Act::Resume),
        1 => (side.clone(), 1..2000usize).prop_map(|(side, count)| Act::LimitWrites(side, count)),
        1 => side.clone().prop_map(Act::ShutDown),
    ];
    let deaths = prop_oneof![side.clone().prop_map(Act::Reset), side.prop_map(Act::HangUp), Just(Act::Stop)];
    let weight = u32::from(with_deaths);
    proptest::collection::vec(prop_oneof![20 => living, weight => deaths], 0..60)
}

struct World {
    sim: Sim<Relay>,
    /// The client, and the upstream server after it has accepted.
    peers: [Option<SimPeer>; 2],
    sent: [Vec<u8>; 2],
    received: [Vec<u8>; 2],
    has_ended: [bool; 2],
    is_disturbed: bool,
}

/// A quarter of `max_queue`, and one read: the most that is kept for one side.
const MOST_KEPT: usize = 4000 + 1000;

impl World {
    fn new() -> Self {
        let limits = Limits { max_queue: Some(16_000), read_buffer: 1000, turn_input: 1000, ..Limits::default() };
        let mut sim = Sim::with_limits(Relay::new(upstream()), limits);
        let client = sim.connect();
        World {
            sim,
            peers: [Some(client), None],
            sent: [Vec::new(), Vec::new()],
            received: [Vec::new(), Vec::new()],
            has_ended: [false; 2],
            is_disturbed: false,
        }
    }

    /// The peer of a side that has not ended.
    fn speaker(&self, side: usize) -> Option<SimPeer> {
        self.peers[side].filter(|_| !self.has_ended[side])
    }

    fn take(&mut self, act: Act) {
        match act {
            Act::Accept => self.accept(),
            Act::Look => self.look(),
            Act::Send(side, count) => {
                if let Some(peer) = self.speaker(side) {
                    let start = self.sent[side].len();
                    self.sent[side].extend((start..start + count).map(|at| (at % 251) as u8));
                    self.sim.send(peer, &self.sent[side][start..]);
                }
            }
            Act::Stall(side) => self.with(side, Sim::stall),
            Act::Allow(side, count) => self.with(side, |sim, peer| sim.allow(peer, count)),
            Act::Resume(side) => self.with(side, Sim::resume),
            Act::LimitWrites(side, count) => self.with(side, |sim, peer| sim.limit_writes(peer, count)),
            Act::ShutDown(side) => self.end(side, Sim::shut_down),
            Act::Reset(side) => self.die(side, Sim::reset),
            Act::HangUp(side) => self.die(side, Sim::hang_up),
            Act::Stop => {
                self.sim.stop();
                self.is_disturbed = true;
            }
        }
    }

    fn with(&mut self, side: usize, act: impl FnOnce(&mut Sim<Relay>, SimPeer)) {
        if let Some(peer) = self.peers[side] {
            act(&mut self.sim, peer);
        }
    }

    fn end(&mut self, side: usize, act: impl FnOnce(&mut Sim<Relay>, SimPeer)) {
        if let Some(peer) = self.speaker(side) {
            act(&mut self.sim, peer);
            self.has_ended[side] = true;
        }
    }

    fn die(&mut self, side: usize, act: impl FnOnce(&mut Sim<Relay>, SimPeer)) {
        self.is_disturbed |= self.speaker(side).is_some();
        self.end(side, act);
    }

    fn accept(&mut self) {
        if self.peers[1].is_none() && self.sim.stats().outbound == 1 {
            self.peers[1] = Some(self.sim.connected(&upstream()));
        }
    }

    fn look(&mut self) {
        for side in [0, 1] {
            if let Some(peer) = self.peers[side] {
                self.received[side].extend(self.sim.received(peer));
            }
            assert!(self.sent[1 - side].starts_with(&self.received[side]), "the bytes differ");
        }
        let queued = self.sim.stats().queued;
        assert!(queued <= 2 * MOST_KEPT, "{queued} bytes are kept");
    }

    /// All read, and all end.
    fn finish(mut self) {
        self.accept();
        for side in [0, 1] {
            self.take(Act::LimitWrites(side, usize::MAX));
            self.take(Act::Resume(side));
        }
        self.look();
        for side in [0, 1] {
            self.take(Act::ShutDown(side));
        }
        self.look();
        if !self.is_disturbed {
            let [from_client, from_server] = [&self.sent[0], &self.sent[1]];
            assert_eq!((self.received[1].len(), self.received[0].len()), (from_client.len(), from_server.len()));
            assert_eq!(self.peers.map(|peer| self.sim.ending(peer.expect("accepted"))), [Some(Ending::Eof); 2]);
        }
        self.sim.advance(Duration::from_secs(2));
        let stats = self.sim.stats();
        assert_eq!((stats.connections, stats.queued, stats.outbound, self.sim.timers()), (0, 0, 0, 0));
        assert!(self.sim.handler_mut().ends.is_empty());
    }
}

fn run(acts: &[Act]) {
    let mut world = World::new();
    for &act in acts {
        world.take(act);
    }
    world.finish();
}

proptest! {
    #[test]
    fn all_bytes_arrive_while_both_peers_live(acts in acts(false)) {
        run(&acts);
    }

    #[test]
    fn deaths_and_stops_leave_nothing_behind(acts in acts(true)) {
        run(&acts);
    }
}

#[test]
fn a_client_that_closes_a_unix_socket_loses_nothing_it_sent() {
    let mut world = World::new();
    let large = [Act::Send(0, 20_000), Act::Look];
    for act in [Act::Accept, Act::Stall(1)].into_iter().chain(large).chain([Act::HangUp(0), Act::Look, Act::Resume(1)])
    {
        world.take(act);
    }
    world.look();
    assert_eq!(world.received[1].len(), 20_000);
    world.finish();
}
