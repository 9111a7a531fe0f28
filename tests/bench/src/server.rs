//! A server as a child process: pinned to its core, found by the line that it prints, ended when it is dropped.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel;

/// The core that every server runs on; the load has another.
const CORE: &str = "0";

/// In a command, the place of the port of a server that cannot pick one.
pub(crate) const PORT: &str = "{port}";

/// How long a server may take until it listens, and until it has ended when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddrV4,
    /// Kept open, so that a server which prints more does not find its output closed.
    _output: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts `command` (program and arguments) and waits for its first line, `listening on 127.0.0.1:PORT`. One that has
    /// [`PORT`] in it is given a free port instead, and waited for until it takes connections there.
    ///
    /// # Errors
    /// It could not be started, or did not listen in time.
    pub(crate) fn start(command: &[String]) -> io::Result<Server> {
        if command.iter().any(|word| word == PORT) {
            return Server::start_on_free_port(command);
        }
        let (mut child, output) = spawn(command)?;
        match first_line(output) {
            Ok((address, output)) => Ok(Server { child, address, _output: Some(output) }),
            Err(error) => {
                end(&mut child);
                Err(blame(command, &error))
            }
        }
    }

    /// Another program may take the port before the server does; then the server ends, and that is seen.
    fn start_on_free_port(command: &[String]) -> io::Result<Server> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let number = port.to_string();
        let command: Vec<String> =
            command.iter().map(|word| if word == PORT { number.clone() } else { word.clone() }).collect();
        let (child, mut output) = spawn(&command)?;
        // What it says is of no interest, and must not fill the pipe. The thread ends with the child.
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        let mut server = Server { child, address, _output: None };
        let deadline = Instant::now() + PATIENCE;
        while !is_listening(port)? {
            if server.child.try_wait()?.is_some() {
                return Err(blame(&command, &io::Error::other("it ended before it listened")));
            }
            if Instant::now() > deadline {
                return Err(blame(&command, &io::Error::other(format!("it does not listen within {PATIENCE:?}"))));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, by SIGTERM, and returns how long that took and how it ended.
    ///
    /// # Errors
    /// It has not ended within [`PATIENCE`].
    pub(crate) fn stop(mut self) -> io::Result<(Duration, ExitStatus)> {
        let begin = Instant::now();
        kernel::terminate(self.pid())?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((begin.elapsed(), status));
            }
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("the server has not ended within {PATIENCE:?} after SIGTERM")));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn spawn(command: &[String]) -> io::Result<(Child, BufReader<ChildStdout>)> {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", CORE]).args(command).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = kernel::end_with_parent(&mut pinned)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("taskset (of util-linux): {error}")))?;
    let output = child.stdout.take().map(BufReader::new).ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((child, output))
}

/// Whether somebody listens on that port of 127.0.0.1. It does not connect: a server may end when its first client does.
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

/// Reads on a thread, because a pipe has no read with a time-out; the thread ends with the line or with the child.
fn first_line(mut output: BufReader<ChildStdout>) -> io::Result<(SocketAddrV4, BufReader<ChildStdout>)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let result = output.read_line(&mut line).map(|_| (line, output));
        // Nobody receives it when the wait is over; then there is nothing left to tell.
        sender.send(result).ok();
    });
    let (line, output) = receiver
        .recv_timeout(PATIENCE)
        .map_err(|_| io::Error::other(format!("no `listening on` line within {PATIENCE:?}")))??;
    if line.is_empty() {
        return Err(io::Error::other("it ended before it said `listening on 127.0.0.1:PORT`"));
    }
    let address = line.trim_end().strip_prefix("listening on ").and_then(|address| address.parse().ok());
    let address = address.ok_or_else(|| {
        let said = line.trim_end();
        io::Error::other(format!("its first line is `{said}` and not `listening on 127.0.0.1:PORT`"))
    })?;
    Ok((address, output))
}

fn end(child: &mut Child) {
    // Both fail only when it has ended already and has been waited for.
    child.kill().ok();
    child.wait().ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_seen_without_a_connection() {
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
        assert!(error(&["true"]).contains("it ended before it said"));
        assert!(error(&["true", PORT]).contains("it ended before it listened"));
        assert!(error(&["echo", "hello"]).contains("its first line is `hello`"));
    }
}
