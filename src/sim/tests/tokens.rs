//! Tokens: each names only its own connection.

use super::*;

#[test]
fn a_stale_token_is_harmless_when_its_slot_is_reused() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let old = sim.connect();
    let stale = sim.handler_mut().notes.tokens[0];
    sim.reset(old);
    sim.run();
    let new = sim.connect();
    let fresh = sim.handler_mut().notes.tokens[1];
    assert_ne!(stale, fresh);
    sim.with_context(|_, cx| {
        cx.send(stale, b"not for you");
        cx.shut_down_other(stale);
        cx.close_other(stale);
    });
    assert_eq!((sim.received(new), sim.ending(new), sim.connections()), (Vec::new(), None, 1));
    assert_eq!(sim.calls(), ["0 open", "0 closed: connection reset", "1 open"]);
}

#[test]
fn late_edges_are_counted_and_dropped() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let old = sim.connect();
    sim.reset(old);
    assert_eq!(sim.stats().stale, 0);
    let _new = sim.connect();
    sim.calls();
    sim.send(old, b"late");
    sim.shut_down(old);
    assert_eq!(sim.stats().stale, 1, "one poll, one event");
    sim.reset(old);
    assert_eq!(sim.stats().stale, 2);
    assert_eq!(sim.calls(), [""; 0]);
}

#[test]
fn a_timer_of_a_connection_that_is_gone_is_not_the_next_ones() {
    let mut sim = Sim::new(scene(|_, who, call, cx| {
        if let (0, Call::Open) = (who, call) {
            cx.set_timer(SECOND);
        }
    }));
    let old = sim.connect();
    sim.reset(old);
    sim.run();
    let new = sim.connect();
    sim.advance(2 * SECOND);
    assert_eq!(sim.calls(), ["0 open", "0 closed: connection reset", "1 open"]);
    assert_eq!((sim.timers(), sim.ending(new)), (0, None));
}

#[test]
fn the_reactors_own_deadline_does_not_outlive_its_connection() {
    let limits = Limits { idle_timeout: Some(SECOND), ..Limits::default() };
    let mut sim = Sim::with_limits(scene(|_, _, _, _| {}), limits);
    for _ in 0..100 {
        let peer = sim.connect();
        assert_eq!(sim.timers(), 1);
        sim.reset(peer);
        assert_eq!(sim.timers(), 0);
    }
}
