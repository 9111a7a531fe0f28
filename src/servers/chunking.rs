//! The chunking law, for the tests of every protocol: answers must not depend on how a stream is split, paused and
//! read.

use std::time::Duration;

use proptest::prelude::*;

use crate::handler::Handler;
use crate::sim::{Ending, Sim, SimPeer};
use crate::state::limits::Limits;

/// One step of a peer that sends a script in pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Sends this many bytes. The server may read them together with later ones.
    Send(usize),
    /// Sends this many bytes, and the server reads them.
    Look(usize),
    /// Sends nothing for this many milliseconds.
    Pause(u64),
    /// Stops reading.
    Stall,
    /// Reads this many bytes while stalled.
    Allow(usize),
    /// Limits each further write of the server to this many bytes.
    LimitWrites(usize),
}

/// Generates steps.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..9usize).prop_map(Step::Send),
        6 => (1..9usize).prop_map(Step::Look),
        1 => (0..2000u64).prop_map(Step::Pause),
        1 => Just(Step::Stall),
        2 => (0..20usize).prop_map(Step::Allow),
        1 => (1..5usize).prop_map(Step::LimitWrites),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Limits so small that a slow reader makes the server pause.
pub(crate) fn tight() -> Limits {
    Limits { max_queue: Some(64), ..Limits::default() }
}

/// Returns the output for a peer that sends the script at once and ends its side.
pub(crate) fn whole<H: Handler>(handler: H, script: &[u8]) -> (Vec<u8>, Option<Ending>) {
    let mut sim = Sim::new(handler);
    let peer = sim.connect();
    sim.send(peer, script);
    sim.shut_down(peer);
    (sim.received(peer), sim.ending(peer))
}

/// Returns the output for a peer that sends the script in these steps, then the rest, and ends its side.
pub(crate) fn in_pieces<H: Handler>(handler: H, script: &[u8], steps: &[Step]) -> (Vec<u8>, Option<Ending>) {
    let mut sim = Sim::with_limits(handler, tight());
    let peer = sim.connect();
    let mut received = play(&mut sim, peer, script, steps);
    sim.shut_down(peer);
    received.extend(sim.received(peer));
    (received, sim.ending(peer))
}

/// Sends a script in these steps, then the rest at once, and returns all output.
pub(crate) fn play<H: Handler>(sim: &mut Sim<H>, peer: SimPeer, script: &[u8], steps: &[Step]) -> Vec<u8> {
    let mut rest = script;
    let mut received = Vec::new();
    for &step in steps {
        match step {
            Step::Send(count) | Step::Look(count) => {
                let (piece, after) = rest.split_at(count.min(rest.len()));
                rest = after;
                sim.send(peer, piece);
            }
            Step::Pause(millis) => sim.advance(Duration::from_millis(millis)),
            Step::Stall => sim.stall(peer),
            Step::Allow(count) => sim.allow(peer, count),
            Step::LimitWrites(count) => sim.limit_writes(peer, count),
        }
        if matches!(step, Step::Look(_)) {
            received.extend(sim.received(peer));
        }
    }
    sim.send(peer, rest);
    sim.resume(peer);
    received.extend(sim.received(peer));
    received
}
