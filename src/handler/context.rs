//! What a handler may ask for.
//!
//! A context lasts for one callback. Requests change the state at once, but no handler method runs within another.
//! Replies are collected and written together when the callback has returned (`replies`).

mod closing;
mod feeds;
mod input;
mod operator;
mod replies;
mod work;

#[cfg(feature = "http")]
use std::net::SocketAddr;
#[cfg(feature = "http")]
use std::time::Duration;
use std::time::{Instant, SystemTime};

use crate::connection::Connection;
use crate::connection::framing_error::FramingError;
use crate::connection::ids::ServiceId;
use crate::connection::token::Token;
use crate::state::operator::OperatorId;
use crate::state::stats::Stats;
use crate::state::{OutputSource, State};

/// The handle through which a [`Handler`](crate::Handler) sends, closes, publishes, and asks for time, work and
/// connections.
///
/// Each callback receives a context of its own. Most methods concern *this connection*: the one that the callback is
/// about. A callback that is not about a connection ([`started`](crate::Handler::started),
/// [`datagram`](crate::Handler::datagram), [`console`](crate::Handler::console),
/// [`service_timer`](crate::Handler::service_timer), [`service_done`](crate::Handler::service_done),
/// [`connect_failed`](crate::Handler::connect_failed), [`stopping`](crate::Handler::stopping)) has none; there, such a
/// method has no effect unless its page says otherwise. In [`closed`](crate::Handler::closed), the connection is gone
/// already.
///
/// | to | call |
/// |---|---|
/// | reply to the peer | [`reply`](Self::reply), [`reply_input`](Self::reply_input), or [`Write`](std::io::Write) |
/// | reply with a file | [`reply_file`](Self::reply_file) |
/// | learn that output was sent | [`request_receipt`](Self::request_receipt) |
/// | send to another connection | [`send`](Self::send), or [`reply_to`](Self::reply_to) what it has asked for |
/// | pass input on to another connection | [`relay`](Self::relay) |
/// | send to many connections | [`follow`](Self::follow) and [`publish`](Self::publish) |
/// | act for another connection | [`follow_other`](Self::follow_other), [`publish_except`](Self::publish_except) |
/// | produce much output | [`is_writable`](Self::is_writable), then [`Handler::drained`](crate::Handler::drained) |
/// | act later | [`set_timer`](Self::set_timer) |
/// | do slow work | [`offload`](Self::offload) |
/// | make a connection | [`connect`](Self::connect) |
/// | start a program | [`spawn`](Self::spawn) |
/// | end a connection | [`close`](Self::close), [`abort`](Self::abort), [`shut_down`](Self::shut_down) |
/// | end another connection | [`close_other`](Self::close_other), [`abort_other`](Self::abort_other) |
/// | end it for an operator | [`kick`](Self::kick) |
/// | answer an operator | [`reply`](Self::reply), or [`answer_later`](Self::answer_later) |
/// | talk to the operator | [`write_stderr`](Self::write_stderr), [`write_stdout`](Self::write_stdout) |
///
/// Requests take effect at once, but they never call another method of the handler before the current one has returned.
///
/// The lifetime `'a` is that of the callback's input. With it, the compiler proves that a slice passed to
/// [`reply_input`](Self::reply_input) is not used after the callback.
#[derive(Debug)]
pub struct Context<'a> {
    state: &'a mut State,
    target: ReplyTarget,
    /// The first reply, if it is a part of the input. All other replies are copied to `State::scratch`.
    head: &'a [u8],
    /// Whether there was a reply, even one of no bytes: a datagram can be answered with an empty one.
    has_replied: bool,
}

/// Where replies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyTarget {
    Connection(Token),
    Datagram,
    Operator(OperatorId),
    /// The session of this connection is over.
    Ended(Token),
    Nowhere,
}

impl ReplyTarget {
    fn session(self) -> Option<Token> {
        if let ReplyTarget::Connection(token) = self { Some(token) } else { None }
    }
}

impl<'a> Context<'a> {
    pub(crate) fn of_connection(state: &'a mut State, token: Token) -> Self {
        Context::new(state, ReplyTarget::Connection(token))
    }

    pub(crate) fn of_datagram(state: &'a mut State) -> Self {
        Context::new(state, ReplyTarget::Datagram)
    }

    pub(crate) fn of_operator(state: &'a mut State, operator: OperatorId) -> Self {
        Context::new(state, ReplyTarget::Operator(operator))
    }

    pub(crate) fn of_ended(state: &'a mut State, token: Token) -> Self {
        Context::new(state, ReplyTarget::Ended(token))
    }

    pub(crate) fn of_service(state: &'a mut State) -> Self {
        Context::new(state, ReplyTarget::Nowhere)
    }

    #[inline]
    fn new(state: &'a mut State, target: ReplyTarget) -> Self {
        if state.callbacks.is_on {
            replies::start_callback(state);
        }
        Context { state, target, head: &[], has_replied: false }
    }

