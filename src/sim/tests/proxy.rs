//! Peers behind a proxy, and proxies that misbehave.

use proptest::prelude::*;

use super::*;
use crate::Proxies;
use crate::servers::Echo;

/// A host that is no proxy.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\r\n";
/// Another client, in version 2.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x02\xc0\x00\x02\x63\xdc\x04\x13\x88";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

fn options() -> ServiceOptions {
    let proxies = Proxies { networks: vec!["127.0.0.1".parse().expect("a literal")], unix: false };
    ServiceOptions { proxies, ..ServiceOptions::default() }
}

/// A server that greets each client with its address, echoes, and says why a session has ended. Peers at 127.0.0.1 are
/// proxies.
fn greeter(options: ServiceOptions) -> Sim<impl Handler> {
    let greet = |_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>| match call {
        Call::Open => {
            let greeting = format!("hello {}\n", cx.peer());
            cx.reply(greeting.as_bytes());
        }
        Call::Data(input) => cx.reply(input),
        Call::Closed(why) => cx.write_stderr(&format!("closed: {why}")),
        _ => {}
    };
    Sim::with_options(scene(greet), options)
}

#[test]
fn the_peer_of_a_session_is_the_client_in_the_header() {
    let mut sim = greeter(options());
    for (header, client) in [(LINE, "192.0.2.1:56324"), (BINARY, "192.0.2.2:56324")] {
        let peer = sim.connect();
        assert_eq!(sim.received(peer), b"", "no session without the header");
        sim.send(peer, &[header, b"input"].concat());
        assert_eq!(sim.received(peer), format!("hello {client}\ninput").as_bytes());
        sim.shut_down(peer);
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
}

#[test]
fn a_connection_of_the_proxy_itself_keeps_its_address() {
    for header in [LOCAL, UNKNOWN] {
        let mut sim = greeter(options());
        let peer = sim.connect();
        sim.send(peer, header);
        assert_eq!(sim.received(peer), b"hello 127.0.0.1:10000\n");
    }
}

#[test]
fn a_header_may_be_split_anywhere() {
    for header in [LINE, BINARY, LOCAL, UNKNOWN] {
        let input = [header, b"some input"].concat();
        let mut whole = greeter(options());
        let peer = whole.connect();
        whole.send(peer, &input);
        let want = whole.received(peer);
        for size in 1..=input.len() {
            let mut sim = greeter(options());
            let peer = sim.connect();
            for piece in input.chunks(size) {
                sim.send(peer, piece);
                sim.run();
            }
            assert_eq!(sim.received(peer), want, "in pieces of {size}");
        }
    }
}

#[test]
fn whatever_is_no_header_is_refused() {
    let mut sim = greeter(options());
    for input in [&b"hello\n"[..], b"PROXY\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", &[b'x'; 5000]] {
        let peer = sim.connect();
        sim.send(peer, input);
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Reset)));
    }
    assert_eq!((sim.stats().handshakes_failed, sim.stats().connections), (4, 0));
}

#[test]
fn a_header_has_a_time_limit() {
    let limits = Limits { handshake_timeout: Some(10 * SECOND), ..Limits::default() };
    let mut sim = greeter(ServiceOptions { limits, ..options() });
    let (silent, slow, late) = (sim.connect(), sim.connect(), sim.connect());
    sim.send(slow, &LINE[..20]);
    sim.advance(9 * SECOND);
    sim.send(slow, &LINE[20..30]);
    sim.send(late, LINE);
    sim.advance(2 * SECOND);
    assert_eq!(
        (sim.ending(silent), sim.ending(slow), sim.ending(late)),
        (Some(Ending::Reset), Some(Ending::Reset), None)
    );
    assert_eq!(sim.received(late), b"hello 192.0.2.1:56324\n");
    assert_eq!(sim.timers(), 0, "the deadline ends with the handshake");
}

