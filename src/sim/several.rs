//! Several simulations in one test: servers that are connected to each other.
//!
//! Each has a clock of its own, and nothing happens in one while the test looks at another. So the test decides which
//! bytes move when, and the same choices always give the same result.

use std::time::Duration;

use super::{Sim, SimPeer};
use crate::connection::pipe::Ending;
use crate::handler::Handler;

impl<H: Handler> Sim<H> {
    /// Carries what the peer `from` has received on to another simulation, where its peer `to` sends it: at most `most`
    /// bytes, and after the last one the end. Returns the number of bytes.
    ///
    /// Two peers that are carried to each other join two servers, as a connection between them does.
    ///
    /// ```
    /// use switchboard::servers::{Echo, Relay};
    /// use switchboard::Sim;
    ///
    /// let to = "127.0.0.1:7".parse()?;
    /// let (mut relay, mut echo) = (Sim::new(Relay::new(to)), Sim::new(Echo::bytes()));
    /// let client = relay.connect();
    /// let (upstream, downstream) = (relay.connected(&"127.0.0.1:7".parse()?), echo.connect());
    /// relay.send(client, b"hello");
    /// assert_eq!(relay.carry(upstream, &mut echo, downstream, 3), 3);
    /// assert_eq!(echo.carry(downstream, &mut relay, upstream, 100), 3);
    /// assert_eq!(relay.received(client), b"hel");
    /// # Ok::<(), switchboard::AddressError>(())
    /// ```
    pub fn carry<G: Handler>(&mut self, from: SimPeer, other: &mut Sim<G>, to: SimPeer, most: usize) -> usize {
        self.run();
        let mut wires = self.wires(from);
        let count = most.min(wires.from_server.len());
        let bytes: Vec<u8> = wires.from_server.drain(..count).collect();
        let ending = wires.ending.filter(|_| wires.from_server.is_empty());
        drop(wires);
        let (has_ended, is_reset) = {
            let wires = other.wires(to);
            (wires.peer_ended, wires.peer_reset)
        };
        if count > 0 && !has_ended && !is_reset {
            other.send(to, &bytes);
        }
        match ending {
            Some(Ending::Eof) if !has_ended && !is_reset => other.shut_down(to),
            Some(Ending::Reset) if !is_reset => other.reset(to),
            _ => {}
        }
        count
    }

    /// Returns the time until the next timer is due: one of the handler, or the reactor's own. `None` if there is none.
    ///
    /// With it, a test advances several simulations together, each time to the earliest timer of all.
    pub fn time_to_next_timer(&mut self) -> Option<Duration> {
        self.run();
        let state = &self.dispatcher.state;
        let next = [state.timers.next_deadline(), state.drain_deadline].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(state.clock.now()))
    }
}
