//! Input: from the stream of a connection through the shared buffer to its session.
//!
//! Invariants: input is delivered in order and once, except what the handler left unused, which is delivered again
//! together with what follows it; no connection is read beyond its budget in a turn.

use std::io::{self, ErrorKind};

use crate::connection::closed::Closed;
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::inbox::Inbox;
use crate::connection::stream::Received;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::ProxyHeader;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::stop::Stop;

impl<H: Handler> Dispatcher<H> {
    /// Reads and delivers until the socket is empty, the budget ends, or the session takes no more input.
    pub(super) fn read(&mut self, token: Token) {
        let mut budget = self.state.limits.turn_input;
        loop {
            let Some(connection) = self.state.connections.get(token) else { return };
            let flags = connection.flags;
            if !connection.takes_input() {
                return;
            }
            if self.state.stop >= Stop::Draining && !flags.intersects(Flags::GOES_ON) {
                return self.finish_unused(token);
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
            let unused = connection.inbox.as_ref().map_or(0, |inbox| inbox.len());
            if unused > 0 && unused >= self.state.limits_of(token).inbox {
                // The inbox is full: its bytes have to be used before more is read.
                budget = 0;
                self.redeliver(token);
            } else {
                let (count, is_all) = self.receive(token);
                // An empty datagram counts as one byte.
                budget = budget.saturating_sub(count.max(1));
                match (count, unused) {
                    (0, _) => continue,
                    (_, 0) => self.deliver(token, count),
                    (_, _) => self.deliver_appended(token, count),
                }
                if is_all {
                    return;
                }
            }
        }
    }

    /// Closes a connection whose first input is a PROXY header, although its peer is no proxy.
    ///
    /// The first bytes that arrive decide, because a header is sent at once. To wait for more would hold an empty line,
    /// with which version 2 begins.
    #[cold]
    pub(super) fn check_input(&mut self, token: Token) {
        let Some(connection) = self.state.connections.get_mut(token) else { return };
        if !connection.flags.contains(Flags::CHECK_INPUT | Flags::MAY_READ) {
            return;
        }
        let mut first = [0; ProxyHeader::SIGNATURE];
        match connection.stream.peek(&mut first) {
            Ok(count) if ProxyHeader::is_begun(&first[..count]) => self.state.abort(token, Closed::ForeignHeader),
            // The read will find the same.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => connection.flags.remove(Flags::CHECK_INPUT),
        }
    }

    /// Reads once into the shared buffer. Returns the number of bytes, and whether the socket is known to be empty.
    #[expect(clippy::inline_always, reason = "on the path of every message; see docs/performance.md")]
    #[inline(always)]
    fn receive(&mut self, token: Token) -> (usize, bool) {
        let now = self.state.clock.nanos();
        let Some(connection) = self.state.connections.get_mut(token) else { return (0, true) };
        let flags = &mut connection.flags;
        match connection.stream.read(&mut self.buffer) {
            Ok(Received::Bytes(count)) => {
                // After a short read, the socket is empty, and the next byte causes an edge. This saves one call in
                // two. It does not hold after the peer has ended, when urgent data cut the read, for datagrams, or for
                // ciphertext that is left.
                let mut is_all = count < self.buffer.len()
                    && !flags.intersects(Flags::LOOK_CLOSELY)
                    && !connection.stream.hides_input();
                if !is_all && flags.take(Flags::FRESH) {
                    is_all = count < self.buffer.len() && !flags.contains(Flags::DRAIN_FULLY);
                    let (input, peer) = (&self.buffer[..count], connection.peer);
                    self.state.peer_log.first_input(peer, input, self.state.clock.now());
                }
                connection.flags.set(Flags::MAY_READ, !is_all);
                if connection.phase == Phase::Open {
                    connection.last_active = now;
                }
                self.state.stats.bytes_in += count as u64;
                if connection.service != ServiceId::DEFAULT {
                    self.state.services.note_received(connection.service, count);
                }
                return (count, is_all);
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
    fn receive_failed(&mut self, token: Token, error: io::Error) {
        match (error.kind(), self.state.connections.get_mut(token)) {
            (ErrorKind::Interrupted, _) => {}
            (ErrorKind::WouldBlock, Some(connection)) => {
                connection.flags.remove(Flags::MAY_READ | Flags::DRAIN_FULLY);
                if connection.stream.has_answer() {
                    self.state.mark_dirty(token);
                }
            }
            // TLS: the peer may still read. What was answered already is sent, and then the end of our side.
            (ErrorKind::UnexpectedEof, Some(connection)) => {
                connection.flags.insert(Flags::EOF);
                connection.flags.remove(Flags::MAY_READ);
                self.state.close(token, Closed::Failed(error));
            }
            _ => self.state.abort(token, Closed::Failed(error)),
        }
    }

    /// Delivers the first `count` bytes of the shared buffer to a session without unused input. What it does not use
    /// becomes its inbox.
    #[inline]
    fn deliver(&mut self, token: Token, count: usize) {
        let Some(session) = self.sessions.get_mut(token.key()) else { return };
        let mut cx = Context::of_connection(&mut self.state, token);
        let used = self.handler.data(session, &mut self.buffer[..count], &mut cx);
        cx.settle();
        debug_assert!(used <= count, "the handler used {used} bytes of {count}");
        if used < count
            && let Some(connection) = self.state.connections.get_open(token)
        {
            let mut inbox = Box::<Inbox>::default();
            inbox.push(&self.buffer[used..count]);
            connection.inbox = Some(inbox);
            self.close_if_stuck(token, used);
        }
    }

    /// Delivers the unused input together with the first `count` bytes of the shared buffer.
    fn deliver_appended(&mut self, token: Token, count: usize) {
        if let Some(inbox) = self.state.connections.get_mut(token).and_then(|found| found.inbox.as_mut()) {
            inbox.push(&self.buffer[..count]);
        }
        self.redeliver(token);
    }

    /// Delivers the unused input again.
    fn redeliver(&mut self, token: Token) {
        let Some(mut inbox) = self.state.connections.get_mut(token).and_then(|found| found.inbox.take()) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(token.key()) else { return };
        let count = inbox.len();
        let mut cx = Context::of_connection(&mut self.state, token);
        let used = self.handler.data(session, inbox.bytes_mut(), &mut cx);
        cx.settle();
        debug_assert!(used <= count, "the handler used {used} bytes of {count}");
        inbox.consume(used.min(count));
        if inbox.len() > 0
            && let Some(connection) = self.state.connections.get_open(token)
        {
            connection.inbox = Some(inbox);
            self.close_if_stuck(token, used);
        }
    }

    /// Closes a session that has used nothing of a full inbox although it takes input: it could never continue.
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

    /// Calls the handler when output has drained. Its unused input is delivered again after that.
    pub(super) fn notify_drained(&mut self, token: Token) {
        // The check of the first input may have ended the session.
        let Some(connection) = self.state.connections.get_open(token) else { return };
        if !connection.flags.take(Flags::NOTIFY_DRAINED) {
            return;
        }
        connection.flags.insert(Flags::REDELIVER);
        let Some(session) = self.sessions.get_mut(token.key()) else { return };
        let mut cx = Context::of_connection(&mut self.state, token);
        self.handler.drained(session, &mut cx);
        cx.settle();
    }

    /// Delivers unused input that is due. At the end of input, [`finish_input`](Self::finish_input) does it, and when
    /// stopping, [`finish_unused`](Self::finish_unused).
    pub(super) fn redeliver_if_due(&mut self, token: Token) {
        if let Some(connection) = self.state.connections.get_mut(token).filter(|found| found.takes_input())
            && connection.flags.take(Flags::REDELIVER)
            && !connection.flags.contains(Flags::EOF)
            && (self.state.stop < Stop::Draining || connection.flags.intersects(Flags::GOES_ON))
        {
            self.redeliver(token);
        }
    }

    /// Delivers the unused input of a session that ends because the reactor is stopping. Nothing more is read.
    fn finish_unused(&mut self, token: Token) {
        self.redeliver(token);
        if self.state.connections.get(token).is_some_and(Connection::takes_input) {
            self.dismiss(token);
        }
    }

    /// Delivers the unused input at the end of input, and then calls [`Handler::eof`], unless the session takes no
    /// input.
    fn finish_input(&mut self, token: Token) {
        self.redeliver(token);
        let Some(connection) = self.state.connections.get_mut(token) else { return };
        if !connection.takes_input() || connection.flags.put(Flags::EOF_DELIVERED) {
            return;
        }
        connection.inbox = None;
        let Some(session) = self.sessions.get_mut(token.key()) else { return };
        let mut cx = Context::of_connection(&mut self.state, token);
        self.handler.eof(session, &mut cx);
        cx.settle();
    }

    /// Reads and discards the input of a connection whose session is over. Unread input would turn the close into a
    /// reset.
    pub(super) fn discard(&mut self, token: Token) {
        let mut budget = self.state.limits.turn_input;
        let mut discarded = 0;
        loop {
            let Some(connection) = self.state.connections.get_mut(token) else { return };
            let is_lingering = connection.phase == Phase::Lingering;
            // When stopping, a lingering peer that has sent nothing more is not waited for. Only a read can tell
            // whether it has.
            let is_child = connection.is_child();
            let must_try = self.state.stop >= Stop::Draining && is_lingering && discarded == 0 && !is_child;
            if connection.phase == Phase::Dead
                || !(connection.flags.contains(Flags::MAY_READ) || must_try)
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
            let is_quiet = must_try && count == 0 && !connection.flags.contains(Flags::MAY_READ);
            let has_ended = connection.flags.contains(Flags::EOF) && !self.state.children.is_running(token);
            if is_lingering && (has_ended || is_quiet) {
                return self.state.kill(token);
            }
        }
    }
}
