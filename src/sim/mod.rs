//! A server without sockets, threads or waiting: for testing handlers, and for trying what is hard to bring about.
//!
//! [`Sim`] runs a [`Handler`] on the reactor's own dispatcher, queues, feeds and timers; only the poll, the streams and the
//! clock are simulated. What you do to peers is noted, and happens when you look: at [`Sim::received`] and its like, all
//! that was done since the last look arrives in one poll, and turns run until nothing is left to do. Time stands still but
//! for [`Sim::advance`].
//!
//! ```
//! use switchboard::servers::Echo;
//! use switchboard::{Ending, Sim};
//!
//! let mut sim = Sim::new(Echo::bytes());
//! let peer = sim.connect();
//! sim.send(peer, b"hello");
//! assert_eq!(sim.received(peer), b"hello");
//! sim.shut_down(peer);
//! assert_eq!(sim.ending(peer), Some(Ending::Eof));
//! ```

mod law;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use crate::connection::edge::Edge;
use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::origin::{Peer, Source};
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::net::Address;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::State;
use crate::state::limits::Limits;
use crate::state::service::ServiceOptions;
use crate::state::stats::Stats;
use crate::state::stop::Stop;

pub use crate::connection::pipe::Ending;
use crate::connection::pipe::{PeerEnd, pipe};
pub use law::assert_chunking_law;

/// Names a peer of a [`Sim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SimPeer(usize);

/// Turns after which a simulation is taken to run for ever: a handler that answers an endless reader endlessly.
const MOST_TURNS: usize = 1_000_000;

/// The time of day when a simulation begins: noon of 1 January 2000, UTC.
const SYSTEM_TIME_AT_START: Duration = Duration::from_secs(946_728_000);

/// A handler among simulated peers.
pub struct Sim<H: Handler> {
    dispatcher: Dispatcher<H>,
    peers: Vec<(Token, PeerEnd)>,
    /// Peers to which something was done, in that order.
    touched: Vec<SimPeer>,
    /// Requests to stop since the last turn.
    stop_requests: usize,
}

impl<H: Handler> Sim<H> {
    /// A simulation with default [`Limits`].
    pub fn new(handler: H) -> Self {
        Sim::with_limits(handler, Limits::default())
    }

    /// A simulation with these limits. `max_connections` is the acceptor's and has no meaning here.
    pub fn with_limits(handler: H, limits: Limits) -> Self {
        let options = ServiceOptions { limits, ..ServiceOptions::default() };
        let mut state = State::new(options, None, Instant::now());
        state.clock.simulate_system_time(SystemTime::UNIX_EPOCH + SYSTEM_TIME_AT_START);
        Sim { dispatcher: Dispatcher::new(handler, state), peers: Vec::new(), touched: Vec::new(), stop_requests: 0 }
    }

