//! A simulation of a server, without sockets, threads or waiting: for tests of handlers.
//!
//! [`Sim`] runs a [`Handler`] on the reactor's own dispatcher, queues, feeds and timers. Only the poll, the streams and
//! the clock are simulated. Actions of peers are collected. They arrive in one poll when the test looks at a result,
//! for example with [`Sim::received`], which then runs turns until no work is left. Time passes only by
//! [`Sim::advance`].
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

mod children;
mod law;
mod outbound;
mod several;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::MutexGuard;
use std::time::{Duration, Instant, SystemTime};

use crate::connection::edge::Edge;
use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::origin::{Peer, Source};
use crate::connection::process::SimulatedProcess;
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::net::Door;
use crate::reactor::datagram::is_admitted;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::State;
use crate::state::children::Simulation;
use crate::state::limits::Limits;
use crate::state::operator::OperatorId;
use crate::state::service::ServiceOptions;
use crate::state::stats::Stats;
use crate::state::stop::Stop;

pub use crate::connection::pipe::Ending;
use crate::connection::pipe::{PeerEnd, Wires, pipe};
use crate::sim::outbound::Request;
pub use law::assert_chunking_law;
pub use outbound::SimRequest;

/// Names a peer of a [`Sim`]. In another simulation, its use may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SimPeer(usize);

/// Number of turns after which a simulation counts as endless.
const MAX_TURNS: usize = 1_000_000;

/// The time of day at the start of a simulation: noon of 1 January 2000, UTC.
const SYSTEM_TIME_AT_START: Duration = Duration::from_secs(946_728_000);

/// A simulated server: a handler and its peers.
pub struct Sim<H: Handler> {
    dispatcher: Dispatcher<H>,
    /// Every peer so far. A [`SimPeer`] is an index.
    peers: Vec<Entry>,
    /// Peers with an edge that was not reported yet, in the order of their actions.
    touched: Vec<SimPeer>,
    /// Outbound connections that were requested and not answered yet, oldest first.
    requests: Vec<Request>,
    /// Requests to stop since the last turn.
    stop_requests: usize,
}

/// A peer, and its connection in the server.
#[derive(Debug)]
struct Entry {
    /// Names no connection if the server did not accept the peer.
    token: Token,
    end: PeerEnd,
    /// Of a child only.
    process: Option<SimulatedProcess>,
}

impl<H: Handler> Sim<H> {
    /// Creates a simulation with default [`Limits`].
    pub fn new(handler: H) -> Self {
        Sim::with_limits(handler, Limits::default())
    }

    /// Creates a simulation with these limits.
    pub fn with_limits(handler: H, limits: Limits) -> Self {
        Sim::with_options(handler, ServiceOptions { limits, ..ServiceOptions::default() })
    }

    /// Creates a simulation whose first service has these options. The options of sockets have no effect.
    pub fn with_options(handler: H, options: ServiceOptions) -> Self {
        let mut state = State::new(options, None, Instant::now());
        state.clock.simulate_system_time(SystemTime::UNIX_EPOCH + SYSTEM_TIME_AT_START);
        state.children.simulation = Some(Simulation::default());
        Sim {
            dispatcher: Dispatcher::new(handler, state),
            peers: Vec::new(),
            touched: Vec::new(),
            requests: Vec::new(),
            stop_requests: 0,
        }
    }

