//! Every end of a connection, in every order.

use proptest::prelude::*;

use super::*;

/// `c` closes, `a` aborts, `l` replies with 300,000 bytes, and `b` replies with them and closes.
fn obey(_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>) {
    match call {
        Call::Data(b"c") => cx.close(),
        Call::Data(b"a") => {
            cx.reply(b"lost");
            cx.abort();
        }
        Call::Data(b"l") => cx.reply(&vec![b'x'; 300_000]),
        Call::Data(b"b") => {
            cx.reply(&vec![b'x'; 300_000]);
            cx.close();
            cx.reply(b"too late");
        }
        _ => {}
    }
}

#[test]
fn close_sends_all_that_is_owed_before_the_end() {
    let mut sim = Sim::new(scene(obey));
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"b");
    assert_eq!(sim.calls(), ["0 open", "0 data 1", "0 closed: done"]);
    let mut received = 0;
    for _ in 0..29 {
        sim.allow(peer, 10_000);
        received += sim.received(peer).len();
        assert_eq!(sim.ending(peer), None);
    }
    sim.resume(peer);
    assert_eq!(received + sim.received(peer).len(), 300_000);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn input_after_the_close_does_not_cause_a_reset() {
    let mut sim = Sim::new(scene(obey));
    let peer = sim.connect();
    sim.send(peer, b"c");
    sim.run();
    for _ in 0..5 {
        sim.send(peer, &vec![0; 200_000]);
        assert_eq!(sim.unread(peer), 0);
        sim.advance(100 * MS);
    }
    assert_eq!((sim.ending(peer), sim.connections()), (Some(Ending::Eof), 1));
    sim.shut_down(peer);
    assert_eq!((sim.ending(peer), sim.connections()), (Some(Ending::Eof), 0));
    assert_eq!((sim.timers(), sim.calls().len()), (0, 3));
}

#[test]
fn unread_input_at_the_close_does_not_cause_a_reset() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if matches!(call, Call::Data(_)) {
            cx.close();
        }
    }));
    let peer = sim.connect();
    sim.send(peer, &vec![0; 1_000_000]);
    assert_eq!((sim.unread(peer), sim.ending(peer)), (0, Some(Ending::Eof)));
    sim.advance(SECOND);
    assert_eq!((sim.connections(), sim.ending(peer)), (0, Some(Ending::Eof)));
}

#[test]
fn lingering_ends_after_a_second_and_not_before() {
    let mut sim = Sim::new(scene(obey));
    let peer = sim.connect();
    sim.send(peer, b"c");
    sim.run();
    sim.advance(Duration::from_nanos(999_999_999));
    assert_eq!(sim.connections(), 1);
    sim.advance(Duration::from_nanos(1));
    assert_eq!((sim.connections(), sim.timers()), (0, 0));
}

#[test]
fn abort_sends_nothing_and_does_not_linger() {
    let mut sim = Sim::new(scene(obey));
    let peer = sim.connect();
    sim.send(peer, b"a");
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Reset)));
    assert_eq!((sim.connections(), sim.timers()), (0, 0));
    assert_eq!(sim.calls(), ["0 open", "0 data 1", "0 closed: done"]);
}

#[test]
fn a_closing_peer_that_takes_nothing_is_dropped() {
    // The kernel refuses before the close, at the close, or is first tried after it. The deadline is the same.
    for refused_before in [true, false] {
        let mut sim = Sim::new(scene(obey));
        let peer = sim.connect();
        sim.stall(peer);
        if refused_before {
            sim.send(peer, b"l");
            sim.run();
            let token = sim.handler_mut().notes.tokens[0];
            sim.with_context(|_, cx| cx.close_other(token));
        } else {
            sim.send(peer, b"b");
        }
        sim.run();
        sim.advance(29 * SECOND + 999 * MS);
        assert_eq!(sim.connections(), 1, "refused before: {refused_before}");
        sim.advance(MS);
        assert_eq!((sim.connections(), sim.timers()), (0, 0), "refused before: {refused_before}");
        assert_eq!(sim.handler_mut().notes.closings(0), 1);
    }
}

