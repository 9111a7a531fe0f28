//! A listener of the reactor's own, beside those of services, and the few clients that it serves.
//!
//! Invariants: no call blocks. The number of clients is fixed. A client is no connection: it has no session, and no
//! limit or figure counts it.

use std::io;
#[cfg(feature = "cli")]
use std::os::fd::BorrowedFd;

use mio::{Interest, Registry};

use crate::connection::stream::Stream;
#[cfg(feature = "cli")]
use crate::net::PathGuard;
use crate::net::{Listener, SocketOptions};
use crate::reactor::acceptor::{Accepted, Acceptor};

/// The sockets of one address, and at most `MOST` clients of type `C`.
#[derive(Debug)]
pub(crate) struct SideListener<C, const MOST: usize> {
    /// What the log calls it, such as `the control socket`.
    name: &'static str,
    /// Empty after [`close`](Self::close).
    acceptors: Vec<Acceptor>,
    /// The process had no descriptor for a client. The next [`accept`](Self::accept) tries again.
    is_exhausted: bool,
    /// New clients wait in the backlog.
    is_held: bool,
    pub(super) clients: [Option<C>; MOST],
    registry: Registry,
    first_token: usize,
}

impl<C, const MOST: usize> SideListener<C, MOST> {
    /// The number of the poll's tokens that it needs. The first is that of the sockets.
    pub(crate) const TOKENS: usize = 1 + MOST;

    /// Registers the sockets at the token `first_token`. The clients have the tokens after it.
    ///
    /// # Errors
    /// `InvalidInput` for a socket that accepts no plain streams. The errors of the poll.
    pub(crate) fn open(
        name: &'static str,
        listeners: Vec<Listener>,
        registry: Registry,
        first_token: usize,
    ) -> io::Result<Self> {
        let mut acceptors = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let mut acceptor = match listener {
                Listener::Tcp(listener) => Acceptor::tcp(listener),
                Listener::Unix(bound) => Acceptor::unix(bound),
                Listener::Udp(_) | Listener::Tls(_) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a TCP socket nor a Unix socket"));
                }
            };
            acceptor.register(&registry, mio::Token(first_token))?;
            acceptors.push(acceptor);
        }
        let clients = [const { None }; MOST];
        Ok(SideListener { name, acceptors, is_exhausted: false, is_held: false, clients, registry, first_token })
    }

    /// Notes an edge of the token at `offset` after the first one. Returns the client, unless it is an edge of the
    /// sockets.
    pub(crate) fn wake(&mut self, offset: usize) -> Option<&mut C> {
        match offset.checked_sub(1) {
            None => {
                self.acceptors.iter_mut().for_each(Acceptor::wake);
                None
            }
            Some(slot) => self.clients.get_mut(slot)?.as_mut(),
        }
    }

    /// Whether [`accept`](Self::accept) may find a client without a new edge.
    pub(crate) fn may_accept(&self) -> bool {
        !self.is_exhausted && !self.is_held && self.acceptors.iter().any(Acceptor::may_accept)
    }

    /// Whether a client waits because the process had no descriptor for it.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// The sockets, with the guards of their paths.
    #[cfg(feature = "cli")]
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Option<&PathGuard>)> {
        self.acceptors.iter().map(Acceptor::socket)
    }

    /// Leaves the sockets and their paths to another process.
    #[cfg(feature = "cli")]
    pub(crate) fn release(&mut self) {
        for acceptor in self.acceptors.drain(..) {
            acceptor.release(&self.registry);
        }
    }

    /// Keeps the sockets open without accepting, so that new clients wait.
    #[cfg(feature = "cli")]
    pub(crate) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Closes the sockets, which removes the path of a Unix socket. Clients stay.
    pub(crate) fn close(&mut self) {
        self.acceptors.clear();
    }

    /// Accepts the clients that wait. If every place is taken, `room` may free one and return it. Otherwise, the client
    /// gets the text `refusal` and is closed.
    pub(crate) fn accept(
        &mut self,
        refusal: &[u8],
        mut room: impl FnMut(&mut [Option<C>; MOST]) -> Option<usize>,
        mut client: impl FnMut(Stream) -> C,
    ) {
        self.is_exhausted = false;
        if self.is_held {
            return;
        }
        for acceptor in &mut self.acceptors {
            for _ in 0..MOST {
                if !acceptor.may_accept() {
                    break;
                }
                match acceptor.accept(&SocketOptions::default(), 0) {
                    Accepted::Stream(mut stream, _) => {
                        let free = self.clients.iter().position(Option::is_none);
                        let Some(slot) = free.or_else(|| room(&mut self.clients)) else {
                            // A new socket has room for one line.
                            let _ = stream.write(refusal);
                            continue;
                        };
                        let token = mio::Token(self.first_token + 1 + slot);
                        match stream.register(&self.registry, token, Interest::READABLE | Interest::WRITABLE) {
                            Ok(()) => self.clients[slot] = Some(client(stream)),
                            Err(error) => log::warn!("lost a client of {}: {error}", self.name),
                        }
                    }
                    Accepted::Lost(error) => log::debug!("lost a client of {}: {error}", self.name),
                    Accepted::WouldBlock => break,
                    Accepted::Exhausted(error) => {
                        log::debug!("a client of {} waits: {error}", self.name);
                        self.is_exhausted = true;
                        return;
                    }
                }
            }
        }
    }
}
