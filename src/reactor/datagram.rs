//! UDP sockets that listen: one datagram in, at most one out.
//!
//! Invariant: a datagram that may be the answer of another server is never answered, so two servers cannot be made to
//! answer each other for ever (CVE-2024-2169). Such a datagram comes from a system port (below 1024) or from a port of
//! this reactor.
//!
//! A socket that is bound to every address of this machine answers from the address that was asked.
//!
//! Datagrams are not queued. If the kernel refuses one, it is dropped and counted.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::{Interest, Registry, net};

use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::origin::Source;
use crate::handler::Handler;
use crate::net::Asked;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::State;
use crate::state::admission::HostKey;
use crate::state::rate::Bucket;

/// One UDP socket.
#[derive(Debug)]
pub(crate) struct DatagramSocket {
    socket: net::UdpSocket,
    local: SocketAddr,
    id: ListenerId,
    may_read: bool,
    sources: Sources,
}

/// First port that is not a system port (RFC 6335).
const FIRST_USER_PORT: u16 = 1024;

impl DatagramSocket {
    pub(crate) fn new(socket: std::net::UdpSocket, id: ListenerId) -> io::Result<Self> {
        let local = socket.local_addr()?;
        if local.ip().is_unspecified() {
            Asked::report(&socket, local)?;
        }
        Ok(DatagramSocket {
            socket: net::UdpSocket::from_std(socket),
            local,
            id,
            may_read: false,
            sources: Sources::default(),
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: mio::Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
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
                Ok((count, from, asked))
                    if !may_be_server(from, own_ports) && self.sources.admit(from.ip(), &dispatcher.state, service) =>
                {
                    let (mut sent, mut refused) = (0, 0);
                    let source = Source { address: from, listener: self.id };
                    dispatcher.datagram(&source, service, count, |answer| {
                        (sent, refused) =
                            if self.send(answer, from, asked) { (answer.len() as u64, 0) } else { (0, 1) };
                    });
                    dispatcher.state.stats.bytes_out += sent;
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
    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Option<Asked>)> {
        if self.local.ip().is_unspecified() {
            return Asked::receive(&self.socket, buffer);
        }
        self.socket.recv_from(buffer).map(|(count, from)| (count, from, None))
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

/// Whether a datagram from this address may be the answer of another server, or of this one.
fn may_be_server(from: SocketAddr, own_ports: &[u16]) -> bool {
    from.port() < FIRST_USER_PORT || own_ports.contains(&from.port())
}

/// The rate of datagrams of each host.
#[derive(Debug, Default)]
struct Sources(HashMap<HostKey, Bucket>);

/// Number of hosts whose rates are kept. Above it, hosts with a whole burst are dropped. If too many remain, all are
/// dropped, and each host gets a new burst. This bounds memory, since source addresses can be forged.
const MAX_HOSTS: usize = 4096;

impl Sources {
    /// Whether the admission and the rate of a service allow an answer to this host. Counts the datagram if they do.
    fn admit(&mut self, host: IpAddr, state: &State, service: ServiceId) -> bool {
        let service = &state.services[service];
        if !service.admission.admits(host) {
            return false;
        }
        let Some(rate) = &service.limits.datagram_rate else { return true };
        if self.0.len() >= MAX_HOSTS {
            self.0.retain(|_, bucket| !bucket.is_full(state.clock.now()));
            if self.0.len() >= MAX_HOSTS {
                self.0.clear();
            }
        }
        self.0.entry(HostKey::of(host)).or_default().try_take(rate, state.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::admission::Admission;
    use crate::state::limits::Limits;
    use crate::state::rate::Rate;
    use crate::state::service::ServiceOptions;
    use std::time::{Duration, Instant};

    const SERVICE: ServiceId = ServiceId::DEFAULT;

    #[test]
    fn each_host_has_a_rate_and_memory_is_bounded() {
        let rate = Rate { count: 10, per: Duration::from_secs(1), burst: 20 };
        let limits = Limits { datagram_rate: Some(rate), ..Limits::default() };
        let mut state = State::new(ServiceOptions { limits, ..ServiceOptions::default() }, None, Instant::now());
        let mut sources = Sources::default();
        let host = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        let mut answered =
            |state: &State, number| (0..100).filter(|_| sources.admit(host(number), state, SERVICE)).count();
        assert_eq!((answered(&state, 1), answered(&state, 2)), (20, 20));
        state.clock.set_now(state.clock.now() + Duration::from_secs(1));
        assert_eq!(answered(&state, 1), 10);
        for number in 0..3 * MAX_HOSTS as u32 {
            sources.admit(host(number), &state, SERVICE);
        }
        assert!(sources.0.len() <= MAX_HOSTS);
    }

    #[test]
    fn system_ports_own_ports_and_denied_hosts_are_not_answered() {
        let admission = Admission { deny: vec!["127.0.0.2/32".parse().expect("a literal")], ..Admission::default() };
        let options = ServiceOptions { admission, ..ServiceOptions::default() };
        let state = State::new(options, None, Instant::now());
        for (from, answered) in [
            ("127.0.0.1:1023", false),
            ("127.0.0.1:1024", true),
            ("127.0.0.1:5000", false),
            ("192.0.2.1:5000", false),
            ("127.0.0.1:5001", true),
            ("127.0.0.2:5001", false),
        ] {
            let source: SocketAddr = from.parse().expect("a literal");
            let is_admitted = Sources::default().admit(source.ip(), &state, SERVICE);
            assert_eq!(is_admitted && !may_be_server(source, &[5000]), answered, "{from}");
        }
    }
}
