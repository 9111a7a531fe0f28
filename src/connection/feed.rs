//! A feed: one stream of bytes that many connections follow.
//!
//! A feed is an append-only log with one cursor for each follower. Publishing is one append, whatever the number of
//! followers. At the end of the turn, the new bytes are written to each follower straight from the log. A follower may
//! differ from the log: it skips messages of its own, and it gets private replies in between. Each difference is a
//! [`Splice`] at an offset of the log, so a follower receives everything in the exact order.
//!
//! Invariants: `base <= cursor <= end` for every follower; the splices of a follower are in order of offset, and none
//! is before its cursor; the lengths of its [`Own`](SpliceKind::Own) splices add up to the bytes of its outbox after
//! its last file; a follower and the [`FollowerRef`] of its connection name each other. Offsets count from the first
//! byte ever published and never wrap.
//!
//! Does no I/O and closes no connection: a follower that is too far behind is found when the feed is flushed.

use std::collections::VecDeque;
use std::ops::Range;

use crate::connection::feeds::FeedSlot;
use crate::connection::ids::ServiceId;
use crate::connection::outbox::Outbox;
use crate::connection::token::Token;

/// Follower capacity retained when a feed shrinks. 64: a small room allocates nothing when members join and leave.
const KEPT_FOLLOWERS: usize = 64;

/// Buffer capacity in bytes retained when every follower has caught up.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The log of one feed, and its followers.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// The service that created the feed, whose limits apply to it.
    pub(crate) service: ServiceId,
    pub(crate) log: Log,
    /// Offset up to which every follower was offered the log.
    pub(crate) flushed: u64,
    /// Contiguous in memory, since each flush visits all of them.
    pub(crate) followers: Vec<Follower>,
    /// On the list of dirty feeds.
    pub(crate) is_dirty: bool,
}

impl Feed {
    /// Bytes that arrived since the last flush.
    pub(crate) fn unflushed(&self) -> usize {
        (self.log.end() - self.flushed) as usize
    }

    /// Removes a follower and moves the last one to its position. Frees memory when many have left.
    pub(crate) fn remove(&mut self, position: usize) -> Follower {
        let follower = self.followers.swap_remove(position);
        if self.followers.len() < self.followers.capacity() / 4 {
            self.followers.shrink_to((2 * self.followers.len()).max(KEPT_FOLLOWERS));
        }
        follower
    }
}

/// Published bytes that a follower still needs.
#[derive(Debug, Default)]
pub(crate) struct Log {
    bytes: Vec<u8>,
    /// Offset of the first byte.
    base: u64,
}

impl Log {
    /// Offset of the next byte to be published.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// The number of bytes kept.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Capacity of the buffer, in bytes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether every follower has received everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The published bytes between two offsets.
    ///
    /// # Panics
    /// If the range is not within `base..end`. Then the log was trimmed beyond a follower's cursor, which is a bug.
    pub(crate) fn slice(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[(range.start - self.base) as usize..(range.end - self.base) as usize]
    }

    /// Drops the bytes before `slowest`, the lowest cursor of all followers.
    pub(crate) fn trim(&mut self, slowest: u64) {
        debug_assert!((self.base..=self.end()).contains(&slowest), "a cursor outside of the log");
        let passed = (slowest - self.base) as usize;
        if passed == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
        } else if passed > self.bytes.len() / 2 {
            // Fewer bytes are moved than dropped, so each published byte is moved at most once.
            self.bytes.drain(..passed);
        } else {
            return;
        }
        self.base = slowest;
    }
}

/// Locates the follower of a connection in its feed. The position changes when another follower leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FollowerRef {
    pub(crate) feed: FeedSlot,
    /// Index in [`Feed::followers`].
    pub(crate) position: u32,
}

/// A difference between the log and what one follower receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Splice {
    at: u64,
    kind: SpliceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpliceKind {
    /// This number of bytes of the log, from `at` on, are not sent to the follower, which published them itself.
    Skip(u32),
    /// This number of bytes of the follower's outbox are sent before the byte at `at`.
    Own(u32),
}

/// A piece of what a follower receives next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Offsets of the log.
    Feed(Range<u64>),
    /// Indices of the unsent outbox.
    Own(Range<usize>),
}

/// The position of one connection in the feed that it follows.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) token: Token,
    /// Offset of the next byte to be sent.
    pub(crate) cursor: u64,
    /// Offset at which the follower ends. [`u64::MAX`] until its connection is being closed.
    until: u64,
    /// Borrowed from a pool while there are splices. Most followers have none most of the time.
    splices: Option<Box<Splices>>,
}

/// The splices of one follower, in order.
#[derive(Debug, Default)]
pub(crate) struct Splices(VecDeque<Splice>);

impl Splices {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Capacity in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity() * size_of::<Splice>()
    }

    #[cfg(test)]
    pub(crate) fn with_capacity(splices: usize) -> Self {
        Splices(VecDeque::with_capacity(splices))
    }
}

impl Follower {
    /// A follower that receives the log from `cursor` on.
    pub(crate) fn new(token: Token, cursor: u64) -> Self {
        Follower { token, cursor, until: u64::MAX, splices: None }
    }

