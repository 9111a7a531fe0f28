//! Receipts: each is given once, in order, when the output before it is sent or lost.

use proptest::prelude::*;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::sim::Sim;

/// Replies to each byte with as many bytes, and requests a receipt after them. `0` closes, `1` aborts.
#[derive(Default)]
struct Receipts {
    requested: u64,
    /// Tickets and unsent bytes.
    given: Vec<(u64, u64)>,
}

impl Receipts {
    fn request(&mut self, cx: &mut Context<'_>) {
        self.requested += 1;
        cx.request_receipt(self.requested);
    }
}

impl Handler for Receipts {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        for &byte in &*input {
            match byte {
                0 => cx.close(),
                1 => cx.abort(),
                _ => cx.reply(&vec![b'x'; byte.into()]),
            }
            self.request(cx);
        }
        input.len()
    }

    fn closed(&mut self, (): (), _: &Closed, cx: &mut Context<'_>) {
        self.request(cx);
    }

    fn receipt(&mut self, ticket: u64, unsent: u64, _: &mut Context<'_>) {
        self.given.push((ticket, unsent));
    }
}

#[test]
fn a_receipt_follows_its_output() {
    let mut sim = Sim::new(Receipts::default());
    let peer = sim.connect();
    sim.send(peer, &[100]);
    sim.run();
    assert_eq!(sim.handler_mut().given, [(1, 0)]);
    sim.stall(peer);
    sim.send(peer, &[100, 50]);
    for (allowed, given) in [(99, 1), (1, 2), (49, 2), (1, 3)] {
        sim.allow(peer, allowed);
        sim.run();
        assert_eq!(sim.handler_mut().given.len(), given);
    }
    assert_eq!(sim.handler_mut().given[1..], [(2, 0), (3, 0)]);
}

#[test]
fn output_that_is_lost_is_told() {
    for (last, given) in [
        // The session ends, and its output is still sent.
        (0, &[(1, 0), (2, 0), (3, 0), (4, 0)][..]),
        (1, &[(1, 0), (2, 40), (3, 40), (4, 40)]),
    ] {
        let mut sim = Sim::new(Receipts::default());
        let peer = sim.connect();
        sim.stall(peer);
        sim.allow(peer, 110);
        sim.send(peer, &[100, 50]);
        sim.run();
        sim.send(peer, &[last]);
        sim.run();
        sim.resume(peer);
        sim.shut_down(peer);
        sim.run();
        assert_eq!(sim.handler_mut().given, given);
    }
}

proptest! {
    #[test]
    fn each_receipt_is_given_once_in_order(
        steps in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..4), 0..300usize), 0..12),
        resets in any::<bool>(),
    ) {
        let mut sim = Sim::new(Receipts::default());
        let peer = sim.connect();
        sim.stall(peer);
        for (sent, allowed) in steps {
            sim.send(peer, &sent);
            sim.allow(peer, allowed);
            sim.run();
        }
        if resets { sim.reset(peer) } else { sim.shut_down(peer) }
        sim.resume(peer);
        sim.run();
        let Receipts { requested, given } = sim.handler_mut();
        let tickets = given.iter().map(|(ticket, _)| *ticket);
        prop_assert_eq!(tickets.collect::<Vec<_>>(), (1..=*requested).collect::<Vec<_>>());
        prop_assert!(given.is_sorted_by_key(|(_, unsent)| *unsent), "{:?}", given);
    }
}
