//! The state of connections, feeds and timers, and the lists of what is still to be done in this turn.
//!
//! Everything that a [`Context`](crate::Context) may touch is here and nothing of the handler is, so a request takes effect
//! at once without running a handler beneath another. Closing only notes: connections leave the state when they are buried.
//!
//! Invariants: a token on `ended` still has its session, a token on `dead` still has its connection; a connection is on
//! `ready` and `dirty` at most once (its flags say so); a queue that the kernel has refused is not tried again before an edge.

pub(crate) mod admission;
mod deadline;
mod flush;
pub(crate) mod limits;
pub(crate) mod operator;
pub(crate) mod peer_log;
pub(crate) mod rate;
pub(crate) mod results;
pub(crate) mod service;
pub(crate) mod stats;
pub(crate) mod throttle;
pub(crate) mod timer;

use std::time::{Duration, Instant, SystemTime};

use mio::{Interest, Registry};
use slotmap::{Key, SlotMap};

use crate::connection::closed::Closed;
use crate::connection::feed::{FeedId, Feeds};
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::outbox::Outbox;
use crate::connection::pool::Pools;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::net::Address;
use crate::state::limits::Limits;
use crate::state::operator::Notice;
use crate::state::peer_log::PeerLog;
use crate::state::results::Jobs;
use crate::state::service::{ServiceOptions, ServiceTable};
use crate::state::stats::Stats;
use crate::state::timer::Timers;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerTarget {
    /// [`Handler::timer`](crate::Handler::timer) of this connection.
    Session(Token),
    /// The end of a rest.
    InputPause(Token),
    /// [`Handler::service_timer`](crate::Handler::service_timer), of this service.
    Service(ServiceId),
    /// The reactor's own deadline of this connection.
    Deadline(Token),
}

/// Who caused output: it decides what happens when there is too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputSource {
    /// The peer's own input: it is read no further until it has read.
    Own,
    /// Somebody else: it is closed when it does not read.
    Others,
    /// The console: its next line waits until the peer has read.
    Console,
}

/// How far the wish to stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Running,
    /// Asked for; connections are not told yet.
    Requested,
    /// Connections receive what they are owed.
    Draining,
    /// At once.
    Now,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connections: SlotMap<Token, Connection>,
    pub(crate) feeds: Feeds,
    pub(crate) timers: Timers<TimerTarget>,
    /// The limits of the process: what is said there of one connection is the services' to say.
    pub(crate) limits: Limits,
    pub(crate) services: ServiceTable,
    /// The service for which the handler is called outside of any connection.
    pub(crate) current_service: ServiceId,
    pub(crate) stats: Stats,
    pub(crate) peer_log: PeerLog,
    /// Bytes in the outboxes of all connections.
    pub(crate) queued: usize,
    pub(crate) stop: Stop,
    /// What workers do.
    pub(crate) jobs: Jobs,
    /// The time of this turn; see [`State::set_now`].
    pub(crate) now: Instant,
    /// The same, counted from the origin: the hot path notes it for every read and write.
    nanos: u64,
    origin: Instant,
    /// The time of day at the origin, where it does not pass by itself: in a simulation.
    pub(crate) system_time_at_origin: Option<SystemTime>,
    /// None in a simulation: nothing is registered there.
    pub(crate) registry: Option<Registry>,
    pub(crate) pools: Pools,
    /// Replies of the callback that runs, copied.
    pub(crate) scratch: Vec<u8>,
    /// Output for standard output.
    pub(crate) stdout: Outbox,
    /// The connections that wait until that has drained.
    stdout_waiters: Vec<Token>,
    /// What the operator is stderr.
    pub(crate) stderr: Vec<Notice>,
    /// Number of timers at which those of sessions that are over are looked for.
    timers_swept_at: usize,
    /// The connection that makes the console wait.
    pub(crate) console_waits_for: Option<Token>,
    /// The handler takes no lines for now.
    pub(crate) is_console_paused_by_handler: bool,
    /// Connections asked for, each with the service that asked.
    pub(crate) pending_connects: Vec<(Address, ServiceId)>,
    pub(crate) ready: Vec<Token>,
    pub(crate) dirty: Vec<Token>,
    pub(crate) dirty_feeds: Vec<FeedId>,
    pub(crate) ended: Vec<(Token, Closed)>,
    pub(crate) dead: Vec<Token>,
}

