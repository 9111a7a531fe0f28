//! Relays between clients and servers that speak TLS: whatever the splits, stalls, ends, deaths and stops, bytes arrive
//! in order, and none is lost while both peers live.

use rustls::ServerConnection;

use super::*;
use crate::Address;
use crate::servers::Relay;

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
    /// The side says that it has ended.
    End(usize),
    /// The side ends without saying so.
    Truncate(usize),
    Reset(usize),
    HangUp(usize),
    NewKey(usize),
    Stop,
    Wait(u32),
}

/// Steps without a death, or with some.
fn acts(with_deaths: bool) -> impl Strategy<Value = Vec<Act>> {
    let side = 0..2usize;
    let living = prop_oneof![
        1 => Just(Act::Accept),
        8 => (side.clone(), 1..30_000usize).prop_map(|(side, count)| Act::Send(side, count)),
        4 => Just(Act::Look),
        2 => side.clone().prop_map(Act::Stall),
        3 => (side.clone(), 0..20_000usize).prop_map(|(side, count)| Act::Allow(side, count)),
        1 => side.clone().prop_map(Act::Resume),
        1 => (side.clone(), 1..2000usize).prop_map(|(side, count)| Act::LimitWrites(side, count)),
        1 => side.clone().prop_map(Act::End),
        1 => side.clone().prop_map(Act::NewKey),
        1 => (1..900u32).prop_map(Act::Wait),
    ];
    let deaths = prop_oneof![
        side.clone().prop_map(Act::Reset),
        side.clone().prop_map(Act::HangUp),
        side.prop_map(Act::Truncate),
        Just(Act::Stop)
    ];
    let weight = u32::from(with_deaths);
    proptest::collection::vec(prop_oneof![20 => living, weight => deaths], 0..40)
}

fn upstream() -> Address {
    "127.0.0.1:80".parse().expect("an address")
}

struct World {
    sim: Sim<Relay>,
    /// Ciphertext is sent in pieces of at most this size.
    piece: usize,
    /// The client, and the upstream server after it has accepted.
    peers: [Option<Client>; 2],
    sent: [Vec<u8>; 2],
    has_ended: [bool; 2],
    is_disturbed: bool,
}

/// A quarter of `max_queue`, and one read of plaintext: the most that is kept for one side.
const MOST_KEPT: usize = 4000 + 16 * 1024;

impl World {
    fn new(read_buffer: usize, piece: usize) -> Self {
        let limits = Limits { max_queue: Some(16_000), read_buffer, turn_input: 5000, ..Limits::default() };
        let mut sim = Sim::with_limits(Relay::new(upstream()), limits.clone());
        let options = ServiceOptions { limits, tls_server: Some(TLS.clone()), ..ServiceOptions::default() };
        let service = sim.add_service(options);
        let client = Client { piece, ..Client::new(sim.connect_tls(service), &TLS13) };
        World {
            sim,
            piece,
            peers: [Some(client), None],
            sent: [Vec::new(), Vec::new()],
            has_ended: [false; 2],
            is_disturbed: false,
        }
    }

    fn take(&mut self, act: Act) {
        match act {
            Act::Accept => self.accept(),
            Act::Look => self.look(),
            Act::Send(side, count) => {
                if let Some(peer) = &mut self.peers[side]
                    && !self.has_ended[side]
                {
                    let start = self.sent[side].len();
                    self.sent[side].extend(bytes(start, count));
                    peer.send(&self.sent[side][start..]);
                    peer.exchange(&mut self.sim);
                }
            }
            Act::NewKey(side) => {
                if let Some(peer) = self.peers[side].as_mut().filter(|peer| !peer.tls.is_handshaking())
                    && !self.has_ended[side]
                {
                    peer.tls.refresh_traffic_keys().expect("TLS 1.3 has new keys");
                }
            }
            Act::Stall(side) => self.with(side, Sim::stall),
            Act::Allow(side, count) => self.with(side, |sim, peer| sim.allow(peer, count)),
            Act::Resume(side) => self.with(side, Sim::resume),
            Act::LimitWrites(side, count) => self.with(side, |sim, peer| sim.limit_writes(peer, count)),
            Act::End(side) => {
                // In the middle of a handshake, it would be a fault.
                if let Some(peer) = self.peers[side].as_mut().filter(|peer| !peer.tls.is_handshaking())
                    && !std::mem::replace(&mut self.has_ended[side], true)
                {
                    peer.end();
                    peer.exchange(&mut self.sim);
                }
            }
            Act::Truncate(side) => self.die(side, Sim::shut_down),
            Act::Reset(side) => self.die(side, Sim::reset),
            Act::HangUp(side) => self.die(side, Sim::hang_up),
            Act::Stop => {
                self.sim.stop();
                self.is_disturbed = true;
            }
            Act::Wait(time) => self.sim.advance(MS * time),
        }
    }