    /// Lends a box for splices, if there is none.
    pub(crate) fn lend(&mut self, splices: impl FnOnce() -> Box<Splices>) {
        self.splices.get_or_insert_with(splices);
    }

    /// Gives the box back, if it is empty.
    pub(crate) fn give_back(&mut self) -> Option<Box<Splices>> {
        self.splices.take_if(|splices| splices.0.is_empty())
    }

    /// The box, empty or not.
    pub(crate) fn into_splices(self) -> Option<Box<Splices>> {
        self.splices
    }

    fn has_splices(&self) -> bool {
        self.splices.as_ref().is_some_and(|splices| !splices.0.is_empty())
    }

    /// The range of the log that is next, if there are no splices.
    #[inline]
    pub(crate) fn plain(&self, feed_end: u64) -> Option<Range<u64>> {
        self.splices.is_none().then(|| self.cursor..self.end(feed_end))
    }

    fn splices_mut(&mut self) -> &mut VecDeque<Splice> {
        &mut self.splices.get_or_insert_default().0
    }

    /// Skips the `length` bytes that are published next, at `at`.
    pub(crate) fn splice_skip(&mut self, at: u64, length: usize) {
        if length == 0 {
            return;
        }
        let splices = self.splices_mut();
        if let Some(Splice { at: start, kind: SpliceKind::Skip(skipped) }) = splices.back_mut()
            && *start + u64::from(*skipped) == at
            && let Some(sum) = skipped.checked_add(length as u32)
        {
            *skipped = sum;
        } else {
            splices.push_back(Splice { at, kind: SpliceKind::Skip(length as u32) });
        }
    }

    /// Sends `length` more bytes of the outbox before the byte at `at`.
    pub(crate) fn splice_own(&mut self, at: u64, length: usize) {
        if length == 0 {
            return;
        }
        let splices = self.splices_mut();
        if let Some(Splice { at: last, kind: SpliceKind::Own(own) }) = splices.back_mut()
            && *last == at
            && let Some(sum) = own.checked_add(length as u32)
        {
            *own = sum;
        } else {
            splices.push_back(Splice { at, kind: SpliceKind::Own(length as u32) });
        }
    }

    /// Ends the follower at `end`: what is published after it is not sent.
    pub(crate) fn finish_at(&mut self, end: u64) {
        self.until = self.until.min(end);
    }

    /// The offset up to which the follower is sent the log, which ends at `feed_end`.
    fn end(&self, feed_end: u64) -> u64 {
        self.until.min(feed_end)
    }

    /// Whether nothing is left to send.
    pub(crate) fn is_caught_up(&self, feed_end: u64) -> bool {
        self.cursor >= self.end(feed_end) && !self.has_splices()
    }

    /// The number of bytes of the log still to be sent. Skipped bytes do not count.
    pub(crate) fn unsent_feed(&self, feed_end: u64) -> usize {
        let length = |segment| if let Segment::Feed(range) = segment { (range.end - range.start) as usize } else { 0 };
        self.segments(feed_end).map(length).sum()
    }

    /// Size of the splices, in bytes.
    pub(crate) fn splice_bytes(&self) -> usize {
        self.splices.as_ref().map_or(0, |splices| splices.0.len() * size_of::<Splice>())
    }

    /// The pieces to be sent, in order.
    pub(crate) fn segments(&self, feed_end: u64) -> impl Iterator<Item = Segment> + '_ {
        let end = self.end(feed_end);
        let mut splices = self.splices.iter().flat_map(|splices| &splices.0).peekable();
        let (mut at, mut own) = (self.cursor, 0);
        std::iter::from_fn(move || {
            loop {
                let next = splices.peek().map_or(end, |splice| splice.at);
                if at < next {
                    return Some(Segment::Feed(std::mem::replace(&mut at, next)..next));
                }
                match splices.next()?.kind {
                    SpliceKind::Skip(length) => at += u64::from(length),
                    SpliceKind::Own(length) => {
                        let start = own;
                        own += length as usize;
                        return Some(Segment::Own(start..own));
                    }
                }
            }
        })
    }

    /// Advances by `count` bytes of the segments, which the kernel has taken. Bytes of the outbox are removed from it.
    pub(crate) fn advance(&mut self, mut count: usize, mut outbox: Option<&mut Outbox>) {
        let mut splices = self.splices.as_deref_mut().map(|splices| &mut splices.0);
        while let Some(splice) = splices.as_mut().and_then(|splices| splices.front_mut()) {
            let taken = count.min((splice.at - self.cursor) as usize);
            self.cursor += taken as u64;
            count -= taken;
            if splice.at > self.cursor {
                return;
            }
            match &mut splice.kind {
                SpliceKind::Skip(length) => self.cursor += u64::from(*length),
                SpliceKind::Own(length) => {
                    let taken = count.min(*length as usize);
                    *length -= taken as u32;
                    count -= taken;
                    if let Some(outbox) = outbox.as_deref_mut() {
                        outbox.consume(taken);
                    }
                    if *length > 0 {
                        return;
                    }
                }
            }
            if let Some(splices) = &mut splices {
                splices.pop_front();
            }
        }
        self.cursor += count as u64;
    }

    /// Capacity of the splices, in bytes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.splices.as_ref().map_or(0, |splices| splices.capacity())
    }
}

#[cfg(test)]
mod tests;
