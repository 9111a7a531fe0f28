//! Discard: everything is taken, nothing is kept, nothing comes back.

use crate::support::data::noise;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::net::UdpSocket;
use switchboard_harness::until;
use tempfile::TempDir;

#[test]
fn whatever_a_netcat_sends_has_no_answer_and_costs_no_memory() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("socket").display().to_string();
    let listen = Program::Discard.launch().listen("127.0.0.1:0").listen(&format!("unix:{path}"));
    let mut server = listen.args("--stdin commands").start();
    let port = server.port().to_string();
    assert_eq!(pass_through(&["nc", "-N", "127.0.0.1", &port], b"warm"), b"");
    let before = server.resident();
    let data = noise(20_000_000, 60);
    for words in [&["nc", "-N", "127.0.0.1", &port][..], &["ncat", "127.0.0.1", &port], &["nc", "-N", "-U", &path]] {
        assert_eq!(pass_through(words, &data), b"", "{words:?}");
    }
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 2 << 20, "grown by {growth} bytes");
    server.say("stats\n");
    server.stderr.wait_for("60000004 received, 0 sent, 0 queued for clients");
}

#[test]
fn a_half_closed_client_is_closed() {
    let server = Program::Discard.start();
    let mut peer = Peer::connect(&server.address());
    peer.send("nothing comes back");
    peer.finish();
    peer.expect_eof();
}

#[test]
fn a_datagram_has_no_answer() {
    let mut server = Program::Discard.launch().listen("udp:127.0.0.1:0").args("--stdin commands").start();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for bytes in [&b"12345"[..], b""] {
        socket.send_to(bytes, server.address().trim_start_matches("udp:")).expect("a datagram is sent");
    }
    socket.send_to(b"67", server.address().trim_start_matches("udp:")).expect("a datagram is sent");
    // Datagrams are served in their order: what counts the last has dealt with all.
    until("the datagrams", || {
        server.say("stats\n");
        server.stderr.text().contains("bytes        7 received, 0 sent")
    });
    socket.set_nonblocking(true).expect("a socket of ours");
    socket.recv(&mut [0; 100]).expect_err("no answer");
}