#[test]
fn a_connection_may_end_before_its_header() {
    let mut sim = greeter(options());
    for part in [0, 1, 20, LINE.len() - 1] {
        let (ends, dies) = (sim.connect(), sim.connect());
        for peer in [ends, dies] {
            sim.send(peer, &LINE[..part]);
            sim.run();
        }
        sim.shut_down(ends);
        sim.reset(dies);
        assert_eq!(sim.received(ends), b"");
        assert!(sim.ending(ends).is_some(), "after {part} bytes");
        assert_eq!(sim.stats().connections, 0, "after {part} bytes");
    }
    let peer = sim.connect();
    sim.send(peer, LINE);
    sim.shut_down(peer);
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"hello 192.0.2.1:56324\n".to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_stop_ends_connections_without_a_header() {
    let mut sim = greeter(options());
    let (silent, open) = (sim.connect(), sim.connect());
    sim.send(open, LINE);
    sim.run();
    sim.stop();
    sim.shut_down(open);
    assert!(sim.is_stopped());
    assert_eq!((sim.ending(silent), sim.ending(open)), (Some(Ending::Reset), Some(Ending::Eof)));
}

#[test]
fn strangers_are_served_unless_they_send_a_header() {
    for header in [LINE, BINARY] {
        let mut sim = greeter(options());
        let (plain, forger, late) =
            (sim.connect_from(STRANGER), sim.connect_from(STRANGER), sim.connect_from(STRANGER));
        assert_eq!(sim.received(plain), b"hello 127.0.0.9:10000\n", "nothing is expected of a stranger");
        sim.send(plain, b"P");
        assert_eq!(sim.received(plain), b"P", "and nothing held");
        sim.send(late, b"input");
        sim.run();
        sim.send(late, header);
        sim.received(forger);
        sim.send(forger, header);
        assert_eq!((sim.received(forger), sim.ending(forger)), (Vec::new(), Some(Ending::Reset)));
        assert_eq!(sim.received(late), [b"hello 127.0.0.9:10002\ninput", header].concat());
        let why = sim.stderr();
        assert!(why.starts_with("closed: a PROXY header of a peer that is no proxy"), "{why}");
    }
}

#[test]
fn an_aborted_session_is_not_told_that_its_output_has_drained() {
    let limits = Limits { max_queue: Some(16_000), ..Limits::default() };
    let greet = |_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>| {
        if let Call::Open = call {
            cx.reply(&[b'x'; 5000]);
        }
    };
    let mut sim = Sim::with_options(scene(greet), ServiceOptions { limits, ..options() });
    let forger = sim.connect_from(STRANGER);
    // The flush of this turn finds that the greeting has drained. The next turn would tell the session.
    sim.turn();
    sim.send(forger, LINE);
    let calls = sim.calls();
    assert_eq!((calls.len(), &calls[0][..]), (2, "0 open"));
    assert!(calls[1].starts_with("0 closed: a PROXY header"), "{calls:?}");
}

#[test]
fn an_empty_line_of_a_stranger_is_input() {
    let mut sim = Sim::with_options(Echo::bytes(), options());
    let peer = sim.connect_from(STRANGER);
    sim.send(peer, b"\r\n");
    assert_eq!(sim.received(peer), b"\r\n");
}

#[test]
fn limits_and_rules_are_those_of_the_client() {
    let admission = crate::Admission { deny: vec!["192.0.2.2".parse().expect("a literal")], ..Default::default() };
    let limits = Limits { max_per_host: Some(1), ..Limits::default() };
    let mut sim = greeter(ServiceOptions { limits, admission, ..options() });
    let mut enter = |header: &[u8]| {
        let peer = sim.connect();
        sim.send(peer, header);
        (peer, sim.ending(peer).is_none())
    };
    let (first, served) = enter(LINE);
    assert!(served);
    assert!(!enter(LINE).1 && !enter(LINE).1, "one client of this host only");
    assert!(!enter(BINARY).1, "denied");
    assert!(enter(b"PROXY TCP4 192.0.2.3 192.0.2.99 56324 5000\r\n").1);
    assert!(enter(LOCAL).1, "the proxy is a host of its own");
    assert!(!enter(UNKNOWN).1);
    sim.shut_down(first);
    sim.run();
    let again = sim.connect();
    sim.send(again, LINE);
    assert_eq!((sim.received(again), sim.ending(again)), (b"hello 192.0.2.1:56324\n".to_vec(), None));
    let stats = sim.stats();
    assert_eq!((stats.refused_per_host, stats.refused_denied, stats.connections), (3, 1, 3));
}

#[test]
fn all_connections_count_from_the_beginning() {
    let limits = Limits { max_connections: Some(2), ..Limits::default() };
    let mut sim = greeter(ServiceOptions { limits, ..options() });
    let (silent, other, third) = (sim.connect(), sim.connect(), sim.connect());
    assert_eq!((sim.ending(silent), sim.ending(other), sim.ending(third)), (None, None, Some(Ending::Reset)));
    sim.send(other, LINE);
    assert_eq!(sim.received(other), b"hello 192.0.2.1:56324\n", "the last place is its own");
    sim.reset(silent);
    sim.run();
    let fourth = sim.connect();
    assert_eq!(sim.ending(fourth), None);
}

#[test]
fn handshakes_have_a_budget_and_all_of_them_end() {
    let limits = Limits { turn_handshakes: 3, ..Limits::default() };
    let mut sim = greeter(ServiceOptions { limits, ..options() });
    let peers: Vec<_> = (0..100).map(|_| sim.connect()).collect();
    for &peer in &peers {
        sim.send(peer, LINE);
    }
    for peer in peers {
        assert_eq!(sim.received(peer), b"hello 192.0.2.1:56324\n");
    }
}

/// Something that happens to a connection of a proxy.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This number of bytes of the header and the input arrives.
    Send(usize),
    Wait(u64),
    Stall,
    Resume,
    ShutDown,
    Reset,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..60_usize).prop_map(Step::Send),
        2 => (1..8_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Stall),
        1 => Just(Step::Resume),
        1 => Just(Step::ShutDown),
        1 => Just(Step::Reset),
        1 => Just(Step::Stop),
    ]
}

