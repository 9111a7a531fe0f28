//! Exchanges on one connection: their order, expectations, and the end of the connection.

use std::time::Duration;

use super::{Show, answers, readable};
use crate::sim::{Ending, Sim, assert_chunking_law};

fn ok(text: &str) -> String {
    format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{text}", text.len())
}

/// RFC 9112, section 9.3.
#[test]
fn the_version_and_a_header_decide_about_the_next_request() {
    let closes = "HTTP/1.1 200 OK\nContent-Length: 10\nConnection: close\n\nGET / at a";
    let keeps = "HTTP/1.1 200 OK\nContent-Length: 10\nConnection: keep-alive\n\nGET / at a";
    for (lines, want) in [
        ("HTTP/1.1\r\nHost: a\r\n", ok("GET / at a")),
        ("HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n", ok("GET / at a")),
        ("HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n", closes.to_owned()),
        ("HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n", closes.to_owned()),
        ("HTTP/1.0\r\nHost: a\r\n", closes.to_owned()),
        ("HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n", keeps.to_owned()),
        ("HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n", closes.to_owned()),
    ] {
        let mut sim = Sim::new(Show::default());
        let peer = sim.connect();
        sim.send(peer, format!("GET / {lines}\r\n").as_bytes());
        let answer = readable(&sim.received(peer));
        assert_eq!(answer, want, "{lines:?}");
        assert_eq!(sim.ending(peer), answer.contains("close").then_some(Ending::Eof), "{lines:?}");
    }
}

/// RFC 9112, section 9.3.2.
#[test]
fn answers_have_the_order_of_the_requests() {
    let get = |path| format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let input = get("1") + &get("2") + &get("3");
    assert_eq!(answers(&input), ok("GET /1 at a") + &ok("GET /2 at a") + &ok("GET /3 at a"));
    assert_chunking_law(Show::default, input.as_bytes());
}

#[test]
fn a_request_waits_for_the_answer_to_the_one_before() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.send(peer, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(sim.received(peer), b"");
    sim.send(peer, b"GET /later HTTP/1.1\r\nHost: b\r\n\r\n");
    sim.shut_down(peer);
    sim.advance(Duration::from_secs(1));
    assert_eq!(readable(&sim.received(peer)), ok("GET /later at a") + &ok("GET / at a"));
    assert_eq!(sim.ending(peer), None);
    sim.advance(Duration::from_secs(1));
    assert_eq!(readable(&sim.received(peer)), ok("GET /later at b"));
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn an_answer_is_completed_after_the_end_of_input() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.send(peer, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.shut_down(peer);
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
    sim.advance(Duration::from_secs(1));
    assert_eq!(readable(&sim.received(peer)), ok("GET /later at a"));
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

/// RFC 9110, section 9.3.2; RFC 9112, section 6.3.
#[test]
fn the_answer_to_head_has_no_body() {
    for (path, header) in [("/", "Content-Length: 11"), ("/chunks", "Transfer-Encoding: chunked")] {
        let input = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answers(&input), format!("HTTP/1.1 200 OK\n{header}\n\n") + &ok("GET / at a"), "{path}");
    }
}

/// RFC 9112, section 6.1: a client of HTTP/1.0 does not know chunks.
#[test]
fn an_answer_of_unknown_length_is_chunked_or_ends_it() {
    let input = "GET /chunks HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunks = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\na\nGET /chunk\n6\ns at a\n0\n\n";
    assert_eq!(answers(input), chunks.to_owned() + &ok("GET / at a"));
    assert_chunking_law(Show::default, input.as_bytes());
    let input = "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    assert_eq!(answers(input), "HTTP/1.1 200 OK\nConnection: close\n\nGET /chunks at nowhere");
}

/// RFC 9110, section 10.1.1.
#[test]
fn a_client_that_waits_to_continue_is_told_so() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n";
    sim.send(peer, head.as_bytes());
    assert_eq!(sim.received(peer), b"HTTP/1.1 100 Continue\r\n\r\n");
    sim.send(peer, b"hi");
    assert_eq!(readable(&sim.received(peer)), ok("POST / at a <hi>"));
    assert_eq!(sim.ending(peer), None);
    assert_chunking_law(Show::default, format!("{head}hi").as_bytes());
    // Without a body there is nothing to wait for.
    sim.send(peer, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(readable(&sim.received(peer)), ok("GET / at a"));
}

/// The client may send the body or not, so the next request cannot be found.
#[test]
fn an_answer_instead_of_continue_ends_the_connection() {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    let head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    sim.send(peer, head);
    let answer = readable(&sim.received(peer));
    assert!(answer.starts_with("HTTP/1.1 200 OK\n") && answer.ends_with("Connection: close\n\nearly"), "{answer}");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

/// RFC 9112, section 9.3: the server reads the rest of the body, or closes.
#[test]
fn after_an_early_answer_a_short_body_is_discarded() {
    let post = |lines| format!("POST /early HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
    let early = "HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 5\n";
    let input = post("Content-Length: 3") + "abcGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(answers(&input), format!("{early}\nearly") + &ok("GET / at a"));
    assert_chunking_law(Show::default, input.as_bytes());
    for input in
        [post("Content-Length: 100000") + &"x".repeat(100_000), post("Transfer-Encoding: chunked") + "0\r\n\r\n"]
    {
        let input = input + "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(answers(&input), format!("{early}Connection: close\n\nearly"));
    }
}
