//! The end of connections and of the reactor.

use super::Context;
use crate::connection::closed::Closed;
use crate::connection::token::Token;

impl Context<'_> {
    /// Closes this connection after its queued output was sent.
    ///
    /// Then our side is shut down, and the peer's end is awaited for at most [`Limits::linger`](crate::Limits::linger).
    /// Replies after this call are dropped. [`Handler::closed`](crate::Handler::closed) follows.
    pub fn close(&mut self) {
        if let Some(session) = self.session() {
            self.close_other(session);
        }
    }

    /// Closes the connection `other` as [`close`](Self::close) closes this one.
    pub fn close_other(&mut self, other: Token) {
        self.queue_replies_to(other);
        self.state.close(other, Closed::ByHandler);
    }

    /// Closes this connection at once and discards its queued output. [`Handler::closed`](crate::Handler::closed)
    /// follows.
    pub fn abort(&mut self) {
        if let Some(session) = self.session() {
            self.abort_other(session);
        }
    }

    /// Closes the connection `other` as [`abort`](Self::abort) closes this one.
    pub fn abort_other(&mut self, other: Token) {
        self.state.abort(other, Closed::ByHandler);
    }

    /// Closes this connection as [`abort`](Self::abort) does, with a reset. The peer gets nothing that it has not taken
    /// yet, and cannot take what it got for all of it.
    #[cfg(feature = "http")]
    pub(crate) fn reset(&mut self) {
        if let Some(connection) = self.session().and_then(|session| self.state.connections.get_mut(session)) {
            connection.stream.reset_on_drop();
        }
        self.abort();
    }

    /// Shuts down our side of this connection (a half-close) after its queued output was sent.
    ///
    /// Its input continues. Output for it after this call is dropped, and it follows no feed.
    pub fn shut_down(&mut self) {
        if let Some(session) = self.session() {
            self.shut_down_other(session);
        }
    }

    /// Shuts down our side of the connection `other`, as [`shut_down`](Self::shut_down) does for this one.
    pub fn shut_down_other(&mut self, other: Token) {
        self.queue_replies_to(other);
        self.state.shut_down(other);
    }

    /// Stops the reactor. It accepts no more, closes every connection after its queued output was sent, and waits for
    /// that no longer than [`Limits::drain`](crate::Limits::drain).
    pub fn stop(&mut self) {
        self.state.stop.request();
    }
}
