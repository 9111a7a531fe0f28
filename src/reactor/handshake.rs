//! The time between accept or connect and the session: the steps of a handshake.
//!
//! Invariants: a connection in the phase `Handshaking` has no session, and an entry in `State::handshakes`; it becomes
//! `Open` or `Dead` within the handshake timeout. An edge only puts it on the ready list. So handshakes advance in the
//! order of their edges, and the budget of a turn bounds the time that they take from open sessions.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::connection::Phase;
use crate::connection::flags::Flags;
use crate::connection::handshake::{Handshake, HandshakeError, Progress, Step};
use crate::connection::origin::Via;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::reactor::dispatcher::Dispatcher;

impl<H: Handler> Dispatcher<H> {
    /// Begins the handshake of a new connection.
    pub(super) fn begin_handshake(&mut self, token: Token, via: Via, step: Step) {
        let is_outbound = matches!(via, Via::Connect { .. });
        self.state.connections[token].phase = Phase::Handshaking;
        self.state.handshakes.insert(token.key(), Handshake { via, step });
        if let Some(limit) = self.state.limits_of(token).handshake_timeout {
            self.state.set_deadline(token, limit);
        }
        // A client begins. A server waits for the edge of the first message.
        if is_outbound {
            self.state.mark_ready(token);
        }
    }

    /// Advances a handshake as far as the kernel allows, unless the budget of the turn is used up.
    pub(super) fn handshake(&mut self, token: Token) {
        if self.handshakes_left == 0 {
            return self.state.mark_ready(token);
        }
        self.handshakes_left -= 1;
        let Some(handshake) = self.state.handshakes.get_mut(token.key()) else { return };
        let Some(connection) = self.state.connections.get_mut(token) else { return };
        match handshake.step.advance(&mut connection.stream) {
            Ok(Progress::Done) => self.finish_handshake(token),
            Ok(Progress::Client(client)) => self.reveal(token, client),
            // The rest of a PROXY header will not come.
            Ok(Progress::Reading) if connection.flags.contains(Flags::PEER_ENDING) => {
                self.fail_handshake(token, HandshakeError::Failed(ErrorKind::UnexpectedEof.into()));
            }
            Ok(Progress::Reading) => connection.flags.remove(Flags::MAY_READ | Flags::DRAIN_FULLY),
            Ok(Progress::Writing) => self.state.wait_for_writable(token),
            Err(error) => self.fail_handshake(token, error),
        }
    }

    /// Admits the client that a PROXY header has named, or the proxy itself, and takes the next step.
    fn reveal(&mut self, token: Token, client: Option<SocketAddr>) {
        let (connection, now) = (&mut self.state.connections[token], self.state.clock.now());
        let service = connection.service;
        let refusal = self.state.services[service].reveal(connection, client, now);
        if let Some(refusal) = refusal {
            self.state.peer_log.refused(connection.peer, refusal, now);
            self.state.note_refusal(service, refusal);
            return self.state.kill(token);
        }
        let Some(step) = Step::last(&connection.stream) else { return self.finish_handshake(token) };
        if let Some(handshake) = self.state.handshakes.get_mut(token.key()) {
            handshake.step = step;
        }
        // The first message may have arrived with the header, so no edge will report it.
        self.state.mark_ready(token);
    }

    fn finish_handshake(&mut self, token: Token) {
        let Some(Handshake { via, .. }) = self.state.handshakes.remove(token.key()) else { return };
        self.state.established(token);
        // What follows the handshake may have been read with it, so no edge will report it.
        self.state.connections[token].flags.insert(Flags::MAY_READ);
        self.open_session(token, via);
        self.serve(token);
    }

    /// Ends a handshake. A handler learns of it only if it has requested the connection.
    fn fail_handshake(&mut self, token: Token, error: HandshakeError) {
        let Some(Handshake { via, .. }) = self.state.handshakes.remove(token.key()) else { return };
        let connection = &self.state.connections[token];
        let (peer, service) = (connection.peer, connection.service);
        self.state.kill(token);
        match via {
            Via::Connect { to, .. } => {
                let error = error.into();
                self.state.note_failed_connect(service);
                self.call(service, |handler, cx| handler.connect_failed(token, &to, &error, cx));
            }
            Via::Listener(_) | Via::Spawn => {
                self.state.note_failed_handshake(service);
                self.state.peer_log.handshake(peer, &error, self.state.clock.now());
            }
        }
    }

    /// Handles the deadline of a connection, which may be that of its handshake.
    pub(super) fn deadline_due(&mut self, token: Token, id: TimerId) {
        let connection = self.state.connections.get(token).filter(|found| found.deadline == Some(id));
        if connection.is_some_and(|found| found.phase == Phase::Handshaking)
            && let Some(limit) = self.state.limits_of(token).handshake_timeout
            && let Some(handshake) = self.state.handshakes.get(token.key())
        {
            let error = handshake.step.timed_out(limit);
            return self.fail_handshake(token, error);
        }
        self.state.deadline_due(token, id);
    }
}
