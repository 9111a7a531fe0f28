//! The reactor's own deadline of a connection: idle, stalled, or too long at its end.
//!
//! Invariant: a connection has at most one. It is lazy: what moves bytes only notes the time, and when the deadline is due it
//! is set anew if something has moved since.

use std::time::Duration;

use crate::connection::Phase;
use crate::connection::closed::Closed;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::state::limits::Limits;
use crate::state::{State, Stop, TimerTarget};

impl State {
    /// Replaces the reactor's own deadline of a connection.
    pub(crate) fn set_deadline(&mut self, token: Token, after: Duration) {
        let Some(deadline) = self.now.checked_add(after) else { return };
        let Some(connection) = self.connections.get_mut(token) else { return };
        let new = self.timers.set(deadline, TimerTarget::Deadline(token));
        if let Some(old) = connection.deadline.replace(new) {
            self.timers.cancel(old);
        }
    }

    /// The same, unless it has one that is due earlier.
    pub(crate) fn bring_deadline_forward(&mut self, token: Token, after: Duration) {
        let due = self.now.checked_add(after);
        let set = self.connections.get(token).and_then(|found| found.deadline).map(|id| self.timers.deadline(id));
        if set.is_none_or(|set| due.is_some_and(|due| due < set)) {
            self.set_deadline(token, after);
        }
    }

    /// The reactor's own deadline of a connection is due: what it means depends on the phase.
    pub(crate) fn deadline_due(&mut self, token: Token, id: TimerId) {
        let now = self.nanos();
        let Some(connection) = self.connections.get_mut(token).filter(|found| found.deadline == Some(id)) else {
            self.stats.stale += 1;
            return;
        };
        connection.deadline = None;
        let quiet = Duration::from_nanos(now.saturating_sub(connection.last_active));
        match connection.phase {
            Phase::Open => return self.open_deadline_due(token, quiet),
            // When stopping, the time to drain is the only limit, and whoever chose none has a second signal.
            Phase::Flushing if self.stop >= Stop::Draining => return,
            Phase::Flushing => {}
            Phase::Connecting | Phase::Lingering | Phase::Dead => return self.kill(token),
        }
        let limit = self.limits.flush_stall;
        if let Some(left) = limit.checked_sub(quiet).filter(|left| !left.is_zero()) {
            return self.set_deadline(token, left);
        }
        self.peer_log.stuck(connection.peer, (connection.pending(&self.feeds), limit), self.now);
        self.kill(token);
    }

    /// An open connection was quiet for that long: closes it if that is too long, or if it has taken nothing of what others
    /// have for it; else looks again when either may be so.
    fn open_deadline_due(&mut self, token: Token, quiet: Duration) {
        let now = self.nanos();
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Limits { idle_timeout, queue_time, .. } = self.services[connection.service].limits;
        let since = connection.stalled_since(&mut self.feeds).map_or(0, |since| *since);
        let mut next = Duration::MAX;
        if let Some(limit) = queue_time
            && since > 0
        {
            let left = limit.saturating_sub(Duration::from_nanos(now - since));
            if left.is_zero() && connection.has_output_from_others(&self.feeds) {
                let queued = connection.pending_from_others(&self.feeds);
                return self.abort(token, Closed::QueueStalled { queued, limit });
            }
            // What is stuck may be answers to itself only, or what was typed for it: that may last.
            next = if left.is_zero() { limit } else { left };
        }
        if let Some(limit) = idle_timeout {
            let left = limit.saturating_sub(quiet);
            if left.is_zero() && !connection.waits() {
                return self.close(token, Closed::Idle(limit));
            }
            // While it is for us to go on, it is the peer that waits.
            next = next.min(if left.is_zero() { limit } else { left });
        }
        if next < Duration::MAX {
            self.set_deadline(token, next);
        }
    }
}