    /// Sends `bytes`, which are copied, to the peer of this connection, the sender of this datagram, or the operator in
    /// [`console`](crate::Handler::console).
    ///
    /// All replies of one callback are written together when it returns. What the kernel does not take is queued. This
    /// queue has no limit of its own: a handler whose replies are much larger than its input asks
    /// [`is_writable`](Self::is_writable). Over UDP, the replies of one callback are one datagram, which is dropped if
    /// the kernel does not take it. Without any of the three, no effect.
    pub fn reply(&mut self, bytes: &[u8]) {
        if !matches!(self.target, ReplyTarget::Ended(_) | ReplyTarget::Nowhere) {
            self.has_replied = true;
            self.state.scratch.extend_from_slice(bytes);
        }
    }

    /// Replies with a part of this callback's input. If it is the first reply of the callback, it is not copied.
    pub fn reply_input(&mut self, bytes: &'a [u8]) {
        let is_first = self.head.is_empty() && self.state.scratch.is_empty();
        if is_first && matches!(self.target, ReplyTarget::Connection(_) | ReplyTarget::Datagram) {
            self.has_replied = true;
            self.head = bytes;
        } else {
            self.reply(bytes);
        }
    }

    /// Sends `bytes`, which are copied, to the connection `to`. No effect if that connection is no longer open.
    ///
    /// If other connections have queued more than [`Limits::max_queue`](crate::Limits::max_queue) bytes for a peer, its
    /// connection is closed with [`Closed::QueueFull`](crate::Closed::QueueFull). Over UDP, each call sends one
    /// datagram.
    pub fn send(&mut self, to: Token, bytes: &[u8]) {
        // Before the test for the own connection: replies are written together, but each datagram is sent by itself.
        if self.state.is_datagram(to) {
            self.state.write_now(to, bytes, OutputSource::Own);
            return;
        }
        if self.target == ReplyTarget::Connection(to) {
            return self.reply(bytes);
        }
        // The input of operators can be paused, so it must not close a slow peer.
        let is_operator = matches!(self.target, ReplyTarget::Operator(_));
        let source = if is_operator { OutputSource::Operator } else { OutputSource::Others };
        self.state.queue(to, bytes, source);
        if is_operator
            && self.state.connections.get(to).is_some_and(|found| found.queued() > self.state.limits_of(to).high_mark())
        {
            self.state.operator.waits_for = Some(to);
        }
    }

    /// Sends `bytes`, which are copied, to the connection `to` as an answer to its own input, in a callback of another
    /// connection or of none. No effect if that connection is no longer open.
    ///
    /// As a [`reply`](Self::reply), it has no limit: while much is queued, the input of `to` is not read. Over UDP,
    /// each call sends one datagram.
    pub fn reply_to(&mut self, to: Token, bytes: &[u8]) {
        if self.target == ReplyTarget::Connection(to) || self.state.is_datagram(to) {
            return self.send(to, bytes);
        }
        self.state.queue(to, bytes, OutputSource::Own);
        self.state.pause_if_full(to, bytes.len());
    }

    /// Passes `bytes`, which are copied, on from this connection to the connection `to`. Returns whether that takes
    /// them: false if it does not exist, is closed, or our side of it is shut down, and without a connection.
    ///
    /// A relay has back-pressure. While more than [`Limits::high_mark`](crate::Limits::high_mark) bytes are queued for
    /// `to`, the input of this connection is [held](Self::hold_input); below
    /// [`Limits::low_mark`](crate::Limits::low_mark), or when `to` ends, it continues. Relayed bytes neither stop the
    /// input of `to` nor close it for being slow, apart from [`Limits::idle_timeout`](crate::Limits::idle_timeout).
    /// A connection is first held after it has relayed, so each source of the same `to` can add one read,
    /// [`Limits::read_buffer`](crate::Limits::read_buffer), to what is queued above the mark.
    /// They are also queued for a connection that [`connect`](Self::connect) has not established yet. A connection over
    /// UDP takes none.
    ///
    /// When the reactor stops, it waits for both ends of a relay, at most [`Limits::drain`](crate::Limits::drain). So
    /// empty `bytes` announce a relay that has no input yet. The handler passes on the end of the input with
    /// [`shut_down_other`](Self::shut_down_other).
    pub fn relay(&mut self, to: Token, bytes: &[u8]) -> bool {
        let ReplyTarget::Connection(source) = self.target else { return false };
        self.queue_replies_to(to);
        let is_taken = self.state.relay(source, to, bytes);
        self.state.stats.relayed += if is_taken { bytes.len() as u64 } else { 0 };
        is_taken
    }

    /// Ends the part of this connection in a relay: a stop waits for nothing more than its pending output.
    #[cfg(feature = "http")]
    pub(crate) fn end_relay(&mut self) {
        if let Some(session) = self.session() {
            self.state.end_relay(session);
        }
    }

