//! Relays: bytes that one connection passes on to another, with back-pressure.
//!
//! Invariants: a source with [`Flags::RELAY_FULL`] is in the list of a destination that takes relayed bytes or still
//! sends them, and `relay_waits` counts these lists; a destination has a list exactly while it has [`Flags::AWAITED`].
//! The end of a destination releases its sources.

use slotmap::secondary::Entry;

use crate::connection::Phase;
use crate::connection::flags::Flags;
use crate::connection::token::Token;
use crate::state::{OutputSource, State};

impl State {
    /// Passes bytes of `source` on to the connection `to`. Returns whether that takes them.
    pub(crate) fn relay(&mut self, source: Token, to: Token, bytes: &[u8]) -> bool {
        if !self.takes_relay(to) {
            return false;
        }
        if !bytes.is_empty() {
            self.write_now(to, bytes, OutputSource::Relayed);
        }
        // The write may have found that the peer is gone.
        let Some(destination) = self.connections.get_mut(to).filter(|found| found.phase != Phase::Dead) else {
            return false;
        };
        destination.flags.insert(Flags::RELAYING);
        let is_full = destination.queued_relayed() > self.services.limits_of(to, destination).high_mark();
        let Some(connection) = self.connections.get_open(source) else { return true };
        connection.flags.insert(Flags::RELAYING);
        if is_full {
            connection.flags.insert(Flags::RELAY_FULL);
            self.await_drained(to, source);
        }
        true
    }

    /// Ends the part of a connection in a relay. If the reactor is stopping, its session ends as others do.
    #[cfg(feature = "http")]
    pub(crate) fn end_relay(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && connection.flags.take(Flags::RELAYING)
        {
            self.mark_ready(token);
        }
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
            if let Some(waits) = self.relay_waits.entry(source.key()) {
                *waits.or_default() += 1;
            }
        }
    }

    /// Reads the sources of a destination again if its relayed output has drained.
    pub(super) fn release_if_drained(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.queued_relayed() <= self.services.limits_of(token, connection).low_mark() {
            self.release_sources(token);
        }
    }

    /// Reads the sources of a destination again, except those that still wait for another one.
    pub(super) fn release_sources(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && connection.flags.take(Flags::AWAITED)
        {
            for source in self.relays.remove(token.key()).unwrap_or_default() {
                self.end_relay_wait(source);
            }
        }
    }

    /// Reads a source again if it waits for no other destination. Otherwise a fast destination would fill a slow one
    /// without a limit.
    fn end_relay_wait(&mut self, source: Token) {
        let Some(waits) = self.relay_waits.get_mut(source.key()) else { return };
        *waits -= 1;
        if *waits == 0 {
            self.relay_waits.remove(source.key());
            self.end_suspension(source, Flags::RELAY_FULL);
        }
    }

    /// Whether bytes can be relayed to a connection. Over UDP, the boundaries of its datagrams would be lost.
    fn takes_relay(&self, to: Token) -> bool {
        let Some(connection) = self.connections.get(to) else { return false };
        let is_stream = match connection.phase {
            // It has no stream yet.
            Phase::Connecting => self.attempts.get(to.key()).is_none_or(|attempt| !attempt.is_to_udp()),
            Phase::Handshaking | Phase::Open => !connection.stream.is_datagram(),
            Phase::Flushing | Phase::Lingering | Phase::Dead => false,
        };
        is_stream && !connection.flags.contains(Flags::SHUT_DOWN)
    }
}
