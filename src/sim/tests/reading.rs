//! Reading: edges, budgets, the ready list, and the end of input.

use super::*;
use crate::connection::flags::Flags;
use crate::servers::Echo;

#[test]
fn echoes_and_closes_after_the_peer_has_ended() {
    let mut sim = Sim::new(Echo::bytes());
    let peer = sim.connect();
    sim.send(peer, b"hello");
    sim.shut_down(peer);
    assert_eq!(sim.received(peer), b"hello");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert_eq!(sim.stats().connections, 0);
}

#[test]
fn ten_megabytes_of_one_peer_do_not_delay_five_bytes_of_another() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let (large, small) = (sim.connect(), sim.connect());
    sim.send(large, &vec![0; 10_000_000]);
    sim.send(small, b"12345");
    let calls = sim.calls();
    assert_eq!(calls[2..4], ["0 data 65536", "1 data 5"]);
    assert_eq!(calls.iter().filter(|call| call.starts_with("0 data")).count(), 10_000_000_usize.div_ceil(65_536));
    assert_eq!(sim.unread(large), 0);
}

#[test]
fn two_large_peers_take_turns() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let (one, two) = (sim.connect(), sim.connect());
    sim.send(one, &vec![0; 20 * 65_536]);
    sim.send(two, &vec![0; 20 * 65_536]);
    let calls = sim.calls();
    for pair in calls[2..].chunks(2) {
        assert_ne!(pair[0], pair[1], "{calls:?}");
    }
    assert_eq!(calls.len(), 2 + 40);
}

#[test]
fn a_short_read_ends_the_reading_and_a_full_one_does_not() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let peer = sim.connect();
    let token = sim.handler_mut().notes.tokens[0];
    sim.send(peer, b"short");
    sim.turn();
    assert!(!sim.dispatcher.state.connections[token].flags.contains(Flags::MAY_READ));
    assert!(sim.dispatcher.state.work.ready.is_empty());
    sim.send(peer, &vec![0; 65_536]);
    assert_eq!(sim.unread(peer), 0);
    assert!(
        !sim.dispatcher.state.connections[token].flags.contains(Flags::MAY_READ),
        "the read after the full one met the end"
    );
    assert_eq!(sim.calls(), ["0 open", "0 data 5", "0 data 65536"]);
}

#[test]
fn the_end_together_with_data_is_seen_after_the_data() {
    for length in [1, 5, 65_535, 65_536, 65_537, 200_000] {
        let mut sim = Sim::new(scene(|_, _, _, _| {}));
        let peer = sim.connect();
        sim.send(peer, &vec![0; length]);
        sim.shut_down(peer);
        let calls = sim.calls();
        assert_eq!(calls[calls.len() - 2..], ["0 eof", "0 closed: done"]);
        assert_eq!(calls.len(), 3 + length.div_ceil(65_536));
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
}

#[test]
fn urgent_data_that_cuts_a_read_short_hides_nothing() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let peer = sim.connect();
    let token = sim.handler_mut().notes.tokens[0];
    // The edge reports everything, but the first read returns a part of it, as at the urgent mark.
    sim.dispatcher.edge(token, Edge { urgent: true, ..Edge::default() });
    assert!(
        !sim.dispatcher.state.connections[token].flags.contains(Flags::DRAIN_FULLY),
        "read to the end, the rule is in force again"
    );
    sim.peers[peer.0].end.wires().to_server.extend(b"before");
    sim.dispatcher.edge(token, Edge { readable: true, urgent: true, ..Edge::default() });
    assert_eq!(sim.calls(), ["0 open", "0 data 6"]);
    assert!(!sim.dispatcher.state.connections[token].flags.contains(Flags::MAY_READ));
}

#[test]
fn an_end_without_a_byte_is_an_end() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let peer = sim.connect();
    sim.shut_down(peer);
    assert_eq!(sim.calls(), ["0 open", "0 eof", "0 closed: done"]);
    assert_eq!((sim.ending(peer), sim.connections()), (Some(Ending::Eof), 0));
}

/// `l` replies with many bytes, and `c` closes.
fn reply_or_close(_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>) {
    match call {
        Call::Data(b"l") => cx.reply(&vec![b'x'; 300_000]),
        Call::Data(b"c") => cx.close(),
        _ => {}
    }
}

#[test]
fn a_reset_is_found_in_every_phase_and_closes_once() {
    // The connection is open, paused, flushing or lingering when it breaks.
    for before in [&[][..], &[b"x"], &[b"l"], &[b"l", b"c"], &[b"c"]] {
        let mut sim = Sim::new(scene(reply_or_close));
        let peer = sim.connect();
        sim.stall(peer);
        for &input in before {
            if input == b"c" && before.len() > 1 {
                // Reading is paused: another peer closes it.
                sim.run();
                let token = sim.handler_mut().notes.tokens[0];
                sim.with_context(|_, cx| cx.close_other(token));
            } else {
                sim.send(peer, input);
            }
            sim.run();
        }
        assert_eq!(sim.connections(), 1, "{before:?}");
        sim.reset(peer);
        assert_eq!(sim.connections(), 0, "{before:?}");
        assert!(sim.ending(peer).is_some());
        assert_eq!(sim.handler_mut().notes.closings(0), 1, "{before:?}");
        assert_eq!(sim.timers(), 0, "no timer is left behind");
    }
}

#[test]
fn a_full_inbox_of_which_nothing_is_used_closes() {
    struct Never;
    impl Handler for Never {
        type Session = ();
        fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
        fn data<'a>(&mut self, (): &mut (), _: &'a mut [u8], _: &mut Context<'a>) -> usize {
            0
        }
        fn closed(&mut self, (): (), why: &Closed, cx: &mut Context<'_>) {
            cx.write_stderr(&why.to_string());
        }
    }
    let mut sim = Sim::with_limits(Never, Limits { inbox: 1000, ..Limits::default() });
    let peer = sim.connect();
    sim.send(peer, &[0; 999]);
    assert_eq!((sim.stderr(), sim.ending(peer)), (String::new(), None));
    sim.send(peer, &[0; 1]);
    assert_eq!((sim.stderr().as_str(), sim.ending(peer)), ("a message of over 1000 bytes\n", Some(Ending::Eof)));
}

#[test]
fn an_empty_datagram_is_answered_by_an_empty_one() {
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
    assert_eq!(Sim::new(Echo::bytes()).datagram(from, b""), Some(Vec::new()));
    assert_eq!(Sim::new(Echo::bytes()).datagram(from, b"x"), Some(b"x".to_vec()));
    let quits = crate::servers::EchoLines { prefix: Vec::new(), quit_on: Some(b"q".to_vec()), max_line: 9 };
    assert_eq!(Sim::new(Echo::lines(quits)).datagram(from, b"q\n"), None);
}

#[test]
fn budgets_of_nothing_still_serve() {
    let limits = Limits {
        read_buffer: 0,
        turn_input: 0,
        turn_output: 0,
        turn_accepts: 0,
        turn_datagrams: 0,
        ..Limits::default()
    };
    let mut sim = Sim::with_limits(crate::servers::Echo::bytes(), limits);
    let peer = sim.connect();
    sim.send(peer, b"one byte a turn");
    assert_eq!(sim.received(peer), b"one byte a turn");
}
