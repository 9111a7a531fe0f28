//! The state that a turn works on: connections, feeds, timers, jobs, and work lists.
//!
//! [`State`] has everything that a [`Context`](crate::Context) may change, and nothing of the handler. So a request
//! takes effect at once, and no handler method runs inside another one. Closing only puts a connection on a list; the
//! dispatcher removes it at the end of the turn.
//!
//! Invariant: output that the kernel has refused is not tried again before a writable edge.

pub(crate) mod admission;
mod child_log;
pub(crate) mod children;
pub(crate) mod clock;
pub(crate) mod connections;
pub(crate) mod connects;
mod deadline;
mod feeds;
mod files;
mod flush;
pub(crate) mod limits;
#[cfg(feature = "metrics")]
mod metrics;
pub(crate) mod operator;
pub(crate) mod peer_log;
pub(crate) mod rate;
mod receipts;
mod relays;
pub(crate) mod results;
pub(crate) mod roster;
pub(crate) mod service;
pub(crate) mod stats;
pub(crate) mod stop;
mod suspension;
pub(crate) mod throttle;
pub(crate) mod timer;
pub(crate) mod turns;
pub(crate) mod work;

use std::io;
use std::time::{Duration, Instant};

use mio::Registry;
use slotmap::{SecondaryMap, SparseSecondaryMap};

use crate::connection::closed::Closed;
use crate::connection::feeds::Feeds;
use crate::connection::flags::Flags;
use crate::connection::handshake::Handshake;
use crate::connection::ids::ServiceId;
use crate::connection::pool::SplicePool;
use crate::connection::timer_id::TimerId;
use crate::connection::token::{ConnectionKey, Token};
use crate::connection::traced;
use crate::connection::{Connection, Phase};
use crate::state::children::Children;
use crate::state::clock::{CallbackTimer, Clock};
use crate::state::connections::Connections;
use crate::state::connects::Attempt;
use crate::state::limits::Limits;
use crate::state::operator::OperatorIo;
use crate::state::peer_log::PeerLog;
use crate::state::receipts::Receipts;
use crate::state::results::Jobs;
use crate::state::roster::Roster;
use crate::state::service::{ServiceOptions, ServiceTable};
use crate::state::stats::Stats;
use crate::state::stop::Stop;
use crate::state::timer::Timers;
use crate::state::turns::Turns;
use crate::state::work::WorkLists;

/// What is called when a timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerTarget {
    /// [`Handler::timer`](crate::Handler::timer) of this connection.
    Session(Token),
    /// [`Handler::service_timer`](crate::Handler::service_timer) for this service.
    Service(ServiceId),
    /// The end of [`Context::pause_input`](crate::Context::pause_input).
    InputPause(Token),
    /// The reactor's own deadline of this connection.
    Deadline(Token),
    /// The end of the time between SIGTERM and SIGKILL of a child, which had this connection.
    Grace(Token),
}

/// The cause of output. It decides what happens when there is too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputSource {
    /// The peer's own input. While there is too much output, the peer is not read.
    Own,
    /// Another connection, a timer or a worker. If there is too much output, the peer is closed.
    Others,
    /// An operator. While there is too much output, the input of operators is not used.
    Operator,
    /// Another connection, which passes its input on. While there is too much output, that one is not read.
    Relayed,
}

