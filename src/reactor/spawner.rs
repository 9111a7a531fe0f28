//! Children: opens their sessions, reports their exits, logs their standard error, and reaps them.
//!
//! Invariant: each exit is reported to an open session once. A child is looked at when its edge or a signal of ours can
//! have changed something, never by polling.

use std::process::ExitStatus;

use crate::connection::Phase;
use crate::connection::flags::Flags;
use crate::connection::origin::Via;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::roster::NamedPeer;

impl<H: Handler> Dispatcher<H> {
    /// Opens the sessions of new children, and serves those with an edge.
    #[inline]
    pub(crate) fn serve_children(&mut self) {
        if self.state.children.has_work() {
            self.serve_ready_children();
        }
    }

    #[cold]
    fn serve_ready_children(&mut self) {
        for token in std::mem::take(&mut self.state.children.opening) {
            if self.state.connections.get(token).is_some_and(|found| found.phase == Phase::Connecting) {
                self.establish(token, Via::Spawn);
            }
        }
        for token in self.state.children.take_ready() {
            self.state.read_child_log(token, &mut self.buffer, log_line);
            if let Some(status) = self.state.children.take_exit(token) {
                self.exited(token, status);
            }
            self.state.reap_if_over(token);
        }
    }

    /// Reports the exit of a child to its session. A closing connection that has waited for it ends.
    fn exited(&mut self, token: Token, status: ExitStatus) {
        let Some(connection) = self.state.connections.get(token) else { return };
        match connection.phase {
            Phase::Open => {
                let Some(session) = self.sessions.get_mut(token.key()) else { return };
                let mut cx = Context::of_connection(&mut self.state, token);
                self.handler.exited(session, status, &mut cx);
                cx.settle();
            }
            Phase::Lingering if connection.flags.contains(Flags::EOF) => self.state.kill(token),
            Phase::Connecting | Phase::Handshaking | Phase::Flushing | Phase::Lingering | Phase::Dead => {}
        }
    }
}

fn log_line(peer: &NamedPeer<'_>, line: &[u8]) {
    log::warn!("{peer}: {}", sanitize(line));
}
