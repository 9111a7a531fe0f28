//! Relays: back-pressure from the destination to the source, and the ends of both.

use super::*;

/// Input of each of the first two sessions is relayed to the other one.
fn pair(notes: &mut Notes, who: usize, call: &Call<'_>, cx: &mut Context<'_>) {
    let Some(&other) = 1usize.checked_sub(who).and_then(|other| notes.tokens.get(other)) else { return };
    match call {
        Call::Data(input) => {
            let is_taken = cx.relay(other, input);
            notes.calls.push(format!("{who} relayed {is_taken}"));
        }
        Call::Closed(_) => cx.close_other(other),
        _ => {}
    }
}

type Pair = Sim<Scene<fn(&mut Notes, usize, Call<'_>, &mut Context<'_>)>>;

/// Two peers of a relay. The first one is the source in most tests.
fn relay(limits: Limits) -> (Pair, SimPeer, SimPeer) {
    let act: fn(&mut Notes, usize, Call<'_>, &mut Context<'_>) = |notes, who, call, cx| pair(notes, who, &call, cx);
    let mut sim = Sim::with_limits(scene(act), limits);
    let (source, destination) = (sim.connect(), sim.connect());
    (sim, source, destination)
}

#[test]
fn bytes_are_passed_on_unchanged_in_both_directions() {
    let (mut sim, ann, bob) = relay(Limits::default());
    sim.send(ann, b"hello");
    sim.send(bob, b"hi");
    assert_eq!((sim.received(ann), sim.received(bob)), (b"hi".to_vec(), b"hello".to_vec()));
    assert_eq!(sim.stats().queued, 0);
}

#[test]
fn a_udp_address_takes_nothing_before_it_is_established() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        if let Call::Open = call {
            let to = cx.connect("udp:127.0.0.1:7".parse().expect("an address"), Link::default());
            notes.calls.push(format!("{who} relayed {}", cx.relay(to, b"a datagram?")));
        }
    }));
    sim.connect();
    assert_eq!(sim.calls(), ["0 open", "0 relayed false"]);
    assert_eq!(sim.stats().queued, 0);
}

#[test]
fn a_source_is_not_read_until_its_destination_has_drained() {
    let (mut sim, source, slow) = relay(small());
    sim.stall(slow);
    let mut sent = Vec::new();
    for number in 0..100u8 {
        let piece = [number; 500];
        sim.send(source, &piece);
        sim.run();
        sent.extend(piece);
    }
    let queued = sim.stats().queued;
    assert!((4001..=4500).contains(&queued), "one piece above the high mark: {queued}");
    assert_eq!(sim.unread(source), sent.len() - queued);
    sim.allow(slow, queued - 1001);
    assert_eq!(sim.unread(source), sent.len() - queued, "one byte above the low mark");
    sim.allow(slow, 1);
    let read = sent.len() - queued - sim.unread(source);
    assert!(read > 0, "the source continues");
    sim.resume(slow);
    assert_eq!((sim.received(slow), sim.stats().queued), (sent, 0));
    assert_eq!((sim.ending(source), sim.ending(slow)), (None, None), "none is closed for being slow");
}

#[test]
fn a_source_waits_for_each_of_its_destinations() {
    let mut sim = Sim::with_limits(
        scene(|notes: &mut Notes, who, call: Call<'_>, cx: &mut Context<'_>| {
            if let (0, Call::Data(input)) = (who, call) {
                for &to in &notes.tokens[1..] {
                    cx.relay(to, input);
                }
            }
        }),
        small(),
    );
    let (source, fast, slow) = (sim.connect(), sim.connect(), sim.connect());
    sim.stall(slow);
    for _ in 0..20 {
        sim.stall(fast);
        sim.send(source, &[0; 5000]);
        sim.run();
        sim.resume(fast);
        sim.run();
    }
    let queued = sim.stats().queued;
    assert!(queued <= 4000 + 5000, "one read above the high mark of the slow one: {queued}");
    sim.resume(slow);
    assert_eq!((sim.received(fast).len(), sim.received(slow).len()), (100_000, 100_000));
}

