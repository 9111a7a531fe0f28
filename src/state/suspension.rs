//! Suspended input: a pause for a time, a hold until the handler releases it, and a relay whose destination is full.
//!
//! Invariant: each cause has a flag of its own, and the end of one cause does not end the others. While there is one,
//! the peer is not read, so what it sends waits in the kernel and nothing is lost.

use std::io;
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::flags::Flags;
use crate::connection::token::Token;
use crate::state::stop::Stop;
use crate::state::{State, TimerTarget};

impl State {
    /// Pauses the input of a session for `time`, unless the server is stopping.
    pub(crate) fn pause_input(&mut self, token: Token, time: Duration) {
        if self.stop >= Stop::Draining {
            return;
        }
        let Some(connection) = self.connections.get_open(token) else { return };
        if !connection.flags.put(Flags::INPUT_PAUSED) {
            let end = self.timers.set(self.clock.after(time), TimerTarget::InputPause(token));
            self.pauses.insert(token.key(), end);
        }
    }

    /// Ends the pause of [`pause_input`](Self::pause_input).
    pub(crate) fn resume_input(&mut self, token: Token) {
        if let Some(id) = self.pauses.remove(token.key()) {
            self.timers.cancel(id);
        }
        self.end_suspension(token, Flags::INPUT_PAUSED);
    }

    /// Holds the input of a session until [`release_input`](Self::release_input), unless the server is stopping and the
    /// session does not go on.
    pub(crate) fn hold_input(&mut self, token: Token) {
        let is_stopping = self.stop >= Stop::Draining;
        if let Some(connection) = self.connections.get_open(token)
            && (!is_stopping || connection.flags.intersects(Flags::GOES_ON))
        {
            connection.flags.insert(Flags::HELD);
        }
    }

    /// Ends the hold of [`hold_input`](Self::hold_input).
    pub(crate) fn release_input(&mut self, token: Token) {
        self.end_suspension(token, Flags::HELD);
    }

    /// Ends one cause of a suspension. If there is no other cause, the input that has waited is due in the next turn.
    pub(super) fn end_suspension(&mut self, token: Token, cause: Flags) {
        if let Some(connection) = self.connections.get_mut(token)
            && connection.flags.take(cause)
        {
            connection.flags.insert(Flags::REDELIVER);
            connection.last_active = self.clock.nanos();
            self.mark_ready(token);
        }
    }

    /// Ends a session whose peer is gone while its input is held or its relay is full. No read would notice it.
    ///
    /// A peer that has only closed in good order may have left input, which the handler still gets. The peer of a full
    /// relay is not even missed: what it has sent is on its way.
    pub(crate) fn abort_if_gone(&mut self, token: Token) {
        let Some(connection) = self.connections.get_open(token) else { return };
        let flags = connection.flags;
        // A child has ended its output, which may be unread (`EPOLLHUP` of a pipe, poll(2)).
        if !flags.intersects(Flags::HELD | Flags::RELAY_FULL) || connection.is_child() {
            return;
        }
        let cause = match connection.stream.take_error() {
            Ok(None) => {
                // With both sides shut down in good order, the kernel reports the same as for a peer that is gone.
                let is_expected = flags.intersects(Flags::RELAY_FULL | Flags::SHUT_DOWN);
                if is_expected || connection.inbox.is_some() || connection.stream.has_unread() {
                    return;
                }
                io::ErrorKind::ConnectionReset.into()
            }
            Ok(Some(error)) | Err(error) => error,
        };
        self.abort(token, Closed::Failed(cause));
    }
}
