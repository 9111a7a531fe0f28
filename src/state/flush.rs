//! The way out: what is queued, what is written at once, and who is offered what at the end of a turn.
//!
//! Invariants: bytes leave in the order in which they were queued or published; a queue that the kernel refused is not
//! tried again before a writable edge, but for once before its peer is closed for it; a follower that is too far behind is
//! closed when its feed is flushed, not before.

use std::io::{self, ErrorKind, IoSlice};

use crate::connection::closed::Closed;
use crate::connection::feed::{Feed, FeedId, Follower, FollowerRef, Segment};
use crate::connection::flags::Flags;
use crate::connection::token::Token;
use crate::connection::{Flush, Phase};
use crate::state::{OutputSource, State, interest, kernel_token};

impl State {
    /// Queues output for an open connection, in its exact place; others are passed over.
    pub(crate) fn queue(&mut self, token: Token, bytes: &[u8], source: OutputSource) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !connection.is_open() || connection.flags.contains(Flags::SHUT_DOWN) || bytes.is_empty() {
            return;
        }
        self.queued += bytes.len();
        let outbox = connection.outbox.get_or_insert_with(|| self.pools.outboxes.take());
        match source {
            OutputSource::Own => outbox.push(bytes),
            OutputSource::Others => outbox.push_others(bytes),
            OutputSource::Console => outbox.push_console(bytes),
        }
        let others = outbox.others();
        if let Some((end, follower)) = connection.follower_mut(&mut self.feeds) {
            follower.lend(|| self.pools.splices.take());
            follower.splice_own(end, bytes.len());
        }
        let service = connection.service;
        self.mark_dirty(token);
        if let (OutputSource::Others, Some(limit)) = (source, self.services[service].limits.max_queue)
            && others > limit
        {
            self.enforce_queue_limit(token, limit);
        }
        if source == OutputSource::Others {
            self.note_stall(token);
        }
    }

    /// The peer has too much queued by others. It may only not have been offered it yet: offer it, then judge.
    fn enforce_queue_limit(&mut self, token: Token, limit: usize) {
        self.flush_all(token);
        let outbox = self.connections.get(token).and_then(|connection| connection.outbox.as_ref());
        if let Some(queued) = outbox.map(|outbox| outbox.others())
            && queued > limit
        {
            self.abort(token, Closed::QueueFull { queued, limit });
        }
    }

    /// Writes a reply at once if nothing is queued before it; what the kernel refuses is queued. Returns whether the kernel
    /// has all of it.
    #[expect(clippy::inline_always, reason = "on the path of every message; see docs/performance.md")]
    #[inline(always)]
    pub(crate) fn write_now(&mut self, token: Token, bytes: &[u8]) -> bool {
        let now = self.nanos();
        let Some(connection) = self.connections.get_mut(token) else { return false };
        if !connection.may_write(&self.feeds) {
            self.queue(token, bytes, OutputSource::Own);
            return false;
        }
        match connection.stream.write(bytes) {
            Ok(sent) if sent == bytes.len() => {
                connection.last_active = now;
                self.stats.bytes_out += sent as u64;
                true
            }
            written => {
                self.queue_rest(token, [bytes, &[]], written);
                false
            }
        }
    }

    /// The same for a reply in two pieces, in one write.
    pub(crate) fn write_both_now(&mut self, token: Token, pieces: [&[u8]; 2]) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.may_write(&self.feeds) {
            let written = connection.stream.write_vectored(&pieces.map(IoSlice::new));
            return self.queue_rest(token, pieces, written);
        }
        for piece in pieces {
            self.queue(token, piece, OutputSource::Own);
        }
    }

    /// Queues what a write has left over of a reply, and draws the consequences.
    #[cold]
    fn queue_rest(&mut self, token: Token, [head, tail]: [&[u8]; 2], written: io::Result<usize>) {
        let now = self.nanos();
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
        }
        if connection.stream.is_datagram() {
            self.stats.datagrams_dropped += u64::from(sent < head.len() + tail.len());
            return;
        }
        let from_head = sent.min(head.len());
        self.queue(token, &head[from_head..], OutputSource::Own);
        self.queue(token, &tail[sent - from_head..], OutputSource::Own);
        if is_refused {
            self.wait_for_writable(token);
        }
    }

    /// Flushes until neither a connection nor a feed has anything new to offer.
    pub(crate) fn flush(&mut self) {
        while !self.dirty.is_empty() || !self.dirty_feeds.is_empty() {
            while let Some(token) = self.dirty.pop() {
                self.flush_connection(token);
            }
            while let Some(id) = self.dirty_feeds.pop() {
                self.flush_feed(id);
                self.feeds[id].is_dirty = false;
            }
        }
    }

    /// When too much is kept for all together: closes the connection that is owed most. The next one is found when this one
    /// was buried, and its feed has forgotten what only it needed.
    pub(crate) fn enforce_memory_limit(&mut self) {
        let Some(limit) = self.limits.memory_limit else { return };
        if self.queued + self.feeds.bytes() <= limit {
            return;
        }
        let alive = self.connections.iter().filter(|(_, found)| found.phase != Phase::Dead);
        let pending = alive.map(|(token, found)| (token, found.pending(&self.feeds)));
        if let Some((token, pending)) = pending.max_by_key(|&(_, pending)| pending).filter(|&(_, pending)| pending > 0)
        {
            self.abort(token, Closed::MemoryFull { pending, limit });
        }
    }

    /// Offers a connection what is queued for it, within its budget of the turn.
    fn flush_connection(&mut self, token: Token) {
        self.flush_within(token, self.limits.turn_output);
    }

    /// Offers a connection all that is queued for it, before it is judged: neither its budget nor an edge that is still to
    /// be reported is the peer's fault.
    fn flush_all(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.flags.remove(Flags::BLOCKED);
        }
        self.flush_within(token, usize::MAX);
    }

    /// Offers a connection what is queued for it, and draws the consequences. Returns whether nothing is left.
    fn flush_within(&mut self, token: Token, budget: usize) -> bool {
        let now = self.nanos();
        let Some(connection) = self.connections.get_mut(token) else { return false };
        connection.flags.remove(Flags::DIRTY);
        if connection.flags.contains(Flags::BLOCKED) || !matches!(connection.phase, Phase::Open | Phase::Flushing) {
            return false;
        }
        let queued = connection.queued();
        let (sent, end) = connection.flush(&mut self.feeds, budget);
        self.queued -= queued - connection.queued();
        self.stats.bytes_out += sent as u64;
        if sent > 0 {
            connection.last_active = now;
            if let Some(since) = connection.stalled_since(&mut self.feeds) {
                *since = 0;
            }
        }
        let is_done = matches!(end, Flush::Done);
        match end {
            Flush::Failed(error) => {
                self.abort(token, Closed::Failed(error));
                return false;
            }
            Flush::Refused => self.wait_for_writable(token),
            Flush::Budget => self.mark_ready(token),
            Flush::Done => self.flushed(token),
        }
        self.end_pause(token);
        is_done
    }

    /// The kernel refused: ask for writable edges, the first time.
    fn wait_for_writable(&mut self, token: Token) {
        let connection = &mut self.connections[token];
        connection.flags.insert(Flags::BLOCKED);
        let needs_deadline = connection.phase == Phase::Flushing && connection.deadline.is_none();
        if !connection.flags.put(Flags::WRITABLE_ARMED)
            && let Some(registry) = &self.registry
            && let Err(error) = connection.stream.reregister(registry, kernel_token(token), interest(connection.flags))
        {
            return self.abort(token, Closed::Failed(error));
        }
        if needs_deadline {
            self.set_deadline(token, self.limits.flush_stall);
        }
        self.note_stall(token);
    }

    /// The kernel takes nothing of what others have for an open connection: from now on its time runs.
    fn note_stall(&mut self, token: Token) {
        let now = self.nanos().max(1);
        let Some(connection) = self.connections.get_mut(token) else { return };
        if !connection.flags.contains(Flags::BLOCKED) || !connection.is_open() {
            return;
        }
        let has_others = connection.has_output_from_others(&self.feeds);
        let service = connection.service;
        if let Some(limit) = self.services[service].limits.queue_time
            && has_others
            && let Some(since @ 0) = connection.stalled_since(&mut self.feeds)
        {
            *since = now;
            self.bring_deadline_forward(token, limit);
        }
    }

    /// Nothing is queued any more.
    fn flushed(&mut self, token: Token) {
        let connection = &mut self.connections[token];
        if let Some(outbox) = connection.outbox.take() {
            self.pools.outboxes.give(outbox);
        }
        let splices = connection.follower_mut(&mut self.feeds).and_then(|(_, follower)| follower.give_back());
        if let Some(splices) = splices {
            self.pools.splices.give(splices);
        }
        if connection.flags.contains(Flags::SHUT_DOWN) {
            // Once more does no harm. A failure means that the peer is gone, which reading will find.
            let _ = connection.stream.shutdown_write();
        }
        if connection.phase != Phase::Flushing {
            // The feed may have kept its log only for this follower.
            if let Some(follower_ref) = connection.follower_ref
                && !self.feeds[follower_ref.feed].log.is_empty()
            {
                self.mark_feed_dirty(follower_ref.feed);
            }
            return;
        }
        // A peer that has ended its side sends no more that could be left unread, so closing is an orderly end (tcp(7)).
        let is_over = connection.flags.contains(Flags::EOF) || connection.stream.is_datagram();
        if is_over || connection.stream.shutdown_write().is_err() {
            return self.kill(token);
        }
        connection.phase = Phase::Lingering;
        self.set_deadline(token, self.limits.linger);
        self.mark_ready(token);
    }

    /// Offers a feed to all who follow it, closes who is too far behind, and forgets what everybody has.
    pub(crate) fn flush_feed(&mut self, id: FeedId) {
        let feed = &mut self.feeds[id];
        feed.flushed = feed.log.end();
        let mut slowest = feed.log.end();
        // Nobody joins or leaves meanwhile: who is closed here leaves when it is buried.
        for position in 0..feed.followers.len() {
            if let Some(cursor) = self.offer_feed(id, position) {
                slowest = slowest.min(cursor);
            }
        }
        self.feeds[id].log.trim(slowest);
    }

    /// Offers a feed to one follower, and closes it if it is too far behind. Returns its cursor if it still needs the log.
    ///
    /// Without a budget: what is new is bounded by the size of the feed, and the log would otherwise grow faster than a peer
    /// that reads may be written to.
    fn offer_feed(&mut self, id: FeedId, position: usize) -> Option<u64> {
        let token = self.feeds[id].followers[position].token;
        if self.flush_within(token, usize::MAX) {
            return None;
        }
        let (cursor, lag) = self.lag(id, position)?;
        if lag > 0 {
            self.note_stall(token);
        }
        let limits = &self.services[self.feeds[id].service].limits;
        let Some(limit) = limits.room_buffer.filter(|&limit| lag > limit) else { return Some(cursor) };
        self.flush_all(token);
        let (cursor, lag) = self.lag(id, position)?;
        if lag > limit {
            self.abort(token, Closed::FeedBehind { behind: lag, limit });
            return None;
        }
        Some(cursor)
    }

    /// Where a follower is, and how many bytes are kept for it; `None` for one that needs the log no more: who lingers has
    /// all that was meant for it, who is dead needs nothing.
    fn lag(&self, id: FeedId, position: usize) -> Option<(u64, usize)> {
        let feed = &self.feeds[id];
        let follower = &feed.followers[position];
        if matches!(self.connections.get(follower.token)?.phase, Phase::Lingering | Phase::Dead) {
            return None;
        }
        let behind = (feed.log.end() - follower.cursor) as usize;
        Some((follower.cursor, behind + follower.splice_bytes()))
    }

    /// Has a feed flushed at the end of this turn.
    fn mark_feed_dirty(&mut self, id: FeedId) {
        if !std::mem::replace(&mut self.feeds[id].is_dirty, true) {
            self.dirty_feeds.push(id);
        }
    }

    /// Appends to a feed; a feed that nobody follows forgets at once. One that has grown much is flushed in mid-turn.
    pub(crate) fn publish(&mut self, id: FeedId, bytes: &[u8]) {
        let feed = &mut self.feeds[id];
        if feed.followers.is_empty() || bytes.is_empty() {
            return;
        }
        feed.log.append(bytes);
        let has_grown = feed.unflushed() > self.services[feed.service].limits.feed_flush();
        self.mark_feed_dirty(id);
        if has_grown {
            self.flush_feed(id);
        }
    }

    /// Whether a feed has a follower other than this connection.
    pub(crate) fn has_followers_beside(&self, id: FeedId, token: Token) -> bool {
        let follower_ref = self.connections.get(token).and_then(|connection| connection.follower_ref);
        let own = usize::from(follower_ref.is_some_and(|follower_ref| follower_ref.feed == id));
        self.feeds[id].followers.len() > own
    }

    /// What is published next to this feed is not for its own publisher.
    pub(crate) fn skip_own(&mut self, token: Token, id: FeedId, length: usize) {
        if let Some(connection) = self.connections.get_mut(token).filter(|found| found.is_open())
            && connection.follower_ref.is_some_and(|follower_ref| follower_ref.feed == id)
            && let Some((end, follower)) = connection.follower_mut(&mut self.feeds)
        {
            follower.lend(|| self.pools.splices.take());
            follower.splice_skip(end, length);
        }
    }

    /// Makes an open connection follow a feed from its present end on, instead of what it followed before.
    pub(crate) fn follow(&mut self, token: Token, id: FeedId) {
        self.unfollow(token);
        let Some(connection) = self.connections.get_mut(token) else { return };
        let feed = &mut self.feeds[id];
        if !connection.is_open() || connection.flags.contains(Flags::SHUT_DOWN) {
            return;
        }
        let mut follower = Follower::new(token, feed.log.end());
        if connection.queued() > 0 {
            follower.lend(|| self.pools.splices.take());
            follower.splice_own(feed.log.end(), connection.queued());
        }
        connection.follower_ref = Some(FollowerRef { feed: id, position: feed.followers.len() as u32 });
        feed.followers.push(follower);
    }

    /// Makes a connection follow nothing. What it had not received yet stays owed to it.
    pub(crate) fn unfollow(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(follower_ref) = connection.follower_ref else { return };
        let Feed { log, followers, .. } = &self.feeds[follower_ref.feed];
        let follower = &followers[follower_ref.position as usize];
        // Who is dead is owed nothing, and its place in the log may be forgotten already.
        if connection.phase != Phase::Dead && !follower.is_caught_up(log.end()) {
            let mut whole = self.pools.outboxes.take();
            let unsent = connection.outbox.as_ref().map_or(&[][..], |outbox| outbox.unsent());
            for segment in follower.segments(log.end()) {
                match segment {
                    Segment::Feed(range) => whole.push_others(log.slice(range)),
                    Segment::Own(range) => whole.push(&unsent[range]),
                }
            }
            self.queued += whole.len();
            if let Some(old) = connection.outbox.replace(whole) {
                self.queued -= old.len();
                self.pools.outboxes.give(old);
            }
            self.mark_dirty(token);
        }
        self.leave_feed(token);
    }

    /// Takes a connection off its feed's list; what it had not received is forgotten.
    pub(crate) fn leave_feed(&mut self, token: Token) {
        let Some(follower_ref) = self.connections.get_mut(token).and_then(|connection| connection.follower_ref.take())
        else {
            return;
        };
        let feed = &mut self.feeds[follower_ref.feed];
        let splices = feed.remove(follower_ref.position as usize).into_splices();
        if let Some(moved) = feed.followers.get(follower_ref.position as usize) {
            self.connections[moved.token].follower_ref = Some(follower_ref);
        }
        if let Some(splices) = splices {
            self.pools.splices.give(splices);
        }
        // What only this follower still needed can go: flushing finds that out.
        self.mark_feed_dirty(follower_ref.feed);
    }
}