    /// Whether the queued output that this connection's own input caused is at most
    /// [`Limits::high_mark`](crate::Limits::high_mark) bytes. True without a connection.
    ///
    /// A handler that finds this false should stop producing output:
    ///
    /// - If it leaves input unused, [`Handler::data`](crate::Handler::data) receives that input again when the output
    ///   has fallen to the low mark.
    /// - If it produces output of its own, [`Handler::drained`](crate::Handler::drained) follows when the output has
    ///   fallen to the low mark.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        let ReplyTarget::Connection(token) = self.target else { return true };
        let queued = self.state.connections.get(token).map_or(0, Connection::queued_own);
        let own = queued + self.head.len() + self.state.scratch.len();
        !self.state.may_be_full(own) || !self.state.is_full(token, own)
    }

    /// The application protocol that both ends of this connection have agreed on in the TLS handshake (ALPN, RFC 7301),
    /// such as `b"http/1.1"`.
    ///
    /// `None` without TLS, if either end has named no protocols, and without a connection.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.state.connections.get(self.target.session()?)?.stream.alpn()
    }

    /// The address that the peer of this connection has connected to. `None` for a Unix path, a program, and without a
    /// connection.
    #[cfg(feature = "http")]
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.state.connections.get(self.session()?)?.stream.local_address()
    }

    /// Whether this connection is one over TLS.
    #[cfg(feature = "http")]
    pub(crate) fn is_tls(&self) -> bool {
        let connection = self.session().and_then(|session| self.state.connections.get(session));
        connection.is_some_and(|found| found.stream.is_tls())
    }

    /// Whether this connection is open: false after it was closed, when replies are dropped. True without a connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.target {
            ReplyTarget::Connection(token) => self.state.connections.get(token).is_some_and(Connection::is_open),
            _ => true,
        }
    }

    /// Returns the time of this turn of the loop. It is the same during a whole callback.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state.clock.now()
    }

    /// Whether a new process accepts, and this one serves its clients until they have left.
    #[cfg(feature = "http")]
    pub(crate) fn is_leaving(&self) -> bool {
        self.state.is_leaving
    }

    /// How long the peer of this connection has neither sent nor taken bytes. Zero without a connection.
    #[cfg(feature = "http")]
    pub(crate) fn idle_time(&self) -> Duration {
        let connection = self.session().and_then(|session| self.state.connections.get(session));
        connection.map_or(Duration::ZERO, |found| self.state.clock.since(found.last_active))
    }

    /// Requests a receipt for the output of this connection up to now, the replies of this callback included.
    ///
    /// [`Handler::receipt`](crate::Handler::receipt) follows with `ticket`, a number of the handler's choice: when the
    /// kernel has taken that output, or when the connection is gone. It follows also after
    /// [`closed`](crate::Handler::closed), where a receipt may be requested, too. Without a connection, no effect.
    pub fn request_receipt(&mut self, ticket: u64) {
        self.queue_replies();
        if let ReplyTarget::Connection(token) | ReplyTarget::Ended(token) = self.target {
            self.state.request_receipt(token, ticket);
        }
    }

    /// How long the peer of this connection has taken none of its queued output. `None` if nothing is queued, and
    /// without a connection. Replies of this callback are not queued yet.
    ///
    /// Tries to send it first, since the kernel may take some before it reports that.
    #[cfg(feature = "http")]
    pub(crate) fn stalled_time(&mut self) -> Option<Duration> {
        self.state.stalled_time(self.session()?)
    }

    /// Returns the time of day, to show to people or to send in a protocol.
    ///
    /// It may jump: to act later, use a timer.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        self.state.clock.system_time()
    }

    /// Writes `bytes` to standard output: the result of a program.
    ///
    /// They are queued until the reader takes them. While more than [`Limits::high_mark`](crate::Limits::high_mark)
    /// bytes are queued, no connection is [writable](Self::is_writable).
    pub fn write_stdout(&mut self, bytes: &[u8]) {
        self.state.operator.stdout.push(bytes);
    }

    /// Writes a line to standard error: a notice for the operator. It is dropped if standard error does not take it at
    /// once.
    pub fn write_stderr(&mut self, line: &str) {
        self.state.operator.write_stderr(line);
    }

    /// Returns the statistics of this reactor. Costs a look at every connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// Counts a message that a framing has found.
    #[inline]
    pub(crate) fn count_message(&mut self) {
        self.state.stats.messages += 1;
    }

    /// Logs that the input of this connection was malformed or incomplete.
    pub(crate) fn log_framing_error(&mut self, error: &FramingError) {
        if let ReplyTarget::Connection(token) = self.target
            && let Some(connection) = self.state.connections.get(token)
        {
            let peer = self.state.roster.named(token, connection.peer);
            self.state.peer_log.framing(peer, error, self.state.clock.now());
        }
    }

    /// The service of this callback.
    pub(crate) fn service(&self) -> ServiceId {
        self.state.service_of(self.session())
    }

    /// The connection of this callback.
    pub(crate) fn session(&self) -> Option<Token> {
        self.target.session()
    }
}
