//! Timers: never early, exact with a virtual clock, and none left behind.

use super::*;
use crate::framing::{Lines, MessageHandler};

#[test]
fn a_timer_fires_at_its_deadline_and_not_before() {
    let mut sim = Sim::new(scene(|_, _, call, cx| match call {
        Call::Open => {
            cx.set_timer(1500 * MS);
        }
        Call::Timeout(_) => cx.reply(b"tick"),
        _ => {}
    }));
    let peer = sim.connect();
    sim.advance(Duration::from_nanos(1_499_999_999));
    assert_eq!(sim.received(peer), b"");
    sim.advance(Duration::from_nanos(1));
    assert_eq!((sim.received(peer), sim.timers()), (b"tick".to_vec(), 0));
}

#[test]
fn timers_fire_in_order_each_at_its_own_time() {
    let mut sim = Sim::new(scene(|notes, _, call, cx| match call {
        Call::Open => {
            for after in [30, 10, 20, 10] {
                cx.set_timer(after * MS);
            }
        }
        Call::Timeout(_) => notes.calls.push(format!("at {:?}", cx.now())),
        _ => {}
    }));
    let start = sim.dispatcher.state.clock.now();
    sim.connect();
    sim.advance(SECOND);
    let at = |after| format!("at {:?}", start + after * MS);
    let seen: Vec<_> = sim.calls().into_iter().filter(|call| call.starts_with("at")).collect();
    assert_eq!(seen, [at(10), at(10), at(20), at(30)]);
}

#[test]
fn a_cancelled_timer_does_not_fire() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Open = call {
            let (first, second) = (cx.set_timer(SECOND), cx.set_timer(SECOND));
            cx.cancel_timer(first);
            cx.cancel_timer(first);
            cx.cancel_timer(second);
        }
    }));
    sim.connect();
    assert_eq!(sim.timers(), 0);
    sim.advance(2 * SECOND);
    assert_eq!(sim.calls(), ["0 open"]);
}

#[test]
fn of_two_timers_due_together_the_first_can_cancel_the_second() {
    let mut armed = Vec::new();
    let mut sim = Sim::new(scene(move |_, _, call, cx| match call {
        Call::Open => armed = vec![cx.set_timer(SECOND), cx.set_timer(SECOND)],
        Call::Timeout(id) => {
            assert_eq!(id, armed[0]);
            cx.cancel_timer(armed[1]);
        }
        _ => {}
    }));
    sim.connect();
    sim.advance(2 * SECOND);
    assert_eq!(sim.calls(), ["0 open", "0 timeout"]);
}

#[test]
fn arming_again_a_million_times_leaves_one_timer() {
    let mut armed = None;
    let mut sim = Sim::new(scene(move |_, _, call, cx| {
        if let Call::Data(_) = call {
            for _ in 0..1000 {
                if let Some(id) = armed.replace(cx.set_timer(SECOND)) {
                    cx.cancel_timer(id);
                }
            }
        }
    }));
    let peer = sim.connect();
    for _ in 0..1000 {
        sim.send(peer, b"x");
        assert_eq!(sim.timers(), 1);
        sim.advance(MS);
    }
    sim.advance(998 * MS);
    assert_eq!(sim.timers(), 1);
    sim.advance(MS);
    assert_eq!(sim.timers(), 0);
}

#[test]
fn timers_of_connections_that_have_gone_do_not_pile_up() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Open = call {
            for hours in 1..10 {
                cx.set_timer(hours * 3600 * SECOND);
            }
        }
    }));
    for _ in 0..5000 {
        let peer = sim.connect();
        sim.reset(peer);
        sim.run();
    }
    assert!(sim.timers() < 3000, "{} timers without a session", sim.timers());
}

