//! Bans: nicknames and hosts that are kept out of the room.
//!
//! Invariant: there are at most [`MOST_BANS`], each of another nickname or network. A ban with a duration ends by
//! itself. Bans are kept in memory and end with the server.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::connection::origin::Peer;
use crate::net::Network;
use crate::servers::text::fold;
use crate::state::admission::HostKey;
use crate::state::stats::rough;

use super::room::nickname;

/// The most bans. Each connection is compared with all of them.
const MOST_BANS: usize = 1000;

/// The bans of a room, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Bans(Vec<Ban>);

#[derive(Debug)]
struct Ban {
    of: Banned,
    /// `None`: for good.
    until: Option<Instant>,
}

/// A nickname in its folded form, or a network. Peers of Unix sockets are in no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Banned {
    Nick(Box<str>),
    Network(Network),
}

impl Banned {
    /// Reads a nickname, an address or a network. An IPv6 address stands for its /64, since one machine may use all
    /// addresses of it.
    pub(super) fn parse(text: &str) -> Option<Banned> {
        let network = match text.parse().map(|host: IpAddr| host.to_canonical()) {
            Ok(host @ IpAddr::V6(_)) => format!("{}/64", HostKey::of(host)).parse(),
            _ => text.parse(),
        };
        let nick = || nickname::parse(text.as_bytes()).map(|nick| Banned::Nick(fold(&nick)));
        network.ok().map(Banned::Network).or_else(nick)
    }

    /// Whether this is the host of a peer.
    pub(super) fn is_host_of(&self, peer: Peer) -> bool {
        match (self, peer) {
            (Banned::Network(network), Peer::Inet(address)) => network.contains(address.ip()),
            _ => false,
        }
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Banned::Nick(nick) => f.write_str(nick),
            Banned::Network(network) => network.fmt(f),
        }
    }
}

impl Bans {
    /// Adds a ban, in place of one of the same nickname or network. Returns `false` if there is no room for it.
    pub(super) fn add(&mut self, of: Banned, time: Option<Duration>, now: Instant) -> bool {
        self.end_old(now);
        self.0.retain(|ban| ban.of != of);
        let has_room = self.0.len() < MOST_BANS;
        if has_room {
            // A time beyond the end of the clock is for good.
            self.0.push(Ban { of, until: time.and_then(|time| now.checked_add(time)) });
        }
        has_room
    }

    /// Removes a ban. Returns whether there was one.
    pub(super) fn remove(&mut self, of: &Banned, now: Instant) -> bool {
        self.end_old(now);
        let before = self.0.len();
        self.0.retain(|ban| ban.of != *of);
        self.0.len() < before
    }

    /// Whether the host of a peer is banned.
    pub(super) fn has_host_of(&self, peer: Peer, now: Instant) -> bool {
        self.0.iter().any(|ban| ban.lasts(now) && ban.of.is_host_of(peer))
    }

    /// Whether a nickname is banned.
    pub(super) fn has_nick(&self, nick: &str, now: Instant) -> bool {
        let nick = Banned::Nick(fold(nick));
        self.0.iter().any(|ban| ban.lasts(now) && ban.of == nick)
    }

    /// All bans, one a line.
    pub(super) fn list(&mut self, now: Instant) -> String {
        self.end_old(now);
        let line = |ban: &Ban| match ban.until {
            Some(until) => format!("{}  for {}", ban.of, rough(until.saturating_duration_since(now))),
            None => format!("{}  for good", ban.of),
        };
        if self.0.is_empty() { "no bans".to_owned() } else { self.0.iter().map(line).collect::<Vec<_>>().join("\n") }
    }

    fn end_old(&mut self, now: Instant) {
        self.0.retain(|ban| ban.lasts(now));
    }
}

impl Ban {
    fn lasts(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn parsed(text: &str) -> String {
        Banned::parse(text).map_or_else(|| "nothing".to_owned(), |of| format!("{of:?}"))
    }

    #[test]
    fn an_address_is_a_host_and_anything_else_a_nickname() {
        for (text, wanted) in [
            ("Ann", "Nick(\"ann\")"),
            ("10.0.0.1", "Network(Network(10.0.0.1/32))"),
            ("10.0.0.0/8", "Network(Network(10.0.0.0/8))"),
            ("2001:db8::1:2:3:4", "Network(Network(2001:db8::/64))"),
            ("::ffff:10.0.0.1", "Network(Network(10.0.0.1/32))"),
            ("2001:db8::/32", "Network(Network(2001:db8::/32))"),
            ("10.0.0.0/33", "nothing"),
            ("a b", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(parsed(text), wanted, "{text}");
        }
    }

    #[test]
    fn bans_end_with_their_time_and_are_bounded() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let of = |text: &str| Banned::parse(text).expect("a nickname or a host");
        let mut bans = Bans::default();
        assert!(bans.add(of("10.0.0.0/8"), Some(second), start));
        let peer = Peer::Inet(SocketAddr::from(([10, 1, 2, 3], 4)));
        assert!(bans.has_host_of(peer, start) && !bans.has_host_of(peer, start + second));
        assert!(!bans.has_host_of(Peer::Unix, start));
        for number in 0..MOST_BANS - 1 {
            assert!(bans.add(of(&format!("nick{number}")), None, start));
        }
        assert!(!bans.add(of("last"), None, start), "all places are taken");
        assert!(bans.add(of("NICK1"), None, start), "a ban can be made anew");
        assert!(bans.add(of("last"), None, start + second), "a ban has ended");
        assert!(bans.has_nick("Last", start) && bans.remove(&of("last"), start) && !bans.has_nick("last", start));
        assert!(!bans.remove(&of("last"), start));
    }
}