    /// Calls the handler without a connection, as [`Reactor::with_context`](crate::Reactor::with_context) does, and
    /// after [`Handler::started`].
    pub fn with_context(&mut self, call: impl FnOnce(&mut H, &mut crate::Context<'_>)) {
        self.start();
        self.dispatcher.call(ServiceId::DEFAULT, call);
    }

    /// Connects a peer. It reads everything at once, until [`stall`](Self::stall). A server that is stopping does not
    /// accept it, and one whose limits refuse it closes it at once.
    pub fn connect(&mut self) -> SimPeer {
        self.connect_to(ServiceId::DEFAULT)
    }

    /// Connects a peer of this host. All other peers are of 127.0.0.1.
    pub fn connect_from(&mut self, host: IpAddr) -> SimPeer {
        self.connect_host(ServiceId::DEFAULT, host, Door::Line)
    }

    /// Connects a peer at this door. All other peers are at the line door.
    pub fn connect_at(&mut self, door: Door) -> SimPeer {
        self.connect_host(ServiceId::DEFAULT, Ipv4Addr::LOCALHOST.into(), door)
    }

    /// Adds a service, as [`Reactor::add_service`](crate::Reactor::add_service) does. Its peers connect with
    /// [`connect_to`](Self::connect_to).
    ///
    /// # Panics
    /// If there are 65,536 services already.
    pub fn add_service(&mut self, options: ServiceOptions) -> ServiceId {
        self.dispatcher.state.services.add(options)
    }

    /// Connects a peer to a service. It reads everything at once, until [`stall`](Self::stall).
    ///
    /// # Panics
    /// If this simulation has no such service.
    pub fn connect_to(&mut self, service: ServiceId) -> SimPeer {
        self.connect_host(service, Ipv4Addr::LOCALHOST.into(), Door::Line)
    }

    fn connect_host(&mut self, service: ServiceId, host: IpAddr, door: Door) -> SimPeer {
        self.start();
        let (peer, stream) = self.new_peer();
        if self.dispatcher.state.stop >= Stop::Draining {
            return peer;
        }
        let address = Peer::Inet(SocketAddr::new(host, 10_000 + peer.0 as u16 % 50_000));
        let connection = Connection::new(stream, address, Phase::Open, service);
        if let Some(token) = self.dispatcher.admit(connection, ListenerId { number: 0, door }) {
            self.peers[peer.0].token = token;
        }
        peer
    }

    /// Connects a peer that has to speak TLS.
    #[cfg(all(test, feature = "tls"))]
    fn connect_tls(&mut self, service: ServiceId) -> SimPeer {
        self.start();
        let (peer, stream) = self.new_peer();
        let stream =
            self.dispatcher.state.services[service].secure(stream, Door::Line).expect("the service has a certificate");
        let address = Peer::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + peer.0 as u16 % 50_000)));
        if let Some(token) = self
            .dispatcher
            .admit(Connection::new(stream, address, Phase::Open, service), ListenerId { number: 0, door: Door::Line })
        {
            self.peers[peer.0].token = token;
        }
        peer
    }

    fn wires(&self, peer: SimPeer) -> MutexGuard<'_, Wires> {
        self.peers[peer.0].end.wires()
    }

    fn new_peer(&mut self) -> (SimPeer, Stream) {
        let (end, server) = pipe();
        self.peers.push(Entry { token: Token::none(), end, process: None });
        (SimPeer(self.peers.len() - 1), Stream::Simulated(server))
    }

    /// Returns the token of the connection of a peer.
    #[cfg(all(test, feature = "bus", feature = "web"))]
    pub(crate) fn token(&self, peer: SimPeer) -> Token {
        self.peers[peer.0].token
    }

    /// Sends bytes from a peer.
    ///
    /// # Panics
    /// If the peer has shut down its side.
    pub fn send(&mut self, peer: SimPeer, bytes: &[u8]) {
        let mut wires = self.wires(peer);
        assert!(!wires.peer_ended, "a peer that has shut down cannot send");
        wires.to_server.extend(bytes);
        wires.raise(Edge { readable: true, ..Edge::default() });
        drop(wires);
        self.touched.push(peer);
    }

    /// Shuts down a peer's side: after the bytes that it sent, the server reads the end of input. The peer still
    /// receives.
    pub fn shut_down(&mut self, peer: SimPeer) {
        let mut wires = self.wires(peer);
        wires.peer_ended = true;
        wires.raise(Edge { readable: true, read_closed: true, ..Edge::default() });
        drop(wires);
        self.touched.push(peer);
    }

    /// Closes a peer's end in good order, as a client of a Unix socket does: the server reads what it sent and then the
    /// end of input, and its writes fail.
    pub fn hang_up(&mut self, peer: SimPeer) {
        let mut wires = self.wires(peer);
        wires.peer_ended = true;
        wires.is_deaf = true;
        wires.raise(Edge { readable: true, writable: true, read_closed: true, write_closed: true, urgent: false });
        drop(wires);
        self.touched.push(peer);
    }

    /// Breaks a connection: bytes that the server has not read are lost, and its reads and writes fail.
    pub fn reset(&mut self, peer: SimPeer) {
        let mut wires = self.wires(peer);
        wires.peer_reset = true;
        wires.to_server.clear();
        wires.raise(Edge { readable: true, writable: true, read_closed: true, write_closed: true, urgent: false });
        drop(wires);
        self.touched.push(peer);
    }

    /// Makes a peer read nothing from now on.
    pub fn stall(&mut self, peer: SimPeer) {
        self.wires(peer).window = 0;
    }

    /// Makes a stalled peer read `count` more bytes.
    pub fn allow(&mut self, peer: SimPeer, count: usize) {
        self.wires(peer).widen(count);
        self.touched.push(peer);
    }

    /// Makes a stalled peer read `count` more bytes, as [`allow`](Self::allow) does, without an edge: too few for the
    /// kernel to report them.
    #[cfg(all(test, feature = "http"))]
    pub(crate) fn allow_unreported(&mut self, peer: SimPeer, count: usize) {
        self.wires(peer).window += count;
    }

    /// Makes a stalled peer read everything again.
    pub fn resume(&mut self, peer: SimPeer) {
        self.allow(peer, usize::MAX);
    }

    /// Makes each write to a peer take at most `count` bytes, which splits the output of the server.
    pub fn limit_writes(&mut self, peer: SimPeer, count: usize) {
        self.wires(peer).chunk = count.max(1);
    }

    /// Returns the bytes that a peer has received since the last call.
    pub fn received(&mut self, peer: SimPeer) -> Vec<u8> {
        self.run();
        std::mem::take(&mut self.wires(peer).from_server)
    }

    /// Returns how the server ended its side, or `None` if it has not.
    pub fn ending(&mut self, peer: SimPeer) -> Option<Ending> {
        self.run();
        self.wires(peer).ending
    }

    /// Returns the number of bytes sent by a peer that the server has not read, for tests of back-pressure.
    pub fn unread(&mut self, peer: SimPeer) -> usize {
        self.run();
        self.wires(peer).to_server.len()
    }

    /// Lets time pass, at most 30 years. Each timer that is due meanwhile fires at its own time.
    pub fn advance(&mut self, duration: Duration) {
        self.run();
        let until = self.dispatcher.state.clock.after(duration);
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

    /// Suspends the server for a time, at most 30 years, as SIGSTOP does: it does nothing in the meantime.
    ///
    /// What peers do next happens during the suspension. It ends when the test looks at a result.
    pub fn suspend(&mut self, duration: Duration) {
        self.run();
        let clock = &mut self.dispatcher.state.clock;
        clock.set_now(clock.after(duration));
    }

    /// Makes workers finish no job from now on. By default, each job is done in the turn in which it was offloaded.
    pub fn hold_jobs(&mut self) {
        self.run();
        self.dispatcher.state.jobs.hold(true);
    }

    /// Makes workers finish their jobs again.
    pub fn release_jobs(&mut self) {
        self.dispatcher.state.jobs.hold(false);
    }

    /// Sets the time of day, which passes with [`advance`](Self::advance). A simulation starts at noon of 1 January
    /// 2000, UTC.
    pub fn set_system_time(&mut self, time: SystemTime) {
        self.run();
        self.dispatcher.state.clock.simulate_system_time(time);
    }

    /// Passes a line of the operator to the handler. A server that is stopping takes none.
    pub fn console(&mut self, line: &[u8]) {
        self.operate(OperatorId::CONSOLE, |handler, cx| handler.console(line, cx));
    }

    /// Passes a line of a client of the control socket to the handler. Returns the answer.
    pub fn control(&mut self, line: &[u8]) -> String {
        let client = self.dispatcher.state.operator.add();
        self.operate(client, |handler, cx| handler.console(line, cx));
        self.run();
        let operator = &mut self.dispatcher.state.operator;
        let answer = operator.answers_mut(client).map_or(&[][..], |answers| answers.unsent());
        let answer = String::from_utf8_lossy(answer).into_owned();
        operator.remove(client);
        answer
    }

    /// Ends standard input.
    pub fn console_end(&mut self) {
        self.operate(OperatorId::CONSOLE, H::console_end);
    }

    /// Calls the handler for an operator, unless the server is stopping.
    fn operate(&mut self, operator: OperatorId, call: impl FnOnce(&mut H, &mut crate::Context<'_>)) {
        self.run();
        if self.dispatcher.state.stop == Stop::Running {
            self.dispatcher.call_operator(operator, call);
        }
    }

    /// Asks the handler to open its files again, as SIGHUP does without a terminal.
    pub fn reload(&mut self) {
        self.run();
        self.dispatcher.call(ServiceId::DEFAULT, H::reload);
    }

    /// Returns the text written to standard error since the last call.
    pub fn stderr(&mut self) -> String {
        self.run();
        self.dispatcher.state.operator.stderr.drain(..).map(|notice| notice.text).collect()
    }

    /// Returns the bytes written to standard output since the last call.
    pub fn stdout(&mut self) -> Vec<u8> {
        self.run();
        let state = &mut self.dispatcher.state;
        let bytes = state.operator.stdout.unsent().to_vec();
        state.operator.stdout.clear();
        state.stdout_drained();
        self.run();
        bytes
    }

    /// Delivers a datagram. Returns the answer, if there is one. A datagram that the service does not admit is dropped.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        self.run();
        if !is_admitted(from, &[], &mut self.dispatcher.state, ServiceId::DEFAULT) {
            self.dispatcher.state.stats.datagrams_dropped += 1;
            return None;
        }
        let count = bytes.len().min(self.dispatcher.buffer().len());
        self.dispatcher.buffer()[..count].copy_from_slice(&bytes[..count]);
        let mut answer = None;
        let source = Source { address: from, listener: ListenerId { number: 0, door: Door::Line } };
        self.dispatcher.datagram(&source, ServiceId::DEFAULT, count, |bytes| answer = Some(bytes.to_vec()));
        answer
    }

    /// Asks the server to stop, as a signal does. The first request drains, and the second one drops all connections.
    pub fn stop(&mut self) {
        self.stop_requests += 1;
    }

    /// Whether a stop was requested and is complete: no connection and no job is left.
    pub fn is_stopped(&mut self) -> bool {
        self.run();
        self.dispatcher.state.has_stopped()
    }

    /// Returns the figures of the reactor.
    pub fn stats(&mut self) -> Stats {
        self.run();
        self.dispatcher.state.stats()
    }

    /// Returns the number of timers: those of sessions and services, and the reactor's own.
    pub fn timers(&mut self) -> usize {
        self.run();
        self.dispatcher.state.timers.len()
    }

    /// Returns the handler. The first call may set it up: the simulation starts with another action of the test.
    pub fn handler_mut(&mut self) -> &mut H {
        if self.dispatcher.has_started {
            self.run();
        }
        &mut self.dispatcher.handler
    }

    /// Runs turns until no work is left at this time.
    ///
    /// # Panics
    /// If work is left after a million turns, for example because the handler answers an endless reader endlessly.
    pub fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            let had_work = self.has_work();
            self.turn();
            if !had_work && !self.has_work() {
                return;
            }
        }
        panic!(
            "the simulation still has work after a million turns: does the handler answer an endless reader endlessly?"
        );
    }

    /// Whether there is work at this time. In these cases, the poll of a reactor returns at once.
    fn has_work(&self) -> bool {
        let state = &self.dispatcher.state;
        !self.touched.is_empty()
            || !state.work.ready.is_empty()
            || !state.work.connects.is_empty()
            || state.children.has_work()
            || state.jobs.has_results()
            || state.jobs.has_simulated()
            || self.stop_requests > 0
            || state.stop == Stop::Requested
            || state.timers.next_deadline().is_some_and(|at| at <= state.clock.now())
    }

    /// Tells the handler that it starts, before its first event.
    fn start(&mut self) {
        let now = self.dispatcher.state.clock.now();
        self.dispatcher.start(|| now);
    }

    fn turn(&mut self) {
        self.start();
        let now = self.dispatcher.state.clock.now();
        self.dispatcher.state.begin_turn(now);
        for peer in std::mem::take(&mut self.touched) {
            let edge = self.wires(peer).edge.take();
            if let Some(edge) = edge {
                self.dispatcher.edge(self.peers[peer.0].token, edge);
            }
        }
        // This cannot fail: a job that panics does so on this thread.
        let _ = self.dispatcher.work();
        self.note_requests();
        self.dispatcher.connect();
        self.dispatcher.serve_children();
        self.dispatcher.flush_and_reap();
        self.dispatcher.run_timers();
        self.dispatcher.flush_and_reap();
        self.dispatcher.step_stop(std::mem::take(&mut self.stop_requests));
    }
}

impl<H: Handler> fmt::Debug for Sim<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("peers", &self.peers.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
