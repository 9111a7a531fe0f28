//! The loads, as programs, against the floors: what is sent comes back, and what is published is delivered.

mod support;

use std::process::Command;

use support::{PROGRAM, Server};

/// What a load says of a server, and whether it came to its end.
fn under(server: &Server, load: &str, arguments: &[&str]) -> (String, bool) {
    let output = Command::new(PROGRAM)
        .args([load, &server.address.to_string(), "--pid", &server.process.process().0.to_string()])
        .args(arguments)
        .output()
        .expect("the bench was built with this test");
    (String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(), output.status.success())
}

/// Ones that fit and ones that the kernel takes in parts, one and several in flight.
#[track_caller]
fn assert_echoes(server: &Server) {
    for (size, depth) in [("64", "1"), ("64", "16"), ("1048576", "4")] {
        let plan = ["--connections", "3", "--millis", "50", "--size", size, "--depth", depth];
        let (said, is_good) = under(server, "load", &plan);
        assert!(is_good && said.contains(" messages/s, "), "{size} bytes, {depth} in flight: {said}");
    }
}

#[test]
fn the_floor_echoes() {
    assert_echoes(&Server::start(&["floor-echo", "0"]));
}

#[cfg(feature = "peers")]
#[test]
fn tokio_echoes() {
    assert_echoes(&Server::start(&["tokio-echo", "0"]));
}

#[test]
fn a_wrong_reply_ends_the_load() {
    let server = Server::start(&["floor-echo", "0", "--handler", "upper"]);
    let (said, is_good) = under(&server, "load", &["--connections", "1", "--millis", "50"]);
    assert!(!is_good && said.contains("is not what it should be"), "{said}");
}

#[test]
fn the_floor_delivers_to_every_member() {
    let server = Server::start(&["floor-fanout", "0"]);
    let (said, is_good) = under(&server, "fanout", &["--members", "5", "--publishers", "2", "--millis", "50"]);
    assert!(is_good && said.contains(" deliveries/s, "), "{said}");
}

#[test]
fn the_silent_are_counted() {
    let server = Server::start(&["floor-echo", "0"]);
    let (said, is_good) = under(&server, "idle", &["--connections", "100", "--requests", "5"]);
    assert!(is_good && said.contains(" bytes/connection, "), "{said}");
}
