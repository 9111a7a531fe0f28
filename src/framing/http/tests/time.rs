//! Heads that are late, bodies that are slow, answers that are not taken, and connections without requests.

use std::time::Duration;

use super::super::HttpOptions;
use super::{Show, readable};
use crate::sim::{Ending, Sim, SimPeer};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// RFC 9110, section 15.5.9.
#[test]
fn a_head_that_drips_is_late() {
    for after_requests in [0, 2] {
        let mut sim = Sim::new(Show::default());
        let peer = sim.connect();
        for _ in 0..after_requests {
            sim.send(peer, REQUEST);
            sim.advance(seconds(7));
        }
        sim.received(peer);
        for byte in &REQUEST[..10] {
            assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
            sim.send(peer, &[*byte]);
            sim.advance(seconds(1));
        }
        let answer = readable(&sim.received(peer));
        assert!(answer.ends_with("\n\n408 Request Timeout: the head took too long\n"), "{answer}");
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
}

#[test]
fn a_connection_without_a_request_is_closed_silently() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.advance(seconds(9));
    assert_eq!(sim.ending(peer), None);
    sim.advance(seconds(1));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
}

#[test]
fn a_connection_waits_a_minute_for_the_next_request() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.send(peer, REQUEST);
    for pause in [5, 59, 59, 3] {
        sim.advance(seconds(pause));
        assert_eq!(sim.ending(peer), None, "{pause}");
        sim.send(peer, REQUEST);
    }
    sim.advance(seconds(59));
    assert_eq!(sim.ending(peer), None);
    sim.received(peer);
    sim.advance(seconds(1));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
}

