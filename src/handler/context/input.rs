//! The input of a connection and of the console: whether more follows, and when it is passed on.

use std::time::Duration;

use super::{Context, ReplyTarget};
use crate::connection::Connection;
use crate::connection::flags::Flags;
use crate::connection::token::Token;

impl Context<'_> {
    /// Whether the peer of this connection has ended its side: no input follows the present one. True without a
    /// connection.
    #[must_use]
    pub fn is_eof(&self) -> bool {
        self.has_flag_or_no_connection(Flags::EOF)
    }

    /// Whether the end of the peer's side is known, even if input before it was not passed yet. True without a
    /// connection. [`is_eof`](Self::is_eof) follows when all input was passed.
    #[must_use]
    pub fn is_peer_ending(&self) -> bool {
        self.has_flag_or_no_connection(Flags::PEER_ENDING)
    }

    fn has_flag_or_no_connection(&self, flag: Flags) -> bool {
        let ReplyTarget::Connection(token) = self.target else { return true };
        self.state.connections.get(token).is_some_and(|found| found.flags.contains(flag))
    }

    /// Whether the handler should use more input of this connection now.
    ///
    /// True if the connection [is open](Self::is_open) and [writable](Self::is_writable), has no job under way
    /// ([`offload`](Self::offload)), its input is neither paused ([`pause_input`](Self::pause_input)) nor held
    /// ([`hold_input`](Self::hold_input)), and the destination of its [relay](Self::relay) is not full. A handler that
    /// uses its input message by message asks before each one. Unused input is passed again when this is true.
    #[must_use]
    pub fn may_continue(&self) -> bool {
        let takes_more = |found: &Connection| found.is_open() && !found.is_suspended();
        let connection = self.session().map(|session| self.state.connections.get(session));
        self.is_writable() && connection.is_none_or(|found| found.is_some_and(takes_more))
    }

    /// Passes no input of this connection to the handler for the duration `time`.
    ///
    /// The peer is not read in the meantime, so it is slowed down and loses nothing. A stop of the reactor ends the
    /// pause. No effect while the input is paused already.
    pub fn pause_input(&mut self, time: Duration) {
        if let Some(session) = self.session()
            && !time.is_zero()
        {
            self.state.pause_input(session, time);
        }
    }

    /// Ends the pause of [`pause_input`](Self::pause_input). What has waited follows after this callback.
    pub fn resume_input(&mut self) {
        if let Some(session) = self.session() {
            self.state.resume_input(session);
        }
    }

    /// Passes no input of this connection to the handler until [`release_input`](Self::release_input).
    ///
    /// As in [`pause_input`](Self::pause_input), the peer loses nothing. A hold is apart from the pauses: none ends the
    /// other. If the peer resets the connection meanwhile, or closes it and all of its input was used, the session
    /// ends. A stop of the reactor ends the hold, unless the connection is an end of a [relay](Self::relay) or
    /// [closes last](crate::Link::closes_last).
    pub fn hold_input(&mut self) {
        if let Some(session) = self.session() {
            self.state.hold_input(session);
        }
    }

    /// Ends the hold of [`hold_input`](Self::hold_input). What has waited follows after this callback.
    pub fn release_input(&mut self) {
        if let Some(session) = self.session() {
            self.release_input_of(session);
        }
    }

    /// Ends the hold of the connection `other`, as [`release_input`](Self::release_input) does for this one.
    pub fn release_input_of(&mut self, other: Token) {
        self.state.release_input(other);
    }

    /// Stops reading the console, until [`resume_console`](Self::resume_console): for a handler that could only queue
    /// the lines.
    pub fn pause_console(&mut self) {
        self.state.operator.is_console_paused = true;
    }

    /// Reads the console again after [`pause_console`](Self::pause_console).
    pub fn resume_console(&mut self) {
        self.state.operator.is_console_paused = false;
    }

    /// The input of this connection that the handler has not used. Empty within [`data`](crate::Handler::data).
    #[cfg(feature = "http")]
    pub(crate) fn unused_input(&self) -> &[u8] {
        let connection = self.session().and_then(|session| self.state.connections.get(session));
        connection.and_then(|found| found.inbox.as_deref()).map_or(&[], |inbox| inbox.bytes())
    }
}