#[test]
fn a_closing_peer_is_kept_only_by_what_it_takes() {
    for takes in [0, 1] {
        let mut sim = Sim::new(scene(obey));
        let peer = sim.connect();
        sim.stall(peer);
        sim.send(peer, b"b");
        sim.run();
        for _ in 0..4 {
            sim.advance(10 * SECOND);
            sim.send(peer, b"still talking");
            sim.allow(peer, takes);
            sim.run();
        }
        assert_eq!(sim.connections(), takes);
    }
}

#[test]
fn a_handler_may_close_in_open() {
    for aborts in [true, false] {
        let mut sim = Sim::new(scene(|_, _, call, cx| {
            if matches!(call, Call::Open) {
                cx.reply(b"go away\n");
                if aborts { cx.abort() } else { cx.close() }
            }
        }));
        let peer = sim.connect();
        sim.send(peer, b"hello?");
        let (text, ending) = if aborts { (&b""[..], Ending::Reset) } else { (&b"go away\n"[..], Ending::Eof) };
        assert_eq!(sim.received(peer), text);
        assert_eq!(sim.ending(peer), Some(ending));
        assert_eq!(sim.calls(), ["0 open", "0 closed: done"]);
        sim.advance(SECOND);
        assert_eq!((sim.connections(), sim.timers()), (0, 0));
    }
}

#[test]
fn a_handler_may_close_twice_and_in_every_callback() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| match call {
        Call::Data(_) => {
            cx.close();
            cx.close();
            cx.close_other(notes.tokens[who]);
            cx.abort();
            cx.abort();
            cx.set_timer(Duration::ZERO);
        }
        Call::Closed(_) => {
            cx.close();
            cx.abort();
            cx.close_other(notes.tokens[who]);
            cx.send(notes.tokens[who], b"never received");
            cx.reply(b"nor this");
        }
        _ => {}
    }));
    let peer = sim.connect();
    sim.send(peer, b"x");
    sim.advance(SECOND);
    assert_eq!(sim.calls(), ["0 open", "0 data 1", "0 closed: done"]);
    assert_eq!((sim.received(peer), sim.connections()), (Vec::new(), 0));
}

#[test]
fn a_session_is_closed_once_and_told_why() {
    type Death = fn(&mut Sim<Scene<Act>>, SimPeer);
    type Act = fn(&mut Notes, usize, Call<'_>, &mut Context<'_>);
    let ways: [(&str, Death); 7] = [
        ("done", |sim, peer| sim.send(peer, b"c")),
        ("done", |sim, peer| sim.send(peer, b"a")),
        ("done", |sim, peer| sim.shut_down(peer)),
        ("connection reset", |sim, peer| sim.reset(peer)),
        ("idle for 60s", |sim, _| sim.advance(60 * SECOND)),
        ("stopping", |sim, _| sim.stop()),
        ("broken pipe", |sim, peer| {
            // The kernel reports nothing before the server writes.
            let wires = &sim.peers[peer.0].end;
            wires.wires().peer_reset = true;
            let token = sim.dispatcher.handler.notes.tokens[0];
            sim.with_context(|_, cx| cx.send(token, b"x"));
        }),
    ];
    for (why, die) in ways {
        let limits = Limits { idle_timeout: Some(60 * SECOND), ..Limits::default() };
        let mut sim = Sim::with_limits(scene(obey as Act), limits);
        let peer = sim.connect();
        sim.run();
        die(&mut sim, peer);
        sim.run();
        sim.advance(100 * SECOND);
        let calls: Vec<_> = sim.calls().into_iter().filter(|call| call.contains("closed")).collect();
        assert_eq!(calls, [format!("0 closed: {why}")]);
        assert_eq!((sim.connections(), sim.timers()), (0, 0), "{why}");
    }
}

