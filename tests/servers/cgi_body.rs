//! Bodies of requests for scripts: large ones, slow ones, and those that are never complete.

use crate::support::data::{assert_same, noise};
use crate::support::peer::Peer;
use crate::support::scripts::{Scripts, expect_no_scripts};
use crate::support::tools::pass_through;
use std::fs;
use switchboard_harness::{Server, until};

/// Sends back its body, and the length that it was told.
const MIRROR: (&str, &str) = ("mirror", "echo \"X-Length: $CONTENT_LENGTH\"\necho Status: 200\necho\nexec cat");

/// Says the number of bytes of its body.
const COUNT: (&str, &str) = ("count", "echo Content-Type: text/plain\necho\necho \"$CONTENT_LENGTH: $(wc -c) bytes\"");

/// How much the server may grow beside one upload, in bytes.
const GROWTH: usize = 2 << 20;

/// Posts `body` to a script with curl. Returns the answer with its head.
#[track_caller]
fn post(server: &Server, words: &[&str], name: &str, body: &[u8]) -> Vec<u8> {
    let url = format!("http://{}/cgi-bin/{name}", server.address());
    let fixed = ["curl", "-s", "-i", "-H", "Expect:", "--data-binary", "@-", &url];
    pass_through(&[&fixed, words].concat(), body)
}

/// The head of a request with a body of this length.
fn head(name: &str, length: usize) -> String {
    format!("POST /cgi-bin/{name} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

/// Waits until the server has this number of files without a name (proc(5)).
#[track_caller]
fn expect_files(server: &Server, count: usize) {
    let folder = format!("/proc/{}/fd", server.process().0);
    let files = || {
        let descriptors = fs::read_dir(&folder).expect("the server runs").flatten();
        let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        targets.filter(|target| target.to_string_lossy().ends_with(" (deleted)")).count()
    };
    until(&format!("{count} files"), || files() == count);
}

/// Uses the code for a large body once, so that it is in memory.
#[track_caller]
fn warm(server: &Server) {
    let answer = post(server, &[], "count", &noise(100_000, 1));
    assert!(answer.ends_with(b"\r\n\r\n100000: 100000 bytes\n"), "{}", answer.escape_ascii());
    expect_no_scripts(server);
    expect_files(server, 0);
}

#[test]
fn eight_megabytes_pass_both_ways_in_little_memory() {
    let scripts = Scripts::new(&[MIRROR, COUNT]);
    let server = scripts.start("");
    warm(&server);
    let before = server.resident();
    let body = noise(8 << 20, 7);
    for words in [&[][..], &["-H", "Transfer-Encoding: chunked"], &["--limit-rate", "16M"], &["-0"]] {
        let answer = post(&server, words, "mirror", &body);
        let at = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of a head");
        let (head, rest) = answer.split_at(at + 4);
        let head = String::from_utf8_lossy(head);
        assert!(head.contains("\r\nX-Length: 8388608\r\n"), "{words:?}: {head}");
        assert_same(rest, &body);
    }
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < GROWTH, "grown by {growth} bytes");
    expect_no_scripts(&server);
    server.expect_manners();
}

#[test]
fn a_slow_upload_occupies_no_script() {
    let scripts = Scripts::new(&[COUNT]);
    let server = scripts.start("--max-scripts 1");
    let body = noise(300_000, 3);
    let mut slow = Peer::connect(&server.address());
    slow.send(head("count", body.len()));
    slow.send(&body[..200_000]);
    expect_files(&server, 1);
    // Another client gets the only script meanwhile.
    assert!(post(&server, &[], "count", b"hello").ends_with(b"\r\n\r\n5: 5 bytes\n"));
    slow.send(&body[200_000..]);
    slow.expect("HTTP/1.1 200 OK\r\n");
    slow.send("GET /none HTTP/1.0\r\n\r\n");
    let rest = String::from_utf8(slow.rest().expect("an orderly end")).expect("a text");
    assert!(rest.contains("300000: 300000 bytes\n") && rest.contains("HTTP/1.1 404 "), "{rest}");
    expect_files(&server, 0);
}

#[test]
fn a_client_that_waits_is_told_to_continue() {
    let scripts = Scripts::new(&[COUNT]);
    let server = scripts.start("--max-body 1MiB");
    let request = |length: usize| {
        let expect = "Expect: 100-continue\r\nConnection: close\r\n";
        format!("POST /cgi-bin/count HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{expect}\r\n")
    };
    let body = noise(1 << 20, 5);
    let mut peer = Peer::connect(&server.address());
    peer.send(request(body.len()));
    peer.expect("HTTP/1.1 100 Continue\r\n\r\n");
    peer.send(&body);
    peer.expect("HTTP/1.1 200 OK\r\n");
    let rest = String::from_utf8(peer.rest().expect("an orderly end")).expect("a text");
    assert!(rest.contains("1048576: 1048576 bytes\n"), "{rest}");
    let mut peer = Peer::connect(&server.address());
    peer.send(request(body.len() + 1));
    peer.expect("HTTP/1.1 413 Content Too Large\r\n");
    // The same by curl, which expects for a body of this size.
    let answer = post(&server, &["-H", "Expect: 100-continue"], "count", &body);
    assert!(answer.starts_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
}

#[test]
fn a_body_over_the_limit_starts_no_script() {
    let scripts = Scripts::new(&[("touch", "touch started\necho Status: 200\necho"), COUNT]);
    let server = scripts.start("--max-body 100KiB");
    for words in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let answer = post(&server, words, "touch", &noise(200 << 10, 9));
        assert!(answer.starts_with(b"HTTP/1.1 413 "), "{words:?}: {}", answer.escape_ascii());
        let answer = post(&server, words, "count", &noise(100 << 10, 9));
        assert!(answer.ends_with(b"102400: 102400 bytes\n"), "{words:?}: {}", answer.escape_ascii());
    }
    assert!(!scripts.path().join("cgi-bin/started").exists());
}

#[test]
fn a_client_that_leaves_within_its_body_leaves_nothing() {
    let scripts = Scripts::new(&[("touch", "touch started\necho Status: 200\necho"), COUNT]);
    let server = scripts.start("");
    let idle = server.descriptors();
    warm(&server);
    let mut peers: Vec<_> = (0..4).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.send(head("touch", 1 << 20));
        peer.send(noise(500_000, 11));
    }
    expect_files(&server, 4);
    let files: Vec<_> = fs::read_dir(scripts.path().join("tmp")).expect("a directory").collect();
    assert!(files.is_empty(), "{files:?}");
    // Two end their side, and two are gone.
    peers.drain(2..).for_each(Peer::reset);
    for peer in &mut peers {
        peer.finish();
        peer.expect("HTTP/1.1 400 Bad Request\r\n");
    }
    drop(peers);
    expect_files(&server, 0);
    until("the descriptors to be closed", || server.descriptors() <= idle);
    assert!(!scripts.path().join("cgi-bin/started").exists());
    expect_no_scripts(&server);
}

