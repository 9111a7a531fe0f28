//! The reactor's side of one peer: its stream, what is unread, what is unsent, and where it stands in its life.
//!
//! ```text
//!  Connecting --> Open --close--> Flushing --all taken, write side shut--> Lingering --EOF or 1 s--> Dead
//!       |           |                 |                                        |
//!       +-----------+-----------------+------- reset, abort, limit ------------+---------------------^
//! ```
//!
//! Invariants: a session exists exactly while the phase is `Open` (and until `closed` was called for it); an idle
//! connection holds no inbox and no outbox; a follower_ref always names a follower of this connection. Decides nothing about
//! other connections.

pub(crate) mod closed;
pub(crate) mod edge;
pub(crate) mod feed;
pub(crate) mod flags;
pub(crate) mod framing_error;
pub(crate) mod ids;
pub(crate) mod inbox;
pub(crate) mod origin;
pub(crate) mod outbox;
pub(crate) mod pipe;
pub(crate) mod pool;
pub(crate) mod stream;
pub(crate) mod timer_id;
pub(crate) mod token;

use std::io::{self, ErrorKind, IoSlice};
use std::net::IpAddr;

use crate::connection::feed::{Feed, Feeds, Follower, FollowerRef, Segment};
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::inbox::Inbox;
use crate::connection::origin::Peer;
use crate::connection::outbox::Outbox;
use crate::connection::stream::Stream;
use crate::connection::timer_id::TimerId;

/// Where a connection stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Outbound, and not established yet.
    Connecting,
    /// Serving.
    Open,
    /// The session is over; what is owed is being sent, what arrives is discarded.
    Flushing,
    /// All is sent and our side shut down; what arrives is discarded until the peer ends too.
    Lingering,
    /// To be removed at the end of this turn.
    Dead,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    pub(crate) inbox: Option<Box<Inbox>>,
    pub(crate) outbox: Option<Box<Outbox>>,
    /// Where its follower is, while it follows a feed.
    pub(crate) follower_ref: Option<FollowerRef>,
    /// The one deadline of the reactor's own: idle while open, stall while flushing, end of lingering.
    pub(crate) deadline: Option<TimerId>,
    /// When bytes last moved, in nanoseconds after the origin of time. Kept only for the deadline.
    pub(crate) last_active: u64,
    /// The service whose limits apply.
    pub(crate) service: ServiceId,
    pub(crate) phase: Phase,
    pub(crate) flags: Flags,
}

/// How far a flush came.
#[derive(Debug)]
pub(crate) enum Flush {
    /// Nothing is left.
    Done,
    /// The kernel takes no more for now.
    Refused,
    /// The budget is used up, and there is more.
    Budget,
    /// The transport is broken.
    Failed(io::Error),
}

/// Pieces handed to the kernel in one call. 32: two for each of sixteen splices, and well under the limit of 1024.
const PIECES: usize = 32;

impl Connection {
    pub(crate) fn new(stream: Stream, peer: Peer, phase: Phase, service: ServiceId) -> Self {
        Connection {
            stream,
            peer,
            inbox: None,
            outbox: None,
            follower_ref: None,
            deadline: None,
            last_active: 0,
            service,
            phase,
            flags: Flags::empty(),
        }
    }

    /// The host at the other end, if it has one.
    pub(crate) fn host(&self) -> Option<IpAddr> {
        if let Peer::Inet(address) = self.peer { Some(address.ip()) } else { None }
    }

    /// Unsent bytes of its own queue, feed not counted.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }

