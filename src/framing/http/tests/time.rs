//! Heads that are late, and connections without requests.

use std::time::Duration;

use super::super::HttpOptions;
use super::{Show, readable};
use crate::sim::{Ending, Sim};

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
fn both_times_can_be_off() {
    let options = HttpOptions { header_timeout: None, keep_alive: None, ..HttpOptions::default() };
    let mut sim = Sim::new(Show::with(options));
    let peer = sim.connect();
    sim.send(peer, REQUEST);
    sim.send(peer, b"GET");
    sim.advance(seconds(100_000));
    assert_eq!((sim.ending(peer), sim.timers()), (None, 0));
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
