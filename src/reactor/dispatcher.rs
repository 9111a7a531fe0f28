//! Everything between an edge and the handler: who is read, how much, what is kept, and who is buried.
//!
//! The [`Reactor`](crate::Reactor) drives it with the kernel's edges and clock, a [`Sim`](crate::Sim) with simulated ones:
//! the code in between is the same. Invariants: a handler method never runs beneath another; input reaches the handler in
//! order and once, but for what it did not use; no connection is read beyond its budget in a turn. Does not poll or accept.

use std::io::ErrorKind;

use slotmap::SecondaryMap;

use crate::connection::closed::Closed;
use crate::connection::edge::Edge;
use crate::connection::flags::Flags;
use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::inbox::Inbox;
use crate::connection::origin::{Origin, Source, Via};
use crate::connection::stream::Received;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::Address;
use crate::state::results::Recipient;
use crate::state::{State, Stop, TimerTarget};
use crate::workers::Done;

/// A handler, its sessions, and the state that they act on.
pub(crate) struct Dispatcher<H: Handler> {
    pub(crate) handler: H,
    pub(crate) state: State,
    sessions: SecondaryMap<Token, H::Session>,
    buffer: Box<[u8]>,
    /// The ready list of the last turn, kept for its memory.
    batch: Vec<Token>,
}

impl<H: Handler> Dispatcher<H> {
    pub(crate) fn new(handler: H, state: State) -> Self {
        let buffer = vec![0; state.limits.read_buffer].into_boxed_slice();
        Dispatcher { handler, state, sessions: SecondaryMap::new(), buffer, batch: Vec::new() }
    }

    /// Takes in a connection and opens its session. An error means that the poll refused it.
    pub(crate) fn open(&mut self, connection: Connection, listener: ListenerId) -> std::io::Result<Token> {
        let peer = connection.peer;
        let token = self.state.insert(connection)?;
        self.state.stats.accepted += 1;
        log::info!("{peer} connected ({} connections)", self.sessions.len() + 1);
        self.open_session(token, Via::Listener(listener));
        Ok(token)
    }

    /// An outbound connection has come about.
    pub(crate) fn connected(&mut self, token: Token, to: Address) {
        if let Some(connection) = self.state.connections.get_mut(token) {
            connection.phase = Phase::Open;
            self.open_session(token, Via::Connect(to));
            self.work(token);
        }
    }

    fn open_session(&mut self, token: Token, via: Via) {
        let peer = self.state.connections[token].peer;
        let mut cx = Context::of_connection(&mut self.state, token);
        let session = self.handler.open(&Origin { token, peer, via }, &mut cx);
        cx.settle();
        self.sessions.insert(token, session);
        if let Some(limit) = self.state.limits_of(token).idle_timeout
            && self.state.connections[token].is_open()
        {
            self.state.set_deadline(token, limit);
        }
    }

    /// Notes an edge and serves the connection. An edge of a connection that is gone is counted and dropped.
    pub(crate) fn edge(&mut self, token: Token, edge: Edge) {
        let Some(connection) = self.state.connections.get_mut(token) else {
            self.state.stats.stale += 1;
            return;
        };
        let flags = &mut connection.flags;
        if edge.read_closed || edge.urgent {
            flags.insert(Flags::MAY_READ | Flags::DRAIN_FULLY);
        } else if edge.readable {
            flags.insert(Flags::MAY_READ);
        }
        if edge.writable {
            flags.remove(Flags::BLOCKED);
            self.state.mark_dirty(token);
        }
        self.work(token);
    }

    /// Serves those who have something to do without a new edge.
    pub(crate) fn work_ready(&mut self) {
        let mut batch = std::mem::replace(&mut self.state.ready, std::mem::take(&mut self.batch));
        for token in batch.drain(..) {
            if let Some(connection) = self.state.connections.get_mut(token) {
                connection.flags.remove(Flags::READY);
                self.state.mark_dirty(token);
                self.work(token);
            }
        }
        self.batch = batch;
    }

    fn work(&mut self, token: Token) {
        let Some(connection) = self.state.connections.get(token) else { return };
        match connection.phase {
            Phase::Open => {
                if connection.flags.intersects(Flags::OWES_HANDLER) {
                    self.tell_drained(token);
                    self.show_again(token);
                }
                self.serve(token);
            }
            Phase::Flushing | Phase::Lingering => self.discard(token),
            Phase::Connecting | Phase::Dead => {}
        }
    }

