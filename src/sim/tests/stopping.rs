//! Stopping: input that was read is answered, all connections are closed, and the stop ends in time.

use super::*;
use crate::framing::{Lines, MessageHandler};
use crate::servers::Echo;

fn echo(_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>) {
    if let Call::Data(input) = call {
        cx.reply(input);
    }
}

#[test]
fn stopping_without_anybody_is_immediate() {
    let mut sim = Sim::new(scene(echo));
    assert!(!sim.is_stopped());
    sim.stop();
    assert!(sim.is_stopped());
}

#[test]
fn quiet_connections_are_closed_at_once_in_good_order() {
    let mut sim = Sim::new(scene(echo));
    let peers: Vec<_> = (0..100).map(|_| sim.connect()).collect();
    sim.send(peers[7], b"last");
    sim.run();
    sim.stop();
    assert!(sim.is_stopped());
    for &peer in &peers {
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
    assert_eq!(sim.received(peers[7]), b"last");
    let calls = sim.calls();
    assert_eq!(calls.iter().filter(|call| call.ends_with("closed: stopping")).count(), 100);
    assert_eq!(sim.timers(), 0);
}

#[test]
fn what_arrives_with_the_wish_is_answered() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Data(input) = call {
            cx.reply(input);
            cx.stop();
        }
    }));
    let (one, two) = (sim.connect(), sim.connect());
    sim.send(one, b"stop");
    sim.send(two, b"and I?");
    assert_eq!((sim.received(one), sim.received(two)), (b"stop".to_vec(), b"and I?".to_vec()));
    assert_eq!((sim.ending(one), sim.ending(two)), (Some(Ending::Eof), Some(Ending::Eof)));
    assert!(sim.is_stopped());
}

#[test]
fn a_peer_that_is_still_sending_does_not_get_a_reset() {
    let mut sim = Sim::new(Echo::bytes());
    let peer = sim.connect();
    sim.send(peer, b"before");
    sim.run();
    sim.stop();
    sim.send(peer, &vec![0; 500_000]);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert_eq!(sim.unread(peer), 0);
    sim.advance(SECOND);
    assert!(sim.is_stopped());
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

/// Only a second request ends it. The limit of a running server for stalled peers does not apply.
#[test]
fn without_a_drain_time_the_stalled_are_waited_for() {
    let mut sim = Sim::with_limits(Echo::bytes(), Limits { drain: Duration::MAX, ..Limits::default() });
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"last");
    sim.run();
    sim.stop();
    sim.advance(1000 * SECOND);
    assert!(!sim.is_stopped());
    sim.resume(peer);
    assert_eq!(sim.received(peer), b"last");
    assert!(sim.is_stopped());
}

#[test]
fn the_stalled_are_dropped_when_the_drain_time_is_over() {
    let mut sim = Sim::new(scene(echo));
    let (stuck, slow) = (sim.connect(), sim.connect());
    for peer in [stuck, slow] {
        sim.stall(peer);
        sim.send(peer, &[b'x'; 10_000]);
    }
    sim.run();
    sim.stop();
    assert!(!sim.is_stopped());
    sim.advance(4 * SECOND);
    sim.resume(slow);
    assert_eq!((sim.received(slow).len(), sim.ending(slow)), (10_000, Some(Ending::Eof)));
    sim.advance(999 * MS);
    assert_eq!((sim.is_stopped(), sim.ending(stuck)), (false, None));
    sim.advance(MS);
    assert_eq!((sim.is_stopped(), sim.ending(stuck)), (true, Some(Ending::Reset)));
    assert_eq!((sim.timers(), sim.handler_mut().notes.closings(0)), (0, 1));
}

#[test]
fn dropping_all_tells_what_was_still_owed() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        hear_others(notes, &call, cx);
        echo(notes, who, call, cx);
    }));
    let (stuck, other, reader) = (sim.connect(), sim.connect(), sim.connect());
    sim.stall(stuck);
    sim.stall(other);
    sim.send(stuck, &[b'x'; 1000]);
    sim.run();
    assert_eq!(sim.received(reader).len(), 1000);
    assert_eq!(sim.dispatcher.drop_all(), (2, 2000));
    assert_eq!(sim.connections(), 0);
    assert_eq!(sim.dispatcher.drop_all(), (0, 0));
    assert_eq!(sim.calls().iter().filter(|call| call.contains("closed")).count(), 3);
}