#[test]
fn each_source_of_a_full_destination_adds_at_most_one_read() {
    let limits = Limits { read_buffer: 1000, turn_input: 1000, ..small() };
    let mut sim = Sim::with_limits(
        scene(|notes: &mut Notes, who, call: Call<'_>, cx: &mut Context<'_>| {
            if let (1.., Call::Data(input)) = (who, call) {
                cx.relay(notes.tokens[0], input);
            }
        }),
        limits,
    );
    let stuck = sim.connect();
    sim.stall(stuck);
    let sources = [(); 20].map(|()| sim.connect());
    for source in sources {
        sim.send(source, &[0; 10_000]);
    }
    let bound = 4000 + sources.len() * 1000;
    for taken in [0, 1, 10_000, 25_000, 25_000] {
        sim.allow(stuck, taken);
        let queued = sim.stats().queued;
        assert!((4001..=bound).contains(&queued), "{queued} bytes are queued, at most {bound}");
        assert!(sources.iter().all(|&source| sim.unread(source) > 0), "all wait");
    }
    sim.resume(stuck);
    assert_eq!((sim.received(stuck).len(), sim.stats().queued), (200_000, 0));
}

#[test]
fn relayed_bytes_count_for_the_memory_limit() {
    let (mut sim, source, slow) = relay(Limits { memory_limit: Some(3000), ..small() });
    sim.stall(slow);
    sim.send(source, &[0; 3000]);
    assert_eq!((sim.stats().queued, sim.ending(slow)), (3000, None), "at the limit");
    sim.send(source, b"x");
    assert_eq!((sim.ending(slow), sim.ending(source)), (Some(Ending::Reset), Some(Ending::Eof)));
    let why = "1 closed: 3001 bytes pending, the most of all connections, limit 3000 in total (--memory-limit)";
    assert!(sim.calls().contains(&why.to_owned()), "the destination has the bytes, not the source");
    assert_eq!(sim.stats().queued, 0);
}

#[test]
fn a_full_destination_is_idle_and_its_waiting_source_is_not() {
    let (mut sim, source, slow) = relay(Limits { idle_timeout: Some(10 * SECOND), ..small() });
    sim.stall(slow);
    sim.send(source, &[0; 15_000]);
    sim.run();
    sim.send(source, b"waits");
    for _ in 0..5 {
        sim.advance(6 * SECOND);
        sim.allow(slow, 1);
        assert_eq!((sim.ending(source), sim.ending(slow), sim.unread(source)), (None, None, 5));
    }
    sim.advance((10 * SECOND).saturating_sub(MS));
    assert_eq!(sim.calls().iter().filter(|call| call.contains("closed")).count(), 0);
    sim.advance(MS);
    let closed: Vec<_> = sim.calls().into_iter().filter(|call| call.contains("closed")).collect();
    assert_eq!(closed, ["1 closed: idle for 10s", "0 closed: done"]);
}

#[test]
fn a_full_destination_is_read() {
    let (mut sim, source, slow) = relay(small());
    sim.stall(slow);
    sim.send(source, &[0; 10_000]);
    sim.send(slow, b"still heard");
    assert_eq!(sim.received(source), b"still heard");
}

#[test]
fn the_source_continues_when_the_destination_dies() {
    for dies in [Sim::reset, Sim::hang_up] {
        let mut sim = Sim::with_limits(
            scene(|notes: &mut Notes, who, call: Call<'_>, cx: &mut Context<'_>| {
                if let (0, Call::Data(input)) = (who, call) {
                    let other = notes.tokens[1];
                    notes.calls.push(format!("relayed {}", cx.relay(other, input)));
                }
            }),
            small(),
        );
        let (source, destination) = (sim.connect(), sim.connect());
        sim.stall(destination);
        sim.send(source, &[0; 10_000]);
        sim.run();
        sim.send(source, b"more");
        assert_eq!(sim.unread(source), 4);
        dies(&mut sim, destination);
        assert_eq!((sim.unread(source), sim.ending(source), sim.stats().queued), (0, None, 0));
        assert!(sim.calls().contains(&"relayed false".to_owned()));
    }
}

