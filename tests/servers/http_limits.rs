//! The limits of time of `http-server`: heads that drip, silent connections, answers that are not taken.

use crate::support::peer::Peer;
use crate::support::server::Program;
use std::time::{Duration, Instant};
use switchboard_harness::Launch;
use tempfile::TempDir;

/// A server with a file `a`, and one `large` that no socket takes at once.
fn launch(place: &TempDir) -> Launch {
    std::fs::write(place.path().join("a"), "the file a\n").expect("room");
    let large = std::fs::File::create(place.path().join("large")).expect("room");
    large.set_len(1 << 30).expect("a sparse file");
    Program::Http.launch().arg(place.path()).args("-v --slow-turn off")
}

const REQUEST: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn clients_whose_heads_drip_are_closed_and_delay_no_other() {
    const CLIENTS: usize = 60;
    let (place, limit) = (TempDir::new().expect("room"), Duration::from_secs(1));
    let server = launch(&place).args("--header-timeout 1s").start();
    let began = Instant::now();
    let mut dripping: Vec<_> = (0..CLIENTS).map(|_| Peer::connect(&server.address())).collect();
    let mut polite = Peer::connect(&server.address());
    while !dripping.is_empty() {
        polite.send(REQUEST);
        polite.line_where(|line| line == "the file a");
        // A pause, and the next byte of a method without end.
        polite.hears_within(limit / 20);
        dripping.retain_mut(|peer| {
            let is_late = peer.hears_within(Duration::from_micros(1));
            if is_late {
                let answer = String::from_utf8(peer.rest().expect("an orderly end")).expect("a text");
                assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
                assert!(answer.ends_with("408 Request Timeout: the head took too long\n"), "{answer}");
                assert!(began.elapsed() >= limit, "closed after {:?}", began.elapsed());
            } else {
                peer.send("a");
            }
            !is_late
        });
    }
    server.expect_manners();
}

#[test]
fn a_connection_without_a_next_request_is_closed() {
    let place = TempDir::new().expect("room");
    let server = launch(&place).args("--keep-alive 200ms").start();
    let mut peer = Peer::connect(&server.address());
    let began = Instant::now();
    peer.send(REQUEST);
    peer.line_where(|line| line == "the file a");
    peer.expect_eof();
    assert!(began.elapsed() >= Duration::from_millis(200), "closed after {:?}", began.elapsed());
    server.expect_manners();
}

#[test]
fn a_download_that_is_never_read_is_given_up() {
    let place = TempDir::new().expect("room");
    let server = launch(&place).args("--send-timeout 300ms").start();
    let mut peer = Peer::connect_narrow(&server.address(), 4096);
    peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    server.stderr.wait_for("nothing of the answer was taken for 300ms (--send-timeout)");
    let got = peer.rest();
    assert!(got.is_err(), "a reset, so that the part is not taken for the whole");
    server.expect_manners();
}