#[test]
fn forty_uploads_at_a_time_are_all_whole() {
    const UPLOADS: usize = 40;
    let scripts = Scripts::new(&[COUNT]);
    let server = scripts.start("--max-scripts 4");
    warm(&server);
    let before = server.resident();
    let body = noise(400_000, 13);
    let mut peers: Vec<_> = (0..UPLOADS).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.send(head("count", body.len()));
    }
    for part in body.chunks(50_000) {
        for peer in &mut peers {
            peer.send(part);
        }
    }
    for peer in &mut peers {
        peer.expect("HTTP/1.1 200 OK\r\n");
        peer.line_where(|line| line == "400000: 400000 bytes");
    }
    drop(peers);
    expect_files(&server, 0);
    expect_no_scripts(&server);
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < GROWTH + UPLOADS * (128 << 10), "grown by {growth} bytes");
}

#[test]
fn a_body_that_cannot_be_stored_is_refused_and_logged() {
    let scripts = Scripts::new(&[COUNT]);
    let missing = scripts.launch().after("export TMPDIR=/nonexistent").start();
    let answer = post(&missing, &[], "count", &noise(100_000, 15));
    assert!(answer.starts_with(b"HTTP/1.1 500 "), "{}", answer.escape_ascii());
    missing.stderr.wait_for("the body of a request cannot be stored in /nonexistent: No such file or directory");
    assert!(post(&missing, &[], "count", b"hello").ends_with(b"5: 5 bytes\n"), "a small one needs no file");
    // No file may have more than 100 blocks of 512 bytes, or of 1 KiB.
    let full = scripts.launch().after("trap '' XFSZ; ulimit -f 100").start();
    let answer = post(&full, &[], "count", &noise(1_000_000, 15));
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    full.stderr.wait_for("the body of a request cannot be stored in /tmp: File too large");
}