#[test]
fn a_timer_of_no_time_set_in_timeout_waits_for_the_next_turn() {
    // The other timers are not due. This one must not fire more often in a turn for it.
    let mut sim = Sim::new(scene(|_, who, call, cx| match (who, call) {
        (0, Call::Open) => {
            for _ in 0..100 {
                cx.set_timer(3600 * SECOND);
            }
        }
        (1, Call::Open) => {
            cx.set_timer(SECOND);
        }
        (1, Call::Timeout(_)) => {
            cx.set_timer(Duration::ZERO);
        }
        _ => {}
    }));
    let _many = sim.connect();
    sim.connect();
    sim.run();
    sim.calls();
    let later = sim.dispatcher.state.clock.now() + SECOND;
    sim.dispatcher.state.clock.set_now(later);
    for _ in 0..3 {
        sim.turn();
        assert_eq!(std::mem::take(&mut sim.dispatcher.handler.notes.calls), ["1 timeout"]);
    }
}

#[test]
fn a_chain_of_timers_of_no_time_comes_to_its_end_at_once() {
    let mut left = 100;
    let mut sim = Sim::new(scene(move |_, _, call, cx| match call {
        Call::Data(_) => {
            cx.set_timer(Duration::ZERO);
        }
        Call::Timeout(_) if left > 0 => {
            left -= 1;
            cx.reply(b"x");
            cx.set_timer(Duration::ZERO);
        }
        _ => {}
    }));
    let peer = sim.connect();
    sim.send(peer, b"go");
    assert_eq!(sim.received(peer).len(), 100);
}

#[test]
fn a_service_timer_belongs_to_no_connection() {
    let mut sim = Sim::new(scene(|notes, _, call, cx| match call {
        Call::Open => {
            let room = notes.room(cx);
            cx.follow(room);
        }
        Call::Closed(_) => {
            cx.set_timer(SECOND);
        }
        Call::Alarm => {
            let room = notes.room(cx);
            cx.reply(b"dropped");
            cx.publish(room, b"a minute later");
        }
        _ => {}
    }));
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.reset(leaves);
    sim.advance(SECOND);
    assert_eq!(sim.received(stays), b"a minute later");
    assert_eq!(sim.calls().last().unwrap(), "alarm");
}

fn idle(seconds: u32) -> Limits {
    Limits { idle_timeout: Some(seconds * SECOND), ..Limits::default() }
}

#[test]
fn an_idle_connection_is_closed_on_time_and_a_busy_one_stays() {
    let mut sim = Sim::with_limits(scene(|_, _, _, _| {}), idle(10));
    let (busy, quiet) = (sim.connect(), sim.connect());
    for _ in 0..9 {
        sim.advance(SECOND);
        sim.send(busy, b"x");
        sim.run();
    }
    sim.advance(Duration::from_nanos(999_999_999));
    assert_eq!((sim.ending(quiet), sim.timers()), (None, 2));
    sim.advance(Duration::from_nanos(1));
    assert_eq!((sim.ending(quiet), sim.ending(busy)), (Some(Ending::Eof), None));
    assert_eq!(sim.calls().last().unwrap(), "1 closed: idle for 10s");
    sim.advance(Duration::from_nanos(8_999_999_999));
    assert_eq!(sim.ending(busy), None, "nine seconds after its last byte");
    sim.advance(Duration::from_nanos(1));
    assert_eq!(sim.ending(busy), Some(Ending::Eof), "ten seconds after its last byte");
}

#[test]
fn a_peer_that_takes_output_is_not_idle() {
    // By reply, by send, and by a feed: a peer that reads is not idle.
    for way in 0..3 {
        let mut sim = Sim::with_limits(
            scene(move |notes, who, call, cx| match call {
                Call::Open | Call::Timeout(_) => {
                    let room = notes.room(cx);
                    cx.follow(room);
                    match (way, notes.tokens.get(1 - who)) {
                        (0, _) => cx.reply(b"tick"),
                        (1, Some(&other)) => cx.send(other, b"tick"),
                        _ => cx.publish(room, b"tick"),
                    }
                    cx.set_timer(6 * SECOND);
                }
                _ => {}
            }),
            idle(10),
        );
        let (one, two) = (sim.connect(), sim.connect());
        sim.advance(100 * SECOND);
        assert_eq!((sim.ending(one), sim.ending(two)), (None, None), "{way}");
        sim.stall(one);
        sim.advance(20 * SECOND);
        assert_eq!(sim.ending(one), None, "output is still pending");
        assert_eq!(sim.handler_mut().notes.closings(0), 1);
    }
}

