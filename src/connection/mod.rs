//! The reactor's side of one peer: its stream, its unused input, its pending output, and its phase.
//!
//! ```text
//!  Connecting --> Handshaking --> Open --close--> Flushing --all taken, our side shut--> Lingering --EOF, 1 s--> Dead
//!       |              |           |                 |                                      |                     ^
//!       +--------------+-----------+-----------------+------- reset, abort, limit ----------+---------------------+
//! ```
//!
//! Invariants: a session exists while the phase is `Open`, and until `closed` was called for it; an idle connection has
//! no inbox and no outbox; a follower reference names a follower of this connection. A connection decides nothing about
//! other connections.

pub(crate) mod child;
pub(crate) mod closed;
pub(crate) mod edge;
pub(crate) mod feed;
pub(crate) mod feeds;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod framing_error;
pub(crate) mod handshake;
pub(crate) mod ids;
pub(crate) mod inbox;
pub(crate) mod link;
pub(crate) mod origin;
pub(crate) mod outbox;
pub(crate) mod pipe;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod spawn;
pub(crate) mod stream;
pub(crate) mod timer_id;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod traced;

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};

use crate::connection::feed::{Feed, Follower, FollowerRef, Segment};
use crate::connection::feeds::Feeds;
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::inbox::Inbox;
use crate::connection::origin::Peer;
use crate::connection::outbox::Outbox;
use crate::connection::stream::Stream;
use crate::connection::timer_id::TimerId;

/// The phases of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Outbound and not established yet, or of a child whose session is not open yet.
    Connecting,
    /// Established, and not ready for a session yet: the steps of its handshake are under way. Most connections have
    /// none, and skip this phase.
    Handshaking,
    /// There is a session.
    Open,
    /// The session is over. Pending output is sent, input is discarded.
    Flushing,
    /// All output is sent and the server's side is shut down. Input is discarded until the peer ends its side, too.
    Lingering,
    /// To be removed at the end of this turn.
    Dead,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    /// Unused input. Boxed, since most connections have none most of the time.
    pub(crate) inbox: Option<Box<Inbox>>,
    /// Pending output, except that of a feed.
    pub(crate) outbox: Option<Box<Outbox>>,
    /// The position in the feed that is followed.
    pub(crate) follower_ref: Option<FollowerRef>,
    /// The reactor's own timer: idle timeout while open, stall timeout while flushing, end of lingering.
    pub(crate) deadline: Option<TimerId>,
    /// When bytes last moved, in nanoseconds of the reactor's clock.
    pub(crate) last_active: u64,
    /// When it was opened, in seconds of the reactor's clock.
    pub(crate) opened: u32,
    /// The service whose limits apply.
    pub(crate) service: ServiceId,
    pub(crate) phase: Phase,
    pub(crate) flags: Flags,
}

/// How a flush ended.
#[derive(Debug)]
pub(crate) enum Flush {
    /// Nothing is left.
    Done,
    /// The kernel takes no more for now.
    Refused,
    /// The budget is used up, and more is left.
    Budget,
    /// The transport has failed.
    Failed(io::Error),
}