#[test]
fn the_next_request_may_have_less_time_than_a_head() {
    let options = HttpOptions { keep_alive: Some(seconds(2)), ..HttpOptions::default() };
    let mut sim = Sim::new(Show::with(options));
    let peer = sim.connect();
    sim.advance(seconds(1));
    sim.send(peer, REQUEST);
    sim.advance(seconds(2));
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn the_next_request_may_have_less_time_than_an_answer() {
    let options = HttpOptions { body_rate: None, send_timeout: Some(seconds(300)), ..HttpOptions::default() };
    let mut sim = Sim::new(Show::with(options));
    let peer = sim.connect();
    sim.send(peer, BODY);
    sim.advance(seconds(20));
    sim.send(peer, &vec![b'a'; 1_000_000]);
    assert!(readable(&sim.received(peer)).starts_with("HTTP/1.1 200 "));
    sim.advance(seconds(59));
    assert_eq!(sim.ending(peer), None);
    sim.advance(seconds(1));
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn all_times_can_be_off() {
    let options = HttpOptions { header_timeout: None, keep_alive: None, send_timeout: None, ..HttpOptions::default() };
    let mut sim = Sim::new(Show::with(HttpOptions { body_rate: None, ..options }));
    for rest in [&b"GET"[..], BODY] {
        let peer = sim.connect();
        sim.send(peer, REQUEST);
        sim.send(peer, rest);
        sim.advance(seconds(100_000));
        assert_eq!((sim.ending(peer), sim.timers()), (None, 0));
    }
}

/// A request whose answer takes long is not late, nor is the wait for it.
#[test]
fn a_slow_answer_is_not_late() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.advance(Duration::from_millis(9500));
    sim.send(peer, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.advance(seconds(1));
    assert!(readable(&sim.received(peer)).ends_with("GET /later at a"));
    sim.advance(seconds(59));
    assert_eq!(sim.ending(peer), None);
    sim.advance(seconds(1));
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

/// The head of a request with a large body.
const BODY: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
const CHUNKS: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

const TOO_SLOW: &str = "\n\n408 Request Timeout: the body is too slow\n";

/// RFC 9110, section 15.5.9.
#[test]
fn a_body_that_drips_is_late() {
    // The part of each second, its bytes in the body, and whether the rate of 1 KiB/s is reached.
    let part = [b'x'; 1024];
    let chunk = [b"400;", &[b'e'; 20][..], b"\r\n", &part, b"\r\n"].concat();
    let drip = [b"1;", &[b'e'; 200][..], b"\r\nx\r\n"].concat();
    for (head, sent, is_fast) in [
        (BODY, &part[..], true),
        (BODY, &part[1..], false),
        (BODY, b"", false),
        (CHUNKS, &chunk, true),
        (CHUNKS, &drip, false),
    ] {
        let mut sim = Sim::new(Show::default());
        let peer = sim.connect();
        // What arrives with the head counts for the first ten seconds.
        sim.send(peer, &[head, sent].concat());
        for _ in 0..9 {
            sim.advance(seconds(1));
            sim.send(peer, sent);
            assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
        }
        sim.advance(seconds(1));
        let answer = readable(&sim.received(peer));
        assert_eq!((answer.ends_with(TOO_SLOW), sim.ending(peer).is_none()), (!is_fast, is_fast), "{answer}");
        sim.advance(seconds(10));
        assert_eq!(sim.ending(peer), Some(Ending::Eof), "a body that stops is late, too");
    }
}

/// The handler takes one byte every hundred seconds.
#[test]
fn a_body_may_pause_while_the_handler_is_busy() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.send(peer, b"POST /busy HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    for byte in [b"b", b"."] {
        sim.advance(seconds(4));
        sim.send(peer, byte);
        sim.advance(seconds(95));
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
    }
    sim.advance(seconds(2));
    let answer = readable(&sim.received(peer));
    assert!(answer.ends_with("POST /busy at a <ab.>"), "{answer}");
    sim.advance(seconds(59));
    assert_eq!(sim.ending(peer), None, "the limit of a body is over with it");
}

#[test]
fn a_body_that_is_discarded_has_to_arrive_too() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.send(peer, b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    assert!(readable(&sim.received(peer)).ends_with("\n\nearly"));
    sim.advance(seconds(9));
    assert_eq!(sim.ending(peer), None);
    sim.advance(seconds(1));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
}

/// An answer of a megabyte for a client that reads nothing. The head of its request has these `headers`.
fn stalled(headers: &str) -> (Sim<Show>, SimPeer) {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n{headers}\r\n").as_bytes());
    sim.send(peer, &vec![b'x'; 1_000_000]);
    (sim, peer)
}

#[test]
fn an_answer_that_is_not_taken_is_given_up() {
    for pause in [0, 1, 59] {
        let (mut sim, peer) = stalled("");
        sim.advance(seconds(pause));
        sim.allow(peer, 1000);
        assert_eq!((sim.received(peer).len(), sim.ending(peer)), (1000, None));
        sim.advance(seconds(59));
        assert_eq!(sim.ending(peer), None, "{pause}");
        sim.advance(seconds(1));
        assert_eq!(sim.ending(peer), Some(Ending::Reset), "{pause}");
        assert_eq!((sim.stats().connections, sim.timers()), (0, 0));
    }
}

#[test]
fn an_answer_may_have_less_time_than_a_head() {
    for requests_before in [0, 1] {
        let options = HttpOptions { send_timeout: Some(seconds(1)), ..HttpOptions::default() };
        let mut sim = Sim::new(Show { options: options.into(), ..Show::default() });
        let peer = sim.connect();
        sim.send(peer, &REQUEST.repeat(requests_before));
        sim.stall(peer);
        sim.send(peer, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        sim.send(peer, &vec![b'x'; 1_000_000]);
        sim.advance(seconds(1));
        assert_eq!(sim.ending(peer), Some(Ending::Reset), "{requests_before}");
    }
}

/// The kernel does not report a few bytes of space in the buffer of a socket.
#[test]
fn an_answer_that_is_taken_slowly_is_complete() {
    for (headers, pause) in [("", 59), ("Connection: close\r\n", 29)] {
        let (mut sim, peer) = stalled(headers);
        let mut answer = sim.received(peer);
        for _ in 0..100 {
            sim.allow_unreported(peer, 5000);
            sim.advance(seconds(pause));
            answer.extend(sim.received(peer));
            assert_eq!(sim.ending(peer), None, "{headers:?}");
        }
        sim.resume(peer);
        answer.extend(sim.received(peer));
        assert!(readable(&answer).ends_with("xxx>"), "{headers:?}");
    }
}

#[test]
fn a_long_silence_before_the_answer_is_no_stall() {
    let mut sim = Sim::new(Show { late: seconds(1000), ..Show::default() });
    let peer = sim.connect();
    sim.send(peer, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.advance(seconds(999));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
    sim.advance(seconds(1));
    assert!(readable(&sim.received(peer)).ends_with("GET /later at a"));
}
