//! One stream that many connections follow: an append-only log, and a cursor a follower.
//!
//! Publishing is one append, however many follow. At the end of the turn each follower is written all that is new to it,
//! straight from the log. What differs for one follower (own messages that it skips, private replies in between) is a
//! [`Splice`] at an offset of the log, so the order of everything that it sees is exact.
//!
//! Invariants: `base <= cursor <= end` for every follower; the splices of a follower are in order of offset, none lies
//! before its cursor, and the lengths of its own pieces add up to its outbox. A follower and the follower_ref of its connection
//! name each other. Offsets count from the feed's birth and never
//! wrap. Does no I/O and closes nobody: who falls too far behind is found when the feed is flushed.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut, Range};

use crate::connection::ids::ServiceId;
use crate::connection::outbox::Outbox;
use crate::connection::token::Token;

/// Names a feed of one reactor. Made by [`Context::create_feed`](crate::Context::create_feed).
///
/// To another reactor it means another feed, or none: then whoever uses it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(
    /// One more than its index: so an optional one takes no more room, and every connection has one.
    NonZeroU32,
);

/// So many followers a feed has room for, once it had as many. 64: a small room whose members come and go allocates nothing.
const KEPT_FOLLOWERS: usize = 64;

/// The buffer that an idle feed keeps; a larger one is given back when everybody has caught up.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The feeds of one reactor. None of them ever goes.
#[derive(Debug, Default)]
pub(crate) struct Feeds(Vec<Feed>);

impl Feeds {
    /// Takes in a feed for good.
    ///
    /// # Panics
    /// At four billion feeds.
    pub(crate) fn insert(&mut self, feed: Feed) -> FeedId {
        self.0.push(feed);
        FeedId(u32::try_from(self.0.len()).ok().and_then(NonZeroU32::new).expect("fewer feeds than that"))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Feed> {
        self.0.iter()
    }

    /// Bytes that are kept in all of them.
    pub(crate) fn bytes(&self) -> usize {
        self.iter().map(|feed| feed.log.len()).sum()
    }
}

impl Index<FeedId> for Feeds {
    type Output = Feed;

    fn index(&self, id: FeedId) -> &Feed {
        &self.0[id.0.get() as usize - 1]
    }
}

impl IndexMut<FeedId> for Feeds {
    fn index_mut(&mut self, id: FeedId) -> &mut Feed {
        &mut self.0[id.0.get() as usize - 1]
    }
}

/// The log of one feed and who follows it.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// The service whose limits apply.
    pub(crate) service: ServiceId,
    pub(crate) log: Log,
    /// Everything before this offset was offered to every follower.
    pub(crate) flushed: u64,
    /// Side by side in memory, since each publication goes through all of them.
    pub(crate) followers: Vec<Follower>,
    pub(crate) is_dirty: bool,
}

impl Feed {
    /// An empty feed of a service.
    pub(crate) fn of(service: ServiceId) -> Self {
        Feed { service, ..Feed::default() }
    }

    /// Bytes that arrived since the last flush.
    pub(crate) fn unflushed(&self) -> usize {
        (self.log.end() - self.flushed) as usize
    }

    /// Takes a follower out; the last one takes its position. Gives memory back when many have left.
    pub(crate) fn remove(&mut self, position: usize) -> Follower {
        let follower = self.followers.swap_remove(position);
        if self.followers.len() < self.followers.capacity() / 4 {
            self.followers.shrink_to((2 * self.followers.len()).max(KEPT_FOLLOWERS));
        }
        follower
    }
}

/// What was published and is still needed.
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

    /// Bytes that are kept for those who have not been sent them.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes for which it keeps memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether everybody has everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The published bytes between two offsets.
    ///
    /// # Panics
    /// When the range is not within `base..end`: a follower's cursor was trimmed away, which is a bug.
    pub(crate) fn slice(&self, range: Range<u64>) -> &[u8] {
        &self.bytes[(range.start - self.base) as usize..(range.end - self.base) as usize]
    }

    /// Forgets what everybody has: all before `slowest`, the lowest cursor.
    pub(crate) fn trim(&mut self, slowest: u64) {
        debug_assert!((self.base..=self.end()).contains(&slowest), "cursor outside of the feed");
        let passed = (slowest - self.base) as usize;
        if passed == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
        } else if passed > self.bytes.len() / 2 {
            // Fewer bytes are moved than are forgotten, so each published byte is moved at most once.
            self.bytes.drain(..passed);
        } else {
            return;
        }
        self.base = slowest;
    }
}

/// Where a connection finds its follower: it changes when another one leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FollowerRef {
    pub(crate) feed: FeedId,
    /// Index in [`Feed::followers`].
    pub(crate) position: u32,
}

/// A place in a follower's view of the log where it differs from what everybody gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Splice {
    at: u64,
    kind: SpliceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpliceKind {
    /// This many bytes of the log, from `at` on, are not for this follower: it published them itself.
    Skip(u32),
    /// This many bytes of the follower's outbox come before the byte at `at`.
    Own(u32),
}