proptest! {
    /// The client gets the greeting and its input back, or a beginning of that; every connection ends.
    #[test]
    fn random_scripts_end_as_they_should(scripts in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..6)) {
        let mut sim = greeter(options());
        let input = [LINE, &[b'x'; 100]].concat();
        let want = [&b"hello 192.0.2.1:56324\n"[..], &[b'x'; 100]].concat();
        for script in scripts {
            let (peer, mut sent, mut got, mut has_ended) = (sim.connect(), 0, Vec::new(), false);
            for step in script {
                match step {
                    Step::Send(count) if !has_ended => {
                        let end = (sent + count).min(input.len());
                        sim.send(peer, &input[sent..end]);
                        sent = end;
                    }
                    Step::Send(_) => {}
                    Step::Wait(time) => sim.advance(Duration::from_millis(time)),
                    Step::Stall => sim.stall(peer),
                    Step::Resume => sim.resume(peer),
                    Step::ShutDown => {
                        has_ended = true;
                        sim.shut_down(peer);
                    }
                    Step::Reset => {
                        has_ended = true;
                        sim.reset(peer);
                    }
                    Step::Stop => sim.stop(),
                }
                got.extend(sim.received(peer));
                prop_assert!(want.starts_with(&got), "{:?}", got.escape_ascii().to_string());
                prop_assert!(sent >= LINE.len() || got.is_empty(), "a session without a header");
            }
            sim.resume(peer);
            if !has_ended {
                sim.shut_down(peer);
            }
            sim.advance(Duration::from_secs(60));
            prop_assert!(sim.ending(peer).is_some());
        }
        prop_assert_eq!(sim.stats().connections, 0);
        sim.stop();
        prop_assert!(sim.is_stopped());
    }
}
