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

/// What a load says that measures for 50 ms, or for longer if a busy machine lets no reply through in that time.
fn measured(server: &Server, load: &str, arguments: &[&str]) -> (String, bool) {
    let mut results = ["50", "1000", "20000"].iter().map(|millis| {
        let arguments = [arguments, &["--millis", millis]].concat();
        under(server, load, &arguments)
    });
    let came = |(said, _): &(String, bool)| !said.contains("no whole reply came");
    results.find(came).expect("a reply within 20 s")
}

/// Ones that fit and ones that the kernel takes in parts, one and several in flight.
#[track_caller]
fn assert_echoes(server: &Server) {
    for (size, depth) in [("64", "1"), ("64", "16"), ("1048576", "4")] {
        let plan = ["--connections", "3", "--size", size, "--depth", depth];
        let (said, is_good) = measured(server, "load", &plan);
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
    let (said, is_good) = measured(&server, "load", &["--connections", "1"]);
    assert!(!is_good && said.contains("is not what it should be"), "{said}");
}

#[test]
fn the_floor_delivers_to_every_member() {
    let server = Server::start(&["floor-fanout", "0"]);
    let (said, is_good) = measured(&server, "fanout", &["--members", "5", "--publishers", "2"]);
    assert!(is_good && said.contains(" deliveries/s, "), "{said}");
}

#[test]
fn the_silent_are_counted() {
    let server = Server::start(&["floor-echo", "0"]);
    let (said, is_good) = under(&server, "idle", &["--connections", "100", "--requests", "5"]);
    assert!(is_good && said.contains(" bytes/connection, "), "{said}");
}