/// The state that a turn works on.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connections: Connections,
    /// The attempts of outbound connections that are not established yet.
    pub(crate) attempts: SecondaryMap<ConnectionKey, Attempt>,
    pub(crate) feeds: Feeds,
    pub(crate) timers: Timers<TimerTarget>,
    /// Jobs given to workers.
    pub(crate) jobs: Jobs,
    pub(crate) children: Children,
    pub(crate) services: ServiceTable,
    /// The service of a callback that belongs to no connection.
    pub(crate) current_service: ServiceId,
    /// The limits of the process. Those of one connection are in its service.
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) callbacks: CallbackTimer,
    pub(crate) work: WorkLists,
    pub(crate) operator: OperatorIo,
    pub(crate) stop: Stop,
    /// A new process accepts. This one serves its clients until they have left.
    #[cfg(feature = "http")]
    pub(crate) is_leaving: bool,
    /// When draining ends.
    pub(crate) drain_deadline: Option<Instant>,
    pub(crate) stats: Stats,
    pub(crate) turns: Turns,
    /// The figures of the last report.
    reported: Stats,
    pub(crate) peer_log: PeerLog,
    pub(crate) roster: Roster,
    /// Bytes in the outboxes of all connections.
    queued: usize,
    /// The start of the time in which the kernel took none of the output that others queued for a connection. Few
    /// connections are stalled, so this is not a field of each.
    stalled_since: SecondaryMap<ConnectionKey, Instant>,
    /// The handshakes of the connections in the phase `Handshaking`. Sparse, since in time every place has had one.
    pub(crate) handshakes: SparseSecondaryMap<ConnectionKey, Handshake>,
    /// The sources that wait until a destination has drained.
    relays: SecondaryMap<ConnectionKey, Vec<Token>>,
    /// The number of destinations that a source waits for.
    relay_waits: SecondaryMap<ConnectionKey, u32>,
    /// Receipts for output that is not sent yet. Sparse, since few connections have some.
    receipts: SparseSecondaryMap<ConnectionKey, Receipts>,
    /// The timers that end pauses of input.
    pauses: SecondaryMap<ConnectionKey, TimerId>,
    /// Copied replies of the running callback.
    pub(crate) scratch: Vec<u8>,
    splices: SplicePool,
    /// `None` in a simulation, where nothing is registered.
    registry: Option<Registry>,
}

impl State {
    /// Creates a state whose first service has these options. Its limits are also those of the process.
    pub(crate) fn new(mut options: ServiceOptions, registry: Option<Registry>, now: Instant) -> Self {
        options.limits = options.limits.with_budgets();
        State {
            connections: Connections::default(),
            attempts: SecondaryMap::new(),
            feeds: Feeds::default(),
            timers: Timers::new(now),
            jobs: Jobs::default(),
            children: Children::default(),
            limits: options.limits.clone(),
            services: ServiceTable::new(options),
            current_service: ServiceId::DEFAULT,
            clock: Clock::new(now),
            callbacks: CallbackTimer::default(),
            work: WorkLists::default(),
            operator: OperatorIo::default(),
            stop: Stop::Running,
            #[cfg(feature = "http")]
            is_leaving: false,
            drain_deadline: None,
            stats: Stats::default(),
            turns: Turns::default(),
            reported: Stats::default(),
            peer_log: PeerLog::new(),
            roster: Roster::default(),
            queued: 0,
            stalled_since: SecondaryMap::new(),
            handshakes: SparseSecondaryMap::new(),
            relays: SecondaryMap::new(),
            relay_waits: SecondaryMap::new(),
            receipts: SparseSecondaryMap::new(),
            pauses: SecondaryMap::new(),
            scratch: Vec::new(),
            splices: SplicePool::default(),
            registry,
        }
    }

    /// Begins a turn at the time `now`. A timer that is set in the turn is not due in it.
    pub(crate) fn begin_turn(&mut self, now: Instant) {
        self.clock.set_now(now);
        self.timers.begin_round();
        self.children.begin_turn();
    }

    /// Adds a connection and registers its stream.
    ///
    /// # Errors
    /// If the poll refuses the stream. The connection is dropped.
    pub(crate) fn insert(&mut self, mut connection: Connection) -> io::Result<Token> {
        if self.services[connection.service].log_data {
            connection.stream = traced::trace(connection.stream, connection.peer);
        }
        let interest = connection.flags.interest();
        let token = self.add(connection);
        if let Some(registry) = &self.registry {
            let registered = self.connections[token].stream.register(registry, token.to_mio(), interest);
            if let Err(error) = registered {
                self.remove(token);
                return Err(error);
            }
        }
        Ok(token)
    }

    /// Adds a connection to the table.
    fn add(&mut self, mut connection: Connection) -> Token {
        connection.last_active = self.clock.nanos();
        connection.opened = self.clock.seconds();
        self.count_in(&connection);
        self.connections.insert(connection)
    }

