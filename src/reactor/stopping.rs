//! The stop: what it ends at once, what it lets go on for a while, and what it drops.
//!
//! Invariants: a connection that closes last is dismissed after all others of its service are removed. The drain time
//! bounds all waiting, and a second request to stop ends it.

use crate::connection::closed::Closed;
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::stop::Stop;

impl<H: Handler> Dispatcher<H> {
    /// Takes a stop one step further, at the end of a turn. `requests` is the number of requests to stop since the last
    /// turn.
    #[inline]
    pub(crate) fn step_stop(&mut self, requests: usize) {
        if requests > 0 || self.state.stop > Stop::Running {
            self.step(requests);
        }
    }

    // Apart from the path of every turn, where it would take 20 instructions.
    #[cold]
    fn step(&mut self, requests: usize) {
        let state = &mut self.state;
        state.stop = state.stop.after(requests);
        match state.stop {
            Stop::Requested => {
                state.drain_deadline = state.clock.now().checked_add(state.limits.drain);
                self.call(ServiceId::DEFAULT, Handler::stopping);
                self.drain();
                self.flush_and_reap();
                self.end_last();
            }
            // The drain time is for connections. Standard output may take longer.
            Stop::Draining if state.drain_deadline.is_some_and(|deadline| deadline <= state.clock.horizon()) => {
                self.stop_now();
            }
            Stop::Draining => self.end_last(),
            Stop::Running => {}
            Stop::Now => self.stop_now(),
        }
    }

    /// Ends every session, except those that go on for a while.
    fn drain(&mut self) {
        self.state.stop = Stop::Draining;
        for token in self.state.connections.tokens() {
            let connection = &self.state.connections[token];
            if connection.is_open() && connection.flags.contains(Flags::CLOSES_LAST) {
                self.state.work.last.push(token);
            } else {
                self.end(token);
            }
        }
    }

    /// Ends a session because the reactor is stopping, unless it has input that is not answered yet, or is an end of a
    /// relay. The former ends after its answer, the latter when its peer or the handler ends it.
    fn end(&mut self, token: Token) {
        if !self.state.connections[token].flags.contains(Flags::RELAYING) {
            self.state.resume_input(token);
            self.state.release_input(token);
            if !self.state.connections[token].has_unanswered_input() {
                self.dismiss(token);
            }
        }
        // Serves lingering connections once more: a peer that sends nothing is not waited for when stopping.
        self.state.mark_ready(token);
    }

    /// Ends the connections that close last, if all others of their service are removed.
    fn end_last(&mut self) {
        if self.state.work.last.is_empty() {
            return;
        }
        let last = std::mem::take(&mut self.state.work.last);
        let (due, waiting) = last.into_iter().partition::<Vec<_>, _>(|&token| self.state.is_last(token));
        self.state.work.last = waiting;
        for token in due {
            if let Some(connection) = self.state.connections.get_mut(token) {
                connection.flags.remove(Flags::CLOSES_LAST);
                self.end(token);
            }
        }
        self.flush_and_reap();
    }

    /// Closes a connection because the reactor is stopping, after its session was told.
    pub(super) fn dismiss(&mut self, token: Token) {
        let session = self.sessions.get_mut(token.key());
        if let Some(session) = session.filter(|_| self.state.connections.is_open(token)) {
            let mut cx = Context::of_connection(&mut self.state, token);
            self.handler.dismissed(session, &mut cx);
            cx.settle();
        }
        self.state.close(token, Closed::Stopping);
    }

    /// Drops every connection and every job, and logs the number of bytes that were not delivered.
    fn stop_now(&mut self) {
        self.state.drain_deadline = None;
        let (connections, bytes) = self.drop_all();
        if bytes > 0 {
            log::warn!("stopped with {bytes} bytes not delivered to {connections} connections");
        }
    }

    /// Drops every connection and every job. Returns the number of connections with pending bytes, and the number of
    /// these bytes.
    pub(crate) fn drop_all(&mut self) -> (usize, u64) {
        let pending = self.state.connections.values().map(|connection| connection.undelivered(&self.state.feeds));
        let undelivered =
            pending.filter(|&bytes| bytes > 0).fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
        for token in self.state.connections.tokens() {
            let connection = &mut self.state.connections[token];
            if connection.flags.contains(Flags::RELAYING) {
                // The peer must not take the part that it got for the whole.
                connection.stream.reset_on_drop();
            }
            self.state.abort(token, Closed::Stopping);
        }
        self.flush_and_reap();
        self.state.jobs.give_up();
        undelivered
    }
}