#[test]
fn after_a_half_close_input_goes_on_and_output_is_dropped() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(b"end") => {
                cx.reply(b"last");
                cx.publish(room, b" words");
                cx.shut_down_other(notes.tokens[who]);
                cx.reply(b"too late");
            }
            Call::Data(_) => cx.reply(b"too late"),
            _ => {}
        }
    }));
    let peer = sim.connect();
    sim.send(peer, b"end");
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"last words".to_vec(), Some(Ending::Eof)));
    sim.send(peer, b"more");
    sim.publish(b"too late");
    sim.send(peer, b"and more");
    assert_eq!(sim.received(peer), b"");
    assert_eq!(sim.calls(), ["0 open", "0 data 3", "0 data 4", "0 data 8"]);
    sim.shut_down(peer);
    assert_eq!(sim.calls(), ["0 eof", "0 closed: done"]);
    assert_eq!(sim.connections(), 0);
}

#[test]
fn a_leave_notice_needs_no_further_event_to_be_seen() {
    let mut sim = Sim::new(scene(leave_notice));
    let (stays, leaves) = (sim.connect(), sim.connect());
    for die in [Sim::shut_down, Sim::reset] {
        let third = sim.connect();
        die(&mut sim, third);
        sim.turn();
        let text = std::mem::take(&mut sim.peers[stays.0].end.wires().from_server);
        assert!(text.ends_with(b" leaves\n"), "one turn is enough");
    }
    assert_eq!(sim.received(leaves), b"2 leaves\n3 leaves\n");
}

/// The room hears of a member that leaves.
fn leave_notice(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    hear_others(notes, &call, cx);
    if let Call::Closed(_) = call {
        let room = notes.room(cx);
        cx.publish(room, format!("{who} leaves\n").as_bytes());
    }
}

#[test]
fn fifteen_hundred_vanish_at_once_and_the_room_goes_on() {
    let mut sim = Sim::new(scene(leave_notice));
    let (one, two) = (sim.connect(), sim.connect());
    let crowd: Vec<_> = (0..1500).map(|_| sim.connect()).collect();
    for &peer in &crowd {
        sim.reset(peer);
    }
    let notices = String::from_utf8(sim.received(one)).unwrap();
    let mut leavers: Vec<usize> =
        notices.lines().map(|line| line.strip_suffix(" leaves").unwrap().parse().unwrap()).collect();
    leavers.sort_unstable();
    assert_eq!(leavers, (2..1502).collect::<Vec<_>>());
    assert_eq!(sim.received(two), notices.as_bytes());
    assert_eq!(sim.calls().iter().filter(|call| call.contains("closed")).count(), 1500);
    assert_eq!(sim.connections(), 2);
    sim.send(one, b"still here?");
    assert_eq!(sim.received(two), b"still here?");
}

#[test]
fn closing_others_from_closed_goes_through_all_of_them_once() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Closed(_) => {
                cx.publish(room, format!("{who} ").as_bytes());
                for &other in notes.tokens.get(who + 1).into_iter().chain(&notes.tokens[..who]) {
                    cx.close_other(other);
                }
            }
            _ => {}
        }
    }));
    let peers: Vec<_> = (0..50).map(|_| sim.connect()).collect();
    sim.reset(peers[0]);
    let closed: Vec<_> = sim.calls().into_iter().filter(|call| call.contains("closed")).collect();
    assert_eq!(closed.len(), 50);
    assert!(closed.iter().enumerate().all(|(who, call)| call.starts_with(&format!("{who} closed"))));
    assert_eq!(sim.received(peers[3]), b"0 1 2 ", "number 2 publishes, and closes number 3 then");
    sim.advance(SECOND);
    assert_eq!(sim.connections(), 0);
}

