//! A datagram for a service manager, sent as soon as its receiver has room.
//!
//! Invariant: the loop never waits for the receiver. The datagram is sent once; an error is logged.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use mio::net::UnixDatagram;
use mio::{Interest, Registry, Token};

/// The datagram "ready" that is not sent yet.
#[derive(Debug)]
pub(crate) struct Readiness {
    socket: UnixDatagram,
    message: Vec<u8>,
}

impl Readiness {
    /// Creates the datagram `message` to the peer of `socket`.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking, or the poll refuses it.
    pub(crate) fn new(
        socket: StdUnixDatagram,
        message: Vec<u8>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Readiness> {
        socket.set_nonblocking(true)?;
        let mut socket = UnixDatagram::from_std(socket);
        registry.register(&mut socket, token, Interest::WRITABLE)?;
        Ok(Readiness { socket, message })
    }

    /// Sends the datagram. Returns it if its receiver has no room; an edge then reports room.
    pub(crate) fn send(self) -> Option<Readiness> {
        match self.socket.send(&self.message) {
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(self),
            Err(error) => {
                log::warn!("cannot report to the service manager that the server is ready: {error}");
                None
            }
        }
    }
}