    /// Reads and hands over, until there is nothing more, the budget ends, or the output piles up.
    fn serve(&mut self, token: Token) {
        let mut budget = self.state.limits.turn_input;
        loop {
            let Some(connection) = self.state.connections.get(token) else { return };
            let flags = connection.flags;
            if !connection.takes_input() {
                return;
            }
            if self.state.stop >= Stop::Draining {
                return self.finish_held(token);
            }
            if flags.contains(Flags::EOF) {
                return self.finish_input(token);
            }
            if !flags.contains(Flags::MAY_READ) {
                return;
            }
            if budget == 0 {
                return self.state.mark_ready(token);
            }
            let held = connection.inbox.as_ref().map_or(0, |inbox| inbox.len());
            if held > 0 && held >= self.state.limits_of(token).inbox {
                // More would go beyond the limit: what is there has to be used first.
                budget = 0;
                self.deliver_held(token);
            } else {
                let (count, is_all) = self.receive(token);
                // An empty datagram is work, too.
                budget = budget.saturating_sub(count.max(1));
                match (count, held) {
                    (0, _) => continue,
                    (_, 0) => self.deliver(token, count),
                    (_, _) => self.deliver_behind(token, count),
                }
                if is_all {
                    return;
                }
            }
        }
    }

    /// One read into the shared buffer; notes what it says about what is left. Returns the number of bytes, and whether
    /// they are all that there is for now.
    #[expect(clippy::inline_always, reason = "on the path of every message; see docs/performance.md")]
    #[inline(always)]
    fn receive(&mut self, token: Token) -> (usize, bool) {
        let now = self.state.nanos();
        let Some(connection) = self.state.connections.get_mut(token) else { return (0, true) };
        let flags = &mut connection.flags;
        match connection.stream.read(&mut self.buffer) {
            Ok(Received::Bytes(count)) => {
                // A socket that gave less than was asked for is empty, and the next byte will be an edge: this saves one
                // call in two. Not so when the peer has ended, when urgent data cut the read, or for datagrams.
                let is_whole = count < self.buffer.len()
                    && !flags.contains(Flags::DRAIN_FULLY)
                    && !connection.stream.is_datagram();
                flags.set(Flags::MAY_READ, !is_whole);
                if connection.phase == Phase::Open {
                    connection.last_active = now;
                }
                self.state.stats.bytes_in += count as u64;
                return (count, is_whole);
            }
            Ok(Received::Eof) => {
                flags.insert(Flags::EOF);
                flags.remove(Flags::MAY_READ);
            }
            Err(error) => self.receive_failed(token, error),
        }
        (0, false)
    }

    #[cold]
    fn receive_failed(&mut self, token: Token, error: std::io::Error) {
        match (error.kind(), self.state.connections.get_mut(token)) {
            (ErrorKind::Interrupted, _) => {}
            (ErrorKind::WouldBlock, Some(connection)) => {
                connection.flags.remove(Flags::MAY_READ | Flags::DRAIN_FULLY);
            }
            _ => self.state.abort(token, Closed::Failed(error)),
        }
    }

    /// Shows the handler what was just read, behind what it had left.
    fn deliver_behind(&mut self, token: Token, count: usize) {
        if let Some(inbox) = self.state.connections.get_mut(token).and_then(|found| found.inbox.as_mut()) {
            inbox.push(&self.buffer[..count]);
        }
        self.deliver_held(token);
    }

    /// Shows the handler what was just read, of which it had left nothing before.
    #[inline]
    fn deliver(&mut self, token: Token, count: usize) {
        let Some(session) = self.sessions.get_mut(token) else { return };
        let mut cx = Context::of_connection(&mut self.state, token);
        let used = self.handler.data(session, &mut self.buffer[..count], &mut cx);
        cx.settle();
        debug_assert!(used <= count, "the handler used {used} bytes of {count}");
        if used < count
            && let Some(connection) = self.state.connections.get_mut(token).filter(|found| found.is_open())
        {
            let mut inbox = self.state.pools.inboxes.take();
            inbox.push(&self.buffer[used..count]);
            connection.inbox = Some(inbox);
            self.close_if_stuck(token, used);
        }
    }

    /// Shows the handler its unused input once more.
    fn deliver_held(&mut self, token: Token) {
        let Some(mut inbox) = self.state.connections.get_mut(token).and_then(|found| found.inbox.take()) else {
            return;
        };
        let used = self.show(token, &mut inbox);
        match self.state.connections.get_mut(token).filter(|found| found.is_open() && inbox.len() > 0) {
            Some(connection) => connection.inbox = Some(inbox),
            None => return self.state.pools.inboxes.give(inbox),
        }
        self.close_if_stuck(token, used);
    }