    /// The service of a session, or the current service if there is no such session.
    pub(crate) fn service_of(&self, session: Option<Token>) -> ServiceId {
        let connection = session.and_then(|token| self.connections.get(token));
        connection.map_or(self.current_service, |connection| connection.service)
    }

    /// The limits of a connection, or of the current service if there is no such connection. Rarely called on the path
    /// of a message, and so kept out of it.
    #[inline(never)]
    pub(crate) fn limits_of(&self, token: Token) -> &Limits {
        match self.connections.get(token) {
            Some(connection) => self.services.limits_of(token, connection),
            None => &self.services[self.current_service].limits,
        }
    }

    /// Whether each write to a connection is one datagram.
    pub(crate) fn is_datagram(&self, token: Token) -> bool {
        self.connections.get(token).is_some_and(|found| found.stream.is_datagram())
    }

    /// Puts a connection on the ready list: it is served in the next turn without an edge.
    pub(crate) fn mark_ready(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.flags.put(Flags::READY)
        {
            self.work.ready.push(token);
        }
    }

    /// Puts a connection on the dirty list: it is flushed at the end of this turn.
    pub(crate) fn mark_dirty(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.flags.put(Flags::DIRTY)
        {
            self.work.dirty.push(token);
        }
    }

    /// Ends a session in good order: pending output is sent, then the server's side is shut down, then the peer's end
    /// is awaited.
    pub(crate) fn close(&mut self, token: Token, why: Closed) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.phase {
            Phase::Open => {}
            Phase::Connecting | Phase::Handshaking => return self.kill(token),
            _ => return,
        }
        connection.phase = Phase::Flushing;
        connection.flags.remove(Flags::OUTPUT_FULL);
        connection.inbox = None;
        if let Some((end, follower)) = connection.follower_mut(&mut self.feeds) {
            follower.finish_at(end);
        }
        let flags = connection.flags;
        if let Some(idle) = connection.deadline.take() {
            self.timers.cancel(idle);
        }
        self.release_sources(token);
        if flags.contains(Flags::WRITE_BLOCKED) {
            // No flush is tried before the next writable edge, which may never come.
            self.set_deadline(token, self.limits.flush_stall);
        }
        self.work.ended.push((token, why));
        self.mark_dirty(token);
        if flags.contains(Flags::MAY_READ) {
            self.mark_ready(token);
        }
    }

    /// Half-closes a connection after its pending output, or when it is established. It also leaves its feed, which
    /// would otherwise keep its log for a peer that gets no more of it.
    pub(crate) fn shut_down(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if matches!(connection.phase, Phase::Connecting | Phase::Handshaking | Phase::Open) {
            connection.flags.insert(Flags::SHUT_DOWN);
            self.unfollow(token);
            self.mark_dirty(token);
        }
    }

    /// Ends a session at once. Its pending output is lost.
    pub(crate) fn abort(&mut self, token: Token, why: Closed) {
        if self.connections.is_open(token) {
            self.work.ended.push((token, why));
        }
        self.kill(token);
    }

    /// Puts a connection on the dead list: it is removed at the end of this turn.
    pub(crate) fn kill(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && connection.phase != Phase::Dead
        {
            if connection.phase == Phase::Connecting {
                self.attempts.remove(token.key());
            }
            connection.phase = Phase::Dead;
            self.work.dead.push(token);
            self.release_sources(token);
        }
    }

    /// Removes a dead connection. Closing its socket also removes it from the poll.
    pub(crate) fn remove(&mut self, token: Token) {
        self.leave_feed(token);
        let Some(connection) = self.connections.remove(token) else { return };
        self.queued -= connection.queued();
        self.count_out(&connection);
        self.services.forget(token, &connection);
        if let Some(id) = connection.deadline {
            self.timers.cancel(id);
        }
        if let Some(id) = self.pauses.remove(token.key()) {
            self.timers.cancel(id);
        }
        self.stalled_since.remove(token.key());
        self.give_last_receipts(token, connection.service);
        self.handshakes.remove(token.key());
        self.relay_waits.remove(token.key());
        self.roster.remove(token);
        if connection.is_child() {
            self.disconnect_child(token, connection.flags.contains(Flags::EOF));
        }
        self.operator.stdout_waiters.retain(|&waiter| waiter != token);
    }

    /// Sets a timer of a handler. If there are many timers, those of sessions that are over are dropped first.
    pub(crate) fn set_timer(&mut self, deadline: Instant, target: TimerTarget) -> TimerId {
        self.timers.sweep(|target| match target {
            TimerTarget::Session(token) => self.connections.is_open(*token),
            TimerTarget::InputPause(_) | TimerTarget::Service(_) | TimerTarget::Deadline(_) | TimerTarget::Grace(_) => {
                true
            }
        });
        self.timers.set(deadline, target)
    }

    /// Takes the next timer that is due at the horizon. The timer of a connection whose input is read or delivered in
    /// the next turn waits for it, and so does the timer of a service while datagrams wait.
    pub(crate) fn next_timer(&mut self) -> Option<(TimerId, TimerTarget)> {
        let State { timers, connections, work, clock, .. } = self;
        timers.pop_due(clock.horizon(), |target| match *target {
            TimerTarget::Session(token) | TimerTarget::Deadline(token) => {
                connections.get(token).is_some_and(Connection::has_input_due)
            }
            TimerTarget::Service(_) => work.has_datagrams,
            TimerTarget::InputPause(_) | TimerTarget::Grace(_) => false,
        })
    }

    /// Whether [`pause_if_full`](Self::pause_if_full) may have to pause a peer, after `replied` bytes of replies. A
    /// cheap check, made for every message.
    #[inline]
    pub(crate) fn may_be_full(&self, replied: usize) -> bool {
        replied > self.services.lowest_high_mark || self.is_stdout_full()
    }

    /// Whether `own` bytes of output that the input of a connection has caused are above its high mark, or the standard
    /// output of the process is.
    #[cold]
    pub(crate) fn is_full(&self, token: Token, own: usize) -> bool {
        own > self.limits_of(token).high_mark() || self.is_stdout_full()
    }

    fn is_stdout_full(&self) -> bool {
        let waiting = self.operator.stdout.len();
        waiting > 0 && waiting > self.limits.high_mark()
    }

    /// Stops reading a peer if its own output is above the high mark, or the standard output of the process is.
    ///
    /// `replied` is the number of bytes that the callback has replied with. They count even if the kernel has taken
    /// them since, because [`Context::is_writable`](crate::Context::is_writable) may have returned `false` to the
    /// handler.
    pub(crate) fn pause_if_full(&mut self, token: Token, replied: usize) {
        let is_stdout_full = self.is_stdout_full();
        let Some(connection) = self.connections.get_open(token) else { return };
        // After our side was shut down, replies are dropped, but they counted when the handler asked.
        let dropped = if connection.flags.contains(Flags::SHUT_DOWN) { replied } else { 0 };
        let own = (connection.queued_own() + dropped).max(replied);
        let is_full = own > 0 && own > self.services.limits_of(token, connection).high_mark();
        if !is_stdout_full && !is_full {
            return;
        }
        connection.flags.insert(Flags::OUTPUT_FULL);
        if is_stdout_full {
            self.operator.wait_for_stdout(token);
        }
        // Even if the kernel has taken everything, the flag tells the dispatcher that the handler may have left input
        // unused. The next flush clears it.
        self.mark_dirty(token);
    }

    /// Reads a peer again if its own output has drained, and the sources of its relay if the relayed output has.
    #[inline]
    pub(crate) fn resume_if_drained(&mut self, token: Token) {
        let Some(connection) = self.connections.get(token) else { return };
        if connection.flags.intersects(Flags::OUTPUT_FULL | Flags::AWAITED) {
            self.resume_own_if_drained(token);
            self.release_if_drained(token);
        }
    }

    /// Reads a peer again if its own output has drained. If standard output has not, the connection waits for it.
    fn resume_own_if_drained(&mut self, token: Token) {
        let is_stdout_drained = self.is_stdout_drained();
        let Some(connection) = self.connections.get_mut(token) else { return };
        let low = self.services.limits_of(token, connection).low_mark();
        if connection.flags.contains(Flags::OUTPUT_FULL) && connection.queued_own() <= low {
            if !is_stdout_drained {
                return self.operator.wait_for_stdout(token);
            }
            connection.flags.remove(Flags::OUTPUT_FULL);
            connection.flags.insert(Flags::NOTIFY_DRAINED);
            self.mark_ready(token);
        }
    }

    fn is_stdout_drained(&self) -> bool {
        self.operator.stdout.len() <= self.limits.low_mark()
    }

    /// Resumes the connections that wait for standard output, if that has drained.
    pub(crate) fn stdout_drained(&mut self) {
        if self.is_stdout_drained() {
            for token in std::mem::take(&mut self.operator.stdout_waiters) {
                self.resume_if_drained(token);
            }
        }
    }

    /// Whether a session has a job under way.
    pub(crate) fn has_job(&self, session: Option<Token>) -> bool {
        let connection = session.and_then(|token| self.connections.get(token));
        connection.is_some_and(|connection| connection.flags.contains(Flags::HAS_JOB))
    }

    /// Counts a job that was given to a worker. `session` is `None` for a job of a service.
    pub(crate) fn begin_job(&mut self, session: Option<Token>) {
        self.jobs.begin();
        if let Some(connection) = session.and_then(|token| self.connections.get_mut(token)) {
            connection.flags.insert(Flags::HAS_JOB);
        }
    }

    /// Whether the operators wait for a peer that has not read what they sent.
    pub(crate) fn are_operators_paused(&mut self) -> bool {
        let is_full = self.operator.waits_for.is_some_and(|token| {
            let low = self.limits_of(token).low_mark();
            self.connections.get(token).is_some_and(|found| found.is_open() && found.queued() > low)
        });
        if !is_full {
            self.operator.waits_for = None;
        }
        is_full
    }

    /// Whether standard input is paused, by the handler or as the other operators are.
    pub(crate) fn is_console_paused(&mut self) -> bool {
        self.operator.is_console_paused || self.are_operators_paused()
    }

    /// Whether no connection of its service is left apart from those that close last. `token` is one of these.
    pub(crate) fn is_last(&self, token: Token) -> bool {
        let service = self.service_of(Some(token));
        let is_other = |found: &Connection| found.service == service && !found.flags.contains(Flags::CLOSES_LAST);
        self.services[service].connections == 0 && !self.connections.values().any(is_other)
    }

    /// Whether a stop is complete: every connection is removed, and neither a job nor a child is waited for.
    pub(crate) fn has_stopped(&self) -> bool {
        let has_children = self.children.len() > 0 && self.stop < Stop::Now;
        self.stop >= Stop::Draining && self.connections.is_empty() && self.jobs.is_idle() && !has_children
    }

    /// The current figures for the operator, with the rates since the last report, or since the start.
    pub(crate) fn report(&mut self) -> String {
        let stats = self.stats();
        let earlier = std::mem::replace(&mut self.reported, stats);
        format!("{stats}\n{}", stats.rates_since(&earlier))
    }

    /// The current figures: counters, and the sizes of the queues.
    pub(crate) fn stats(&self) -> Stats {
        debug_assert_eq!(self.queued, self.connections.values().map(Connection::queued).sum::<usize>());
        Stats {
            uptime: Duration::from_nanos(self.clock.nanos()),
            connections: self.connections.len() - self.children.connections,
            children: self.children.len(),
            outbound: self.connections.values().filter(|found| found.flags.contains(Flags::OUTBOUND)).count(),
            queued: self.queued,
            in_feeds: self.feeds.bytes(),
            timers: self.timers.len(),
            turns: self.turns.count(),
            longest_turn: self.turns.longest(),
            stdout_queued: self.operator.stdout.len(),
            ..self.stats
        }
    }
}
