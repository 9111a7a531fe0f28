//! The loads, as programs, against the floors: what is sent comes back, and what is published is delivered.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_switchboard-bench");

/// A running server; ended when it is dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bench was built with this test");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let address = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        Server { child, address: address.unwrap_or_else(|| panic!("its first line is {line:?}")) }
    }

    /// What a load says of it, and whether it came to its end.
    fn under(&self, load: &str, arguments: &[&str]) -> (String, bool) {
        let pid = self.child.id().to_string();
        let output = Command::new(PROGRAM)
            .args([load, &self.address, "--pid", &pid])
            .args(arguments)
            .output()
            .expect("the bench was built with this test");
        (String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(), output.status.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Ones that fit and ones that the kernel takes in parts, one and several in flight.
#[track_caller]
fn assert_echoes(server: &Server) {
    for (size, depth) in [("64", "1"), ("64", "16"), ("1048576", "4")] {
        let plan = ["--connections", "3", "--millis", "50", "--size", size, "--depth", depth];
        let (said, is_good) = server.under("load", &plan);
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
    let (said, is_good) = server.under("load", &["--connections", "1", "--millis", "50"]);
    assert!(!is_good && said.contains("is not what it should be"), "{said}");
}

#[test]
fn the_floor_delivers_to_every_member() {
    let server = Server::start(&["floor-fanout", "0"]);
    let (said, is_good) = server.under("fanout", &["--members", "5", "--publishers", "2", "--millis", "50"]);
    assert!(is_good && said.contains(" deliveries/s, "), "{said}");
}

#[test]
fn the_silent_are_counted() {
    let server = Server::start(&["floor-echo", "0"]);
    let (said, is_good) = server.under("idle", &["--connections", "100", "--requests", "5"]);
    assert!(is_good && said.contains(" bytes/connection, "), "{said}");
}