    /// Of these, the bytes that the peer's own input caused: what it is not read for. What others queued must not count, or
    /// two programs that each send before they read would wait for each other for ever.
    pub(crate) fn queued_own(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len() - outbox.others())
    }

    /// The feed that it follows, and where it stands in it.
    fn follower<'a>(&self, feeds: &'a Feeds) -> Option<(&'a Feed, &'a Follower)> {
        let follower_ref = self.follower_ref?;
        let feed = &feeds[follower_ref.feed];
        Some((feed, &feed.followers[follower_ref.position as usize]))
    }

    /// The same, to change it: with the end of what was published.
    pub(crate) fn follower_mut<'a>(&self, feeds: &'a mut Feeds) -> Option<(u64, &'a mut Follower)> {
        let follower_ref = self.follower_ref?;
        let feed = &mut feeds[follower_ref.feed];
        Some((feed.log.end(), &mut feed.followers[follower_ref.position as usize]))
    }

    /// Since when the kernel has taken nothing though others have output for this peer, in nanoseconds after the origin of
    /// time; 0 while it takes. Kept with its follower, or else in its outbox: one of them is there whenever it is asked
    /// for.
    pub(crate) fn stalled_since<'a>(&'a mut self, feeds: &'a mut Feeds) -> Option<&'a mut u64> {
        match self.follower_mut(feeds) {
            Some((_, follower)) => Some(&mut follower.stalled_since),
            None => self.outbox.as_mut().map(|outbox| &mut outbox.stalled_since),
        }
    }

    /// Whether others, the console left out, have anything for this peer that is unsent.
    pub(crate) fn has_output_from_others(&self, feeds: &Feeds) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.has_others()) || self.pending(feeds) > self.queued()
    }

    /// Unsent bytes that others have caused, in its own queue (at most so many) and in its feed.
    pub(crate) fn pending_from_others(&self, feeds: &Feeds) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.others()) + self.pending(feeds) - self.queued()
    }

    /// Whether this peer still has a session to talk to.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether its handler may be shown input now: it is open, its output has drained and its handler knows, no job of it is
    /// running, and its input is not paused.
    pub(crate) fn takes_input(&self) -> bool {
        self.is_open() && !self.flags.intersects(Flags::PAUSED | Flags::WAITS | Flags::TELL_DRAINED)
    }

    /// Whether it is for us, not for the peer, to go on.
    pub(crate) fn waits(&self) -> bool {
        self.flags.intersects(Flags::WAITS)
    }

    /// Whether input was read that its session will answer when output has drained, or when a job is done.
    pub(crate) fn holds_back(&self) -> bool {
        let has_held = self.flags.intersects(Flags::PAUSED | Flags::OWES_HANDLER) && self.inbox.is_some();
        self.is_open() && (self.flags.contains(Flags::HAS_JOB) || has_held)
    }

    /// Writes what is queued, in order, until all is taken, the kernel refuses, or `budget` bytes went out. Returns how
    /// many went, and how it ended.
    pub(crate) fn flush(&mut self, feeds: &mut Feeds, budget: usize) -> (usize, Flush) {
        let mut sent = 0;
        loop {
            if sent >= budget {
                return (sent, Flush::Budget);
            }
            match self.write_once(feeds) {
                Ok(0) => return (sent, Flush::Done),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (sent, Flush::Refused),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (sent, Flush::Failed(error)),
            }
        }
    }

    /// One write of all that is queued; `Ok(0)` when nothing is.
    fn write_once(&mut self, feeds: &mut Feeds) -> io::Result<usize> {
        let unsent = self.outbox.as_ref().map_or(&[][..], |outbox| outbox.unsent());
        let Some(follower_ref) = self.follower_ref else {
            if unsent.is_empty() {
                return Ok(0);
            }
            let count = self.stream.write(unsent)?;
            if let Some(outbox) = &mut self.outbox {
                outbox.consume(count);
            }
            return Ok(count);
        };
        let Feed { log, followers, .. } = &mut feeds[follower_ref.feed];
        let follower = &mut followers[follower_ref.position as usize];
        // Most writes by far, and no room for pieces is needed.
        if let Some(range) = follower.plain(log.end()) {
            let count = if range.is_empty() { 0 } else { self.stream.write(log.slice(range))? };
            follower.cursor += count as u64;
            return Ok(count);
        }
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let mut used = 0;
        for (piece, segment) in pieces.iter_mut().zip(follower.segments(log.end())) {
            *piece = IoSlice::new(match segment {
                Segment::Feed(range) => log.slice(range),
                Segment::Own(range) => &unsent[range],
            });
            used += 1;
        }
        let count = match used {
            0 => 0,
            1 => self.stream.write(&pieces[0])?,
            _ => self.stream.write_vectored(&pieces[..used])?,
        };
        follower.advance(count, self.outbox.as_deref_mut());
        Ok(count)
    }

    /// Whether a reply may be written past the queue: there is none, and the kernel has not refused.
    #[inline]
    pub(crate) fn may_write(&self, feeds: &Feeds) -> bool {
        let owes_nothing = self.outbox.is_none() && self.follower_ref.is_none() || self.is_flushed(feeds);
        self.is_open() && !self.flags.intersects(Flags::BLOCKED | Flags::SHUT_DOWN) && owes_nothing
    }

    /// Whether nothing is owed to this peer.
    pub(crate) fn is_flushed(&self, feeds: &Feeds) -> bool {
        let has_all = |(feed, follower): (&Feed, &Follower)| follower.is_caught_up(feed.log.end());
        self.queued() == 0 && self.follower(feeds).is_none_or(has_all)
    }

    /// Bytes owed to this peer, feed included.
    pub(crate) fn pending(&self, feeds: &Feeds) -> usize {
        let behind = self.follower(feeds).map_or(0, |(feed, follower)| follower.unsent_feed(feed.log.end()));
        self.queued() + behind
    }
}