/// Replies to each line, and then pauses its input for this time.
struct Slowly(Duration);

impl MessageHandler for Slowly {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(line);
        cx.pause_input(self.0);
    }
}

#[test]
fn a_paused_peer_is_not_read_and_loses_nothing() {
    let limits = Limits { idle_timeout: Some(SECOND / 2), ..Limits::default() };
    let mut sim = Sim::with_limits(Lines::new(Slowly(SECOND), 10), limits);
    let peer = sim.connect();
    sim.send(peer, b"a\nb\n");
    assert_eq!(sim.received(peer), b"a");
    sim.send(peer, b"c\nlast");
    sim.shut_down(peer);
    assert_eq!(sim.unread(peer), 6, "it stays with the kernel");
    for line in [b"b".as_slice(), b"c", b"last"] {
        sim.advance(SECOND.saturating_sub(MS));
        assert_eq!(sim.received(peer), b"");
        sim.advance(MS);
        assert_eq!(sim.received(peer), line);
    }
    assert_eq!(sim.ending(peer), None);
    sim.advance(SECOND);
    assert_eq!((sim.ending(peer), sim.timers()), (Some(Ending::Eof), 0));
}

#[test]
fn a_peer_that_is_gone_ends_a_session_that_is_held() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Data(_) = call {
            cx.hold_input();
        }
    }));
    let [ended, gone] = [(); 2].map(|()| sim.connect());
    for peer in [ended, gone] {
        sim.send(peer, b"a");
        sim.run();
    }
    sim.shut_down(ended);
    sim.reset(gone);
    assert_eq!((sim.ending(ended), sim.stats().connections), (None, 1));
    assert!(sim.calls().last().is_some_and(|call| call.starts_with("1 closed: ")));
}

#[test]
fn the_longest_pause_does_not_end() {
    let mut sim = Sim::new(Lines::new(Slowly(Duration::MAX), 10));
    let peer = sim.connect();
    sim.send(peer, b"a\nb\n");
    assert_eq!(sim.received(peer), b"a");
    sim.advance(3600 * SECOND);
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
    sim.advance(Duration::MAX);
    sim.stop();
    assert_eq!(sim.received(peer), b"b");
}

#[test]
fn a_stop_ends_the_rest_and_what_was_read_is_answered() {
    let mut sim = Sim::new(Lines::new(Slowly(SECOND), 10));
    let peer = sim.connect();
    sim.send(peer, b"a\nb\nc\n");
    assert_eq!(sim.received(peer), b"a");
    sim.stop();
    assert_eq!(sim.received(peer), b"bc");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert!(sim.is_stopped());
}

#[test]
fn the_longest_callback_of_a_turn_is_measured() {
    let mut sim = Sim::new(scene(|_, who, call, _| {
        let start = Instant::now();
        while who == 1 && matches!(call, Call::Data(_)) && start.elapsed() < MS {}
    }));
    let slow = sim.add_service(ServiceOptions::default());
    let (quick_peer, slow_peer) = (sim.connect(), sim.connect_to(slow));
    sim.dispatcher.state.callbacks.begin_turn(true);
    sim.send(slow_peer, b"x");
    sim.send(quick_peer, b"x");
    sim.run();
    let (time, service) = sim.dispatcher.state.callbacks.longest().expect("two callbacks were measured");
    assert!(service == slow && time >= MS, "{time:?} in {service:?}");
}

#[test]
fn a_pause_that_was_ended_early_shortens_no_later_pause() {
    let mut sim = Sim::new(scene(|_, _, call, cx| match call {
        Call::Data(_) => {
            cx.pause_input(10 * SECOND);
            cx.set_timer(8 * SECOND);
        }
        Call::Timeout(_) => cx.resume_input(),
        _ => {}
    }));
    let peer = sim.connect();
    sim.send(peer, b"a");
    sim.advance(8 * SECOND);
    assert_eq!(sim.timers(), 0, "the pause has ended");
    sim.send(peer, b"b");
    sim.run();
    sim.send(peer, b"c");
    sim.advance(Duration::from_millis(7999));
    assert_eq!(sim.unread(peer), 1);
    sim.advance(MS);
    assert_eq!(sim.unread(peer), 0);
}
