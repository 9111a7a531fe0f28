//! Relay: each client is connected to an upstream server, and all bytes pass in both directions.
//!
//! Invariants: both ends of a relay are in one table, each with the token of the other, from the request for the
//! upstream connection until the first of them closes. The end of one side is passed on after its last byte. Which end
//! is read, and when, is the reactor's: see [`Context::relay`].

#[cfg(feature = "cli")]
mod args;

use std::collections::HashMap;
use std::io;

use crate::connection::closed::Closed;
use crate::connection::link::Link;
use crate::connection::origin::{Origin, Peer, Via};
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::Address;
use crate::state::throttle::Throttle;

#[cfg(feature = "cli")]
pub use args::RelayServer;

/// Relays each client to the server at one address, and the answers back.
///
/// ```
/// use switchboard::servers::Relay;
/// use switchboard::{Address, Ending, Sim};
///
/// let upstream: Address = "127.0.0.1:80".parse()?;
/// let mut sim = Sim::new(Relay::new(upstream.clone()));
/// let client = sim.connect();
/// sim.send(client, b"sent before the upstream server has accepted");
/// let server = sim.connected(&upstream);
/// assert_eq!(sim.received(server), b"sent before the upstream server has accepted");
/// sim.shut_down(client);
/// assert_eq!(sim.ending(server), Some(Ending::Eof));
/// sim.send(server, b"the answer");
/// sim.shut_down(server);
/// assert_eq!((sim.received(client), sim.ending(client)), (b"the answer".to_vec(), Some(Ending::Eof)));
/// # Ok::<(), switchboard::AddressError>(())
/// ```
#[derive(Debug)]
pub struct Relay {
    to: Address,
    ends: HashMap<Token, End>,
    /// Upstream connections that failed, and those that broke.
    warnings: [Throttle; 2],
}

/// One end of a relay.
#[derive(Debug)]
struct End {
    other: Token,
    /// The client of the relay, for the log.
    client: Peer,
    is_upstream: bool,
    /// Whether the peer has ended its side.
    has_ended: bool,
}

impl Relay {
    /// Creates a relay to the address `to`. Connections to a UDP address carry nothing.
    #[must_use]
    pub fn new(to: Address) -> Self {
        Relay { to, ends: HashMap::new(), warnings: [Throttle::new(), Throttle::new()] }
    }

    /// The other end of a relay.
    fn other(&self, token: Token) -> Option<Token> {
        self.ends.get(&token).map(|end| end.other)
    }
}

impl Handler for Relay {
    type Session = Token;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Token {
        if let Via::Listener(_) = origin.via {
            let (client, upstream) = (origin.token, cx.connect(self.to.clone(), Link::default()));
            let end = |other, is_upstream| End { other, client: origin.peer, is_upstream, has_ended: false };
            self.ends.insert(client, end(upstream, false));
            self.ends.insert(upstream, end(client, true));
        } else if let Some(end) = self.ends.get(&origin.token) {
            cx.set_name(format!("upstream of {}", end.client));
        }
        origin.token
    }

    fn data<'a>(&mut self, token: &mut Token, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        if let Some(other) = self.other(*token) {
            // If the other end is gone, this one is closed when that is reported.
            cx.relay(other, input);
        }
        input.len()
    }

    fn eof(&mut self, token: &mut Token, cx: &mut Context<'_>) {
        let Some(end) = self.ends.get_mut(token) else { return cx.close() };
        end.has_ended = true;
        let other = end.other;
        if self.ends.get(&other).is_some_and(|end| end.has_ended) {
            cx.close_other(other);
            cx.close();
        } else {
            cx.shut_down_other(other);
        }
    }

    fn closed(&mut self, token: Token, why: &Closed, cx: &mut Context<'_>) {
        let Some(end) = self.ends.remove(&token) else { return };
        if let (true, Closed::Failed(error)) = (end.is_upstream, why)
            && let Some(repeats) = self.warnings[1].note(cx.now())
        {
            log::warn!("{} has broken the relay of {}: {error}{repeats}", self.to, end.client);
        }
        // What was relayed before is still sent.
        self.ends.remove(&end.other);
        cx.close_other(end.other);
    }

    fn connect_failed(&mut self, requested: Token, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        let Some(end) = self.ends.remove(&requested) else { return };
        if let Some(repeats) = self.warnings[0].note(cx.now()) {
            log::warn!("cannot relay {} to {to}: {error}{repeats}", end.client);
        }
        self.ends.remove(&end.other);
        cx.close_other(end.other);
    }
}

#[cfg(test)]
mod tests;
