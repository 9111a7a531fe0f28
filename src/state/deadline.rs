//! The reactor's own deadline of a connection: idle, stalled, or lingering for too long.
//!
//! Invariant: a connection has at most one. It is lazy: moving bytes only notes the time, and a deadline that is due is
//! set again if bytes have moved since it was set.

use std::io;
use std::time::Duration;

use crate::connection::Phase;
use crate::connection::closed::Closed;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::state::limits::Limits;
use crate::state::stop::Stop;
use crate::state::{State, TimerTarget};

impl State {
    /// Replaces the deadline of a connection.
    pub(crate) fn set_deadline(&mut self, token: Token, after: Duration) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let new = self.timers.set(self.clock.after(after), TimerTarget::Deadline(token));
        if let Some(old) = connection.deadline.replace(new) {
            self.timers.cancel(old);
        }
    }

    /// Replaces the deadline of a connection, unless it has one that is due earlier.
    pub(crate) fn bring_deadline_forward(&mut self, token: Token, after: Duration) {
        let set = self.connections.get(token).and_then(|found| found.deadline).map(|id| self.timers.deadline(id));
        if set.is_none_or(|set| self.clock.after(after) < set) {
            self.set_deadline(token, after);
        }
    }

    /// Handles a deadline that is due, by the phase of its connection.
    pub(crate) fn deadline_due(&mut self, token: Token, id: TimerId) {
        self.retry_output(token);
        let Some(connection) = self.connections.get_mut(token).filter(|found| found.deadline == Some(id)) else {
            self.stats.stale += 1;
            return;
        };
        connection.deadline = None;
        let quiet = self.clock.since(connection.last_active);
        match connection.phase {
            Phase::Open => return self.open_deadline_due(token, quiet),
            // When stopping, the drain time is the only limit. A second request to stop ends it.
            Phase::Flushing if self.stop >= Stop::Draining => return,
            Phase::Lingering if self.stop >= Stop::Draining && connection.is_child() => return,
            Phase::Flushing => {}
            Phase::Connecting => return self.fail_try(token, io::ErrorKind::TimedOut.into()),
            Phase::Handshaking | Phase::Lingering | Phase::Dead => return self.kill(token),
        }
        let limit = self.limits.flush_stall;
        if let Some(left) = limit.checked_sub(quiet).filter(|left| !left.is_zero()) {
            return self.set_deadline(token, left);
        }
        let peer = self.roster.named(token, connection.peer);
        self.peer_log.stuck(peer, connection.undelivered(&self.feeds), limit, self.clock.now());
        self.kill(token);
    }

    /// Closes an open connection that has been idle or stalled for too long. Otherwise sets its next deadline.
    ///
    /// `quiet` is the time between the last move of bytes and the horizon.
    fn open_deadline_due(&mut self, token: Token, quiet: Duration) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let &Limits { idle_timeout, queue_time, .. } = self.services.limits_of(token, connection);
        let mut next = Duration::MAX;
        if let (Some(limit), Some(&since)) = (queue_time, self.stalled_since.get(token.key())) {
            let left = limit.saturating_sub(self.clock.horizon().saturating_duration_since(since));
            if left.is_zero() && connection.has_output_from_others(&self.feeds) {
                let queued = connection.pending_from_others(&self.feeds);
                return self.abort(token, Closed::QueueStalled { queued, limit });
            }
            // Only answers to the peer's own input, or output of the console, are pending. They have no time limit.
            next = if left.is_zero() { limit } else { left };
        }
        if let Some(limit) = idle_timeout {
            let left = limit.saturating_sub(quiet);
            if left.is_zero() && !connection.waits_for_server() {
                return self.close(token, Closed::Idle(limit));
            }
            next = next.min(if left.is_zero() { limit } else { left });
        }
        if next < Duration::MAX {
            self.set_deadline(token, next);
        }
    }
}