#[test]
fn closing_while_the_feed_is_walked_is_harmless() {
    // Every third member is stalled and too far behind when the feed is flushed. Each end closes the next member, too.
    let limits = Limits { feed_buffer: Some(1000), ..Limits::default() };
    let mut sim = Sim::with_limits(
        scene(|notes, who, call, cx| {
            let room = notes.room(cx);
            match call {
                Call::Open => cx.follow(room),
                Call::Closed(Closed::FeedBehind { .. }) => {
                    cx.publish(room, b"!");
                    cx.close_other(notes.tokens[who + 1]);
                }
                _ => {}
            }
        }),
        limits,
    );
    let peers: Vec<_> = (0..30).map(|_| sim.connect()).collect();
    for &peer in peers.iter().step_by(3) {
        sim.stall(peer);
    }
    sim.publish(&[b'x'; 900]);
    assert_eq!(sim.connections(), 30);
    sim.publish(&[b'y'; 101]);
    sim.publish(b"?");
    for (number, &peer) in peers.iter().enumerate() {
        let (length, ending) = match number % 3 {
            0 => (0, Some(Ending::Reset)),
            // Closed after one to ten of the ten marks, in the order of the flush.
            1 => (1001 + number / 3 + 1, Some(Ending::Eof)),
            _ => (1001 + 10 + 1, None),
        };
        assert_eq!((sim.received(peer).len(), sim.ending(peer)), (length, ending), "{number}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Death {
    Close,
    Abort,
    ByOther,
    Reset,
    End,
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![Just(Death::Close), Just(Death::Abort), Just(Death::ByOther), Just(Death::Reset), Just(Death::End)]
}

fn obey_and_announce(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    let room = notes.room(cx);
    match call {
        Call::Open => cx.follow(room),
        Call::Closed(_) => cx.publish(room, format!("-{who}").as_bytes()),
        other => obey(notes, who, other, cx),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rest_get_everything_in_every_order_of_closing(
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        deaths in proptest::collection::vec(death(), 8),
        batches in proptest::collection::vec(1..4_usize, 8),
        stalled in proptest::collection::vec(any::<bool>(), 8),
    ) {
        let mut sim = Sim::new(scene(obey_and_announce));
        let peers: Vec<_> = order.iter().map(|_| sim.connect()).collect();
        let mut want = vec![Vec::new(); 8];
        let (mut alive, mut todo) = (vec![true; 8], &order[..]);
        for (round, &size) in batches.iter().enumerate() {
            let (batch, rest) = todo.split_at(size.min(todo.len()));
            todo = rest;
            for &who in batch {
                sim.run();
                if stalled[who] { sim.stall(peers[who]); }
            }
            for &who in batch {
                let token = sim.dispatcher.handler.notes.tokens[who];
                match deaths[who] {
                    Death::Close => sim.send(peers[who], b"c"),
                    Death::Abort => sim.send(peers[who], b"a"),
                    Death::ByOther => sim.with_context(|_, cx| cx.close_other(token)),
                    Death::Reset => sim.reset(peers[who]),
                    Death::End => sim.shut_down(peers[who]),
                }
                alive[who] = false;
            }
            sim.run();
            // Which of a batch is announced first is not promised, but it is the same for all.
            let gone: Vec<_> = std::mem::take(&mut sim.handler_mut().notes.calls).into_iter()
                .filter_map(|call| call.split_once(" closed").map(|(who, _)| format!("-{who}"))).collect();
            prop_assert_eq!(gone.len(), batch.len());
            let text = format!(" {round}");
            sim.publish(text.as_bytes());
            for who in (0..8).filter(|&who| alive[who]) {
                want[who].extend(gone.concat().into_bytes());
                want[who].extend(text.as_bytes());
            }
        }
        for who in 0..8 {
            prop_assert_eq!(&sim.received(peers[who]), &want[who]);
            prop_assert_eq!(sim.ending(peers[who]).is_none(), alive[who]);
        }
        sim.advance(31 * SECOND);
        prop_assert_eq!(sim.connections(), alive.iter().filter(|&&alive| alive).count());
        prop_assert_eq!(sim.timers(), 0);
    }
}