    fn with(&mut self, side: usize, act: impl FnOnce(&mut Sim<Relay>, SimPeer)) {
        if let Some(peer) = &self.peers[side] {
            act(&mut self.sim, peer.peer);
        }
    }

    fn die(&mut self, side: usize, act: impl FnOnce(&mut Sim<Relay>, SimPeer)) {
        if let Some(peer) = &mut self.peers[side]
            && !peer.is_mute
        {
            peer.exchange(&mut self.sim);
            peer.is_mute = true;
            act(&mut self.sim, peer.peer);
            self.is_disturbed = true;
            self.has_ended[side] = true;
        }
    }

    fn accept(&mut self) {
        if self.peers[1].is_none() && self.sim.stats().outbound == 1 {
            let peer = self.sim.connected_by(&upstream(), outbound);
            let tls = ServerConnection::new(TLS.config(crate::net::Door::Line)).expect("a server");
            let server = Client { piece: self.piece, ..Client::of(peer, tls.into()) };
            self.peers[1] = Some(server);
        }
    }

    fn look(&mut self) {
        for _ in 0..3 {
            for side in [0, 1] {
                if let Some(peer) = &mut self.peers[side] {
                    peer.exchange(&mut self.sim);
                    assert!(self.sent[1 - side].starts_with(&peer.received), "the bytes differ");
                }
            }
        }
        let queued = self.sim.stats().queued;
        assert!(queued <= 2 * MOST_KEPT, "{queued} bytes are kept");
    }

    /// All read, and all end.
    fn finish(mut self) {
        for _ in 0..2 {
            for side in [0, 1] {
                self.take(Act::LimitWrites(side, usize::MAX));
                self.take(Act::Resume(side));
            }
            self.look();
            self.accept();
        }
        self.look();
        for side in [0, 1] {
            self.take(Act::End(side));
        }
        self.look();
        if !self.is_disturbed {
            for side in [0, 1] {
                let peer = self.peers[side].as_ref().expect("accepted");
                assert_eq!((peer.received.len(), peer.end), (self.sent[1 - side].len(), Some(Ok(()))), "{side}");
            }
        }
        self.sim.advance(SECOND * 12);
        let stats = self.sim.stats();
        assert_eq!((stats.connections, stats.queued, stats.outbound, self.sim.timers()), (0, 0, 0, 0));
    }
}

fn read_buffers() -> impl Strategy<Value = usize> {
    prop_oneof![Just(64 << 10), 1..5000_usize]
}

fn pieces() -> impl Strategy<Value = usize> {
    prop_oneof![Just(usize::MAX), 100..2000_usize]
}

fn run(read_buffer: usize, piece: usize, acts: &[Act]) {
    let mut world = World::new(read_buffer, piece);
    for &act in acts {
        world.take(act);
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn all_bytes_arrive_while_both_peers_live(acts in acts(false), read_buffer in read_buffers(), piece in pieces()) {
        run(read_buffer, piece, &acts);
    }

    #[test]
    fn deaths_and_stops_leave_nothing_behind(acts in acts(true), read_buffer in read_buffers(), piece in pieces()) {
        run(read_buffer, piece, &acts);
    }
}