    fn show(&mut self, token: Token, inbox: &mut Inbox) -> usize {
        let Some(session) = self.sessions.get_mut(token) else { return 0 };
        let held = inbox.len();
        let mut cx = Context::of_connection(&mut self.state, token);
        let used = self.handler.data(session, inbox.bytes_mut(), &mut cx);
        cx.settle();
        debug_assert!(used <= held, "the handler used {used} bytes of {held}");
        inbox.consume(used.min(held));
        used
    }

    /// A full inbox of which nothing is used, though there is room for the answer, can never go on.
    fn close_if_stuck(&mut self, token: Token, used: usize) {
        let limit = self.state.limits_of(token).inbox;
        if let Some(connection) = self.state.connections.get(token)
            && let Some(inbox) = &connection.inbox
            && used == 0
            && inbox.len() >= limit
            && connection.takes_input()
        {
            self.state.close(token, Closed::InboxFull(limit));
        }
    }

    /// Output has drained: tells the handler, and shows it what it held back.
    fn tell_drained(&mut self, token: Token) {
        let Some(connection) = self.state.connections.get_mut(token) else { return };
        if !connection.flags.take(Flags::TELL_DRAINED) {
            return;
        }
        connection.flags.insert(Flags::SHOW_AGAIN);
        let Some(session) = self.sessions.get_mut(token) else { return };
        let mut cx = Context::of_connection(&mut self.state, token);
        self.handler.drained(session, &mut cx);
        cx.settle();
    }

    /// Shows the handler what it held back, when it may go on. At the end of input that is [`finish_input`](Self::finish_input)'s.
    fn show_again(&mut self, token: Token) {
        if let Some(connection) = self.state.connections.get_mut(token).filter(|found| found.takes_input())
            && connection.flags.take(Flags::SHOW_AGAIN)
            && !connection.flags.contains(Flags::EOF)
            && self.state.stop < Stop::Draining
        {
            self.deliver_held(token);
        }
    }

