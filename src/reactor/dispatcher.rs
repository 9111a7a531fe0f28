//! The code between an edge and the handler: serving connections, calling the handler, removing connections, and
//! stopping.
//!
//! The [`Reactor`](crate::Reactor) drives it with the edges and the clock of the kernel, a [`Sim`](crate::Sim) with
//! simulated ones. Both use the same code for the middle of a turn and for stopping. The dispatcher neither polls nor
//! accepts.
//!
//! Invariant: a handler method never runs inside another one.

use std::io;
use std::time::Instant;

use slotmap::SecondaryMap;

use crate::connection::closed::Closed;
use crate::connection::edge::Edge;
use crate::connection::flags::Flags;
use crate::connection::handshake::Step;
use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::origin::{Origin, Source, Via};
use crate::connection::token::{ConnectionKey, Token};
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::state::operator::OperatorId;
use crate::state::results::Recipient;
use crate::state::{State, TimerTarget};
use crate::workers::Done;

/// A handler, its sessions, and the state that they act on.
pub(crate) struct Dispatcher<H: Handler> {
    pub(crate) handler: H,
    pub(crate) state: State,
    pub(super) sessions: SecondaryMap<ConnectionKey, H::Session>,
    /// Every read goes through this buffer.
    pub(super) buffer: Box<[u8]>,
    /// An empty list, swapped with the ready list in each turn so that its memory is reused.
    batch: Vec<Token>,
    /// Steps of handshakes that may still be taken in this turn.
    pub(super) handshakes_left: usize,
    /// Whether [`Handler::started`] was called.
    pub(crate) has_started: bool,
}

impl<H: Handler> Dispatcher<H> {
    pub(crate) fn new(handler: H, state: State) -> Self {
        let buffer = vec![0; state.limits.read_buffer].into_boxed_slice();
        Dispatcher {
            handler,
            state,
            sessions: SecondaryMap::new(),
            buffer,
            batch: Vec::new(),
            handshakes_left: 0,
            has_started: false,
        }
    }

    /// Begins the first turn at the time `now()`, and tells the handler that it starts. Does nothing later.
    #[inline]
    pub(crate) fn start(&mut self, now: impl FnOnce() -> Instant) {
        if !self.has_started {
            self.start_at(now());
        }
    }

    #[cold]
    fn start_at(&mut self, now: Instant) {
        self.has_started = true;
        self.state.begin_turn(now);
        self.call(ServiceId::DEFAULT, Handler::started);
    }

    /// Opens a session for an accepted connection, at once or after its handshake, or refuses and closes the
    /// connection. Returns the token of one that was not refused.
    pub(crate) fn admit(&mut self, mut connection: Connection, listener: ListenerId) -> Option<Token> {
        let (peer, now) = (connection.peer, self.state.clock.now());
        let id = connection.service;
        let service = &mut self.state.services[id];
        if !service.proxies.is_empty() {
            connection.flags.insert(service.proxies.flag(peer));
        }
        if let Some(refusal) = service.refusal(connection.host(), now) {
            self.state.note_refusal(id, refusal);
            self.state.peer_log.refused(peer, refusal, now);
            return None;
        }
        self.open(connection, listener).inspect_err(|error| self.state.peer_log.lost(peer, error, now)).ok()
    }

    /// Adds an accepted connection, and opens its session or begins its handshake.
    ///
    /// # Errors
    /// If the poll refuses the stream.
    fn open(&mut self, connection: Connection, listener: ListenerId) -> io::Result<Token> {
        let (first, service) = (Step::first(&connection), connection.service);
        let token = self.state.insert(connection)?;
        self.state.note_accepted(service);
        match first {
            None => {
                self.state.connections[token].flags.insert(Flags::FRESH);
                self.open_session(token, Via::Listener(listener));
            }
            Some(step) => self.begin_handshake(token, Via::Listener(listener), step),
        }
        Ok(token)
    }

    /// Opens the session of an outbound connection that is established now, or begins its handshake.
    pub(crate) fn connected(&mut self, token: Token) {
        if let Some(attempt) = self.state.attempts.remove(token.key()) {
            self.establish(token, Via::Connect { to: attempt.to, tag: attempt.tag });
        }
    }

    /// Opens the session of a connection that a handler has asked for, or begins its handshake.
    pub(super) fn establish(&mut self, token: Token, via: Via) {
        self.state.established(token);
        if let Some(step) = Step::first(&self.state.connections[token]) {
            return self.begin_handshake(token, via, step);
        }
        self.open_session(token, via);
        self.serve(token);
    }

