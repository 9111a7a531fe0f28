//! UDP sockets that listen: one datagram in, at most one out.
//!
//! Invariant: nothing is ever answered that could be another server's answer, so two servers cannot be made to talk to
//! each other for ever (CVE-2024-2169): no source port below 1024, where services live, and none of our own ports. Nothing
//! is queued: what the kernel refuses is dropped and counted, as a datagram may be.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::{Interest, Registry, net};

use crate::connection::origin::Source;
use crate::handler::Handler;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::State;
use crate::state::admission::{Admission, HostKey};
use crate::state::rate::Bucket;

/// One UDP socket.
#[derive(Debug)]
pub(crate) struct DatagramSocket {
    socket: net::UdpSocket,
    local: SocketAddr,
    /// Its number among the listeners.
    listener: usize,
    may_read: bool,
    sources: Sources,
}

/// Source ports below this belong to services (RFC 6335, system ports).
const FIRST_USER_PORT: u16 = 1024;

impl DatagramSocket {
    pub(crate) fn new(socket: std::net::UdpSocket, listener: usize) -> io::Result<Self> {
        let local = socket.local_addr()?;
        Ok(DatagramSocket {
            socket: net::UdpSocket::from_std(socket),
            local,
            listener,
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

    /// Serves what has arrived, within the turn's budget.
    pub(crate) fn serve<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>, rules: &Rules<'_>) {
        for _ in 0..dispatcher.state.limits.turn_datagrams {
            if !self.may_read {
                return;
            }
            match self.socket.recv_from(dispatcher.buffer()) {
                Ok((count, from))
                    if rules.answers(from) && self.sources.admit(from.ip(), &dispatcher.state, rules.service) =>
                {
                    let (mut sent, mut refused) = (0, 0);
                    let source = Source { address: from, listener: self.listener };
                    dispatcher.datagram((&source, rules.service), count, |answer| {
                        (sent, refused) = if self.send(answer, from) { (answer.len() as u64, 0) } else { (0, 1) };
                    });
                    dispatcher.state.stats.bytes_out += sent;
                    dispatcher.state.stats.datagrams_dropped += refused;
                }
                Ok(_) => dispatcher.state.stats.datagrams_dropped += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.may_read = false,
                // Linux reports here what became of an earlier answer, for example that its port is closed.
                Err(error) => log::debug!("udp:{}: {error}", self.local),
            }
        }
    }

    /// Whether the kernel took the answer.
    fn send(&self, answer: &[u8], to: SocketAddr) -> bool {
        match self.socket.send_to(answer, to) {
            Ok(_) => true,
            Err(error) => {
                log::debug!("udp:{}: no answer to {to}: {error}", self.local);
                false
            }
        }
    }
}

/// How much each host has asked for lately.
#[derive(Debug, Default)]
struct Sources(HashMap<HostKey, Bucket>);

/// So many hosts are remembered. Beyond that all are forgotten, which gives each a new burst: a source can be forged, and
/// memory cannot.
const SOURCES: usize = 4096;

impl Sources {
    /// Whether one more datagram of this host is answered.
    fn admit(&mut self, host: IpAddr, state: &State, service: u16) -> bool {
        let Some(rate) = &state.services[usize::from(service)].limits.datagram_rate else { return true };
        if self.0.len() >= SOURCES {
            self.0.retain(|_, bucket| !bucket.is_full(state.now));
            if self.0.len() >= SOURCES {
                self.0.clear();
            }
        }
        self.0.entry(HostKey::of(host)).or_default().try_take(rate, state.now)
    }
}

/// Who is answered.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) admission: &'a Admission,
    pub(crate) own_ports: &'a [u16],
    /// Who answers.
    pub(crate) service: u16,
}

impl Rules<'_> {
    fn answers(&self, from: SocketAddr) -> bool {
        from.port() >= FIRST_USER_PORT && !self.own_ports.contains(&from.port()) && self.admission.admits(from.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limits::Limits;
    use crate::state::rate::Rate;
    use std::time::{Duration, Instant};

    #[test]
    fn each_host_is_answered_so_often_and_memory_is_bounded() {
        let rate = Rate { count: 10, per: Duration::from_secs(1), burst: 20 };
        let limits = Limits { datagram_rate: Some(rate), ..Limits::default() };
        let mut state = State::new(limits, None, Instant::now());
        let mut sources = Sources::default();
        let host = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        let mut answered = |state: &State, number| (0..100).filter(|_| sources.admit(host(number), state, 0)).count();
        assert_eq!((answered(&state, 1), answered(&state, 2)), (20, 20));
        state.set_now(state.now + Duration::from_secs(1));
        assert_eq!(answered(&state, 1), 10);
        for number in 0..3 * SOURCES as u32 {
            sources.admit(host(number), &state, 0);
        }
        assert!(sources.0.len() <= SOURCES);
    }

    #[test]
    fn neither_services_nor_ourselves_nor_the_denied_are_answered() {
        let admission = Admission { allow: Vec::new(), deny: vec!["127.0.0.2/32".parse().expect("a literal")] };
        let rules = Rules { admission: &admission, own_ports: &[5000], service: 0 };
        for (from, answered) in [
            ("127.0.0.1:1023", false),
            ("127.0.0.1:1024", true),
            ("127.0.0.1:5000", false),
            ("192.0.2.1:5000", false),
            ("127.0.0.1:5001", true),
            ("127.0.0.2:5001", false),
        ] {
            assert_eq!(rules.answers(from.parse().expect("a literal")), answered, "{from}");
        }
    }
}
