//! The metrics listener: Prometheus asks for the figures of the reactor, and a load balancer for its health.
//!
//! Clients speak HTTP/1.1 with connections that persist. `/metrics` has the figures, and `/healthz` tells whether the
//! reactor serves or stops. The listener stays open until the end of a stop.
//!
//! Invariants: no call blocks. A client is served within a budget, has a deadline, and is not read while it has an
//! answer to read, so hostile clients delay nothing and their memory has a limit. The figures are written at most once
//! in a turn.

mod client;
mod request;

use std::io;
#[cfg(feature = "cli")]
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use mio::Registry;

use crate::connection::edge::Edge;
#[cfg(feature = "cli")]
use crate::net::PathGuard;
use crate::net::{Address, Listener, SocketOptions};
use crate::reactor::metrics::client::Client;
use crate::reactor::metrics::request::{Page, answer};
use crate::reactor::side_listener::SideListener;
use crate::state::State;
use crate::state::stop::Stop;

/// Clients at a time. 16: two servers of Prometheus, load balancers, and people with curl.
const MOST_CLIENTS: usize = 16;

/// Delay until a client for which the process had no descriptor is accepted.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

type ClientListener = SideListener<Client, MOST_CLIENTS>;

/// The number of the poll's tokens that a metrics listener needs.
pub(crate) const TOKENS: usize = ClientListener::TOKENS;

/// The metrics listener and its clients.
#[derive(Debug)]
pub(crate) struct Metrics {
    listener: ClientListener,
    /// The addresses of its sockets.
    pub(crate) addresses: Vec<Address>,
    /// Whether [`serve`](Self::serve) has work without a new edge.
    is_ready: bool,
    /// Another process serves the address.
    is_leaving: bool,
    deadline: Option<Instant>,
}

impl Metrics {
    /// The options of its sockets.
    pub(crate) fn socket_options() -> SocketOptions {
        SocketOptions { backlog: MOST_CLIENTS as u32, ..SocketOptions::default() }
    }

    /// Serves the clients of `listeners`. These have the token `first_token`, and the clients have those after it.
    ///
    /// # Errors
    /// `InvalidInput` for a socket of UDP or TLS. The errors of the poll.
    pub(crate) fn open(listeners: Vec<Listener>, registry: Registry, first_token: usize) -> io::Result<Self> {
        let addresses = listeners.iter().map(Listener::local_addr).collect::<io::Result<_>>()?;
        let listener = SideListener::open("the metrics listener", listeners, registry, first_token)?;
        Ok(Metrics { listener, addresses, is_ready: false, is_leaving: false, deadline: None })
    }

    /// The sockets, with the guards of their paths.
    #[cfg(feature = "cli")]
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Option<&PathGuard>)> {
        self.listener.sockets()
    }

    /// Leaves the sockets and their paths to another process. A client that has asked gets its answer, which ends its
    /// connection: later figures are those of the other process.
    #[cfg(feature = "cli")]
    pub(crate) fn release(&mut self) {
        self.listener.release();
        self.listener.clients.iter_mut().flatten().for_each(Client::leave);
        self.is_leaving = true;
        self.is_ready = true;
    }

    /// Whether there is no client.
    #[cfg(feature = "cli")]
    pub(crate) fn is_unused(&self) -> bool {
        self.listener.clients.iter().all(Option::is_none)
    }

    /// Notes an edge of the token at `offset` after the first one.
    pub(crate) fn wake(&mut self, offset: usize, edge: Edge) {
        self.is_ready = true;
        if let Some(client) = self.listener.wake(offset) {
            client.wake(edge);
        }
    }

    /// How long the poll may wait, if that is `longest` for other sources.
    pub(crate) fn timeout(&self, longest: Option<Duration>) -> Option<Duration> {
        if self.is_ready {
            return Some(Duration::ZERO);
        }
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        longest.into_iter().chain(left).min()
    }

    /// Accepts and answers clients, if there is something to do.
    #[inline]
    pub(crate) fn serve(&mut self, state: &State) {
        if self.is_ready || self.deadline.is_some_and(|deadline| deadline <= state.clock.horizon()) {
            self.serve_clients(state);
        }
    }

    #[cold]
    fn serve_clients(&mut self, state: &State) {
        let (now, horizon) = (state.clock.now(), state.clock.horizon());
        self.listener.accept(TOO_MANY, longest_waiting, |stream| Client::new(stream, now));
        let (mut figures, time) = (None, state.clock.system_time());
        let health = if state.stop > Stop::Running { Page::Stopping } else { Page::Healthy };
        for slot in &mut self.listener.clients {
            let Some(client) = slot else { continue };
            client
                .serve(now, |request| answer(request, time, health, || figures.get_or_insert_with(|| state.metrics())));
            if client.is_over(horizon) {
                *slot = None;
            }
        }
        let clients = || self.listener.clients.iter().flatten();
        // The reactor notes in its next turn that the last client has left.
        let has_left = self.is_leaving && clients().next().is_none();
        self.is_ready = self.listener.may_accept() || clients().any(Client::is_ready) || has_left;
        let retry = self.listener.is_exhausted().then(|| now + ACCEPT_RETRY);
        self.deadline = clients().map(Client::deadline).chain(retry).min();
    }
}

/// Frees a place for a new client: that of the client that has waited longest between two requests or, if there is
/// none, that of the request that began first. So requests without an end keep no other client out.
fn longest_waiting(clients: &mut [Option<Client>; MOST_CLIENTS]) -> Option<usize> {
    let waiting = clients.iter().enumerate().filter_map(|(slot, client)| Some((client.as_ref()?.waits_until()?, slot)));
    let (_, slot) = waiting.min()?;
    clients[slot] = None;
    Some(slot)
}

#[cfg(test)]
mod tests;