    pub(super) fn open_session(&mut self, token: Token, via: Via) {
        let peer = self.state.connections[token].peer;
        let is_child = via == Via::Spawn;
        if let Via::Listener(_) = via {
            log::info!("{peer} connected (connections: {})", self.sessions.len() + 1);
        }
        let mut cx = Context::of_connection(&mut self.state, token);
        let session = self.handler.open(&Origin { token, peer, via }, &mut cx);
        cx.settle();
        self.sessions.insert(token.key(), session);
        // A child that computes is not idle.
        if let Some(limit) = self.state.limits_of(token).idle_timeout
            && self.state.connections.is_open(token)
            && !is_child
        {
            self.state.set_deadline(token, limit);
        }
    }

    /// Notes an edge and serves its connection. An edge of a removed connection is counted and dropped.
    pub(crate) fn edge(&mut self, token: Token, edge: Edge) {
        if edge.writable || edge.read_closed || edge.urgent {
            return self.rare_edge(token, edge);
        }
        let Some(connection) = self.state.connections.get_mut(token) else {
            self.state.stats.stale += 1;
            return;
        };
        connection.flags.insert(Flags::MAY_READ);
        self.serve(token);
    }

    /// Notes an edge that says more than that there is input. Apart from the path of every message, where it would take
    /// 18 instructions.
    #[cold]
    fn rare_edge(&mut self, token: Token, edge: Edge) {
        let Some(connection) = self.state.connections.get_mut(token) else {
            self.state.stats.stale += 1;
            return;
        };
        let flags = &mut connection.flags;
        if edge.read_closed || edge.urgent {
            flags.insert(Flags::MAY_READ | Flags::DRAIN_FULLY);
            flags.set(Flags::PEER_ENDING, edge.read_closed || flags.contains(Flags::PEER_ENDING));
        } else if edge.readable {
            flags.insert(Flags::MAY_READ);
        }
        if edge.writable {
            flags.remove(Flags::WRITE_BLOCKED);
            self.state.mark_dirty(token);
        }
        if edge.write_closed {
            self.state.abort_if_gone(token);
        }
        self.serve(token);
    }

    /// Does the middle of a turn, the work without an edge: serves the ready list and delivers results of workers.
    ///
    /// # Errors
    /// If a worker has panicked.
    pub(crate) fn work(&mut self) -> io::Result<()> {
        self.serve_ready();
        self.deliver_results()
    }

    fn serve_ready(&mut self) {
        self.handshakes_left = self.state.limits.turn_handshakes;
        let mut batch = std::mem::replace(&mut self.state.work.ready, std::mem::take(&mut self.batch));
        for token in batch.drain(..) {
            if let Some(connection) = self.state.connections.get_mut(token) {
                connection.flags.remove(Flags::READY);
                if connection.phase == Phase::Handshaking {
                    self.handshake(token);
                    continue;
                }
                self.state.mark_dirty(token);
                self.serve(token);
            }
        }
        self.batch = batch;
    }

    pub(super) fn serve(&mut self, token: Token) {
        let Some(connection) = self.state.connections.get(token) else { return };
        match connection.phase {
            Phase::Open => {
                if connection.flags.intersects(Flags::BEFORE_READ) {
                    self.check_input(token);
                    self.notify_drained(token);
                    self.redeliver_if_due(token);
                }
                self.read(token);
            }
            Phase::Flushing | Phase::Lingering => self.discard(token),
            Phase::Handshaking => self.state.mark_ready(token),
            Phase::Connecting => self.state.work.connects.push(token),
            Phase::Dead => {}
        }
    }

    /// Delivers results of workers, within the budget of the turn.
    fn deliver_results(&mut self) -> io::Result<()> {
        self.state.jobs.collect()?;
        for _ in 0..self.state.limits.turn_jobs {
            let Some((recipient, done)) = self.state.jobs.next() else { break };
            self.state.stats.results += 1;
            match recipient {
                Recipient::Session(token) => self.done(token, done),
                Recipient::Service(service) => self.call(service, |handler, cx| handler.service_done(done, cx)),
            }
        }
        Ok(())
    }

    /// Delivers a result to a session. The input that has waited for it is due in the next turn.
    fn done(&mut self, token: Token, done: Done) {
        let now = self.state.clock.nanos();
        let connection = self.state.connections.get_open(token);
        let (Some(connection), Some(session)) = (connection, self.sessions.get_mut(token.key())) else {
            self.state.stats.stale += 1;
            return;
        };
        connection.flags.remove(Flags::HAS_JOB);
        connection.flags.insert(Flags::REDELIVER);
        connection.last_active = now;
        let mut cx = Context::of_connection(&mut self.state, token);
        self.handler.done(session, done, &mut cx);
        cx.settle();
        self.state.mark_ready(token);
    }