impl State {
    /// The limits of the process are those of the first service, which has these options.
    pub(crate) fn new(mut options: ServiceOptions, registry: Option<Registry>, now: Instant) -> Self {
        options.limits = options.limits.with_budgets();
        State {
            connections: SlotMap::with_key(),
            feeds: Feeds::default(),
            timers: Timers::new(now),
            limits: options.limits.clone(),
            services: ServiceTable::new(options),
            current_service: ServiceId::DEFAULT,
            stats: Stats::default(),
            peer_log: PeerLog::new(),
            queued: 0,
            stop: Stop::Running,
            jobs: Jobs::default(),
            now,
            nanos: 0,
            origin: now,
            system_time_at_origin: None,
            registry,
            pools: Pools::default(),
            scratch: Vec::new(),
            stdout: Outbox::default(),
            stderr: Vec::new(),
            stdout_waiters: Vec::new(),
            timers_swept_at: TIMERS_UNSWEPT,
            console_waits_for: None,
            is_console_paused_by_handler: false,
            pending_connects: Vec::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            dirty_feeds: Vec::new(),
            ended: Vec::new(),
            dead: Vec::new(),
        }
    }

    /// Takes in a stream. Its edges are reported from now on.
    pub(crate) fn insert(&mut self, mut connection: Connection) -> std::io::Result<Token> {
        connection.last_active = self.nanos();
        connection.flags.set(Flags::WRITABLE_ARMED, connection.phase == Phase::Connecting);
        let interest = interest(connection.flags);
        let service = connection.service;
        let token = self.connections.insert(connection);
        if let Some(registry) = &self.registry {
            let registered = self.connections[token].stream.register(registry, kernel_token(token), interest);
            if let Err(error) = registered {
                self.connections.remove(token);
                return Err(error);
            }
        }
        self.services[service].count_in(&self.connections[token]);
        Ok(token)
    }

    /// The limits that a connection keeps to.
    pub(crate) fn limits_of(&self, token: Token) -> &Limits {
        let service = self.connections.get(token).map_or(self.current_service, |connection| connection.service);
        &self.services[service].limits
    }

    /// Puts a connection on the list of those that have something to do without a new edge.
    pub(crate) fn mark_ready(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.flags.put(Flags::READY)
        {
            self.ready.push(token);
        }
    }

    /// Puts a connection on the list of those to be flushed at the end of this turn.
    pub(crate) fn mark_dirty(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && !connection.flags.put(Flags::DIRTY)
        {
            self.dirty.push(token);
        }
    }

