//! Everything that a handler may ask for.
//!
//! A context lives for one callback. What it is asked takes effect on the state at once, but no handler method runs
//! beneath another; what it is to send goes out when the callback has returned, in one write.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use slotmap::Key;

use crate::connection::closed::Closed;
use crate::connection::feed::{Feed, FeedId};
use crate::connection::flags::Flags;
use crate::connection::framing_error::FramingError;
use crate::connection::ids::ServiceId;
use crate::connection::origin::Peer;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::net::Address;
use crate::state::operator::Notice;
use crate::state::results::Recipient;
use crate::state::stats::Stats;
use crate::state::{OutputSource, State, Stop, TimerTarget};
use crate::workers::{Busy, Job, Worker, Workers};

/// What a [`Handler`](crate::Handler) may ask for in a callback.
///
/// The lifetime is that of the input: [`reply_input`](Self::reply_input) sends a part of it back without a copy, and
/// the compiler proves that it is not used beyond the callback. A context is also an [`io::Write`], which replies.
#[derive(Debug)]
pub struct Context<'a> {
    state: &'a mut State,
    target: ReplyTarget,
    /// The first reply, if it is a part of the input; all that follows is copied to the scratch.
    head: &'a [u8],
    /// A datagram may be answered by an empty one.
    has_replied: bool,
}

/// Where replies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyTarget {
    Connection(Token),
    Datagram,
    Console,
    Nobody,
}

impl<'a> Context<'a> {
    pub(crate) fn of_connection(state: &'a mut State, token: Token) -> Self {
        Context { state, target: ReplyTarget::Connection(token), head: &[], has_replied: false }
    }

    /// Notes for the log that the peer's input was malformed, or not whole.
    pub(crate) fn note_framing(&mut self, error: &FramingError) {
        if let Some(peer) = self.peer() {
            self.state.peer_log.framing(peer, error, self.state.now);
        }
    }

    pub(crate) fn of_datagram(state: &'a mut State) -> Self {
        Context { state, target: ReplyTarget::Datagram, head: &[], has_replied: false }
    }

    pub(crate) fn of_console(state: &'a mut State) -> Self {
        Context { state, target: ReplyTarget::Console, head: &[], has_replied: false }
    }

    pub(crate) fn of_nobody(state: &'a mut State) -> Self {
        Context { state, target: ReplyTarget::Nobody, head: &[], has_replied: false }
    }

    /// Sends bytes to the peer of this callback. They are copied. Without a peer (console, alarm, closed) they are
    /// dropped.
    pub fn reply(&mut self, bytes: &[u8]) {
        if matches!(self.target, ReplyTarget::Connection(_) | ReplyTarget::Datagram) {
            self.has_replied = true;
            self.state.scratch.extend_from_slice(bytes);
        }
    }

    /// Sends a part of the input back to its peer. The first such reply of a callback is not copied.
    pub fn reply_input(&mut self, bytes: &'a [u8]) {
        if self.head.is_empty() && self.state.scratch.is_empty() && self.target != ReplyTarget::Nobody {
            self.has_replied = true;
            self.head = bytes;
        } else {
            self.reply(bytes);
        }
    }

    /// Sends bytes to another connection (or to this one). A token that names no open connection is passed over.
    ///
    /// A peer for which others have queued more than [`Limits::max_queue`](crate::Limits::max_queue) is closed.
    pub fn send(&mut self, to: Token, bytes: &[u8]) {
        // First, since replies of a callback go out together, and each datagram is to go out by itself.
        if self.state.connections.get(to).is_some_and(|found| found.stream.is_datagram()) {
            self.state.write_now(to, bytes);
            return;
        }
        if self.target == ReplyTarget::Connection(to) {
            return self.reply(bytes);
        }
        // The console can wait, so what is typed does not close the peer by itself.
        let source = if self.target == ReplyTarget::Console { OutputSource::Console } else { OutputSource::Others };
        self.state.queue(to, bytes, source);
        if self.target == ReplyTarget::Console
            && self.state.connections.get(to).is_some_and(|found| found.queued() > self.state.limits_of(to).high_mark())
        {
            self.state.console_waits_for = Some(to);
        }
    }

    /// Leaves what is typed at the console unread, until [`resume_console`](Self::resume_console): for a handler that
    /// could only pile it up.
    pub fn pause_console(&mut self) {
        self.state.is_console_paused_by_handler = true;
    }

    /// Ends what [`pause_console`](Self::pause_console) began.
    pub fn resume_console(&mut self) {
        self.state.is_console_paused_by_handler = false;
    }