#[test]
fn a_waiting_source_is_missed_if_reset_and_not_if_it_hung_up() {
    for resets in [true, false] {
        let (mut sim, source, slow) = relay(small());
        sim.stall(slow);
        sim.send(source, &[1; 10_000]);
        sim.run();
        sim.send(source, &[2; 100]);
        if resets {
            sim.reset(source);
            assert_eq!(sim.stats().connections, 1, "the destination still sends");
        } else {
            sim.hang_up(source);
            assert_eq!(sim.stats().connections, 2, "its input is not lost");
        }
        sim.resume(slow);
        let received = sim.received(slow);
        assert_eq!(received.len(), if resets { 10_000 } else { 10_100 });
        assert_eq!(sim.ending(slow), Some(Ending::Eof));
    }
}

/// Input holds the session, and `cx.release_input_of` ends that for the other one.
#[test]
fn a_hold_and_a_pause_end_apart() {
    let mut sim = Sim::new(scene(|notes: &mut Notes, who, call: Call<'_>, cx: &mut Context<'_>| match (who, call) {
        (0, Call::Data(b"hold")) => {
            cx.hold_input();
            cx.pause_input(SECOND);
        }
        (1, Call::Data(b"release")) => cx.release_input_of(notes.tokens[0]),
        (0, Call::Data(b"both")) => {
            cx.pause_input(SECOND);
            cx.hold_input();
            cx.release_input();
        }
        _ => {}
    }));
    let (held, other) = (sim.connect(), sim.connect());
    sim.send(held, b"hold");
    sim.run();
    sim.send(held, b"later");
    sim.advance(2 * SECOND);
    assert_eq!(sim.unread(held), 5, "the end of the pause is not that of the hold");
    sim.send(other, b"release");
    assert_eq!(sim.unread(held), 0);
    sim.send(held, b"both");
    sim.run();
    sim.send(held, b"later");
    assert_eq!(sim.unread(held), 5, "the end of the hold is not that of the pause");
    sim.advance(SECOND);
    assert_eq!(sim.unread(held), 0);
}

#[test]
fn a_held_peer_that_hangs_up_ends_when_its_input_is_used() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Data(b"hold") = call {
            cx.hold_input();
        }
    }));
    let [empty, full] = [(); 2].map(|()| sim.connect());
    for peer in [empty, full] {
        sim.send(peer, b"hold");
        sim.run();
    }
    sim.send(full, b"last words");
    sim.hang_up(empty);
    sim.hang_up(full);
    sim.run();
    sim.with_context(|scene, cx| cx.release_input_of(scene.notes.tokens[1]));
    sim.run();
    let expected = [
        "0 open",
        "1 open",
        "0 data 4",
        "1 data 4",
        "0 closed: connection reset",
        "1 data 10",
        "1 eof",
        "1 closed: done",
    ];
    assert_eq!(sim.calls(), expected);
}

#[test]
fn a_stop_waits_for_relays_within_the_drain_time() {
    let (mut sim, source, slow) = relay(small());
    let other = sim.connect();
    sim.stall(slow);
    sim.send(source, &vec![0; 20_000]);
    sim.run();
    sim.stop();
    assert_eq!((sim.ending(other), sim.ending(source), sim.ending(slow)), (Some(Ending::Eof), None, None));
    sim.resume(slow);
    sim.shut_down(source);
    assert_eq!(sim.received(slow).len(), 20_000, "nothing is cut off");
    assert_eq!((sim.ending(source), sim.ending(slow)), (Some(Ending::Eof), Some(Ending::Eof)));
    sim.advance(SECOND);
    assert!(sim.is_stopped());
}

#[test]
fn a_relay_without_an_end_is_dropped_after_the_drain_time() {
    let (mut sim, source, destination) = relay(Limits { drain: SECOND, ..small() });
    sim.send(source, b"hello");
    sim.run();
    sim.stop();
    sim.advance(999 * MS);
    assert_eq!((sim.ending(destination), sim.is_stopped()), (None, false));
    sim.advance(MS);
    assert!(sim.is_stopped());
}
