//! Files as output.
//!
//! Invariants: a connection has no pending file while it follows a feed, unless the file was queued before that; the
//! range of a pending file is not empty.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

use crate::connection::closed::Closed;
use crate::connection::flags::Flags;
use crate::connection::token::Token;
use crate::state::State;

impl State {
    /// Queues a range of a file for an open connection, as output of its own.
    ///
    /// # Errors
    /// See [`Context::reply_file`](crate::Context::reply_file).
    pub(crate) fn queue_file(&mut self, token: Token, file: Arc<File>, range: Range<u64>) -> io::Result<()> {
        let connection = self.connections.get_open(token).filter(|found| !found.flags.contains(Flags::SHUT_DOWN));
        let connection =
            connection.ok_or_else(|| refusal(ErrorKind::NotConnected, "the connection takes no output"))?;
        if connection.stream.is_datagram() {
            return Err(refusal(ErrorKind::Unsupported, "a file is no datagram"));
        }
        if connection.follower_ref.is_some() {
            return Err(refusal(ErrorKind::Unsupported, "a follower of a feed receives no files"));
        }
        // The largest offset of Linux. The sum of all pending ranges has this bound, too.
        let pending = connection.outbox.as_ref().map_or(0, |outbox| outbox.file_bytes());
        if range.start > range.end || range.end > i64::MAX as u64 - pending {
            return Err(refusal(ErrorKind::InvalidInput, "the range is not one of a file"));
        }
        if range.is_empty() {
            return Ok(());
        }
        connection.outbox.get_or_insert_default().push_file(file, range);
        self.mark_dirty(token);
        self.pause_if_full(token, 0);
        Ok(())
    }

    /// Ends a connection that has failed while it was written to.
    #[cold]
    pub(super) fn output_failed(&mut self, token: Token, error: io::Error) {
        if let Some(connection) = self.connections.get_mut(token).filter(|found| found.has_files()) {
            connection.stream.reset_on_drop();
            if error.kind() == ErrorKind::UnexpectedEof {
                // Often the session is over, so that `closed` could not report it.
                let peer = self.roster.named(token, connection.peer);
                self.peer_log.truncated(peer, &error, self.clock.now());
            }
        }
        self.abort(token, Closed::Failed(error));
    }
}

fn refusal(kind: ErrorKind, text: &str) -> io::Error {
    io::Error::new(kind, text)
}
