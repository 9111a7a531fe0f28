//! How the replies of a callback are sent.
//!
//! The first reply may be a slice of the input, which is not copied; all others are copied to one buffer. When the
//! callback has returned, both are written with one system call.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::{Context, ReplyTarget};
use crate::connection::token::Token;
use crate::state::{OutputSource, State};

/// The capacity that the buffer of replies retains, in bytes. A single large reply does not stay in memory.
const SCRATCH_RETAINED: usize = 64 * 1024;

impl Context<'_> {
    /// Replies with the bytes `range` of `file`, in order with the other replies.
    ///
    /// The file is not read into memory: a TCP or Unix socket gets its bytes by sendfile(2), without a copy in this
    /// process. Its bytes count as output of this connection for [`is_writable`](Self::is_writable) and
    /// [`drained`](crate::Handler::drained), but not for [`Limits::max_queue`](crate::Limits::max_queue) and
    /// [`Limits::memory_limit`](crate::Limits::memory_limit). The offset of the open file is neither used nor moved, so
    /// many connections can share one `Arc`.
    ///
    /// The bytes are read when the peer takes them, so a file that changes meanwhile is sent as it is then. If it has
    /// become shorter than the range, the connection is reset, and ends with [`Closed::Failed`](crate::Closed::Failed).
    /// A file that grows is sent up to the end of the range.
    ///
    /// While bytes come from a disk instead of the page cache, the loop waits for the disk, as it does in other servers
    /// that use sendfile(2).
    ///
    /// If the connection [follows](Self::follow) a feed after this call, the file is sent before the feed, and the
    /// limit [`Limits::feed_buffer`](crate::Limits::feed_buffer) applies in the meantime.
    ///
    /// # Errors
    /// Nothing is sent, with the kind
    ///
    /// - [`NotConnected`](io::ErrorKind::NotConnected): there is no connection, or it is no longer open for output.
    /// - [`Unsupported`](io::ErrorKind::Unsupported): the connection follows a feed, or is one over UDP.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): the range ends before it starts, or beyond the largest offset.
    pub fn reply_file(&mut self, file: Arc<File>, range: Range<u64>) -> io::Result<()> {
        let ReplyTarget::Connection(token) = self.target else { return Err(io::ErrorKind::NotConnected.into()) };
        self.queue_replies();
        self.state.queue_file(token, file, range)
    }

    /// Moves the replies made so far to the queue, so that what follows is sent after them.
    ///
    /// Over UDP, they stay: the replies of a callback are one datagram, and no feed is followed.
    pub(super) fn queue_replies(&mut self) {
        let ReplyTarget::Connection(token) = self.target else { return };
        if self.head.is_empty() && self.state.scratch.is_empty() || self.state.is_datagram(token) {
            return;
        }
        let replied = self.head.len() + self.state.scratch.len();
        self.state.queue(token, std::mem::take(&mut self.head), OutputSource::Own);
        let mut scratch = std::mem::take(&mut self.state.scratch);
        self.state.queue(token, &scratch, OutputSource::Own);
        scratch.clear();
        self.state.scratch = scratch;
        // What comes next in this callback may flush the queue, after which it no longer shows that it was full.
        self.state.pause_if_full(token, replied);
    }

    /// Moves the replies made so far to the queue if `other` is this connection, whose output is about to change.
    pub(super) fn queue_replies_to(&mut self, other: Token) {
        if self.target == ReplyTarget::Connection(other) {
            self.queue_replies();
        }
    }

    /// Runs a part of a callback, and puts what `encode` makes of its replies in their place. Without a reply, there is
    /// nothing to encode.
    #[cfg(feature = "web")]
    pub(crate) fn encode_replies<R>(
        &mut self,
        part: impl FnOnce(&mut Self) -> R,
        encode: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> R {
        let start = self.state.scratch.len();
        let result = part(self);
        debug_assert!(self.state.scratch.len() >= start, "replies were queued before they were encoded");
        let replies = self.state.scratch.split_off(start.min(self.state.scratch.len()));
        if !replies.is_empty() {
            self.state.scratch.append(&mut encode(&replies));
        }
        result
    }

    /// Ends a callback: writes its replies. The lifetime of the input ends here.
    #[expect(clippy::inline_always, reason = "on the path of every message; see docs/performance.md")]
    #[inline(always)]
    pub(crate) fn settle(self) {
        if self.state.callbacks.is_on {
            stop_callback(self.state, self.target);
        }
        let (state, head) = (self.state, self.head);
        let ReplyTarget::Connection(token) = self.target else { return settle_elsewhere(state, self.target) };
        let replied = head.len() + state.scratch.len();
        let is_sent = if state.scratch.is_empty() {
            !head.is_empty() && state.write_now(token, head, OutputSource::Own)
        } else {
            settle_copied(state, token, head)
        };
        if !is_sent || state.may_be_full(replied) {
            state.pause_if_full(token, replied);
        }
    }

    /// Ends the callback of a datagram: passes its replies to `send` as one datagram, if there was a reply.
    pub(crate) fn answer(self, send: impl FnOnce(&[u8])) {
        if self.state.callbacks.is_on {
            stop_callback(self.state, self.target);
        }
        let scratch = &mut self.state.scratch;
        match (self.head, scratch.is_empty()) {
            _ if !self.has_replied => {}
            ([], _) => send(scratch),
            (head, true) => send(head),
            (head, false) => send(&[head, scratch].concat()),
        }
        scratch.clear();
    }
}

/// Starts the measurement of a callback. Few reactors measure, so this is kept out of the path of every message.
#[cold]
pub(super) fn start_callback(state: &mut State) {
    state.callbacks.start(Instant::now());
}

/// Ends the measurement of a callback.
#[cold]
fn stop_callback(state: &mut State, target: ReplyTarget) {
    let service = state.service_of(target.session());
    state.callbacks.stop(Instant::now(), service);
}

/// Ends a callback without a connection: its replies are answers to an operator, or are dropped.
fn settle_elsewhere(state: &mut State, target: ReplyTarget) {
    if let ReplyTarget::Operator(operator) = target {
        state.operator.answer(operator, &state.scratch);
    }
    state.scratch.clear();
}

/// Writes replies of which some were copied. Returns whether everything was sent.
fn settle_copied(state: &mut State, token: Token, head: &[u8]) -> bool {
    let mut scratch = std::mem::take(&mut state.scratch);
    let is_sent = if head.is_empty() {
        state.write_now(token, &scratch, OutputSource::Own)
    } else {
        state.write_both_now(token, [head, &scratch]);
        false
    };
    scratch.clear();
    scratch.shrink_to(SCRATCH_RETAINED);
    state.scratch = scratch;
    is_sent
}

/// Writing to a context replies ([`Context::reply`]). It never fails.
impl io::Write for Context<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reply(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