    /// Whether more may be sent to the peer of this callback: false once more than
    /// [`Limits::high_mark`](crate::Limits::high_mark) bytes that its own input caused are queued for it.
    ///
    /// A handler that then stops using its input is shown it again when the peer has read; one that produces output of
    /// its own goes on in [`Handler::drained`](crate::Handler::drained), which follows for certain.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        let ReplyTarget::Connection(token) = self.target else { return true };
        let (queued, high) = match self.state.connections.get(token) {
            Some(found) => (found.queued_own(), self.state.services[found.service].limits.high_mark()),
            None => (0, self.state.limits.high_mark()),
        };
        queued + self.head.len() + self.state.scratch.len() <= high
            && self.state.stdout.len() <= self.state.limits.high_mark()
    }

    /// Whether the peer of this callback has ended its side, so that nothing will follow this input. True without a
    /// peer.
    #[must_use]
    pub fn is_eof(&self) -> bool {
        match self.target {
            ReplyTarget::Connection(token) => {
                self.state.connections.get(token).is_some_and(|found| found.flags.contains(Flags::EOF))
            }
            _ => true,
        }
    }

    /// Whether the session of this callback goes on: false after it was closed, when what else it sends is dropped.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.target {
            ReplyTarget::Connection(token) => {
                self.state.connections.get(token).is_some_and(crate::connection::Connection::is_open)
            }
            _ => true,
        }
    }

    /// Whether the peer of this callback is to be answered further now: its session is open, its output is not piled
    /// up, no job of it is under way, and it does not [`rest`](Self::pause_input). What a handler does not use when
    /// this is false is shown to it again when it may go on, so a framer asks before each message.
    #[must_use]
    pub fn may_continue(&self) -> bool {
        self.is_writable() && self.is_open() && !self.state.waits(self.session())
    }

    /// Who is at the other end of the connection of this callback.
    pub(crate) fn peer(&self) -> Option<Peer> {
        match self.target {
            ReplyTarget::Connection(token) => self.state.connections.get(token).map(|found| found.peer),
            _ => None,
        }
    }

    /// Makes a feed: a stream that connections can [`follow`](Self::follow). It lasts as long as the reactor.
    pub fn create_feed(&mut self) -> FeedId {
        let service = self.service();
        self.state.feeds.insert(Feed::of(service))
    }

    /// Makes the connection of this callback receive all that is published to a feed from now on. A connection follows
    /// one feed at a time.
    ///
    /// # Panics
    /// May panic when the feed is of another reactor.
    pub fn follow(&mut self, feed: FeedId) {
        if let ReplyTarget::Connection(token) = self.target {
            self.queue_replies();
            self.state.follow(token, feed);
        }
    }

    /// Makes the connection of this callback follow nothing any more. What was published before is still sent.
    pub fn unfollow(&mut self) {
        if let ReplyTarget::Connection(token) = self.target {
            self.queue_replies();
            self.state.unfollow(token);
        }
    }

    /// Sends bytes to all who follow a feed: one copy, however many they are.
    ///
    /// # Panics
    /// May panic when the feed is of another reactor.
    pub fn publish(&mut self, feed: FeedId, bytes: &[u8]) {
        self.queue_replies();
        self.state.publish(feed, bytes);
    }

    /// Sends bytes to all who follow a feed, but not to the connection of this callback.
    ///
    /// # Panics
    /// May panic when the feed is of another reactor.
    pub fn publish_others(&mut self, feed: FeedId, bytes: &[u8]) {
        self.queue_replies();
        if let ReplyTarget::Connection(token) = self.target
            && self.state.has_followers_beside(feed, token)
        {
            self.state.skip_own(token, feed, bytes.len());
            self.state.publish(feed, bytes);
        } else if !matches!(self.target, ReplyTarget::Connection(_)) {
            self.state.publish(feed, bytes);
        }
    }

    /// Calls [`Handler::timer`](crate::Handler::timer) of this connection after that long, never earlier; without a
    /// connection, [`Handler::service_timer`](crate::Handler::service_timer). A timer of a connection that is gone goes
    /// with it unseen.
    pub fn set_timer(&mut self, after: Duration) -> TimerId {
        let due = match self.target {
            ReplyTarget::Connection(token) => TimerTarget::Session(token),
            _ => TimerTarget::Service(self.state.current_service),
        };
        let deadline = self.state.now.checked_add(after).unwrap_or(self.state.now + NEVER);
        self.state.set_timer(deadline, due)
    }

    /// Shows this session no further input for that long. Nothing more is read of its peer meanwhile, so a peer that
    /// sends too fast is slowed down, and loses nothing. A stop ends the rest. While it rests, another rest is passed
    /// over.
    pub fn pause_input(&mut self, time: Duration) {
        if let Some(session) = self.session()
            && !time.is_zero()
        {
            self.state.pause_input(session, time);
        }
    }

    /// Disarms a timer. One that has fired, or was cancelled, is passed over.
    pub fn cancel(&mut self, timer: TimerId) {
        self.state.timers.cancel(timer);
    }

    /// The time of this turn. It does not pass within a callback.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state.now
    }

    /// The time of day: for people and protocols that speak of it. It may jump; what is to happen later is a timer's.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        self.state.system_time()
    }

    /// Has slow work done by a thread of a pool. [`Handler::done`](crate::Handler::done) of this session follows, with
    /// what the job returned; without a connection, [`Handler::service_done`](crate::Handler::service_done). Until then
    /// this session is shown no further input, its end is not stderr, and it is not idle.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full, or when this session has a job under way.
    pub fn offload<W: Worker, T: Send + 'static>(
        &mut self,
        workers: &Workers<W>,
        job: impl FnOnce(&mut W) -> W::Output<T> + Send + 'static,
    ) -> Result<(), Busy> {
        let session = self.session();
        if self.state.has_job(session) {
            return Err(Busy);
        }
        workers.submit(Job::new(
            session.map_or(Recipient::Service(self.state.current_service), Recipient::Session).to_bits(),
            job,
        ))?;
        self.begin_job(workers, session);
        Ok(())
    }

    /// The same for work that no session waits for: [`Handler::service_done`](crate::Handler::service_done) follows
    /// also where this is the callback of a connection, whose input goes on. Any number of such jobs may be under way.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full.
    pub fn offload_detached<W: Worker, T: Send + 'static>(
        &mut self,
        workers: &Workers<W>,
        job: impl FnOnce(&mut W) -> W::Output<T> + Send + 'static,
    ) -> Result<(), Busy> {
        workers.submit(Job::new(Recipient::Service(self.service()).to_bits(), job))?;
        self.begin_job(workers, None);
        Ok(())
    }

    /// Asks for an outbound connection. [`Handler::open`](crate::Handler::open) follows, or
    /// [`Handler::connect_failed`](crate::Handler::connect_failed); never before this callback has returned.
    ///
    /// A name is looked up in the same turn, which may take seconds, during which nobody is served: a server gives IP
    /// addresses. `udp:` gives a connection of which every [`send`](Self::send) is a datagram.
    pub fn connect(&mut self, to: Address) {
        let service = self.service();
        self.state.pending_connects.push((to, service));
    }

    /// Ends the session of this callback: what it is owed is sent, then our side is shut down, then the peer's end is
    /// awaited for at most [`Limits::linger`](crate::Limits::linger). Replies after this are dropped.
    pub fn close(&mut self) {
        if let ReplyTarget::Connection(token) = self.target {
            self.queue_replies();
            self.state.close(token, Closed::ByHandler);
        }
    }

    /// Ends the session of this callback at once, with all that it is owed.
    pub fn abort(&mut self) {
        if let ReplyTarget::Connection(token) = self.target {
            self.state.abort(token, Closed::ByHandler);
        }
    }

    /// Ends the session of another connection, as [`close`](Self::close) does.
    pub fn close_other(&mut self, other: Token) {
        if self.target == ReplyTarget::Connection(other) {
            self.queue_replies();
        }
        self.state.close(other, Closed::ByHandler);
    }

    /// Ends the session of another connection at once, as [`abort`](Self::abort) does.
    pub fn abort_other(&mut self, other: Token) {
        self.state.abort(other, Closed::ByHandler);
    }

    /// Shuts down our side of the connection of this callback (a half-close) after its queued output was sent.
    ///
    /// Its input goes on. Output that is replied, sent or published to it after this call is dropped, and it follows no
    /// feed any more.
    pub fn shut_down(&mut self) {
        if let ReplyTarget::Connection(token) = self.target {
            self.shut_down_other(token);
        }
    }

    /// Shuts down our side of another connection, as [`shut_down`](Self::shut_down) does.
    pub fn shut_down_other(&mut self, other: Token) {
        if self.target == ReplyTarget::Connection(other) {
            self.queue_replies();
        }
        self.state.shut_down(other);
    }

    /// Stops the reactor: no more is accepted, every connection is sent what it is owed and closed.
    pub fn stop(&mut self) {
        self.state.stop = self.state.stop.max(Stop::Requested);
    }

    /// Writes to standard output: a program's own result. Connections are not read while much of it waits.
    pub fn write_stdout(&mut self, bytes: &[u8]) {
        self.state.stdout.push(bytes);
    }

    /// Tells the operator something: a line on standard error, dropped rather than waited for when nobody reads it.
    pub fn write_stderr(&mut self, line: &str) {
        let after = self.state.stdout.len();
        match self.state.stderr.last_mut() {
            Some(note) if note.after == after => {
                note.text.push_str(line);
                note.text.push('\n');
            }
            _ => self.state.stderr.push(Notice { text: format!("{line}\n"), after }),
        }
    }

    /// The figures of this reactor. Costs a look at every connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// A pool has taken a job: has it done.
    fn begin_job<W: Worker>(&mut self, workers: &Workers<W>, session: Option<Token>) {
        self.state.begin_job(session);
        match self.state.jobs.home() {
            Some(home) => workers.wake(home),
            None => self.state.jobs.simulate(workers.here()),
        }
    }

    /// The session of this callback.
    fn session(&self) -> Option<Token> {
        if let ReplyTarget::Connection(token) = self.target { Some(token) } else { None }
    }

    /// The service of this callback.
    pub(crate) fn service(&self) -> ServiceId {
        let connection = self.session().and_then(|token| self.state.connections.get(token));
        connection.map_or(self.state.current_service, |connection| connection.service)
    }

    /// Outside of any connection: goes on for this service.
    pub(crate) fn act_for(&mut self, service: ServiceId) {
        self.state.current_service = service;
    }

    /// How many connections a service has now.
    pub(crate) fn connections_of(&self, service: ServiceId) -> usize {
        self.state.services.get(service).map_or(0, |service| service.connections)
    }

    /// Who is connected: a number, the peer, and what is queued for it.
    pub(crate) fn connections(&self) -> impl Iterator<Item = String> + '_ {
        let open = self.state.connections.iter().filter(|(_, found)| found.is_open());
        open.map(|(token, found)| {
            format!("{}  {}  queued {}", number(token), found.peer, found.pending(&self.state.feeds))
        })
    }

    /// Closes the connection of this number for the operator. Returns whether there is one.
    pub(crate) fn kick(&mut self, number_text: &str) -> bool {
        let open =
            self.state.connections.iter().find(|(token, found)| found.is_open() && number(*token) == number_text);
        let Some(token) = open.map(|(token, _)| token) else { return false };
        self.state.close(token, Closed::ByOperator);
        true
    }

    /// Moves the replies made so far into the queue, so that what follows comes after them.
    fn queue_replies(&mut self) {
        let ReplyTarget::Connection(token) = self.target else { return };
        if self.head.is_empty() && self.state.scratch.is_empty() {
            return;
        }
        self.state.queue(token, std::mem::take(&mut self.head), OutputSource::Own);
        let mut scratch = std::mem::take(&mut self.state.scratch);
        self.state.queue(token, &scratch, OutputSource::Own);
        scratch.clear();
        self.state.scratch = scratch;
        // What comes next in this callback may flush the queue, after which it no longer shows that it was full.
        self.state.pause_if_full(token, 0);
    }

    /// Ends the callback: the one write of its replies, and the end of the input's lifetime.
    #[expect(clippy::inline_always, reason = "on the path of every message; see docs/performance.md")]
    #[inline(always)]
    pub(crate) fn settle(self) {
        let (state, head) = (self.state, self.head);
        let ReplyTarget::Connection(token) = self.target else {
            return state.scratch.clear();
        };
        let replied = head.len() + state.scratch.len();
        let is_sent = if state.scratch.is_empty() {
            !head.is_empty() && state.write_now(token, head)
        } else {
            settle_copied(state, token, head)
        };
        if !is_sent || state.may_be_full(replied) {
            state.pause_if_full(token, replied);
        }
    }

    /// Ends the callback of a datagram: hands over its answer, if there is one.
    pub(crate) fn answer(self, send: impl FnOnce(&[u8])) {
        let scratch = &mut self.state.scratch;
        match (self.head, scratch.is_empty()) {
            _ if !self.has_replied => {}
            ([], _) => send(scratch),
            (head, true) => send(head),
            (head, false) => send(&[head, scratch].concat()),
        }
        scratch.clear();
    }
}

/// Writes the replies, some of which are copies.
fn settle_copied(state: &mut State, token: Token, head: &[u8]) -> bool {
    let mut scratch = std::mem::take(&mut state.scratch);
    let is_sent = if head.is_empty() {
        state.write_now(token, &scratch)
    } else {
        state.write_both_now(token, [head, &scratch]);
        false
    };
    scratch.clear();
    scratch.shrink_to(SCRATCH_KEPT);
    state.scratch = scratch;
    is_sent
}

/// The number of a connection, for people. It is not used again before the version of its place has come round.
fn number(token: Token) -> String {
    format!("{:?}", token.data())
}

/// What stands for never, where a deadline would be beyond the end of time: 30 years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The scratch is not kept beyond this, so that one large reply does not stay in memory.
const SCRATCH_KEPT: usize = 64 * 1024;

impl io::Write for Context<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reply(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
