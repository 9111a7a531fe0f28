//! A redis-server(1) that a test kills, stops and starts again with the same data.

use crate::host::own_address;
use crate::launch::Launch;
use crate::server::Server;
use crate::wait::{TIMEOUT, until};
use rustix::process::Signal;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddrV4;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use tempfile::TempDir;

/// A Redis with an address, a Unix socket and a directory of its own. It keeps no data on the disk unless an option
/// says so. It ends when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Server>,
    directory: TempDir,
    address: SocketAddrV4,
    options: Vec<String>,
    core: Option<u32>,
}

impl RedisServer {
    /// Starts a server with the blank-separated words of `options`, such as `--appendonly yes`, and waits until it
    /// answers.
    #[track_caller]
    pub fn start(options: &str) -> Self {
        Self::pinned(options, None)
    }

    /// Starts a server on one core.
    #[track_caller]
    pub fn pinned(options: &str, core: Option<u32>) -> Self {
        let directory = TempDir::new().expect("room for a directory");
        let mut redis = Self { process: None, directory, address: own_address(), options: Vec::new(), core };
        redis.set_options(options);
        redis.restart();
        redis
    }

    /// Replaces the options of the next start.
    pub fn set_options(&mut self, options: &str) {
        self.options = options.split_whitespace().map(str::to_owned).collect();
    }

    /// Returns the address in TCP, which stays the same. With the option `--tls-port`, nothing listens there.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Returns the path of the Unix socket, which stays the same.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Returns the running process.
    #[track_caller]
    pub fn process(&self) -> &Server {
        self.process.as_ref().expect("the server was started")
    }

    /// Kills the server, as a power cut would.
    #[track_caller]
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the server was started");
        process.signal(Signal::KILL);
        process.wait();
    }

    /// Starts the server again, with what it has on the disk, and waits until it answers.
    #[track_caller]
    pub fn restart(&mut self) {
        self.process = None;
        self.repair();
        let port = self.address.port().to_string();
        let mut launch = Launch::of("redis-server").pinned(self.core).redirected(">&2");
        if !self.options.iter().any(|word| word == "--tls-port") {
            launch = launch.arg("--port").arg(port);
        }
        launch = launch.arg("--bind").arg(self.address.ip().to_string()).arg("--dir").arg(self.directory.path());
        launch = launch.arg("--unixsocket").arg(self.socket()).arg("--save").arg("");
        launch = self.options.iter().fold(launch, Launch::arg);
        let mut process = launch.spawn();
        until("redis-server", || {
            assert!(process.is_running(), "redis-server ended: {}", process.stderr.text());
            self.try_ask("PING").is_ok_and(|answer| answer == "PONG")
        });
        self.process = Some(process);
    }

    /// Cuts off a transaction of which a kill has left a part. Redis 7.0 would keep the part, append to it, and lose
    /// what it has appended at the start after that.
    #[track_caller]
    fn repair(&self) {
        let manifest = self.directory.path().join("appendonlydir/appendonly.aof.manifest");
        if manifest.exists() {
            let check = Launch::of("redis-check-aof").arg("--fix").arg(manifest).redirected("<<<y").run();
            assert_eq!(check.code, Some(0), "{check:?}");
        }
    }

    /// Stops the process, so that its connections stay open and nothing is answered.
    #[track_caller]
    pub fn freeze(&self) {
        self.process().signal(Signal::STOP);
        until("the process to stop", || self.process().process().state() == Some('T'));
    }

    /// Continues a frozen process.
    #[track_caller]
    pub fn thaw(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Sends a command of words without blanks, and returns the answer: a text, a number, or an error.
    #[track_caller]
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The inline form of commands: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
    fn try_ask(&self, command: &str) -> io::Result<String> {
        let mut stream = BufReader::new(UnixStream::connect(self.socket())?);
        stream.get_ref().set_read_timeout(Some(TIMEOUT))?;
        if let Some(at) = self.options.iter().position(|word| word == "--requirepass") {
            request(&mut stream, &format!("AUTH {}", self.options[at + 1]))?;
        }
        request(&mut stream, command)
    }
}

fn request(stream: &mut BufReader<UnixStream>, command: &str) -> io::Result<String> {
    stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let length = match line.split_at_checked(1).ok_or(io::ErrorKind::UnexpectedEof)? {
        ("+" | ":" | "-", text) => return Ok(text.to_owned()),
        ("$", length) => length.parse().map_err(io::Error::other)?,
        _ => return Err(io::Error::other(format!("an answer of another kind: {line}"))),
    };
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::time::{Duration, Instant};

    #[test]
    fn a_killed_redis_has_its_data_again() {
        let mut redis = RedisServer::start("--appendonly yes --appendfsync always");
        let address = redis.address();
        assert_eq!(redis.ask("INCR lines"), "1");
        redis.kill();
        redis.restart();
        assert_eq!((redis.ask("INCR lines"), redis.address()), ("2".to_owned(), address));
        assert_eq!(redis.ask("FLUSHALL"), "OK");
        assert_eq!(redis.ask("EXISTS lines"), "0");
    }

    #[test]
    fn a_redis_killed_within_a_transaction_keeps_what_follows() {
        let mut redis = RedisServer::start("--appendonly yes --appendfsync always");
        assert_eq!(redis.ask("INCR lines"), "1");
        redis.kill();
        let log = redis.directory.path().join("appendonlydir/appendonly.aof.1.incr.aof");
        let part = b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$5\r\nlines\r\n*2\r\n$4\r\nIN";
        OpenOptions::new().append(true).open(log).and_then(|mut log| log.write_all(part)).expect("a log");
        for count in ["2", "3"] {
            redis.restart();
            assert_eq!(redis.ask("INCR lines"), count);
            redis.kill();
        }
    }

    #[test]
    fn a_redis_starts_again_with_another_password() {
        let mut redis = RedisServer::start("--requirepass one");
        redis.set_options("--requirepass other");
        redis.kill();
        redis.restart();
        assert_eq!(redis.ask("ECHO hello"), "hello");
    }

    #[test]
    fn a_frozen_redis_answers_when_it_is_thawed() {
        let redis = RedisServer::start("");
        redis.freeze();
        let mut stream = BufReader::new(UnixStream::connect(redis.socket()).expect("the kernel accepts"));
        let frozen = Instant::now();
        stream.get_ref().set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
        assert!(request(&mut stream, "PING").is_err() && frozen.elapsed().as_millis() >= 50);
        redis.thaw();
        assert_eq!(redis.ask("PING"), "PONG");
    }
}