/// Pieces in one vectored write. 32: two for each of sixteen splices, well under Linux's limit of 1024.
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
            opened: 0,
            service,
            phase,
            flags: Flags::empty(),
        }
    }

    /// Replaces a proxy by the client that its header has named, if there is one.
    pub(crate) fn reveal(&mut self, client: Option<SocketAddr>) {
        self.flags.remove(Flags::HOST_UNKNOWN);
        self.peer = client.map_or(self.peer, Peer::Inet);
        if let Stream::Traced(traced) = &mut self.stream {
            traced.peer = self.peer;
        }
    }

    /// The host of the peer, for limits. A peer of a Unix socket has none, and neither has a proxy before its header.
    pub(crate) fn host(&self) -> Option<IpAddr> {
        match self.peer {
            Peer::Inet(address) if !self.flags.contains(Flags::HOST_UNKNOWN) => Some(address.ip()),
            _ => None,
        }
    }

    /// The number of unsent bytes in the outbox. They are memory; files are not.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }

    /// The amount of output in the outbox that the peer's own input caused, files included. While there is much, the
    /// peer is not read.
    ///
    /// Output of others does not count: two programs that each send before they read would wait for each other for
    /// ever.
    pub(crate) fn queued_own(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.own())
    }

    /// The number of unsent bytes in the outbox that were relayed. While there are many, their source is not read.
    pub(crate) fn queued_relayed(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.relayed())
    }

    /// The feed that is followed, and the position in it.
    fn follower<'a>(&self, feeds: &'a Feeds) -> Option<(&'a Feed, &'a Follower)> {
        let follower_ref = self.follower_ref?;
        let feed = &feeds[follower_ref.feed];
        Some((feed, &feed.followers[follower_ref.position as usize]))
    }

    /// The end of the feed that is followed, and the position in it.
    pub(crate) fn follower_mut<'a>(&self, feeds: &'a mut Feeds) -> Option<(u64, &'a mut Follower)> {
        let follower_ref = self.follower_ref?;
        let feed = &mut feeds[follower_ref.feed];
        Some((feed.log.end(), &mut feed.followers[follower_ref.position as usize]))
    }

    /// Whether output of others is pending. Output of the console does not count.
    pub(crate) fn has_output_from_others(&self, feeds: &Feeds) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.has_others()) || self.pending(feeds) > self.queued()
    }

    /// An upper bound of the pending bytes that others have caused: theirs in the outbox, and all of the feed.
    pub(crate) fn pending_from_others(&self, feeds: &Feeds) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.others()) + self.pending(feeds) - self.queued()
    }

    /// Whether the peer is a program that a handler has started.
    pub(crate) fn is_child(&self) -> bool {
        matches!(self.peer, Peer::Child(_))
    }

    /// Whether there is a session.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether input may be delivered now: there is a session, its output has drained, `drained` was called, and its
    /// input is not suspended.
    pub(crate) fn takes_input(&self) -> bool {
        self.is_open() && !self.flags.intersects(Flags::OUTPUT_FULL | Flags::NOTIFY_DRAINED | Flags::SUSPENDED)
    }

    /// Whether the input is suspended by the server: the peer waits for it.
    pub(crate) fn is_suspended(&self) -> bool {
        self.flags.intersects(Flags::SUSPENDED)
    }

    /// Whether the peer waits for the server: its input is suspended. A destination that takes none of its relayed
    /// output does not wait, even if it is a source, too, and its own destination is full.
    pub(crate) fn waits_for_server(&self) -> bool {
        let takes_nothing = self.flags.contains(Flags::WRITE_BLOCKED) && self.queued_relayed() > 0;
        self.is_suspended() && !takes_nothing
    }

    /// Whether the next turn reads, delivers or discards input of this connection without a new edge.
    pub(crate) fn has_input_due(&self) -> bool {
        let is_taken = match self.phase {
            Phase::Open => !self.flags.intersects(Flags::OUTPUT_FULL | Flags::SUSPENDED),
            Phase::Handshaking | Phase::Flushing | Phase::Lingering => true,
            Phase::Connecting | Phase::Dead => false,
        };
        self.flags.contains(Flags::READY) && self.flags.intersects(Flags::MAY_READ | Flags::CALL_FIRST) && is_taken
    }

    /// Whether the session has a job under way, or unused input that it will answer when its output has drained.
    pub(crate) fn has_unanswered_input(&self) -> bool {
        let has_unused = self.flags.intersects(Flags::OUTPUT_FULL | Flags::CALL_FIRST) && self.inbox.is_some();
        self.is_open() && (self.flags.contains(Flags::HAS_JOB) || has_unused)
    }

    /// Writes pending output in order until nothing is left, the kernel refuses, or `budget` bytes are sent. Returns
    /// the number of bytes sent.
    pub(crate) fn flush(&mut self, feeds: &mut Feeds, budget: usize) -> (usize, Flush) {
        let mut sent = 0;
        loop {
            if sent >= budget {
                return (sent, Flush::Budget);
            }
            match self.write_once(feeds, budget - sent) {
                Ok(0) => return (sent, self.flush_stream()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (sent, Flush::Refused),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (sent, Flush::Failed(error)),
            }
        }
    }

    /// Ends a flush: sends what the stream itself has for the peer.
    fn flush_stream(&mut self) -> Flush {
        match self.stream.flush() {
            Ok(()) => Flush::Done,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Flush::Refused,
            Err(error) => Flush::Failed(error),
        }
    }

    /// Writes all pending output in one call, or the output before or in the first file. Returns 0 if there is none.
    /// `budget` bounds the bytes of a file.
    fn write_once(&mut self, feeds: &mut Feeds, budget: usize) -> io::Result<usize> {
        let unsent = match &self.outbox {
            None => &[][..],
            Some(outbox) if outbox.first_file().is_some() => return self.write_to_file(budget),
            Some(outbox) => outbox.unsent(),
        };
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
        // Nearly every write of a feed is one range, for which no array of pieces is needed.
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

    /// Writes the bytes before the first file or, if there are none, at most `budget` bytes of the file. What a feed
    /// has for this connection follows the files.
    #[cold]
    fn write_to_file(&mut self, budget: usize) -> io::Result<usize> {
        let Connection { stream, outbox: Some(outbox), .. } = self else { return Ok(0) };
        let bytes = outbox.before_files();
        if !bytes.is_empty() {
            let count = stream.write_before_file(bytes)?;
            outbox.consume(count);
            return Ok(count);
        }
        let Some(file) = outbox.first_file() else { return Ok(0) };
        let count = file.send(stream, budget)?;
        outbox.consume_file(count);
        Ok(count)
    }

    /// Whether a reply may be written at once: no output is pending before it, and the kernel has not refused any.
    #[inline]
    pub(crate) fn may_write(&self, feeds: &Feeds) -> bool {
        let has_nothing_before = self.outbox.is_none() && self.follower_ref.is_none() || self.is_flushed(feeds);
        self.is_open() && !self.flags.intersects(Flags::WRITE_BLOCKED | Flags::SHUT_DOWN) && has_nothing_before
    }

    /// Whether no output is pending.
    pub(crate) fn is_flushed(&self, feeds: &Feeds) -> bool {
        let is_caught_up = |(feed, follower): (&Feed, &Follower)| follower.is_caught_up(feed.log.end());
        self.outbox.as_ref().is_none_or(|outbox| outbox.is_empty()) && self.follower(feeds).is_none_or(is_caught_up)
    }

    /// The number of pending bytes in memory: those in the outbox and in the feed.
    pub(crate) fn pending(&self, feeds: &Feeds) -> usize {
        let behind = self.follower(feeds).map_or(0, |(feed, follower)| follower.unsent_feed(feed.log.end()));
        self.queued() + behind
    }

    /// Whether a file is pending.
    pub(crate) fn has_files(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.first_file().is_some())
    }

    /// The number of pending bytes, those of files included.
    pub(crate) fn undelivered(&self, feeds: &Feeds) -> u64 {
        self.pending(feeds) as u64 + self.outbox.as_ref().map_or(0, |outbox| outbox.file_bytes())
    }
}