/// One piece of what a follower is to receive next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// These offsets of the log.
    Feed(Range<u64>),
    /// These indices of the unsent outbox.
    Own(Range<usize>),
}

/// Where one connection stands in the feed that it follows.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) token: Token,
    /// Next byte of the log that this follower has not been sent.
    pub(crate) cursor: u64,
    /// A connection that is being closed gets no more than this; [`u64::MAX`] before.
    until: u64,
    /// See [`Connection::stalled_since`](crate::connection::Connection::stalled_since).
    pub(crate) stalled_since: u64,
    /// Lent from a pool while there are any: most followers have none most of the time.
    splices: Option<Box<Splices>>,
}

/// The places in which one follower's view of the log differs, in order.
#[derive(Debug, Default)]
pub(crate) struct Splices(VecDeque<Splice>);

impl Splices {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes for which memory is kept.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity() * size_of::<Splice>()
    }
}

impl Follower {
    /// Follows from `cursor` on.
    pub(crate) fn new(token: Token, cursor: u64) -> Self {
        Follower { token, cursor, until: u64::MAX, stalled_since: 0, splices: None }
    }

    /// Lends it room for splices, if it has none.
    pub(crate) fn lend(&mut self, splices: impl FnOnce() -> Box<Splices>) {
        self.splices.get_or_insert_with(splices);
    }

    /// Gives back what was lent, when there are no splices any more.
    pub(crate) fn give_back(&mut self) -> Option<Box<Splices>> {
        self.splices.take_if(|splices| splices.0.is_empty())
    }

    /// Gives back what was lent, whatever it holds.
    pub(crate) fn into_splices(self) -> Option<Box<Splices>> {
        self.splices
    }

    fn has_splices(&self) -> bool {
        self.splices.as_ref().is_some_and(|splices| !splices.0.is_empty())
    }

    /// The one range that is next, when nothing is spliced into it.
    #[inline]
    pub(crate) fn plain(&self, feed_end: u64) -> Option<Range<u64>> {
        self.splices.is_none().then(|| self.cursor..self.end(feed_end))
    }

    fn splices_mut(&mut self) -> &mut VecDeque<Splice> {
        &mut self.splices.get_or_insert_default().0
    }

    /// Notes that the next `length` bytes published from `at` on are this follower's own and not to be sent to it.
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

    /// Notes that `length` more bytes of the outbox belong before the byte at `at`.
    pub(crate) fn splice_own(&mut self, at: u64, length: usize) {
        if length == 0 {
            return;
        }
        let splices = self.splices_mut();
        if let Some(Splice { at: place, kind: SpliceKind::Own(owed) }) = splices.back_mut()
            && *place == at
            && let Some(sum) = owed.checked_add(length as u32)
        {
            *owed = sum;
        } else {
            splices.push_back(Splice { at, kind: SpliceKind::Own(length as u32) });
        }
    }

    /// From now on nothing published after `end` is for this follower.
    pub(crate) fn finish_at(&mut self, end: u64) {
        self.until = self.until.min(end);
    }

    /// The offset up to which this follower reads, in a feed that reaches to `feed_end`.
    fn end(&self, feed_end: u64) -> u64 {
        self.until.min(feed_end)
    }

    /// Whether nothing is left to send to this follower.
    pub(crate) fn is_caught_up(&self, feed_end: u64) -> bool {
        self.cursor >= self.end(feed_end) && !self.has_splices()
    }

    /// Bytes of the feed that are still to be sent to this follower, those that it skips not counted.
    pub(crate) fn unsent_feed(&self, feed_end: u64) -> usize {
        let length = |segment| if let Segment::Feed(range) = segment { (range.end - range.start) as usize } else { 0 };
        self.segments(feed_end).map(length).sum()
    }

    /// Memory that the splices of this follower hold, in bytes.
    pub(crate) fn splice_bytes(&self) -> usize {
        self.splices.as_ref().map_or(0, |splices| splices.0.len() * size_of::<Splice>())
    }

    /// What to send next, in order.
    pub(crate) fn segments(&self, feed_end: u64) -> impl Iterator<Item = Segment> + '_ {
        let end = self.end(feed_end);
        let mut splices = self.splices.iter().flat_map(|splices| &splices.0).peekable();
        let (mut at, mut own) = (self.cursor, 0);
        std::iter::from_fn(move || {
            loop {
                let upto = splices.peek().map_or(end, |splice| splice.at);
                if at < upto {
                    return Some(Segment::Feed(std::mem::replace(&mut at, upto)..upto));
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

    /// Notes that the kernel took the next `count` bytes of the segments; the own ones leave the outbox.
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

    /// Bytes for which the splices keep memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.splices.as_ref().map_or(0, |splices| splices.capacity())
    }
}

#[cfg(test)]
mod tests;
