//! A server as a child process: pinned to its core, found by the line that it prints, ended when it is dropped.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use switchboard_harness::{Process, TIMEOUT, within};

use crate::kernel;

/// The core that every server runs on; the load has another.
const CORE: &str = "0";

/// In a command, the place of the port of a server that cannot pick one, or does not print it alone.
pub(crate) const PORT: &str = "{port}";

/// A running server.
pub(crate) struct Server {
    process: switchboard_harness::Server,
    pub(crate) address: SocketAddrV4,
}

impl Server {
    /// Starts `command` (program and arguments) and waits for its first line, `listening on 127.0.0.1:PORT`. A command
    /// with [`PORT`] in it gets a free port instead, and is waited for until it listens there.
    ///
    /// # Errors
    /// It could not be started, or did not listen in time.
    pub(crate) fn start(command: &[String]) -> io::Result<Server> {
        let port = if command.iter().any(|word| word.contains(PORT)) { Some(free_port()?) } else { None };
        let words: Vec<String> = command.iter().map(|word| port_for(word, port)).collect();
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", CORE]).args(&words).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = switchboard_harness::Server::try_spawn(kernel::end_with_parent(&mut pinned))
            .map_err(|error| io::Error::new(error.kind(), format!("taskset (of util-linux): {error}")))?;
        let address = match port {
            Some(port) => await_listener(&mut process, port),
            None => printed_address(&process),
        };
        let address = address.map_err(|error| blame(&words, &error))?;
        Ok(Server { process, address })
    }

    pub(crate) fn process(&self) -> Process {
        self.process.process()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process().0
    }

    /// Asks it to end, by SIGTERM, and returns how long that took and how it ended.
    ///
    /// # Errors
    /// It had ended before, or does not end in time.
    pub(crate) fn stop(mut self) -> io::Result<(Duration, ExitStatus)> {
        let exit = self.process.try_stop()?;
        Ok((exit.took, exit.status))
    }
}

fn printed_address(process: &switchboard_harness::Server) -> io::Result<SocketAddrV4> {
    let printed = process.try_addresses(1)?.swap_remove(0);
    let address = printed.strip_prefix("web:").unwrap_or(&printed);
    address.parse().map_err(|_| io::Error::other(format!("it listens on {printed} and not on 127.0.0.1:PORT")))
}

/// Another program may take the port before the server does. Then the server ends, which is seen.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn port_for(word: &str, port: Option<u16>) -> String {
    port.map_or_else(|| word.to_owned(), |port| word.replace(PORT, &port.to_string()))
}

fn await_listener(process: &mut switchboard_harness::Server, port: u16) -> io::Result<SocketAddrV4> {
    let listens = within(TIMEOUT, || match is_listening(port) {
        Ok(true) => Some(Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))),
        Ok(false) => process.status().map(|_| Err(io::Error::other("it ended before it listened"))),
        Err(error) => Some(Err(error)),
    });
    listens.unwrap_or_else(|| Err(io::Error::other(format!("it does not listen within {TIMEOUT:?}"))))
}

/// Whether a socket listens on that port of 127.0.0.1. It does not connect: a server may end when its first client
/// does.
fn is_listening(port: u16) -> io::Result<bool> {
    // proc(5): local address and port, remote ones, and the state, in hexadecimal; 0A is LISTEN.
    let wanted = format!(" {:08X}:{port:04X} 00000000:0000 0A ", u32::from_le_bytes(Ipv4Addr::LOCALHOST.octets()));
    Ok(fs::read_to_string("/proc/net/tcp")?.contains(&wanted))
}

fn blame(command: &[String], error: &io::Error) -> io::Error {
    // A word of several lines is a program in itself.
    let words: Vec<&str> = command.iter().map(|word| if word.contains('\n') { "..." } else { word }).collect();
    io::Error::other(format!("`{}`: {error}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_seen_without_a_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        assert!(is_listening(port).expect("a table of sockets"));
        drop(listener);
        assert!(!is_listening(port).expect("a table of sockets"));
    }

    #[test]
    fn a_server_that_ends_at_once_is_not_waited_for() {
        let error = |command: &[&str]| {
            let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
            Server::start(&command).err().expect("it is no server").to_string()
        };
        assert!(error(&["true"]).contains("it ended before it printed"));
        assert!(error(&["true", PORT]).contains("it ended before it listened"));
        assert!(error(&["echo", "hello"]).contains("it printed `hello` in place of"));
    }
}