    /// Calls the timers that were set before this turn and are due at the horizon.
    ///
    /// Called after everything else in a turn, so that input and output are used before a deadline applies.
    pub(crate) fn run_timers(&mut self) {
        while let Some((id, target)) = self.state.next_timer() {
            self.state.stats.timers_fired += 1;
            match target {
                TimerTarget::Deadline(token) => self.deadline_due(token, id),
                TimerTarget::InputPause(token) => self.state.resume_input(token),
                TimerTarget::Grace(token) => self.state.grace_over(token),
                TimerTarget::Service(service) => self.call(service, |handler, cx| handler.service_timer(id, cx)),
                TimerTarget::Session(token) => {
                    let is_open = self.state.connections.is_open(token);
                    let Some(session) = self.sessions.get_mut(token.key()).filter(|_| is_open) else {
                        self.state.stats.stale += 1;
                        continue;
                    };
                    let mut cx = Context::of_connection(&mut self.state, token);
                    self.handler.timer(session, id, &mut cx);
                    cx.settle();
                }
            }
        }
    }

    /// Delivers a datagram of `count` bytes in the shared buffer, and gives the answer to `send`.
    pub(crate) fn datagram(&mut self, source: &Source, service: ServiceId, count: usize, send: impl FnOnce(&[u8])) {
        self.state.current_service = service;
        self.state.stats.bytes_in += count as u64;
        self.state.services.note_received(service, count);
        self.state.stats.messages += 1;
        let mut cx = Context::of_datagram(&mut self.state);
        self.handler.datagram(source, &mut self.buffer[..count], &mut cx);
        cx.answer(send);
    }

    /// The shared buffer, for a datagram to be read into.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Calls the handler for a service, without a connection.
    pub(crate) fn call(&mut self, service: ServiceId, call: impl FnOnce(&mut H, &mut Context<'_>)) {
        self.state.current_service = service;
        let mut cx = Context::of_service(&mut self.state);
        call(&mut self.handler, &mut cx);
        cx.settle();
    }

    /// Calls the handler for input of an operator.
    pub(crate) fn call_operator(&mut self, operator: OperatorId, call: impl FnOnce(&mut H, &mut Context<'_>)) {
        self.state.current_service = ServiceId::DEFAULT;
        let mut cx = Context::of_operator(&mut self.state, operator);
        call(&mut self.handler, &mut cx);
        cx.settle();
    }

    /// Flushes and reaps until no work is left: `closed` may publish, and flushing may close connections. Returns the
    /// number of connections removed.
    pub(crate) fn flush_and_reap(&mut self) -> usize {
        let mut reaped = 0;
        loop {
            self.kick();
            self.state.flush();
            self.state.enforce_memory_limit();
            self.give_receipts();
            if self.state.work.ended.is_empty() && self.state.work.dead.is_empty() {
                return reaped;
            }
            reaped += self.reap();
        }
    }

    /// Calls the handlers for output that is sent or lost.
    fn give_receipts(&mut self) {
        if self.state.work.receipts.is_empty() {
            return;
        }
        for (service, ticket, unsent) in std::mem::take(&mut self.state.work.receipts) {
            self.call(service, |handler, cx| handler.receipt(ticket, unsent, cx));
        }
    }

    /// Closes the connections that the operator kicks, after their sessions were told.
    fn kick(&mut self) {
        for (token, reason) in std::mem::take(&mut self.state.work.kicked) {
            let session = self.sessions.get_mut(token.key());
            if let Some(session) = session.filter(|_| self.state.connections.is_open(token)) {
                let mut cx = Context::of_connection(&mut self.state, token);
                self.handler.kicked(session, &reason, &mut cx);
                cx.settle();
                self.state.close(token, Closed::ByOperator);
            }
        }
    }

    /// Calls `closed` for the sessions that are over, and removes dead connections. Returns the number of removed
    /// connections.
    fn reap(&mut self) -> usize {
        let work = &mut self.state.work;
        let (ended, dead) = (std::mem::take(&mut work.ended), std::mem::take(&mut work.dead));
        for &token in &dead {
            self.state.leave_feed(token);
        }
        for (token, why) in ended {
            let session = self.sessions.remove(token.key());
            if let Some(connection) = self.state.connections.get(token) {
                let (peer, left) = (self.state.roster.named(token, connection.peer), self.sessions.len());
                self.state.peer_log.closed(peer, &why, left, self.state.clock.now());
                self.state.current_service = connection.service;
            }
            if let Some(session) = session {
                let mut cx = Context::of_ended(&mut self.state, token);
                self.handler.closed(session, &why, &mut cx);
                cx.settle();
            }
        }
        for &token in &dead {
            self.state.remove(token);
        }
        dead.len()
    }
}
