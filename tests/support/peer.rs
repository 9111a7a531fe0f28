//! One end of a connection, controlled by the test. Every read has a deadline, and every unexpected result fails the
//! test.

use super::data::assert_same;
use socket2::{SockAddr, Socket};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;
use switchboard_harness::{TIMEOUT, connect, until_some};

/// A connected socket, TCP or Unix.
pub(crate) struct Peer {
    socket: Socket,
    unread: Vec<u8>,
}

impl Peer {
    /// Connects to an address in the form of `listening on`: `HOST:PORT` in digits, or `unix:PATH`.
    #[track_caller]
    pub(crate) fn connect(address: &str) -> Self {
        Self::tuned(address, |_| Ok(()))
    }

    /// Connects from the address `source`, any port.
    #[track_caller]
    pub(crate) fn connect_from(source: &str, address: &str) -> Self {
        let source: SocketAddr = format!("{source}:0").parse().expect("a source in digits");
        Self::tuned(address, |socket| socket.bind(&source.into()))
    }

    /// Connects with the smallest window that the kernel grants for a receive buffer of `bytes`.
    #[track_caller]
    pub(crate) fn connect_narrow(address: &str, bytes: usize) -> Self {
        Self::tuned(address, |socket| socket.set_recv_buffer_size(bytes))
    }

    /// Connects with a socket that `tune` has configured.
    #[track_caller]
    pub(crate) fn tuned(address: &str, tune: impl FnOnce(&Socket) -> io::Result<()>) -> Self {
        Self::attempt(address, tune).unwrap_or_else(|error| panic!("no connection to {address}: {error}"))
    }

    /// Connects with a socket that `tune` has configured, or returns the error.
    pub(crate) fn attempt(address: &str, tune: impl FnOnce(&Socket) -> io::Result<()>) -> io::Result<Self> {
        let target = match address.strip_prefix("unix:") {
            Some(path) => SockAddr::unix(path)?,
            None => address.parse::<SocketAddr>().map_err(io::Error::other)?.into(),
        };
        Ok(Self { socket: connect(&target, TIMEOUT, tune)?, unread: Vec::new() })
    }

    /// Connects to a bank or a phone book, and reads the line that names `HELP`.
    #[track_caller]
    pub(crate) fn newcomer(address: &str) -> Self {
        let mut peer = Self::connect(address);
        let welcome = peer.line();
        assert!(welcome.contains("HELP lists the commands"), "{welcome}");
        peer
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// A second handle for another thread.
    pub(crate) fn twin(&self) -> Self {
        Self { socket: self.socket.try_clone().expect("a descriptor is free"), unread: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the server takes what we send");
    }

    /// Sends a repeating `block` until the other side has taken nothing for half a second; returns the bytes sent.
    /// Fails once `most` bytes have gone: then the other side reads without end.
    #[track_caller]
    pub(crate) fn send_until_refused(&mut self, block: &[u8], most: usize) -> usize {
        self.socket.set_write_timeout(Some(Duration::from_millis(500))).expect("a time-out");
        let block = block.repeat(65_536 / block.len() + 1);
        let mut sent = 0;
        loop {
            match self.socket.write(&block[sent % block.len()..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("after {sent} bytes: {error}"),
            }
            assert!(sent <= most, "{sent} bytes were taken from a peer that reads none");
        }
        self.socket.set_write_timeout(Some(TIMEOUT)).expect("a time-out");
        sent
    }

    /// Shuts down the writing side.
    pub(crate) fn finish(&self) {
        self.socket.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket lingers");
    }

    /// Reads exactly as many bytes as `wanted` has, and fails if they differ.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let got = self.take(wanted.len());
        if wanted.len() < 200 {
            assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(wanted));
        }
        assert_same(&got, wanted);
    }

    /// Reads this many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            let read = self.fill();
            let got = String::from_utf8_lossy(&self.unread[..self.unread.len().min(200)]);
            let read = read.unwrap_or_else(|error| panic!("{error} after {got:?}"));
            assert!(read > 0, "the connection ended after {got:?}");
        }
        let rest = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, rest)
    }

    /// Reads one line and returns it without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            let read = self.fill().unwrap_or_else(|error| panic!("{error} in place of a line"));
            assert!(
                read > 0,
                "the connection ended in place of a line, after {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// Reads lines until one satisfies `wanted`, and returns that one.
    #[track_caller]
    pub(crate) fn line_where(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Sends a line and returns the next one; `None` when the server is gone.
    pub(crate) fn tell(&mut self, line: &str) -> Option<String> {
        self.socket.write_all(format!("{line}\n").as_bytes()).ok()?;
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            let mut byte = [0];
            self.socket.read_exact(&mut byte).ok()?;
            answer.push(byte[0]);
        }
        Some(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }

    /// Sends `bytes` and expects the same bytes back, which shows that an echo server serves this peer.
    #[track_caller]
    pub(crate) fn echo(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(bytes.as_ref());
        self.expect(bytes);
    }

    /// Fails if bytes or a reset arrive before the orderly end.
    #[track_caller]
    pub(crate) fn expect_eof(&mut self) {
        let rest = self.rest().expect("an orderly end, no reset");
        assert_eq!(String::from_utf8_lossy(&rest), "", "bytes in place of the end");
    }

    /// All bytes up to the orderly end, or the error that came instead (a reset, a time-out).
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut all = std::mem::take(&mut self.unread);
        self.socket.read_to_end(&mut all)?;
        Ok(all)
    }

    /// Reads all bytes up to the orderly end, at most `step` at a time: a reader with a small buffer.
    pub(crate) fn rest_in_steps(&mut self, step: usize) -> io::Result<Vec<u8>> {
        let mut all = std::mem::take(&mut self.unread);
        let mut buffer = vec![0; step];
        loop {
            match self.socket.read(&mut buffer)? {
                0 => return Ok(all),
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// Whether bytes, an end or an error arrive within `time`.
    pub(crate) fn hears_within(&mut self, time: Duration) -> bool {
        if !self.unread.is_empty() {
            return true;
        }
        self.socket.set_read_timeout(Some(time)).expect("a time-out");
        let heard = !matches!(self.fill(), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        heard
    }

    pub(crate) fn local_port(&self) -> u16 {
        port_of(&self.socket.local_addr().expect("connected"))
    }

    pub(crate) fn remote_port(&self) -> u16 {
        port_of(&self.socket.peer_addr().expect("connected"))
    }

    /// One read into `unread`; 0 is the end.
    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 65_536];
        loop {
            match self.socket.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    self.unread.extend_from_slice(&buffer[..length]);
                    return Ok(length);
                }
            }
        }
    }
}

/// Connects repeatedly until the server admits the peer, which may take a moment after another peer has left.
#[track_caller]
pub(crate) fn admitted(address: &str) -> Peer {
    until_some("a free place", || {
        let mut peer = Peer::connect(address);
        let sent = peer.socket.write_all(b"in?\n").is_ok();
        (sent && matches!(peer.fill(), Ok(length) if length > 0)).then_some(peer)
    })
}

fn port_of(address: &SockAddr) -> u16 {
    address.as_socket().expect("an internet socket").port()
}