    /// Hands over what workers have done, within the turn's budget.
    pub(crate) fn take_results(&mut self) -> std::io::Result<()> {
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

    /// The job of a session is done: it gets the result, and then the input that waited for it.
    fn done(&mut self, token: Token, done: Done) {
        let now = self.state.nanos();
        let connection = self.state.connections.get_mut(token).filter(|found| found.is_open());
        let (Some(connection), Some(session)) = (connection, self.sessions.get_mut(token)) else {
            self.state.stats.stale += 1;
            return;
        };
        connection.flags.remove(Flags::HAS_JOB);
        connection.flags.insert(Flags::SHOW_AGAIN);
        connection.last_active = now;
        let mut cx = Context::of_connection(&mut self.state, token);
        self.handler.done(session, done, &mut cx);
        cx.settle();
        self.state.mark_ready(token);
    }

    /// Stopping: what was read before is still answered, no more is read, and then the session is over.
    fn finish_held(&mut self, token: Token) {
        self.deliver_held(token);
        if self.state.connections.get(token).is_some_and(Connection::takes_input) {
            self.state.close(token, Closed::Stopping);
        }
    }

    /// The peer has ended: shows the rest for the last time, then says so, unless the output has piled up.
    fn finish_input(&mut self, token: Token) {
        self.deliver_held(token);
        let Some(connection) = self.state.connections.get_mut(token) else { return };
        if !connection.takes_input() || connection.flags.contains(Flags::EOF_TOLD) {
            return;
        }
        connection.flags.insert(Flags::EOF_TOLD);
        if let Some(inbox) = connection.inbox.take() {
            self.state.pools.inboxes.give(inbox);
        }
        let Some(session) = self.sessions.get_mut(token) else { return };
        let mut cx = Context::of_connection(&mut self.state, token);
        self.handler.eof(session, &mut cx);
        cx.settle();
    }

    /// Reads and forgets: the session is over, and unread input would turn the close into a reset.
    fn discard(&mut self, token: Token) {
        let mut budget = self.state.limits.turn_input;
        let mut discarded = 0;
        loop {
            let Some(connection) = self.state.connections.get_mut(token) else { return };
            let is_lingering = connection.phase == Phase::Lingering;
            // When stopping, whoever has sent nothing more is not waited for; only a read can tell.
            let asks = self.state.stop >= Stop::Draining && is_lingering && discarded == 0;
            if connection.phase == Phase::Dead
                || !(connection.flags.contains(Flags::MAY_READ) || asks)
                || connection.flags.contains(Flags::EOF)
            {
                return;
            }
            if budget == 0 {
                return self.state.mark_ready(token);
            }
            connection.flags.insert(Flags::MAY_READ);
            let (count, _) = self.receive(token);
            (budget, discarded) = (budget.saturating_sub(count), discarded + count);
            let Some(connection) = self.state.connections.get(token) else { return };
            if is_lingering
                && (connection.flags.contains(Flags::EOF)
                    || asks && count == 0 && !connection.flags.contains(Flags::MAY_READ))
            {
                return self.state.kill(token);
            }
        }
    }

    /// Calls what is due. A timer set meanwhile waits for the next turn, also one of no time at all.
    pub(crate) fn run_timers(&mut self) {
        self.state.timers.begin_round();
        while let Some((id, due)) = self.state.timers.pop_due(self.state.now) {
            self.state.stats.timers_fired += 1;
            match due {
                TimerTarget::Deadline(token) => self.state.deadline_due(token, id),
                TimerTarget::InputPause(token) => self.state.resume_input(token),
                TimerTarget::Service(service) => self.call(service, |handler, cx| handler.service_timer(id, cx)),
                TimerTarget::Session(token) => {
                    let is_open = self.state.connections.get(token).is_some_and(Connection::is_open);
                    let Some(session) = self.sessions.get_mut(token).filter(|_| is_open) else {
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

    /// Hands a datagram to the handler, and its answer to `send`.
    pub(crate) fn datagram(&mut self, source: &Source, service: ServiceId, count: usize, send: impl FnOnce(&[u8])) {
        self.state.current_service = service;
        self.state.stats.bytes_in += count as u64;
        let mut cx = Context::of_datagram(&mut self.state);
        self.handler.datagram(source, &mut self.buffer[..count], &mut cx);
        cx.answer(send);
    }

    /// The buffer that a datagram is to be read into.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Calls the handler outside of any connection, for a service.
    pub(crate) fn call(&mut self, service: ServiceId, call: impl FnOnce(&mut H, &mut Context<'_>)) {
        self.state.current_service = service;
        let mut cx = Context::of_service(&mut self.state);
        call(&mut self.handler, &mut cx);
        cx.settle();
    }

    /// Calls the handler for something typed at the console.
    pub(crate) fn call_console(&mut self, call: impl FnOnce(&mut H, &mut Context<'_>)) {
        self.state.current_service = ServiceId::DEFAULT;
        let mut cx = Context::of_console(&mut self.state);
        call(&mut self.handler, &mut cx);
        cx.settle();
    }

    /// Flushes and buries in turn until both have nothing to do: what `closed` publishes is flushed, and flushing closes.
    /// Returns how many connections were buried.
    pub(crate) fn flush_and_reap(&mut self) -> usize {
        let mut reaped = 0;
        loop {
            self.state.flush();
            self.state.enforce_memory_limit();
            if self.state.ended.is_empty() && self.state.dead.is_empty() {
                return reaped;
            }
            reaped += self.reap();
        }
    }

    fn reap(&mut self) -> usize {
        let (ended, dead) = (std::mem::take(&mut self.state.ended), std::mem::take(&mut self.state.dead));
        for &token in &dead {
            self.state.leave_feed(token);
        }
        for (token, why) in ended {
            let session = self.sessions.remove(token);
            if let Some(connection) = self.state.connections.get(token) {
                self.state.peer_log.closed(connection.peer, (&why, self.sessions.len()), self.state.now);
            }
            if let Some(session) = session {
                let service =
                    self.state.connections.get(token).map_or(ServiceId::DEFAULT, |connection| connection.service);
                self.call(service, |handler, cx| handler.closed(session, &why, cx));
            }
        }
        for &token in &dead {
            self.state.remove(token);
        }
        dead.len()
    }

    /// Takes the wish to stop one step further: every session ends, and its connection is sent what it is pending. One that
    /// holds back input until its output has drained ends when it has answered that.
    pub(crate) fn begin_stop(&mut self) {
        self.state.stop = self.state.stop.max(Stop::Draining);
        for token in self.state.connections.keys().collect::<Vec<_>>() {
            self.state.resume_input(token);
            let holds_back = self.state.connections.get(token).is_some_and(Connection::holds_back);
            if !holds_back {
                self.state.close(token, Closed::Stopping);
            }
            // Those that linger already are looked at anew: a stopping server does not wait for who is quiet.
            self.state.mark_ready(token);
        }
    }

    /// Drops every connection, and waits for no job any more. Returns how many were still owed something, and how many bytes.
    pub(crate) fn drop_all(&mut self) -> (usize, usize) {
        let pending = self.state.connections.values().map(|connection| connection.pending(&self.state.feeds));
        let unsent = pending.filter(|&bytes| bytes > 0).fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
        for token in self.state.connections.keys().collect::<Vec<_>>() {
            self.state.abort(token, Closed::Stopping);
        }
        self.flush_and_reap();
        self.state.jobs.give_up();
        unsent
    }
}
