//! What the log says of peers: at most one warning per interval for each kind of event, so that no crowd can fill a disk.
//!
//! A warning that is held back is counted in the next of its kind, and said at once as information, for whoever follows
//! every connection (`-v`).

use std::fmt;
use std::io;
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use crate::connection::closed::Closed;
use crate::connection::framing_error::FramingError;
use crate::connection::origin::Peer;
use crate::state::admission::Refusal;
use crate::state::throttle::Throttles;

/// Says what becomes of peers.
#[derive(Debug)]
pub(crate) struct PeerLog {
    warnings: Throttles<Kind>,
}

/// What is counted apart.
#[derive(Debug, PartialEq)]
enum Kind {
    Refused(Refusal),
    Lost,
    Closed(Discriminant<Closed>),
    Stuck,
    Framing(Discriminant<FramingError>),
}

impl PeerLog {
    pub(crate) fn new() -> Self {
        PeerLog { warnings: Throttles::new() }
    }

    /// A client was not let in.
    pub(crate) fn refused(&mut self, peer: Peer, refusal: Refusal, now: Instant) {
        self.warn(Kind::Refused(refusal), now, &format_args!("{peer} refused: {refusal}"));
    }

    /// A client was let in, and the poll would not have it.
    pub(crate) fn lost(&mut self, peer: Peer, error: &io::Error, now: Instant) {
        self.warn(Kind::Lost, now, &format_args!("{peer} lost: {error}"));
    }

    /// A session is over, and so many are left. What limits did is a warning, what the peer or the handler did is not.
    pub(crate) fn closed(&mut self, peer: Peer, why: &Closed, left: usize, now: Instant) {
        let line = format_args!("{peer} closed: {why} ({left} connections)");
        if why.is_by_limit() {
            self.warn(Kind::Closed(discriminant(why)), now, &line);
        } else {
            log::info!("{line}");
        }
    }

    /// A peer whose session is over has taken nothing of the rest for so long.
    pub(crate) fn stuck(&mut self, peer: Peer, bytes: usize, limit: Duration, now: Instant) {
        self.warn(Kind::Stuck, now, &format_args!("{peer} dropped: {bytes} bytes not taken for {limit:?}"));
    }

    /// What a peer has sent is not in the form that was agreed on, and is lost.
    pub(crate) fn framing(&mut self, peer: Peer, error: &FramingError, now: Instant) {
        self.warn(Kind::Framing(discriminant(error)), now, &format_args!("{peer}: {error}"));
    }

    fn warn(&mut self, kind: Kind, now: Instant, line: &fmt::Arguments<'_>) {
        match self.warnings.note(kind, now) {
            Some(repeats) => log::warn!("{line}{repeats}"),
            None => log::info!("{line}"),
        }
    }
}
