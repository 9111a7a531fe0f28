//! Outbound connections of a simulated server: the test plays what answers them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use super::{Sim, SimPeer};
use crate::connection::origin::Peer;
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::net::Address;
use crate::state::State;
use crate::state::connects::{Attempt, Step};

/// An outbound connection that the handler of a [`Sim`] has requested.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimRequest {
    /// The address to connect to.
    pub to: Address,
    /// The [`Link::tag`](crate::Link::tag).
    pub tag: u64,
    token: Token,
}

/// A request, as the simulation keeps it.
#[derive(Debug)]
pub(super) struct Request {
    inner: SimRequest,
    /// Whether [`Sim::pending_connects`] has returned it.
    is_seen: bool,
}

impl<H: Handler> Sim<H> {
    /// Returns the outbound connections that the handler has requested and that wait for an answer, oldest first. One
    /// that the handler has given up, or whose time is over, is not among them.
    ///
    /// Each waits for [`accept`](Self::accept) or [`refuse`](Self::refuse), at most
    /// [`Limits::connect_timeout`](crate::Limits::connect_timeout).
    pub fn requests(&mut self) -> Vec<SimRequest> {
        self.run();
        self.drop_old_requests();
        self.requests.iter().map(|request| request.inner.clone()).collect()
    }

    /// Establishes an outbound connection that was requested.
    ///
    /// # Panics
    /// If the request does not wait for an answer.
    pub fn accept(&mut self, request: &SimRequest) -> SimPeer {
        self.take(|found| found == request, &request.to);
        self.establish(request.token, |stream| stream)
    }

    /// Fails an outbound connection that was requested.
    ///
    /// # Panics
    /// If the request does not wait for an answer.
    pub fn refuse(&mut self, request: &SimRequest, error: io::Error) {
        self.take(|found| found == request, &request.to);
        self.dispatcher.try_next(request.token, error);
    }

    /// Returns the addresses of the [`requests`](Self::requests) that were made since the last call.
    pub fn pending_connects(&mut self) -> Vec<Address> {
        self.run();
        self.drop_old_requests();
        let unseen = self.requests.iter_mut().filter(|request| !request.is_seen);
        unseen
            .map(|request| {
                request.is_seen = true;
                request.inner.to.clone()
            })
            .collect()
    }

    /// Establishes the oldest outbound connection that was requested to `to` and not answered.
    ///
    /// # Panics
    /// If there is none.
    pub fn connected(&mut self, to: &Address) -> SimPeer {
        self.connected_by(to, |stream| stream)
    }

    /// Establishes an outbound connection with what `layer` puts above its stream.
    pub(super) fn connected_by(&mut self, to: &Address, layer: impl FnOnce(Stream) -> Stream) -> SimPeer {
        let token = self.take(|request| request.to == *to, to);
        self.establish(token, layer)
    }

    /// Fails the oldest outbound connection that was requested to `to` and not answered.
    ///
    /// # Panics
    /// If there is none.
    pub fn refused(&mut self, to: &Address, error: io::Error) {
        let token = self.take(|request| request.to == *to, to);
        self.dispatcher.try_next(token, error);
    }

    fn establish(&mut self, token: Token, layer: impl FnOnce(Stream) -> Stream) -> SimPeer {
        let (peer, stream) = self.new_peer();
        let address = Peer::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        self.peers[peer.0].token = token;
        // This cannot fail: nothing is registered in a simulation.
        let _ = self.dispatcher.state.replace_stream(token, layer(stream), address);
        self.dispatcher.connected(token);
        peer
    }

    /// Takes the oldest request that is wanted, which is one to `to`.
    fn take(&mut self, is_wanted: impl Fn(&SimRequest) -> bool, to: &Address) -> Token {
        self.run();
        self.drop_old_requests();
        let position = self.requests.iter().position(|request| is_wanted(&request.inner));
        let position = position.unwrap_or_else(|| panic!("the handler has not asked to connect to {to}"));
        self.requests.remove(position).inner.token
    }

    /// Drops the requests that the handler has given up, or whose time is over.
    fn drop_old_requests(&mut self) {
        let State { attempts, .. } = &self.dispatcher.state;
        self.requests.retain(|request| attempts.contains_key(request.inner.token.key()));
    }

    /// Notes the outbound connections that were requested since the last turn.
    pub(super) fn note_requests(&mut self) {
        let State { work, attempts, .. } = &self.dispatcher.state;
        for &token in &work.connects {
            if let Some(Attempt { to, tag, step: Step::Requested, .. }) = attempts.get(token.key()) {
                let inner = SimRequest { to: to.clone(), tag: *tag, token };
                self.requests.push(Request { inner, is_seen: false });
            }
        }
    }
}
