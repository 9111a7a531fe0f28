//! Output: writing at once, queueing, and flushing at the end of a turn.
//!
//! Invariants: bytes leave in the order in which they were queued or published; output that the kernel has refused is
//! not tried again before a writable edge, except once before its peer is closed for it; a follower that is too far
//! behind is closed when its feed is flushed, not before.

use std::io::{self, ErrorKind, IoSlice};
#[cfg(feature = "http")]
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::feeds::FeedSlot;
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::token::Token;
use crate::connection::{Connection, Flush, Phase};
use crate::state::{OutputSource, State};

impl State {
    /// Queues output for an open connection, in order with the bytes published to its feed. Relayed output is also
    /// queued for one that is being established. Otherwise does nothing.
    pub(crate) fn queue(&mut self, token: Token, bytes: &[u8], source: OutputSource) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let is_early = matches!(connection.phase, Phase::Connecting | Phase::Handshaking);
        let takes_output = connection.is_open() || is_early && source == OutputSource::Relayed;
        if !takes_output || connection.flags.contains(Flags::SHUT_DOWN) || bytes.is_empty() {
            return;
        }
        debug_assert!(!connection.stream.is_datagram(), "a queue would join datagrams");
        self.queued += bytes.len();
        let outbox = connection.outbox.get_or_insert_default();
        match source {
            OutputSource::Own => outbox.push(bytes),
            OutputSource::Others => outbox.push_others(bytes),
            OutputSource::Operator => outbox.push_console(bytes),
            OutputSource::Relayed => outbox.push_relayed(bytes),
        }
        let others = outbox.others();
        if let Some((end, follower)) = connection.follower_mut(&mut self.feeds) {
            follower.lend(|| self.splices.take());
            follower.splice_own(end, bytes.len());
        }
        let limit = self.services.limits_of(token, connection).max_queue;
        self.mark_dirty(token);
        if source == OutputSource::Others {
            if let Some(limit) = limit
                && others > limit
            {
                self.enforce_queue_limit(token, limit);
            }
            self.note_stall(token);
        }
    }

    /// Closes a peer for which others have queued more than `limit` bytes, unless a last flush sends enough of them.
    fn enforce_queue_limit(&mut self, token: Token, limit: usize) {
        self.flush_fully(token);
        let outbox = self.connections.get(token).and_then(|connection| connection.outbox.as_ref());
        if let Some(queued) = outbox.map(|outbox| outbox.others())
            && queued > limit
        {
            self.abort(token, Closed::QueueFull { queued, limit });
        }
    }

    /// Writes bytes at once if no output is pending before them, and queues what the kernel refuses. Returns whether
    /// the kernel has taken all of them.
    #[expect(clippy::inline_always, reason = "on the path of every message; see docs/performance.md")]
    #[inline(always)]
    pub(crate) fn write_now(&mut self, token: Token, bytes: &[u8], source: OutputSource) -> bool {
        let now = self.clock.nanos();
        let Some(connection) = self.connections.get_mut(token) else { return false };
        if !connection.may_write(&self.feeds) {
            self.queue(token, bytes, source);
            return false;
        }
        match connection.stream.write(bytes) {
            Ok(sent) if sent == bytes.len() => {
                connection.last_active = now;
                self.stats.bytes_out += sent as u64;
                if connection.service != ServiceId::DEFAULT {
                    self.services.note_sent(connection.service, sent);
                }
                true
            }
            written => {
                self.queue_unsent(token, [bytes, &[]], written, source);
                false
            }
        }
    }

    /// Writes a reply in two pieces at once, in one call, if no output is pending before it. Queues what the kernel
    /// refuses.
    pub(crate) fn write_both_now(&mut self, token: Token, pieces: [&[u8]; 2]) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.may_write(&self.feeds) {
            let written = connection.stream.write_vectored(&pieces.map(IoSlice::new));
            return self.queue_unsent(token, pieces, written, OutputSource::Own);
        }
        for piece in pieces {
            self.queue(token, piece, OutputSource::Own);
        }
    }

    /// Queues the bytes that a write has not taken.
    #[cold]
    fn queue_unsent(
        &mut self,
        token: Token,
        [head, tail]: [&[u8]; 2],
        written: io::Result<usize>,
        source: OutputSource,
    ) {
        let now = self.clock.nanos();
        let Some(connection) = self.connections.get_mut(token) else { return };
        let is_refused = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        let sent = match written {
            Ok(sent) => sent,
            Err(error) if is_refused || error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return self.abort(token, Closed::Failed(error)),
        };
        if sent > 0 {
            connection.last_active = now;
            self.stats.bytes_out += sent as u64;
            self.services.note_sent(connection.service, sent);
        }
        if connection.stream.is_datagram() {
            self.stats.datagrams_dropped += u64::from(sent < head.len() + tail.len());
            return;
        }
        let from_head = sent.min(head.len());
        self.queue(token, &head[from_head..], source);
        self.queue(token, &tail[sent - from_head..], source);
        if is_refused {
            self.wait_for_writable(token);
        }
    }

    /// Flushes dirty connections and feeds until there are none.
    pub(crate) fn flush(&mut self) {
        while !self.work.dirty.is_empty() || !self.work.dirty_feeds.is_empty() {
            while let Some(token) = self.work.dirty.pop() {
                self.flush_connection(token);
            }
            while let Some(slot) = self.work.dirty_feeds.pop() {
                self.flush_feed(slot);
                self.feeds[slot].is_dirty = false;
            }
        }
    }

    /// Closes the connection with the most pending bytes if the sum over all connections is above the limit. The
    /// dispatcher calls it again after that connection was removed and its feed was trimmed. Links with limits of their
    /// own are not among them.
    pub(crate) fn enforce_memory_limit(&mut self) {
        let Some(limit) = self.limits.memory_limit else { return };
        let sum = self.queued + self.feeds.bytes();
        if sum <= limit || sum - self.queued_with_own_limits() <= limit {
            return;
        }
        let alive = self.connections.iter().filter(|(_, found)| found.phase != Phase::Dead);
        let bound = alive.filter(|(_, found)| !found.flags.contains(Flags::OWN_LIMITS));
        let pending = bound.map(|(token, found)| (token, found.pending(&self.feeds)));
        if let Some((token, pending)) = pending.max_by_key(|&(_, pending)| pending).filter(|&(_, pending)| pending > 0)
        {
            let why = Closed::MemoryFull { pending, limit };
            match self.connections[token].phase {
                Phase::Connecting | Phase::Handshaking => {
                    self.fail_connect(token, io::Error::new(ErrorKind::OutOfMemory, why.to_string()));
                }
                _ => self.abort(token, why),
            }
        }
    }

    /// The unsent bytes in the outboxes of the links with limits of their own.
    fn queued_with_own_limits(&self) -> usize {
        let links = self.services.with_own_limits().filter_map(|token| self.connections.get(token));
        links.map(Connection::queued).sum()
    }

    /// Flushes a connection within its budget of the turn.
    fn flush_connection(&mut self, token: Token) {
        self.flush_within(token, self.limits.turn_output);
    }

    /// Tries to send output that the kernel has refused, before its peer is judged by the time since then.
    ///
    /// The kernel reports a socket as writable when a third of its buffer is free (`sk_stream_write_space` in Linux). A
    /// slow peer may take bytes for minutes before that.
    pub(crate) fn retry_output(&mut self, token: Token) {
        if self.connections.get(token).is_some_and(|found| found.flags.contains(Flags::WRITE_BLOCKED)) {
            self.flush_fully(token);
        }
    }

    /// How long a peer has taken none of its pending output. `None` if nothing is pending.
    #[cfg(feature = "http")]
    pub(crate) fn stalled_time(&mut self, token: Token) -> Option<Duration> {
        self.retry_output(token);
        let connection = self.connections.get(token)?;
        let is_pending = connection.undelivered(&self.feeds) > 0;
        is_pending.then(|| self.clock.since(connection.last_active))
    }

    /// Flushes a connection without a budget, and even if no writable edge was reported. A peer is not closed for its
    /// pending output before this: neither a used-up budget nor a late edge is its fault.
    fn flush_fully(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.flags.remove(Flags::WRITE_BLOCKED);
        // All that is pending, but of files no more than in a turn.
        let pending = connection.pending(&self.feeds);
        self.flush_within(token, pending.saturating_add(self.limits.turn_output));
    }

    /// Flushes a connection until `budget` bytes are sent. Returns whether nothing is left.
    fn flush_within(&mut self, token: Token, budget: usize) -> bool {
        let now = self.clock.nanos();
        let Some(connection) = self.connections.get_mut(token) else { return false };
        connection.flags.remove(Flags::DIRTY);
        if connection.flags.contains(Flags::WRITE_BLOCKED) || !matches!(connection.phase, Phase::Open | Phase::Flushing)
        {
            return false;
        }
        let queued = connection.queued();
        let (sent, end) = connection.flush(&mut self.feeds, budget);
        self.queued -= queued - connection.queued();
        self.stats.bytes_out += sent as u64;
        if connection.service != ServiceId::DEFAULT {
            self.services.note_sent(connection.service, sent);
        }
        if sent > 0 {
            connection.last_active = now;
            if !self.stalled_since.is_empty() {
                self.stalled_since.remove(token.key());
            }
            if !self.receipts.is_empty() {
                self.give_receipts(token, sent);
            }
        }
        let is_done = matches!(end, Flush::Done);
        match end {
            Flush::Failed(error) => {
                self.output_failed(token, error);
                return false;
            }
            Flush::Refused => self.wait_for_writable(token),
            Flush::Budget => self.mark_ready(token),
            Flush::Done => self.flushed(token),
        }
        self.resume_if_drained(token);
        is_done
    }

    /// Notes that the kernel has refused output. Registers for writable edges when that happens for the first time.
    pub(crate) fn wait_for_writable(&mut self, token: Token) {
        let connection = &mut self.connections[token];
        connection.flags.insert(Flags::WRITE_BLOCKED);
        let needs_deadline = connection.phase == Phase::Flushing && connection.deadline.is_none();
        if !connection.flags.put(Flags::WRITABLE_ARMED)
            && let Some(registry) = &self.registry
            && let Err(error) = connection.stream.reregister(registry, token.to_mio(), connection.flags.interest())
        {
            return self.abort(token, Closed::Failed(error));
        }
        if needs_deadline {
            self.set_deadline(token, self.limits.flush_stall);
        }
        self.note_stall(token);
    }

    /// Starts the stall time of a connection. Within it, the kernel has to take some of the output of others.
    fn note_stall(&mut self, token: Token) {
        let Some(connection) = self.connections.get_open(token) else { return };
        let is_noted = self.stalled_since.contains_key(token.key());
        // A child that computes for long is no lost peer.
        if !connection.flags.contains(Flags::WRITE_BLOCKED) || is_noted || connection.is_child() {
            return;
        }
        if let Some(limit) = self.services.limits_of(token, connection).queue_time
            && connection.has_output_from_others(&self.feeds)
        {
            self.stalled_since.insert(token.key(), self.clock.now());
            self.bring_deadline_forward(token, limit);
        }
    }

    /// Ends a complete flush. If the session is over, the connection enters its next phase.
    fn flushed(&mut self, token: Token) {
        let connection = &mut self.connections[token];
        connection.outbox = None;
        let splices = connection.follower_mut(&mut self.feeds).and_then(|(_, follower)| follower.give_back());
        if let Some(splices) = splices {
            self.splices.give(splices);
        }
        if connection.flags.contains(Flags::SHUT_DOWN) && !connection.flags.put(Flags::END_SENT) {
            // If it fails, the peer is gone, and the next read reports that.
            let shut_down = connection.stream.shutdown_write();
            if shut_down.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                connection.flags.remove(Flags::END_SENT);
                return self.wait_for_writable(token);
            }
        }
        if connection.phase != Phase::Flushing {
            // The feed may have kept its log for this follower only.
            if let Some(follower_ref) = connection.follower_ref
                && !self.feeds[follower_ref.feed].log.is_empty()
            {
                self.mark_feed_dirty(follower_ref.feed);
            }
            return;
        }
        // A peer that has ended its side sends nothing that could be left unread, so closing does not reset (tcp(7)).
        let is_over = connection.flags.contains(Flags::EOF) && !self.children.is_running(token)
            || connection.stream.is_datagram();
        if !is_over || connection.stream.is_tls() {
            match connection.stream.shutdown_write() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.wait_for_writable(token),
                Err(_) => return self.kill(token),
            }
        }
        if is_over {
            return self.kill(token);
        }
        connection.phase = Phase::Lingering;
        // From now on, its feed keeps nothing for it.
        if let Some(follower_ref) = connection.follower_ref {
            self.mark_feed_dirty(follower_ref.feed);
        }
        self.set_deadline(token, self.limits.linger);
        self.mark_ready(token);
    }

    /// Flushes a feed to its followers, closes those that are too far behind, and drops the bytes that every follower
    /// has received.
    pub(crate) fn flush_feed(&mut self, slot: FeedSlot) {
        let feed = &mut self.feeds[slot];
        feed.flushed = feed.log.end();
        let mut slowest = feed.log.end();
        // The list of followers does not change here: a closed follower leaves when its connection is removed.
        for position in 0..feed.followers.len() {
            if let Some(cursor) = self.flush_follower(slot, position) {
                slowest = slowest.min(cursor);
            }
        }
        self.feeds[slot].log.trim(slowest);
    }

    /// Flushes a feed to one follower, and closes it if it is too far behind. Returns its cursor if it still needs the
    /// log.
    ///
    /// There is no budget, unless a file is pending. The new bytes are bounded by the size of the feed, and with a
    /// budget the log could grow faster than it is sent to a peer that reads.
    fn flush_follower(&mut self, slot: FeedSlot, position: usize) -> Option<u64> {
        let token = self.feeds[slot].followers[position].token;
        let has_files = self.connections.get(token).is_some_and(Connection::has_files);
        let budget = if has_files { self.limits.turn_output } else { usize::MAX };
        if self.flush_within(token, budget) {
            return None;
        }
        let (cursor, lag) = self.lag(slot, position)?;
        if lag > 0 {
            self.note_stall(token);
        }
        let limits = &self.services[self.feeds[slot].service].limits;
        let Some(limit) = limits.feed_buffer.filter(|&limit| lag > limit) else { return Some(cursor) };
        self.flush_fully(token);
        let (cursor, lag) = self.lag(slot, position)?;
        if lag > limit {
            self.abort(token, Closed::FeedBehind { behind: lag, limit });
            return None;
        }
        Some(cursor)
    }

    /// The cursor of a follower, and the number of bytes of others that are kept for it: in the log, and in its outbox,
    /// which has those of a feed that it followed before. `None` if it no longer needs the log: a lingering connection
    /// has received all of it, a dead one needs nothing.
    fn lag(&self, slot: FeedSlot, position: usize) -> Option<(u64, usize)> {
        let feed = &self.feeds[slot];
        let follower = &feed.followers[position];
        let connection = self.connections.get(follower.token)?;
        if matches!(connection.phase, Phase::Lingering | Phase::Dead) {
            return None;
        }
        let behind = (feed.log.end() - follower.cursor) as usize;
        let queued = connection.outbox.as_ref().map_or(0, |outbox| outbox.others());
        Some((follower.cursor, behind + queued + follower.splice_bytes()))
    }
}
