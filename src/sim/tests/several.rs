//! Several simulations, joined by what the test carries from one to another.

use proptest::prelude::*;

use super::*;
use crate::net::Address;
use crate::servers::{Echo, Relay};

/// A client of a relay, and the echo server behind it.
struct Chain {
    relay: Sim<Relay>,
    echo: Sim<Echo>,
    client: SimPeer,
    upstream: SimPeer,
    downstream: SimPeer,
}

impl Chain {
    fn new() -> Self {
        let to: Address = "127.0.0.1:7".parse().expect("an address");
        let (mut relay, mut echo) = (Sim::new(Relay::new(to.clone())), Sim::new(Echo::bytes()));
        let client = relay.connect();
        let (upstream, downstream) = (relay.connected(&to), echo.connect());
        Chain { relay, echo, client, upstream, downstream }
    }

    /// Carries at most `most` bytes in one direction, and returns how many.
    fn carry(&mut self, is_request: bool, most: usize) -> usize {
        if is_request {
            self.relay.carry(self.upstream, &mut self.echo, self.downstream, most)
        } else {
            self.echo.carry(self.downstream, &mut self.relay, self.upstream, most)
        }
    }

    fn carry_all(&mut self) {
        while self.carry(true, usize::MAX) + self.carry(false, usize::MAX) > 0 {}
    }
}

proptest! {
    #[test]
    fn two_servers_give_the_same_bytes_whatever_is_carried_when(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        moves in prop::collection::vec((any::<bool>(), 0..40_usize), 0..60),
    ) {
        let mut chain = Chain::new();
        chain.relay.send(chain.client, &bytes);
        chain.relay.shut_down(chain.client);
        let mut received = Vec::new();
        for (is_request, most) in moves {
            prop_assert!(chain.carry(is_request, most) <= most);
            received.extend(chain.relay.received(chain.client));
            prop_assert!(bytes.starts_with(&received));
        }
        chain.carry_all();
        received.extend(chain.relay.received(chain.client));
        prop_assert_eq!(received, bytes);
        prop_assert_eq!(chain.relay.ending(chain.client), Some(Ending::Eof));
        prop_assert_eq!((chain.relay.stats().connections, chain.echo.stats().connections), (0, 0));
    }
}

#[test]
fn an_end_is_carried_after_the_last_byte_and_once() {
    let mut chain = Chain::new();
    chain.relay.send(chain.client, b"abc");
    chain.relay.shut_down(chain.client);
    assert_eq!((chain.carry(true, 2), chain.carry(false, 100)), (2, 2));
    assert_eq!(chain.echo.ending(chain.downstream), None, "its input goes on");
    assert_eq!((chain.carry(true, 1), chain.carry(true, 1)), (1, 0));
    assert_eq!(chain.echo.ending(chain.downstream), Some(Ending::Eof));
    chain.carry_all();
    assert_eq!((chain.carry(true, 1), chain.carry(false, 1)), (0, 0));
    assert_eq!(chain.relay.received(chain.client), b"abc");
}

#[test]
fn a_reset_is_carried_as_a_reset() {
    let mut chain = Chain::new();
    chain.relay.send(chain.client, b"abc");
    chain.carry_all();
    chain.echo.stop();
    chain.echo.stop();
    assert_eq!(chain.echo.ending(chain.downstream), Some(Ending::Reset));
    chain.carry_all();
    assert_eq!(chain.relay.received(chain.client), b"abc");
    assert_eq!((chain.relay.ending(chain.client), chain.relay.stats().outbound), (Some(Ending::Eof), 0));
}

#[test]
fn the_next_timer_of_a_simulation_is_known() {
    let limits = Limits { idle_timeout: Some(3 * SECOND), ..Limits::default() };
    let mut sim = Sim::with_limits(Echo::bytes(), limits);
    assert_eq!(sim.time_to_next_timer(), None);
    let peer = sim.connect();
    assert_eq!(sim.time_to_next_timer(), Some(3 * SECOND));
    sim.advance(SECOND);
    assert_eq!(sim.time_to_next_timer(), Some(2 * SECOND));
    sim.advance(2 * SECOND);
    assert_eq!((sim.ending(peer), sim.time_to_next_timer()), (Some(Ending::Eof), Some(SECOND)), "it lingers");
}
