//! Admission: networks that are allowed or denied, and the number and the rate of connections of each host.
//!
//! Invariants: a host is in the table of numbers while it has a connection, so the table is no larger than that of
//! connections. The table of rates is bounded. Peers of Unix sockets have no host.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use crate::connection::flags::Flags;
use crate::connection::origin::Peer;
use crate::net::Network;
use crate::state::rate::{Bucket, Rate};

/// The hosts that are served. Peers of Unix sockets are always served, since the mode of the file decides about them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Admission {
    /// If it is not empty, only hosts in these networks are served.
    pub allow: Vec<Network>,
    /// Hosts in these networks are not served, even if `allow` contains them.
    pub deny: Vec<Network>,
}

impl Admission {
    /// Whether a host is served. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn admits(&self, host: IpAddr) -> bool {
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(host));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }
}

/// The proxies in front of a service. Each of their connections begins with a PROXY header, which names the client.
///
/// For the limits, the admission, the log and the handler, the client is the [`Peer`] of the connection. A connection
/// that the proxy makes for itself, for example for a health check, keeps the proxy as its peer. A header of another
/// peer closes its connection ([`Closed::ForeignHeader`](crate::Closed::ForeignHeader)).
///
/// Datagrams have no header.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Proxies {
    /// The networks of proxies that connect over TCP.
    pub networks: Vec<Network>,
    /// Whether the peers of Unix sockets are proxies.
    pub unix: bool,
}

impl Proxies {
    /// Whether a peer is one of these proxies.
    #[must_use]
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Inet(address) => self.networks.iter().any(|network| network.contains(address.ip())),
            Peer::Unix => self.unix,
            Peer::Child(_) => false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// The flag of a connection of `peer`, which is a proxy or not.
    pub(crate) fn flag(&self, peer: Peer) -> Flags {
        if self.contains(peer) { Flags::HOST_UNKNOWN } else { Flags::CHECK_INPUT }
    }
}

/// The cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Denied,
    Full,
    HostFull,
    HostRate,
}

impl Refusal {
    /// Every cause, in the order of its number.
    pub(crate) const ALL: [Refusal; 4] = [Refusal::Denied, Refusal::Full, Refusal::HostFull, Refusal::HostRate];

    /// The name in metrics: that of the flag.
    #[cfg(feature = "metrics")]
    pub(crate) fn label(self) -> &'static str {
        match self {
            Refusal::Denied => "denied",
            Refusal::Full => "max_connections",
            Refusal::HostFull => "max_per_host",
            Refusal::HostRate => "connect_rate",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Denied => "not allowed (--allow, --deny)",
            Refusal::Full => "full (--max-connections)",
            Refusal::HostFull => "too many connections from this host (--max-per-host)",
            Refusal::HostRate => "too many new connections from this host (--connect-rate)",
        })
    }
}

/// The unit that counts as one host: an IPv4 address, or a /64 of IPv6. A customer is usually given a /64 (RFC 6177),
/// and one machine may use any number of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostKey(IpAddr);

impl HostKey {
    pub(crate) fn of(host: IpAddr) -> Self {
        HostKey(match host.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Writes the address, for IPv6 the first of its /64.
impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of connections of each host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(HashMap<HostKey, usize>);

impl Hosts {
    pub(crate) fn count(&self, host: IpAddr) -> usize {
        self.0.get(&HostKey::of(host)).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, host: IpAddr) {
        *self.0.entry(HostKey::of(host)).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, host: IpAddr) {
        if let Entry::Occupied(mut entry) = self.0.entry(HostKey::of(host)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// The rates of hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostRates(HashMap<HostKey, Bucket>);

/// Number of hosts whose rates are kept. Above it, hosts with a whole burst are dropped. If too many remain, all are
/// dropped, and each host gets a new burst. This bounds memory, since source addresses can be forged.
const MAX_HOSTS: usize = 4096;

impl HostRates {
    /// Whether the rate allows one more event of this host. Counts the event if it does.
    pub(crate) fn try_take(&mut self, host: IpAddr, rate: &Rate, now: Instant) -> bool {
        if self.0.len() >= MAX_HOSTS {
            self.0.retain(|_, bucket| !bucket.is_full(now));
            if self.0.len() >= MAX_HOSTS {
                self.0.clear();
            }
        }
        self.0.entry(HostKey::of(host)).or_default().try_take(rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_host_has_a_rate_and_memory_is_bounded() {
        let rate = Rate { count: 10, per: Duration::from_secs(1), burst: 20 };
        let (now, mut rates) = (Instant::now(), HostRates::default());
        let host = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        let mut allowed = |number, now| (0..100).filter(|_| rates.try_take(host(number), &rate, now)).count();
        assert_eq!((allowed(1, now), allowed(2, now)), (20, 20));
        assert_eq!(allowed(1, now + Duration::from_secs(1)), 10);
        for number in 0..3 * MAX_HOSTS as u32 {
            rates.try_take(host(number), &rate, now);
        }
        assert!(rates.0.len() <= MAX_HOSTS);
    }

    fn nets(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().expect("a literal network")).collect()
    }

    #[test]
    fn deny_wins_over_allow_and_an_empty_allow_admits_all() {
        let host = |text: &str| text.parse::<IpAddr>().expect("a literal address");
        let all = Admission::default();
        assert!(all.admits(host("192.0.2.1")) && all.admits(host("2001:db8::1")));
        let admission = Admission { allow: nets(&["10.0.0.0/8", "::1/128"]), deny: nets(&["10.1.0.0/16"]) };
        for (text, admitted) in [
            ("10.0.0.1", true),
            ("10.1.0.1", false),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:10.1.0.1", false),
        ] {
            assert_eq!(admission.admits(host(text)), admitted, "{text}");
        }
    }

    #[test]
    fn proxies_are_in_a_network_or_at_a_unix_socket() {
        let inet = |text: &str| Peer::Inet(text.parse().expect("a literal address"));
        assert!(Proxies::default().is_empty() && !Proxies::default().contains(inet("127.0.0.1:1")));
        let proxies = Proxies { networks: nets(&["127.0.0.0/8", "::1"]), unix: false };
        for (peer, is_proxy) in [
            (inet("127.0.0.9:1"), true),
            (inet("[::1]:1"), true),
            (inet("[::ffff:127.0.0.1]:1"), true),
            (inet("192.0.2.1:1"), false),
            (Peer::Unix, false),
        ] {
            assert_eq!(proxies.contains(peer), is_proxy, "{peer}");
        }
        let proxies = Proxies { networks: Vec::new(), unix: true };
        assert!(proxies.contains(Peer::Unix) && !proxies.contains(inet("127.0.0.1:1")) && !proxies.is_empty());
    }

    #[test]
    fn a_host_is_an_ipv4_address_or_a_64_of_ipv6() {
        let key = |text: &str| HostKey::of(text.parse().expect("a literal address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn a_host_is_forgotten_with_its_last_connection() {
        let (mut hosts, host) = (Hosts::default(), "192.0.2.1".parse().expect("a literal address"));
        hosts.add(host);
        hosts.add(host);
        hosts.remove(host);
        assert_eq!((hosts.count(host), hosts.0.len()), (1, 1));
        hosts.remove(host);
        hosts.remove(host);
        assert_eq!((hosts.count(host), hosts.0.len()), (0, 0));
    }
}
