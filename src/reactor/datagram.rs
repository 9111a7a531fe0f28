//! UDP sockets that listen: one datagram in, at most one out.
//!
//! Invariant: a datagram that may be the answer of another server is never answered, so two servers cannot be made to
//! answer each other for ever (CVE-2024-2169). Such a datagram comes from a system port (below 1024) or from a port of
//! this reactor.
//!
//! A socket that is bound to every address of this machine answers from the address that was asked.
//!
//! Datagrams are not queued. If the kernel refuses one, it is dropped and counted.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(feature = "cli")]
use std::os::fd::{AsFd, BorrowedFd};

use mio::{Interest, Registry, net};

use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::origin::Source;
use crate::connection::traced;
use crate::handler::Handler;
use crate::net::Asked;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::State;

/// One UDP socket.
#[derive(Debug)]
pub(crate) struct DatagramSocket {
    socket: net::UdpSocket,
    local: SocketAddr,
    /// For the address that was asked, if this socket has every address.
    asked_space: Option<Vec<u8>>,
    id: ListenerId,
    may_read: bool,
}

/// First port that is not a system port (RFC 6335).
const FIRST_USER_PORT: u16 = 1024;

impl DatagramSocket {
    pub(crate) fn new(socket: std::net::UdpSocket, id: ListenerId) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let is_wildcard = local.ip().is_unspecified();
        if is_wildcard {
            Asked::report(&socket, local)?;
        }
        Ok(DatagramSocket {
            socket: net::UdpSocket::from_std(socket),
            local,
            asked_space: is_wildcard.then(Asked::space),
            id,
            may_read: false,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: mio::Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    #[cfg(feature = "cli")]
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn wake(&mut self) {
        self.may_read = true;
    }

    pub(crate) fn may_read(&self) -> bool {
        self.may_read
    }

    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }

    /// Receives and answers datagrams, within the budget of the turn. `own_ports` are the UDP ports of this reactor.
    pub(crate) fn serve<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>, service: ServiceId, own_ports: &[u16]) {
        for _ in 0..dispatcher.state.limits.turn_datagrams {
            if !self.may_read {
                return;
            }
            match self.receive(dispatcher.buffer()) {
                Ok((count, from, asked)) if is_admitted(from, own_ports, &mut dispatcher.state, service) => {
                    let (mut sent, mut refused) = (0, 0);
                    let source = Source { address: from, listener: self.id };
                    let log_data = dispatcher.state.services[service].log_data;
                    if log_data {
                        traced::log_received(&Udp(from), &dispatcher.buffer()[..count]);
                    }
                    dispatcher.datagram(&source, service, count, |answer| {
                        let is_sent = self.send(answer, from, asked);
                        if is_sent && log_data {
                            traced::log_sent(&Udp(from), answer);
                        }
                        (sent, refused) = if is_sent { (answer.len(), 0) } else { (0, 1) };
                    });
                    dispatcher.state.stats.bytes_out += sent as u64;
                    dispatcher.state.services.note_sent(service, sent);
                    dispatcher.state.stats.datagrams_dropped += refused;
                }
                Ok(_) => dispatcher.state.stats.datagrams_dropped += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.may_read = false,
                // Linux reports here that an earlier answer was not delivered, for example because its port is closed.
                Err(error) => log::debug!("udp:{}: {error}", self.local),
            }
        }
    }

    /// Receives a datagram. Returns its length, its sender and, if this socket has every address, the one that was
    /// asked.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<Asked>)> {
        match &mut self.asked_space {
            Some(space) => Asked::receive(&self.socket, buffer, space),
            None => self.socket.recv_from(buffer).map(|(count, from)| (count, from, None)),
        }
    }

    /// Sends an answer from the address that was asked. Returns whether the kernel took it.
    fn send(&self, answer: &[u8], to: SocketAddr, asked: Option<Asked>) -> bool {
        let sent = match asked {
            Some(asked) => asked.send(&self.socket, answer, to),
            None => self.socket.send_to(answer, to),
        };
        match sent {
            Ok(_) => true,
            Err(error) => {
                log::debug!("udp:{}: cannot answer {to}: {error}", self.local);
                false
            }
        }
    }
}

/// Shows the sender of a datagram.
struct Udp(SocketAddr);

impl fmt::Display for Udp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "udp:{}", self.0)
    }
}

/// Whether a service answers a datagram from this address. Counts it for the rate of its host if it does.
pub(crate) fn is_admitted(from: SocketAddr, own_ports: &[u16], state: &mut State, service: ServiceId) -> bool {
    !may_be_server(from, own_ports) && state.services[service].admits_datagram(from.ip(), state.clock.now())
}

/// Whether a datagram from this address may be the answer of another server, or of this one.
fn may_be_server(from: SocketAddr, own_ports: &[u16]) -> bool {
    from.port() < FIRST_USER_PORT || own_ports.contains(&from.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::admission::Admission;
    use crate::state::service::ServiceOptions;
    use std::time::Instant;

    #[test]
    fn system_ports_own_ports_and_denied_hosts_are_not_answered() {
        let admission = Admission { deny: vec!["127.0.0.2/32".parse().expect("a literal")], ..Admission::default() };
        let options = ServiceOptions { admission, ..ServiceOptions::default() };
        let mut state = State::new(options, None, Instant::now());
        for (from, answered) in [
            ("127.0.0.1:1023", false),
            ("127.0.0.1:1024", true),
            ("127.0.0.1:5000", false),
            ("192.0.2.1:5000", false),
            ("127.0.0.1:5001", true),
            ("127.0.0.2:5001", false),
        ] {
            let source: SocketAddr = from.parse().expect("a literal");
            assert_eq!(is_admitted(source, &[5000], &mut state, ServiceId::DEFAULT), answered, "{from}");
        }
    }
}
