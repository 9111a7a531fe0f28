//! Clients of HTTP, or of a web door, that send their heads one byte a second, and connect again when the server has
//! closed them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::dial::{Window, dial};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const COUNT: usize = 600;

/// A head without an end.
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ";

/// What a late head is answered with, before the server closes the connection.
const LATE: &[u8] = b"HTTP/1.1 408 ";

pub(crate) struct SlowHeads;

impl Fault for SlowHeads {
    fn name(&self) -> &'static str {
        "slow-heads"
    }

    fn counts(&self) -> &'static str {
        "heads at a byte a second"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Http, Kind::Web]
    }

    fn flags(&self, kind: Kind) -> &'static [&'static str] {
        // The opening handshakes of WebSockets have ten seconds.
        if kind == Kind::Http { &["--header-timeout", "2s"] } else { &[] }
    }

    fn bound(&self, _: Kind) -> Bound {
        Bound {
            fixed: ALLOWANCE,
            each: CONNECTION,
            count: COUNT as u64,
            why: "the allowance, and a connection for each",
        }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(1, |_| {
            let mut clients = (0..COUNT).map(|_| Client::enter(scene.target())).collect::<io::Result<Vec<_>>>()?;
            let (mut nth, mut count) = (0, COUNT as u64);
            while span.paced(nth, COUNT as u32) {
                let client = &mut clients[nth as usize % COUNT];
                if client.is_late()? {
                    *client = Client::enter(scene.target())?;
                    count += 1;
                }
                client.drip()?;
                nth += 1;
            }
            // The head of each is late within the time limit, whether more of it comes or not.
            clients.iter_mut().try_for_each(Client::wait_until_late)?;
            Ok(count)
        })?;
        Ok(Outcome::of(count))
    }
}

struct Client {
    stream: TcpStream,
    sent: usize,
    heard: Vec<u8>,
}

impl Client {
    fn enter(target: SocketAddr) -> io::Result<Client> {
        let stream = dial(target, Window::Usual)?;
        stream.set_nonblocking(true)?;
        let mut client = Client { stream, sent: 0, heard: Vec::new() };
        client.drip()?;
        Ok(client)
    }

    /// Sends the next byte.
    fn drip(&mut self) -> io::Result<()> {
        self.stream.write_all(&[HEAD.get(self.sent).copied().unwrap_or(b'x')])?;
        self.sent += 1;
        Ok(())
    }

    /// Whether the server has said that the head is late, and closed the connection.
    fn is_late(&mut self) -> io::Result<bool> {
        match self.stream.read_to_end(&mut self.heard) {
            Ok(_) if self.heard.starts_with(LATE) => Ok(true),
            Ok(_) => Err(io::Error::other(format!("a late head was answered with {:?}", self.heard.escape_ascii()))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn wait_until_late(&mut self) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        if self.is_late()? { Ok(()) } else { Err(io::Error::other("a client with a late head was not closed")) }
    }
}
