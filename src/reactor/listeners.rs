//! The listeners of a reactor: accepting connections and receiving datagrams.
//!
//! Invariant: a listener that may have more input is served again in the next turn, until the kernel says that it would
//! block. Each listener has a budget per turn.

use std::io;
#[cfg(feature = "cli")]
use std::os::fd::BorrowedFd;
use std::time::Instant;

use mio::Registry;

use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
#[cfg(feature = "cli")]
use crate::net::PathGuard;
use crate::net::{Door, Listener};
#[cfg(feature = "cli")]
use crate::reactor::acceptor;
use crate::reactor::acceptor::{Accepted, Acceptor, Pause};
use crate::reactor::datagram::DatagramSocket;
use crate::reactor::dispatcher::Dispatcher;

/// The listeners of a reactor. The number of a listener is its position.
#[derive(Debug)]
pub(crate) struct Listeners {
    entries: Vec<ListenerEntry>,
    /// Open, and not served any more: a new process will take them over.
    held: Vec<ListenerEntry>,
    pause: Pause,
}

/// A listener and its service.
#[derive(Debug)]
struct ListenerEntry {
    id: ListenerId,
    kind: ListenerKind,
    service: ServiceId,
    /// Whether the peers of this listener speak TLS.
    is_tls: bool,
}

#[derive(Debug)]
enum ListenerKind {
    Streams(Acceptor),
    Datagrams(DatagramSocket),
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Listeners { entries: Vec::new(), held: Vec::new(), pause: Pause::new() }
    }

    /// Adds a listener and registers it. `token` returns the poll's token for an id.
    pub(crate) fn add(
        &mut self,
        (listener, door): (Listener, Door),
        service: ServiceId,
        registry: &Registry,
        token: impl Fn(ListenerId) -> mio::Token,
    ) -> io::Result<ListenerId> {
        let id = ListenerId { number: self.entries.len(), door };
        let (listener, is_tls) = match listener {
            Listener::Tls(below) => (*below, true),
            plain => (plain, false),
        };
        let mut kind = match listener {
            Listener::Tcp(listener) => ListenerKind::Streams(Acceptor::tcp(listener)),
            Listener::Unix(bound) => ListenerKind::Streams(Acceptor::unix(bound)),
            Listener::Udp(socket) => ListenerKind::Datagrams(DatagramSocket::new(socket, id)?),
            Listener::Tls(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS within TLS")),
        };
        match &mut kind {
            ListenerKind::Streams(acceptor) => acceptor.register(registry, token(id))?,
            ListenerKind::Datagrams(socket) => socket.register(registry, token(id))?,
        }
        self.entries.push(ListenerEntry { id, kind, service, is_tls });
        Ok(id)
    }

    /// The number of listeners.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes an edge of the listener with this number.
    pub(crate) fn wake(&mut self, number: usize) {
        match self.entries.get_mut(number).map(|entry| &mut entry.kind) {
            Some(ListenerKind::Streams(acceptor)) => acceptor.wake(),
            Some(ListenerKind::Datagrams(socket)) => socket.wake(),
            None => {}
        }
    }

    /// Whether a listener can be served without a new edge.
    pub(crate) fn is_ready(&mut self, now: Instant) -> bool {
        let is_paused = self.pause.is_on(now);
        self.entries.iter().any(|entry| match &entry.kind {
            ListenerKind::Streams(acceptor) => acceptor.may_accept() && !is_paused,
            ListenerKind::Datagrams(socket) => socket.may_read(),
        })
    }

    /// The time at which accepting resumes, if it is paused for a lack of descriptors.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.pause.until()
    }

    /// Ends the pause, because a descriptor was freed.
    pub(crate) fn end_pause(&mut self) {
        self.pause.end();
    }

    /// Closes all listeners.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.held.clear();
    }

    /// The sockets in the order of their numbers, with the guards of their paths.
    #[cfg(feature = "cli")]
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Option<&PathGuard>)> {
        self.entries.iter().chain(&self.held).map(|entry| match &entry.kind {
            ListenerKind::Streams(acceptor) => acceptor.socket(),
            ListenerKind::Datagrams(socket) => (socket.socket(), None),
        })
    }

    /// Leaves all listeners and their paths to another process.
    #[cfg(feature = "cli")]
    pub(crate) fn release(&mut self, registry: &Registry) {
        for entry in self.entries.drain(..).chain(self.held.drain(..)) {
            match entry.kind {
                ListenerKind::Streams(acceptor) => acceptor.release(registry),
                ListenerKind::Datagrams(socket) => acceptor::release(socket.socket(), registry),
            }
        }
    }

    /// Keeps all listeners open without serving them, so that new clients wait.
    #[cfg(feature = "cli")]
    pub(crate) fn hold(&mut self) {
        self.held.append(&mut self.entries);
    }

    /// Accepts waiting connections, within the budget of each listener.
    pub(crate) fn accept<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        let now = dispatcher.state.clock.now();
        let spare = dispatcher.state.services.spare_descriptors;
        for ListenerEntry { id, kind, service, is_tls } in &mut self.entries {
            let ListenerKind::Streams(acceptor) = kind else { continue };
            for _ in 0..dispatcher.state.limits.turn_accepts {
                if !acceptor.may_accept() || self.pause.is_on(now) {
                    break;
                }
                match acceptor.accept(&dispatcher.state.services[*service].sockets, spare) {
                    Accepted::Stream(stream, peer) => {
                        let service_of = &dispatcher.state.services[*service];
                        match if *is_tls { service_of.secure(stream, id.door()) } else { Ok(stream) } {
                            Ok(stream) => {
                                let connection = Connection::new(stream, peer, Phase::Open, *service);
                                dispatcher.admit(connection, *id);
                            }
                            Err(error) => dispatcher.state.peer_log.lost(peer, &error, now),
                        }
                    }
                    Accepted::Lost(error) => log::debug!("lost a connection before it was accepted: {error}"),
                    Accepted::WouldBlock => break,
                    Accepted::Exhausted(error) => {
                        let until = dispatcher.state.clock.after(dispatcher.state.limits.accept_retry);
                        self.pause.begin(now, until, &error);
                        dispatcher.state.stats.accept_pauses += 1;
                    }
                }
            }
        }
    }

    /// Receives and answers datagrams, within the budget of each socket.
    pub(crate) fn receive<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        if !self.may_receive() {
            return;
        }
        let own_ports: Vec<u16> = self.datagram_sockets().map(DatagramSocket::port).collect();
        for ListenerEntry { kind, service, .. } in &mut self.entries {
            if let ListenerKind::Datagrams(socket) = kind {
                socket.serve(dispatcher, *service, &own_ports);
            }
        }
        dispatcher.state.work.has_datagrams = self.may_receive();
    }

    fn may_receive(&self) -> bool {
        self.datagram_sockets().any(DatagramSocket::may_read)
    }

    fn datagram_sockets(&self) -> impl Iterator<Item = &DatagramSocket> {
        self.entries.iter().filter_map(|entry| match &entry.kind {
            ListenerKind::Datagrams(socket) => Some(socket),
            ListenerKind::Streams(_) => None,
        })
    }
}
