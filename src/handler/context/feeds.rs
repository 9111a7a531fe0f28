//! Feeds: output that many connections follow.

use super::{Context, ReplyTarget};
use crate::connection::feeds::FeedId;
use crate::connection::token::Token;

impl Context<'_> {
    /// Creates a feed: a stream of output that connections can [`follow`](Self::follow). It lasts until
    /// [`remove_feed`](Self::remove_feed), and as long as the reactor.
    ///
    /// A feed belongs to the service of this callback, whose [`Limits::feed_buffer`](crate::Limits::feed_buffer) bounds
    /// it.
    ///
    /// # Panics
    /// If the reactor has 1,048,575 feeds.
    pub fn create_feed(&mut self) -> FeedId {
        let service = self.service();
        self.state.feeds.insert(service)
    }

    /// Removes `feed`. Its followers follow none afterwards. They still receive what was published before, of which
    /// each follower that is behind gets a copy of its own.
    ///
    /// From then on, `feed` names no feed. To follow it, to publish to it and to remove it again have no effect.
    pub fn remove_feed(&mut self, feed: FeedId) {
        self.queue_replies();
        self.state.remove_feed(feed);
    }

    /// Makes this connection follow `feed`: it receives everything that is published from now on.
    ///
    /// A connection follows at most one feed; following another one ends the first. A connection that falls too far
    /// behind is closed with [`Closed::FeedBehind`](crate::Closed::FeedBehind). A feed is a stream, so a connection
    /// over UDP follows none. No effect if `feed` was removed.
    pub fn follow(&mut self, feed: FeedId) {
        if let Some(session) = self.session() {
            self.follow_other(session, feed);
        }
    }

    /// Makes the connection `other` follow `feed`, as [`follow`](Self::follow) makes this one. What was sent to it
    /// before comes before the feed. No effect if that connection is not open.
    pub fn follow_other(&mut self, other: Token, feed: FeedId) {
        if let Some(slot) = self.state.feeds.find(feed) {
            self.queue_replies_to(other);
            self.state.follow(other, slot);
        }
    }

    /// Makes this connection follow no feed. Bytes that were published before are still sent.
    pub fn unfollow(&mut self) {
        if let Some(session) = self.session() {
            self.unfollow_other(session);
        }
    }

    /// Makes the connection `other` follow no feed, as [`unfollow`](Self::unfollow) makes this one.
    pub fn unfollow_other(&mut self, other: Token) {
        self.queue_replies_to(other);
        self.state.unfollow(other);
    }

    /// Sends `bytes` to all connections that follow `feed`. They are copied once, whatever the number of followers.
    pub fn publish(&mut self, feed: FeedId, bytes: &[u8]) {
        self.queue_replies();
        if let Some(slot) = self.state.feeds.find(feed) {
            self.state.publish(slot, bytes);
        }
    }

    /// Sends `bytes` to all connections that follow `feed`, except this connection.
    pub fn publish_others(&mut self, feed: FeedId, bytes: &[u8]) {
        match self.target {
            ReplyTarget::Connection(token) => self.publish_except(feed, token, bytes),
            _ => self.publish(feed, bytes),
        }
    }

    /// Sends `bytes` to all connections that follow `feed`, except `other`: for a message of `other` that is published
    /// in a callback of another connection.
    pub fn publish_except(&mut self, feed: FeedId, other: Token, bytes: &[u8]) {
        self.queue_replies();
        if let Some(slot) = self.state.feeds.find(feed)
            && self.state.has_followers_beside(slot, other)
        {
            self.state.skip(other, slot, bytes.len());
            self.state.publish(slot, bytes);
        }
    }
}
