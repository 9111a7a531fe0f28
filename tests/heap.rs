//! What the queues cost in memory, counted by the allocator. A target of its own: the count is the whole process's.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use switchboard::protocol::{Chat, ChatOptions};
use switchboard::{Sim, SimPeer};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const STALLED: usize = 1000;

#[test]
fn one_line_to_a_thousand_stalled_members_is_kept_once() {
    let mut sim = Sim::new(Chat::room(ChatOptions::default()));
    let members: Vec<SimPeer> = (0..STALLED).map(|_| sim.connect()).collect();
    let talker = sim.connect();
    for (number, &peer) in members.iter().chain([&talker]).enumerate() {
        sim.send(peer, format!("member-{number}\n").as_bytes());
        sim.received(peer);
    }
    for &peer in &members {
        sim.received(peer);
        sim.stall(peer);
    }
    let line = format!("{}\n", "x".repeat(4000));
    sim.send(talker, line.as_bytes());

    let before = Region::new(HEAP);
    sim.run();
    let change = before.change();
    let grown = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    // Each has a timer of `--queue-time`; a line of its own would be four thousand bytes.
    assert!(grown < 100 * STALLED, "{grown} bytes for {STALLED} members: {change:?}");

    for &peer in &members {
        sim.resume(peer);
        assert!(sim.received(peer).ends_with(line.as_bytes()), "every member gets the line when it reads again");
    }
}
