//! The bench as a server, for the tests.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_switchboard-bench");

/// A running server.
pub(crate) struct Server {
    pub(crate) process: switchboard_harness::Server,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Server {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let process = switchboard_harness::Server::try_spawn(&mut command).expect("the bench was built with this test");
        let address = process.address().parse().expect("an address in digits");
        Server { process, address }
    }
}