#[test]
fn a_second_wish_ends_at_once() {
    let mut sim = Sim::new(scene(echo));
    let stuck = sim.connect();
    sim.stall(stuck);
    sim.send(stuck, &[b'x'; 10_000]);
    sim.run();
    sim.stop();
    assert!(!sim.is_stopped());
    sim.stop();
    assert!(sim.is_stopped());
    assert_eq!((sim.ending(stuck), sim.handler_mut().notes.closings(0)), (Some(Ending::Reset), 1));
}

#[test]
fn no_client_is_accepted_afterwards() {
    let mut sim = Sim::new(scene(echo));
    sim.stop();
    sim.run();
    let late = sim.connect();
    sim.send(late, b"anybody?");
    assert_eq!((sim.received(late), sim.ending(late)), (Vec::new(), Some(Ending::Reset)));
    assert_eq!(sim.calls(), [""; 0]);
    assert!(sim.is_stopped());
}

#[test]
fn stopping_is_harmless_in_every_phase() {
    let obey = |_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>| match call {
        Call::Data(b"l") => cx.reply(&vec![b'x'; 300_000]),
        Call::Data(b"c") => cx.close(),
        Call::Closed(_) => cx.stop(),
        _ => {}
    };
    for (before, is_owed) in [(&[][..], false), (&[&b"l"[..]], true), (&[b"l", b"c"], true), (&[b"c"], false)] {
        let mut sim = Sim::new(scene(obey));
        let peer = sim.connect();
        sim.stall(peer);
        for input in before {
            sim.send(peer, input);
            sim.run();
        }
        sim.dispatcher.state.stop = sim.dispatcher.state.stop.max(Stop::Requested);
        assert_eq!(sim.is_stopped(), !is_owed, "{before:?}");
        sim.advance(5 * SECOND);
        assert!(sim.is_stopped());
        assert_eq!((sim.handler_mut().notes.closings(0), sim.timers()), (1, 0), "{before:?}");
    }
}

#[test]
fn what_closed_publishes_and_closes_while_stopping_is_harmless() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Closed(_) => {
                cx.publish(room, format!("{who} leaves").as_bytes());
                for &token in &notes.tokens {
                    cx.close_other(token);
                    cx.send(token, b"bye");
                }
                cx.stop();
            }
            _ => {}
        }
    }));
    let peers: Vec<_> = (0..10).map(|_| sim.connect()).collect();
    sim.stop();
    assert!(sim.is_stopped());
    for peer in peers {
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
    }
    assert_eq!(sim.calls().len(), 20);
}

/// Replies to each line with 3000 bytes.
struct Wide;

impl MessageHandler for Wide {
    type Session = ();
    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
    fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(&[line[0]; 3000]);
    }
}

/// A stalled peer that has sent twenty lines, most of which were read and are unused.
fn with_unused_lines() -> (Sim<Lines<Wide>>, SimPeer) {
    let mut sim = Sim::with_limits(Lines::new(Wide, 100), small());
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, &b"a\n".repeat(20));
    sim.run();
    (sim, peer)
}

#[test]
fn lines_that_were_held_back_are_answered_before_the_end() {
    let (mut sim, peer) = with_unused_lines();
    sim.stop();
    assert!(!sim.is_stopped());
    let mut received = 0;
    for _ in 0..200 {
        sim.allow(peer, 500);
        received += sim.received(peer).len();
    }
    assert_eq!(received, 20 * 3000);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert!(sim.is_stopped());
}

#[test]
fn a_peer_that_reads_again_at_the_stop_is_answered() {
    let (mut sim, peer) = with_unused_lines();
    sim.resume(peer);
    sim.stop();
    assert_eq!(sim.received(peer).len(), 20 * 3000);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert!(sim.is_stopped());
}

#[test]
fn what_is_held_back_does_not_outlast_the_drain_time() {
    let (mut sim, peer) = with_unused_lines();
    sim.stop();
    sim.send(peer, &b"b\n".repeat(20));
    sim.advance(5 * SECOND);
    assert!(sim.is_stopped());
    assert_eq!(sim.ending(peer), Some(Ending::Reset));
}
