//! Greeting: a text for each client, and then a line of the client.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::{pass_through, tool};
use std::time::Duration;
use tempfile::TempDir;

const TEXT: &str = "Thank you for connecting\n";

#[test]
fn every_netcat_is_greeted() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("socket").display().to_string();
    let server = Program::Greeting.launch().listen("127.0.0.1:0").listen(&format!("unix:{path}")).start();
    let port = server.port().to_string();
    for words in [
        &["nc", "-d", "127.0.0.1", &port][..],
        &["nc", "-N", "127.0.0.1", &port],
        &["ncat", "--recv-only", "127.0.0.1", &port],
        &["ncat", "127.0.0.1", &port],
        &["nc", "-d", "-U", &path],
    ] {
        assert_eq!(String::from_utf8_lossy(&pass_through(words, b"hello\n")), TEXT, "{words:?}");
    }
    server.expect_manners();
}

#[test]
fn the_text_is_as_chosen() {
    let server = Program::Greeting.launch().arg("--text").arg("Grüße, caller").start();
    assert_eq!(Peer::connect(&server.address()).rest().expect("an orderly end"), "Grüße, caller\n".as_bytes());
}

/// A client that reads before it writes: if the server did so too, both would wait for ever.
#[test]
fn with_read_reply_the_text_comes_first() {
    let server = Program::Greeting.launch().args("--read-reply -v").start();
    let mut patient = Peer::connect(&server.address());
    patient.expect(TEXT);
    patient.send("I am");
    let port = server.port().to_string();
    assert_eq!(String::from_utf8_lossy(&pass_through(&["nc", "-N", "127.0.0.1", &port], b"first\r\n")), TEXT);
    // A later client has been closed, so an early end of this one would be here.
    assert!(!patient.hears_within(Duration::from_millis(1)), "closed before the end of the line");
    patient.send(" here\nand more\n");
    patient.expect_eof();
    server.stderr.wait_for(" says: first\n");
    server.stderr.wait_for(&format!("127.0.0.1:{} says: I am here\n", patient.local_port()));
    assert!(!server.stderr.text().contains("and more"), "only one line is read");
}

#[test]
fn a_logged_line_is_optional_and_sanitized() {
    let quiet = Program::Greeting.launch().args("--read-reply --slow-turn off").start();
    let server = Program::Greeting.launch().args("--read-reply -v").start();
    for server in [&quiet, &server] {
        let mut peer = Peer::connect(&server.address());
        peer.send("\x1b[2Jgone\u{202E}\n");
        peer.expect(TEXT);
        peer.expect_eof();
    }
    server.stderr.wait_for(" says: \u{FFFD}[2Jgone\u{FFFD}\n");
    assert_eq!(quiet.stderr.text(), "");
}

#[test]
fn the_end_of_input_stands_for_a_line() {
    let server = Program::Greeting.launch().args("--read-reply -v").start();
    let port = server.port().to_string();
    for input in [&b""[..], b"no line end"] {
        let got = pass_through(&["nc", "-N", "127.0.0.1", &port], input);
        assert_eq!(String::from_utf8_lossy(&got), TEXT, "{}", input.escape_ascii());
    }
    server.stderr.wait_for(" says: no line end\n");
    assert_eq!(server.stderr.text().matches(" says: ").count(), 1);
}

#[test]
fn a_line_over_the_limit_is_told_and_not_logged() {
    for (flags, limit) in [("--max-line 10", 10), ("", 4096)] {
        let server = Program::Greeting.launch().args("--read-reply -v").args(flags).start();
        let port = server.port().to_string();
        let mut nc = tool(&["nc", "127.0.0.1", &port]);
        nc.say(format!("{}\n", "x".repeat(limit + 1)));
        nc.stdout.shows(&format!("{TEXT}line too long: the limit is {limit} bytes\n"));
        nc.say(format!("{}\n", "y".repeat(limit)));
        server.stderr.wait_for("yyy\n");
        assert!(!server.stderr.text().contains("xxx"), "{}", server.stderr.text());
    }
    let server = Program::Greeting.launch().args("--read-reply --max-line off").start();
    let mut peer = Peer::connect(&server.address());
    peer.send(format!("{}\n", "x".repeat(200_000)));
    peer.expect(TEXT);
    peer.expect_eof();
}

#[test]
fn max_line_without_read_reply_is_a_usage_error() {
    let finished = Program::Greeting.launch().args("--max-line 10").run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.contains("--max-line") && finished.stderr.contains("--read-reply"), "{finished:?}");
}
