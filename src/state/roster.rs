//! What the operator calls connections by: the names that handlers give, and the numbers of a listing.
//!
//! Both are side tables, so a connection that no handler has named and no listing has shown costs nothing here.
//! Invariant: a number is given once, to one connection. So a number on the screen of an operator never names a
//! stranger, also after a listing of another operator.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use slotmap::SecondaryMap;

use crate::connection::Connection;
use crate::connection::origin::Peer;
use crate::connection::token::{ConnectionKey, Token};
use crate::state::State;

/// The names and numbers of connections.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    names: SecondaryMap<ConnectionKey, Arc<str>>,
    /// The connections that were listed, by number. Entries of ended connections are dropped by the next listing.
    numbers: BTreeMap<u32, Token>,
    /// The highest number that was given.
    last_number: u32,
}

/// A peer in a log line: `ann (127.0.0.1:4242)`, or the address alone if the connection has no name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedPeer<'a> {
    name: Option<&'a str>,
    peer: Option<Peer>,
}

/// A connection in a listing.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) number: u32,
    /// The name of its service. Empty if the service has none.
    pub(crate) service: String,
    /// Empty if the connection has no name.
    pub(crate) name: Arc<str>,
    pub(crate) peer: Peer,
    /// The time since it was opened, in whole seconds.
    pub(crate) age: Duration,
    /// The number of unsent bytes, in its outbox and in the feed that it follows.
    pub(crate) queued: usize,
}

impl Roster {
    /// Names a connection. An empty name removes the former one. `name` is sanitized text.
    pub(crate) fn set_name(&mut self, token: Token, name: Arc<str>) {
        if name.is_empty() {
            self.names.remove(token.key());
        } else {
            self.names.insert(token.key(), name);
        }
    }

    /// Forgets the name of a connection, which is removed. Its number stays until the next listing.
    pub(crate) fn remove(&mut self, token: Token) {
        self.names.remove(token.key());
    }

    /// A peer with the name of its connection.
    pub(crate) fn named(&self, token: Token, peer: Peer) -> NamedPeer<'_> {
        NamedPeer { name: self.names.get(token.key()).map(|name| &**name), peer: Some(peer) }
    }

    /// Numbers the tokens that have no number yet.
    fn number(&mut self, tokens: impl Iterator<Item = Token>) {
        for token in tokens {
            self.last_number += 1;
            self.numbers.insert(self.last_number, token);
        }
    }
}

impl State {
    /// Lists open connections: at most `most`, and only those whose service, name or address contains `wanted`, case
    /// ignored. Returns them in the order of their numbers, with the count of all that match.
    ///
    /// Connections that have a number come first, then the oldest ones, which get numbers here.
    pub(crate) fn list(&mut self, wanted: &str, most: usize) -> (Vec<Listed>, usize) {
        let known: HashMap<Token, u32> = self.roster.numbers.iter().map(|(&number, &token)| (token, number)).collect();
        let wanted = wanted.to_lowercase();
        let matching =
            self.connections.iter().filter(|(token, found)| found.is_open() && self.matches(*token, &wanted));
        let rank = |(token, found): (Token, &Connection)| {
            (known.get(&token).copied().unwrap_or(u32::MAX), found.opened, token)
        };
        let mut ranked: Vec<_> = matching.map(rank).collect();
        let count = ranked.len();
        if count > most {
            ranked.select_nth_unstable(most);
            ranked.truncate(most);
        }
        ranked.sort_unstable();
        let is_new = |(number, _, token): &(u32, u32, Token)| (*number == u32::MAX).then_some(*token);
        self.roster.number(ranked.iter().filter_map(is_new));
        self.roster.numbers.retain(|_, token| self.connections.is_open(*token));
        let shown: HashSet<Token> = ranked.into_iter().map(|(_, _, token)| token).collect();
        let rows = self.roster.numbers.iter().filter(|(_, token)| shown.contains(token));
        (rows.map(|(&number, &token)| self.listed(number, token)).collect(), count)
    }

    /// Finds the open connection with the number `wanted`, or else those with the name `wanted`. If none has exactly
    /// this name, case is ignored.
    pub(crate) fn find(&self, wanted: &str) -> Vec<Token> {
        let is_open = |token: &Token| self.connections.is_open(*token);
        let number = wanted.parse().ok().and_then(|number: u32| self.roster.numbers.get(&number));
        if let Some(&token) = number.filter(|&token| is_open(token)) {
            return vec![token];
        }
        let named = |is_wanted: &dyn Fn(&str) -> bool| {
            let names = self.roster.names.iter().filter(|(_, name)| is_wanted(name));
            names.map(|(key, _)| Token::new(key)).filter(is_open).collect::<Vec<_>>()
        };
        let exact = named(&|name| name == wanted);
        if exact.is_empty() { named(&|name| name.to_lowercase() == wanted.to_lowercase()) } else { exact }
    }

    /// The peer of a connection, with its name.
    pub(crate) fn named_peer(&self, token: Token) -> NamedPeer<'_> {
        self.connections.get(token).map_or(NamedPeer::NONE, |found| self.roster.named(token, found.peer))
    }

    fn listed(&self, number: u32, token: Token) -> Listed {
        let connection = &self.connections[token];
        Listed {
            number,
            service: self.services[connection.service].name.clone(),
            name: self.roster.names.get(token.key()).map_or_else(|| "".into(), Arc::clone),
            peer: connection.peer,
            age: Duration::from_secs((self.clock.seconds() - connection.opened).into()),
            queued: connection.pending(&self.feeds),
        }
    }

    /// Whether the service, name or address of a connection contains `wanted`, which is in lower case.
    fn matches(&self, token: Token, wanted: &str) -> bool {
        let connection = &self.connections[token];
        let has = |text: &str| text.to_lowercase().contains(wanted);
        wanted.is_empty()
            || has(&self.services[connection.service].name)
            || self.roster.names.get(token.key()).is_some_and(|name| has(name))
            || has(&connection.peer.to_string())
    }
}

impl NamedPeer<'_> {
    /// The peer of a callback without a connection.
    pub(crate) const NONE: NamedPeer<'static> = NamedPeer { name: None, peer: None };
}

impl fmt::Display for NamedPeer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, self.peer) {
            (Some(name), Some(peer)) => write!(f, "{name} ({peer})"),
            (None, Some(peer)) => peer.fmt(f),
            (_, None) => f.write_str("no peer"),
        }
    }
}
