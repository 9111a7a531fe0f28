//! Relays: bytes that one connection passes on to another, with back-pressure.
//!
//! Invariants: a source with [`Flags::RELAY_FULL`] is in the list of a destination that takes relayed bytes or still
//! sends them; a destination has a list exactly while it has [`Flags::AWAITED`]. The end of a destination releases its
//! sources.

use slotmap::secondary::Entry;

use crate::connection::flags::Flags;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::state::{OutputSource, State};

impl State {
    /// Passes bytes of `source` on to the connection `to`. Returns whether that takes them.
    pub(crate) fn relay(&mut self, source: Token, to: Token, bytes: &[u8]) -> bool {
        if !self.connections.get(to).is_some_and(takes_relay) {
            return false;
        }
        self.write_now(to, bytes, OutputSource::Relayed);
        // The write may have found that the peer is gone.
        let Some(destination) = self.connections.get_mut(to).filter(|found| takes_relay(found)) else { return false };
        destination.flags.insert(Flags::RELAYING);
        let is_full = destination.queued_relayed() > self.services[destination.service].limits.high_mark();
        let Some(connection) = self.connections.get_open(source) else { return true };
        connection.flags.insert(Flags::RELAYING);
        if is_full {
            connection.flags.insert(Flags::RELAY_FULL);
            self.await_drained(to, source);
        }
        true
    }

    /// Makes `source` wait until the connection `to` has drained.
    fn await_drained(&mut self, to: Token, source: Token) {
        self.connections[to].flags.insert(Flags::AWAITED);
        let Some(sources) = self.relays.entry(to.key()).map(Entry::or_default) else { return };
        if sources.len() == sources.capacity() {
            // A destination may stay full for long, while sources come and go.
            sources.retain(|&source| self.connections.is_open(source));
        }
        if !sources.contains(&source) {
            sources.push(source);
        }
    }

    /// Reads the sources of a destination again if its relayed output has drained.
    pub(super) fn release_if_drained(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.queued_relayed() <= self.services[connection.service].limits.low_mark() {
            self.release_sources(token);
        }
    }

    /// Reads the sources of a destination again, except those that still wait for another one.
    pub(super) fn release_sources(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && connection.flags.take(Flags::AWAITED)
        {
            for source in self.relays.remove(token.key()).unwrap_or_default() {
                // It may relay to others, too. Otherwise a fast destination would fill a slow one without a limit.
                if !self.relays.values().any(|sources| sources.contains(&source)) {
                    self.end_suspension(source, Flags::RELAY_FULL);
                }
            }
        }
    }
}

/// Whether bytes can be relayed to a connection. Over UDP, the boundaries of its datagrams would be lost.
fn takes_relay(connection: &Connection) -> bool {
    matches!(connection.phase, Phase::Connecting | Phase::Handshaking | Phase::Open)
        && !connection.flags.contains(Flags::SHUT_DOWN)
        && !connection.stream.is_datagram()
}