    /// Ends a session in good order: what is owed is sent, then our side is shut down, then the peer's end is awaited.
    pub(crate) fn close(&mut self, token: Token, why: Closed) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        match connection.phase {
            Phase::Open => {}
            Phase::Connecting => return self.kill(token),
            _ => return,
        }
        connection.phase = Phase::Flushing;
        connection.flags.remove(Flags::PAUSED);
        if let Some(inbox) = connection.inbox.take() {
            self.pools.inboxes.give(inbox);
        }
        if let Some((end, follower)) = connection.follower_mut(&mut self.feeds) {
            follower.finish_at(end);
        }
        let flags = connection.flags;
        if let Some(idle) = connection.deadline.take() {
            self.timers.cancel(idle);
        }
        if flags.contains(Flags::BLOCKED) {
            // No flush will be refused before the next edge, which may never come.
            self.set_deadline(token, self.limits.flush_stall);
        }
        self.ended.push((token, why));
        self.mark_dirty(token);
        if flags.contains(Flags::MAY_READ) {
            self.mark_ready(token);
        }
    }

    /// Half-closes an open connection: what it is owed now is the last that it gets. So it follows nothing any more: a feed
    /// would keep its log for who reads no further.
    pub(crate) fn shut_down(&mut self, token: Token) {
        if !self.connections.get(token).is_some_and(Connection::is_open) {
            return;
        }
        self.unfollow(token);
        if let Some(connection) = self.connections.get_mut(token) {
            connection.flags.insert(Flags::SHUT_DOWN);
        }
        self.mark_dirty(token);
    }

    /// Ends a session at once; what is owed is lost.
    pub(crate) fn abort(&mut self, token: Token, why: Closed) {
        if self.connections.get(token).is_some_and(Connection::is_open) {
            self.ended.push((token, why));
        }
        self.kill(token);
    }

    /// Marks a connection for burial.
    pub(crate) fn kill(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token)
            && connection.phase != Phase::Dead
        {
            connection.phase = Phase::Dead;
            self.dead.push(token);
        }
    }

    /// Removes a dead connection; its socket is closed, and with that leaves the poll.
    pub(crate) fn remove(&mut self, token: Token) {
        self.leave_feed(token);
        let Some(connection) = self.connections.remove(token) else { return };
        self.queued -= connection.queued();
        self.services[connection.service].count_out(&connection);
        if let Some(id) = connection.deadline {
            self.timers.cancel(id);
        }
        if let Some(inbox) = connection.inbox {
            self.pools.inboxes.give(inbox);
        }
        if let Some(outbox) = connection.outbox {
            self.pools.outboxes.give(outbox);
        }
        self.stdout_waiters.retain(|&waiter| waiter != token);
    }

    /// Arms a handler's timer. Those of sessions that are over go when they would be half of all.
    pub(crate) fn set_timer(&mut self, deadline: Instant, due: TimerTarget) -> TimerId {
        if self.timers.len() >= self.timers_swept_at {
            let is_open = |token: &Token| self.connections.get(*token).is_some_and(Connection::is_open);
            self.timers.retain(|due| match due {
                TimerTarget::Session(token) | TimerTarget::InputPause(token) => is_open(token),
                TimerTarget::Service(_) | TimerTarget::Deadline(_) => true,
            });
            // Twice what is left, so that each timer is looked at twice in its life at most, on average.
            self.timers_swept_at = (2 * self.timers.len()).max(TIMERS_UNSWEPT);
        }
        self.timers.set(deadline, due)
    }

    /// Whether a callback with `replied` bytes of replies may have found its peer not writable, even if the kernel took them.
    #[inline]
    pub(crate) fn may_be_full(&self, replied: usize) -> bool {
        replied > self.services.lowest_high_mark || self.is_stdout_full()
    }

    fn is_stdout_full(&self) -> bool {
        self.stdout.len() > 0 && self.stdout.len() > self.limits.high_mark()
    }

    /// Stops reading a peer if its own output is above the high mark, or the standard output of the process is.
    ///
    /// `replied` is the number of bytes that the callback has replied with. They were above the high mark even if the kernel
    /// took them since, and the handler may have seen that by [`Context::is_writable`](crate::Context::is_writable).
    pub(crate) fn pause_if_full(&mut self, token: Token, replied: usize) {
        let printing = self.is_stdout_full();
        let Some(connection) = self.connections.get_mut(token) else { return };
        let own = connection.queued_own().max(replied);
        let is_full = own > 0 && own > self.services[connection.service].limits.high_mark();
        if !(printing || is_full) || !connection.is_open() {
            return;
        }
        connection.flags.insert(Flags::PAUSED);
        if printing {
            self.wait_for_stdout(token);
        }
        // Even if the kernel has taken everything, the pause tells the dispatcher that the handler may have left input unused.
        // The next flush ends it.
        self.mark_dirty(token);
    }

    /// Goes on reading a peer whose output has drained, or notes that it waits for standard output.
    pub(crate) fn end_pause(&mut self, token: Token) {
        let printing = self.stdout.len() > self.limits.low_mark();
        let Some(connection) = self.connections.get_mut(token) else { return };
        let low = self.services[connection.service].limits.low_mark();
        if connection.flags.contains(Flags::PAUSED) && connection.queued_own() <= low {
            if printing {
                return self.wait_for_stdout(token);
            }
            connection.flags.remove(Flags::PAUSED);
            connection.flags.insert(Flags::TELL_DRAINED);
            self.mark_ready(token);
        }
    }

    fn wait_for_stdout(&mut self, token: Token) {
        if !self.stdout_waiters.contains(&token) {
            self.stdout_waiters.push(token);
        }
    }

    /// Standard output has drained: those who waited for it may go on.
    pub(crate) fn stdout_drained(&mut self) {
        if self.stdout.len() <= self.limits.low_mark() {
            for token in std::mem::take(&mut self.stdout_waiters) {
                self.end_pause(token);
            }
        }
    }

    /// Whether a session waits for a worker.
    pub(crate) fn has_job(&self, session: Option<Token>) -> bool {
        session
            .and_then(|token| self.connections.get(token))
            .is_some_and(|connection| connection.flags.contains(Flags::HAS_JOB))
    }

    /// Whether a session is to be shown no input though its peer may be answered.
    pub(crate) fn waits(&self, session: Option<Token>) -> bool {
        session.and_then(|token| self.connections.get(token)).is_some_and(Connection::waits)
    }

    /// Shows a session no input for a while. Who stops has no time to rest.
    pub(crate) fn pause_input(&mut self, token: Token, time: Duration) {
        if self.stop >= Stop::Draining {
            return;
        }
        let Some(connection) = self.connections.get_mut(token).filter(|found| found.is_open()) else { return };
        if !connection.flags.put(Flags::INPUT_PAUSED) {
            let deadline = self.now.checked_add(time).unwrap_or(self.now);
            self.set_timer(deadline, TimerTarget::InputPause(token));
        }
    }

    /// Goes on with the input of a session.
    pub(crate) fn resume_input(&mut self, token: Token) {
        let now = self.nanos();
        if let Some(connection) = self.connections.get_mut(token)
            && connection.flags.take(Flags::INPUT_PAUSED)
        {
            connection.flags.insert(Flags::SHOW_AGAIN);
            connection.last_active = now;
            self.mark_ready(token);
        }
    }

    /// A worker has a job, of a session or of the handler itself.
    pub(crate) fn begin_job(&mut self, session: Option<Token>) {
        self.jobs.note();
        if let Some(connection) = session.and_then(|token| self.connections.get_mut(token)) {
            connection.flags.insert(Flags::HAS_JOB);
        }
    }

    /// Whether the console has to wait: until a peer has read what was typed for it, or the handler takes lines again.
    pub(crate) fn is_console_paused(&mut self) -> bool {
        let held = self.console_waits_for.is_some_and(|token| {
            let low = self.limits_of(token).low_mark();
            self.connections.get(token).is_some_and(|found| found.is_open() && found.queued() > low)
        });
        if !held {
            self.console_waits_for = None;
        }
        held || self.is_console_paused_by_handler
    }

    /// The figures, with those that are looked up rather than counted.
    pub(crate) fn stats(&self) -> Stats {
        debug_assert_eq!(self.queued, self.connections.values().map(Connection::queued).sum::<usize>());
        Stats {
            connections: self.connections.len(),
            queued: self.queued,
            in_feeds: self.feeds.bytes(),
            timers: self.timers.len(),
            unprinted: self.stdout.len(),
            ..self.stats
        }
    }

    /// The time of day.
    pub(crate) fn system_time(&self) -> SystemTime {
        let simulated = self.system_time_at_origin.map(|origin| origin + Duration::from_nanos(self.nanos()));
        simulated.unwrap_or_else(SystemTime::now)
    }

    /// It is later than it was: a new turn.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.nanos = now.saturating_duration_since(self.origin).as_nanos() as u64;
    }

    /// Nanoseconds of this turn after the origin of time.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos
    }
}

/// So few timers are never looked through.
const TIMERS_UNSWEPT: usize = 1024;

/// The word under which the kernel reports a connection.
pub(crate) fn kernel_token(token: Token) -> mio::Token {
    // Versions of living keys are odd, so this is at least 2^32 and never one of the reactor's own small tokens.
    mio::Token(token.data().as_ffi() as usize)
}

/// PRIORITY, since urgent data cuts a read short and would otherwise look like the end of what there is (Linux, tcp(7)).
pub(crate) fn interest(flags: Flags) -> Interest {
    let interest = Interest::READABLE | Interest::PRIORITY;
    if flags.contains(Flags::WRITABLE_ARMED) { interest | Interest::WRITABLE } else { interest }
}
