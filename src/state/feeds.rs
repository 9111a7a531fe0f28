//! Feeds: publishing, following, and the end of both.
//!
//! Nothing is sent here: a feed is flushed at the end of the turn or, if it has grown much, at once (`flush`).

use crate::connection::Phase;
use crate::connection::feed::{Feed, Follower, FollowerRef, Segment};
use crate::connection::feeds::{FeedId, FeedSlot};
use crate::connection::flags::Flags;
use crate::connection::token::Token;
use crate::state::State;

impl State {
    /// Puts a feed on the list of dirty feeds: it is flushed at the end of this turn.
    pub(super) fn mark_feed_dirty(&mut self, slot: FeedSlot) {
        if !std::mem::replace(&mut self.feeds[slot].is_dirty, true) {
            self.work.dirty_feeds.push(slot);
        }
    }

    /// Appends to a feed that has followers. If it has grown much since its last flush, it is flushed at once.
    pub(crate) fn publish(&mut self, slot: FeedSlot, bytes: &[u8]) {
        let feed = &mut self.feeds[slot];
        if feed.followers.is_empty() || bytes.is_empty() {
            return;
        }
        feed.log.append(bytes);
        let has_grown = feed.unflushed() > self.services[feed.service].limits.feed_flush();
        self.mark_feed_dirty(slot);
        if has_grown {
            self.flush_feed(slot);
        }
    }

    /// Whether a feed has a follower other than this connection.
    pub(crate) fn has_followers_beside(&self, slot: FeedSlot, token: Token) -> bool {
        let follower_ref = self.connections.get(token).and_then(|connection| connection.follower_ref);
        let own = usize::from(follower_ref.is_some_and(|follower_ref| follower_ref.feed == slot));
        self.feeds[slot].followers.len() > own
    }

    /// Makes a follower skip the next `length` bytes published to its feed.
    pub(crate) fn skip(&mut self, token: Token, slot: FeedSlot, length: usize) {
        if let Some(connection) = self.connections.get_mut(token).filter(|found| found.is_open())
            && connection.follower_ref.is_some_and(|follower_ref| follower_ref.feed == slot)
            && let Some((end, follower)) = connection.follower_mut(&mut self.feeds)
        {
            follower.lend(|| self.splices.take());
            follower.splice_skip(end, length);
        }
    }

    /// Makes an open connection follow a feed from its current end on, instead of the feed that it followed before. A
    /// connection over UDP follows none: the boundaries of its datagrams would be lost in the feed.
    pub(crate) fn follow(&mut self, token: Token, slot: FeedSlot) {
        self.unfollow(token);
        let Some(connection) = self.connections.get_mut(token) else { return };
        let feed = &mut self.feeds[slot];
        let is_datagram = connection.stream.is_datagram();
        if !connection.is_open() || connection.flags.contains(Flags::SHUT_DOWN) || is_datagram {
            return;
        }
        let mut follower = Follower::new(token, feed.log.end());
        // What is queued up to the last file is sent before anything of the feed, so it needs no splice.
        let own = connection.outbox.as_ref().map_or(0, |outbox| outbox.after_files());
        if own > 0 {
            follower.lend(|| self.splices.take());
            follower.splice_own(feed.log.end(), own);
        }
        connection.follower_ref = Some(FollowerRef { feed: slot, position: feed.followers.len() as u32 });
        feed.followers.push(follower);
    }

    /// Makes a connection follow no feed. Published bytes that it has not received yet are moved to its outbox.
    pub(crate) fn unfollow(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(follower_ref) = connection.follower_ref else { return };
        let Feed { log, followers, .. } = &self.feeds[follower_ref.feed];
        let follower = &followers[follower_ref.position as usize];
        // A dead connection needs nothing, and the log at its cursor may have been dropped already.
        if connection.phase != Phase::Dead && !follower.is_caught_up(log.end()) {
            self.queued -= connection.queued();
            let outbox = connection.outbox.get_or_insert_default();
            let (relayed, others) = (outbox.relayed(), outbox.others());
            let own = outbox.take_after_files();
            let taken_others = others - outbox.others();
            for segment in follower.segments(log.end()) {
                match segment {
                    Segment::Feed(range) => outbox.push_others(log.slice(range)),
                    Segment::Own(range) => outbox.push(&own[range]),
                }
            }
            outbox.add_others(taken_others);
            outbox.set_relayed(relayed);
            self.queued += outbox.len();
            self.mark_dirty(token);
        }
        self.leave_feed(token);
    }

    /// Removes a connection from the followers of its feed. Published bytes that it has not received are dropped.
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
            self.splices.give(splices);
        }
        // The next flush drops the bytes that only this follower needed.
        self.mark_feed_dirty(follower_ref.feed);
    }

    /// Removes a feed. Its followers follow none afterwards.
    pub(crate) fn remove_feed(&mut self, id: FeedId) {
        let Some(slot) = self.feeds.find(id) else { return };
        // With this, only followers that are behind need a copy of what was published.
        self.flush_feed(slot);
        for position in (0..self.feeds[slot].followers.len()).rev() {
            self.unfollow(self.feeds[slot].followers[position].token);
        }
        self.feeds.remove(id);
    }
}
