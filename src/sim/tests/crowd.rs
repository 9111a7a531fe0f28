//! The cost of many silent connections.

use super::*;
use crate::servers::Echo;
use crate::sim::SimPeer;

/// The time for a message and its answer, when `active` of `sessions` sessions with idle deadlines speak: one in
/// `every`, from the first on.
fn cost(active: usize, sessions: usize, every: usize) -> Duration {
    let limits = Limits { idle_timeout: Some(1000 * SECOND), ..Limits::default() };
    let mut sim = Sim::with_limits(Echo::bytes(), limits);
    let peers: Vec<SimPeer> = (0..sessions).map(|_| sim.connect()).collect();
    let speakers: Vec<SimPeer> = peers.iter().copied().step_by(every).take(active).collect();
    assert_eq!((sim.timers(), speakers.len()), (sessions, active), "each has a deadline");
    let round = |sim: &mut Sim<Echo>| {
        for &peer in &speakers {
            sim.send(peer, b"hello");
            assert_eq!(sim.received(peer), b"hello");
        }
        // Far less than the deadline: silent sessions are not examined.
        sim.advance(MS);
    };
    round(&mut sim);
    let rounds = (20_000 / active as u32).max(20);
    let start = Instant::now();
    for _ in 0..rounds {
        round(&mut sim);
    }
    assert_eq!(sim.stats().connections, sessions, "none is closed");
    start.elapsed() / (rounds * active as u32)
}

/// `SESSIONS=1000000 cargo test --release --lib a_turn_costs -- --nocapture` prints the figures of
/// docs/performance.md.
#[test]
fn a_turn_costs_what_the_active_do_and_nothing_for_the_idle() {
    let most = std::env::var("SESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    for sessions in [most / 10, most] {
        let active = sessions / 100;
        let alone = cost(active, active, 1);
        for (place, every) in [("side by side", 1), ("scattered", 100)] {
            let crowded = cost(active, sessions, every);
            println!(
                "{active} active of {sessions} sessions, {place}: {crowded:?} a message, {alone:?} without the others"
            );
            // Scattered sessions touch more memory. A cost that grows with the silent ones would be a hundred times as
            // much.
            assert!(crowded < 8 * alone, "{sessions} sessions, {place}: {crowded:?}, alone {alone:?}");
        }
    }
}
