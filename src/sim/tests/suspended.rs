//! A server that was suspended: what arrived meanwhile is used before a deadline applies.

use super::*;

/// Replies `late` when a timer of one second is due, and `end` to input that ends in `!`.
fn patient() -> Sim<impl Handler> {
    Sim::new(scene(|_, _, call, cx| match call {
        Call::Open => {
            cx.set_timer(SECOND);
        }
        Call::Data(input) if input.ends_with(b"!") => cx.reply(b"end "),
        Call::Timeout(_) => cx.reply(b"late "),
        _ => {}
    }))
}

#[test]
fn input_of_many_turns_is_read_before_a_timer() {
    let mut sim = patient();
    let peer = sim.connect();
    sim.suspend(3 * SECOND);
    sim.send(peer, &b"x".repeat(1_000_000));
    sim.send(peer, b"!");
    assert_eq!(sim.received(peer), b"end late ");
}

#[test]
fn endless_input_does_not_hold_back_a_timer() {
    let mut sim = patient();
    let peer = sim.connect();
    sim.suspend(3 * SECOND);
    sim.send(peer, &vec![b'x'; 20_000_000]);
    sim.send(peer, b"!");
    assert_eq!(sim.received(peer), b"late end ");
}

#[test]
fn input_that_arrived_in_time_keeps_a_connection_open() {
    let limits = Limits { idle_timeout: Some(SECOND), ..Limits::default() };
    let mut sim = Sim::with_limits(scene(|_, _, _, _| {}), limits);
    let (busy, quiet) = (sim.connect(), sim.connect());
    sim.suspend(3 * SECOND);
    sim.send(busy, b"x");
    assert_eq!((sim.ending(busy), sim.ending(quiet)), (None, Some(Ending::Eof)));
}

#[test]
fn output_that_was_taken_in_time_is_no_stall() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        if let (0, Call::Data(_)) = (who, call) {
            cx.send(notes.tokens[1], b"from another");
        }
    }));
    let (talker, reader) = (sim.connect(), sim.connect());
    sim.stall(reader);
    sim.send(talker, b"x");
    sim.run();
    sim.suspend(60 * SECOND);
    sim.resume(reader);
    assert_eq!((sim.received(reader), sim.ending(reader)), (b"from another".to_vec(), None));
}

#[test]
fn a_last_reply_that_was_taken_in_time_is_sent_whole() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Data(_) = call {
            cx.reply(&b"x".repeat(1_000_000));
            cx.close();
        }
    }));
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    sim.run();
    sim.suspend(60 * SECOND);
    sim.allow(peer, 1);
    assert_eq!((sim.received(peer).len(), sim.ending(peer)), (1, None), "the time to take a byte begins again");
    sim.suspend(29 * SECOND);
    sim.resume(peer);
    assert_eq!((sim.received(peer).len(), sim.ending(peer)), (999_999, Some(Ending::Eof)));
}

#[test]
fn a_drain_that_a_suspension_has_cut_short_still_sends() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Data(_) = call {
            cx.reply(b"a last word");
        }
    }));
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    sim.stop();
    sim.run();
    sim.suspend(60 * SECOND);
    sim.resume(peer);
    assert_eq!(sim.received(peer), b"a last word");
    assert!(sim.is_stopped());
}