    /// Calls the handler outside of any connection, as [`Reactor::with_context`](crate::Reactor::with_context) does.
    pub fn with_context(&mut self, call: impl FnOnce(&mut H, &mut crate::Context<'_>)) {
        self.dispatcher.call(ServiceId::DEFAULT, call);
    }

    /// A peer connects. It reads everything at once, until told otherwise. A server that is stopping lets nobody in.
    pub fn connect(&mut self) -> SimPeer {
        self.connect_to(ServiceId::DEFAULT)
    }

    /// Adds a service, as [`Reactor::add_service`](crate::Reactor::add_service) does. Its peers connect with
    /// [`connect_to`](Self::connect_to).
    ///
    /// # Panics
    /// If there are 65,536 services already.
    pub fn add_service(&mut self, options: ServiceOptions) -> ServiceId {
        self.dispatcher.state.services.add(options)
    }

    /// Connects a peer to a service. It reads everything at once, until told otherwise.
    ///
    /// # Panics
    /// If this simulation has no such service.
    pub fn connect_to(&mut self, service: ServiceId) -> SimPeer {
        let (peer, stream) = self.new_peer();
        if self.dispatcher.state.stop >= Stop::Draining {
            return peer;
        }
        let address = Peer::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + peer.0 as u16 % 50_000)));
        // Without a registry there is nothing that could refuse.
        let connection = Connection::new(stream, address, Phase::Open, service);
        if let Ok(token) = self.dispatcher.open(connection, ListenerId(0)) {
            self.peers[peer.0].0 = token;
        }
        peer
    }

    fn new_peer(&mut self) -> (SimPeer, Stream) {
        let (end, server) = pipe();
        self.peers.push((Token::none(), end));
        (SimPeer(self.peers.len() - 1), Stream::Simulated(server))
    }

    /// The peer sends bytes.
    ///
    /// # Panics
    /// When the peer has shut down its side before.
    pub fn send(&mut self, peer: SimPeer, bytes: &[u8]) {
        let mut wires = self.peers[peer.0].1.wires();
        assert!(!wires.peer_ended, "a peer that has shut down cannot send");
        wires.to_server.extend(bytes);
        wires.raise(Edge { readable: true, ..Edge::default() });
        drop(wires);
        self.touched.push(peer);
    }

    /// The peer ends its side: after what it sent, the server reads the end. It still receives.
    pub fn shut_down(&mut self, peer: SimPeer) {
        let mut wires = self.peers[peer.0].1.wires();
        wires.peer_ended = true;
        wires.raise(Edge { readable: true, read_closed: true, ..Edge::default() });
        drop(wires);
        self.touched.push(peer);
    }

    /// The connection breaks: what was under way is lost, reading and writing fail.
    pub fn reset(&mut self, peer: SimPeer) {
        let mut wires = self.peers[peer.0].1.wires();
        wires.peer_reset = true;
        wires.to_server.clear();
        wires.raise(Edge { readable: true, writable: true, read_closed: true, ..Edge::default() });
        drop(wires);
        self.touched.push(peer);
    }

    /// The peer reads no more from now on.
    pub fn stall(&mut self, peer: SimPeer) {
        self.peers[peer.0].1.wires().window = 0;
    }

    /// A stalled peer reads `count` bytes more.
    pub fn allow(&mut self, peer: SimPeer, count: usize) {
        self.peers[peer.0].1.wires().widen(count);
        self.touched.push(peer);
    }

    /// A stalled peer reads everything again.
    pub fn resume(&mut self, peer: SimPeer) {
        self.allow(peer, usize::MAX);
    }

    /// One write to this peer takes at most `count` bytes, though it reads everything: splits what the server sends.
    pub fn limit_writes(&mut self, peer: SimPeer, count: usize) {
        self.peers[peer.0].1.wires().chunk = count.max(1);
    }

    /// What the peer received since the last look.
    pub fn received(&mut self, peer: SimPeer) -> Vec<u8> {
        self.run();
        std::mem::take(&mut self.peers[peer.0].1.wires().from_server)
    }

    /// How the server ended its side, or `None` while it has not.
    pub fn ending(&mut self, peer: SimPeer) -> Option<Ending> {
        self.run();
        self.peers[peer.0].1.wires().ending
    }

    /// How many bytes the peer has sent that the server has not read: what back-pressure leaves.
    pub fn unread(&mut self, peer: SimPeer) -> usize {
        self.run();
        self.peers[peer.0].1.wires().to_server.len()
    }

    /// Lets time pass. Every timer on the way fires at its own time.
    pub fn advance(&mut self, duration: Duration) {
        self.run();
        let until = self.dispatcher.state.clock.now() + duration;
        loop {
            let state = &mut self.dispatcher.state;
            let next = [state.timers.next_deadline(), state.drain_deadline].into_iter().flatten().min();
            let Some(at) = next.filter(|&at| at <= until) else { break };
            state.clock.set_now(at.max(state.clock.now()));
            self.turn();
            self.run();
        }
        self.dispatcher.state.clock.set_now(until);
    }

    /// Workers finish nothing from now on. Without this, a job is done in the turn that it was offloaded in.
    pub fn hold_jobs(&mut self) {
        self.run();
        self.dispatcher.state.jobs.hold(true);
    }

    /// Workers finish what they have, and go on.
    pub fn release_jobs(&mut self) {
        self.dispatcher.state.jobs.hold(false);
    }

    /// Sets the time of day. It then passes with [`advance`](Self::advance); a simulation begins at noon of 1 January 2000, UTC.
    pub fn set_system_time(&mut self, time: SystemTime) {
        self.run();
        self.dispatcher.state.clock.simulate_system_time(time);
    }

    /// The operator types a line.
    pub fn console(&mut self, line: &[u8]) {
        self.run();
        self.dispatcher.call_console(|handler, cx| handler.console(line, cx));
    }

    /// Standard input ends.
    pub fn console_end(&mut self) {
        self.run();
        self.dispatcher.call_console(H::console_end);
    }

    /// What the operator was told since the last look.
    pub fn stderr(&mut self) -> String {
        self.run();
        self.dispatcher.state.operator.stderr.drain(..).map(|note| note.text).collect()
    }

    /// What was written to standard output since the last look.
    pub fn stdout(&mut self) -> Vec<u8> {
        self.run();
        let printed = self.dispatcher.state.operator.stdout.unsent().to_vec();
        self.dispatcher.state.operator.stdout.clear();
        self.dispatcher.state.stdout_drained();
        self.run();
        printed
    }

    /// A datagram arrives. Returns the answer, if there is one.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        self.run();
        let count = bytes.len().min(self.dispatcher.buffer().len());
        self.dispatcher.buffer()[..count].copy_from_slice(&bytes[..count]);
        let mut answer = None;
        let source = Source { address: from, listener: ListenerId(0) };
        self.dispatcher.datagram(&source, ServiceId::DEFAULT, count, |bytes| answer = Some(bytes.to_vec()));
        answer
    }

    /// The addresses that the handler asked to be connected to, since the last look.
    pub fn pending_connects(&mut self) -> Vec<Address> {
        self.run();
        std::mem::take(&mut self.dispatcher.state.work.pending_connects).into_iter().map(|(to, _)| to).collect()
    }

    /// An outbound connection comes about.
    pub fn connected(&mut self, to: Address) -> SimPeer {
        let (peer, stream) = self.new_peer();
        let address = Peer::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let connection = Connection::new(stream, address, Phase::Connecting, ServiceId::DEFAULT);
        if let Ok(token) = self.dispatcher.state.insert(connection) {
            self.peers[peer.0].0 = token;
            self.dispatcher.connected(token, to);
        }
        peer
    }

    /// An outbound connection does not come about.
    pub fn refused(&mut self, to: &Address, error: &io::Error) {
        self.dispatcher.call(ServiceId::DEFAULT, |handler, cx| handler.connect_failed(to, error, cx));
    }

    /// Asks the server to stop, as a signal would: the first wish drains, the second ends at once.
    pub fn stop(&mut self) {
        self.stop_requests += 1;
    }

    /// Whether the server has stopped: asked to, and no connection or job left.
    pub fn is_stopped(&mut self) -> bool {
        self.run();
        self.dispatcher.state.has_stopped()
    }

    /// The figures.
    pub fn stats(&mut self) -> Stats {
        self.run();
        self.dispatcher.state.stats()
    }

    /// The timers that are armed: sessions', alarms, and the reactor's own.
    pub fn timers(&mut self) -> usize {
        self.run();
        self.dispatcher.state.timers.len()
    }

    /// The handler.
    pub fn handler_mut(&mut self) -> &mut H {
        self.run();
        &mut self.dispatcher.handler
    }

    /// Runs turns until nothing is left to do at this time.
    ///
    /// # Panics
    /// When that does not end within a million turns.
    pub fn run(&mut self) {
        for _ in 0..MOST_TURNS {
            let had_work = self.has_work();
            self.turn();
            if !had_work && !self.has_work() {
                return;
            }
        }
        panic!("the simulation does not come to rest: does the handler answer an endless reader endlessly?");
    }

    /// Whether there is something to do at this time: what makes the reactor's poll return at once.
    fn has_work(&self) -> bool {
        let state = &self.dispatcher.state;
        !self.touched.is_empty()
            || !state.work.ready.is_empty()
            || state.jobs.has_results()
            || state.jobs.has_simulated()
            || self.stop_requests > 0
            || state.stop == Stop::Requested
            || state.timers.next_deadline().is_some_and(|at| at <= state.clock.now())
    }

    /// One turn, with the steps and their order as in the reactor.
    fn turn(&mut self) {
        for peer in std::mem::take(&mut self.touched) {
            let (token, end) = &self.peers[peer.0];
            let (token, edge) = (*token, end.wires().edge.take());
            if let Some(edge) = edge {
                self.dispatcher.edge(token, edge);
            }
        }
        // Nothing fails here: a job that panics does so on this thread.
        let _ = self.dispatcher.work();
        self.dispatcher.flush_and_reap();
        self.dispatcher.step_stop(std::mem::take(&mut self.stop_requests));
    }
}

#[cfg(test)]
mod tests;
