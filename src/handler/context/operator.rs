//! What the operator sees of a connection, and what the operator's commands ask for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::{Context, ReplyTarget};
use crate::connection::ids::ServiceId;
use crate::connection::origin::Peer;
use crate::connection::token::Token;
use crate::handler::sanitize::sanitize;
use crate::state::operator::{OperatorId, PendingAnswer};
use crate::state::roster::{Listed, NamedPeer};

impl Context<'_> {
    /// Stops the reactor as [`stop`](Self::stop) does, and logs the cause.
    #[cfg(feature = "sum")]
    pub(crate) fn stop_because(&mut self, cause: &str) {
        self.stop();
        self.state.stop.log(cause);
    }

    /// Names this connection for the operator: `who` lists the name, `kick` finds it, and the log shows it with the
    /// address. The name is sanitized. An empty name removes the former one.
    ///
    /// Several connections may have the same name. A name ends with its connection. An `Arc<str>` is shared, not
    /// copied.
    pub fn set_name(&mut self, name: impl Into<Arc<str>>) {
        if let Some(session) = self.session() {
            self.set_name_of(session, name);
        }
    }

    /// Names the connection `other`, as [`set_name`](Self::set_name) names this one. No effect if that connection was
    /// removed.
    pub fn set_name_of(&mut self, other: Token, name: impl Into<Arc<str>>) {
        if self.state.connections.get(other).is_none() {
            return;
        }
        let name = name.into();
        let changed = match sanitize(name.as_bytes()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean.into()),
        };
        self.state.roster.set_name(other, changed.unwrap_or(name));
    }

    /// Makes the operator of this [`console`](crate::Handler::console) line wait for an answer that comes later, with
    /// [`answer_operator`](Self::answer_operator). In other callbacks, the operator is the one at the console.
    pub fn answer_later(&mut self) -> PendingAnswer {
        self.state.operator.begin_answer(self.operator())
    }

    /// Gives an operator the lines that it waits for. The last one needs no LF. To answer at once, use
    /// [`reply`](Self::reply).
    pub fn answer_operator(&mut self, answer: PendingAnswer, lines: &str) {
        self.state.operator.end_answer(answer, lines.as_bytes());
    }

    /// Whether the operator of this callback is at the console, rather than at the control socket.
    pub(crate) fn is_at_console(&self) -> bool {
        self.operator() == OperatorId::CONSOLE
    }

    fn operator(&self) -> OperatorId {
        if let ReplyTarget::Operator(operator) = self.target { operator } else { OperatorId::CONSOLE }
    }

    /// The peer of this connection, for the log: its name and its address, or the address alone. Works in
    /// [`closed`](crate::Handler::closed), too. Without a connection, `no peer`.
    #[must_use]
    pub fn peer(&self) -> impl fmt::Display + '_ {
        match self.target {
            ReplyTarget::Connection(token) | ReplyTarget::Ended(token) => self.state.named_peer(token),
            _ => NamedPeer::NONE,
        }
    }

    /// The peer of this connection. Works in [`closed`](crate::Handler::closed), too.
    #[cfg(feature = "http")]
    pub(crate) fn peer_address(&self) -> Option<Peer> {
        match self.target {
            ReplyTarget::Connection(token) | ReplyTarget::Ended(token) => self.address_of(token),
            _ => None,
        }
    }

    /// The peer of another connection, or `None` after that was removed.
    pub(crate) fn address_of(&self, other: Token) -> Option<Peer> {
        self.state.connections.get(other).map(|found| found.peer)
    }

    /// The peer of another connection, with its name.
    pub(crate) fn peer_of(&self, other: Token) -> NamedPeer<'_> {
        self.state.named_peer(other)
    }

    /// Makes `service` the service of this callback, which must not be about a connection.
    pub(crate) fn act_for(&mut self, service: ServiceId) {
        self.state.current_service = service;
    }

    /// The number of connections of a service.
    pub(crate) fn connections_of(&self, service: ServiceId) -> usize {
        self.state.services.get(service).map_or(0, |service| service.connections)
    }

    /// The figures for `stats`.
    pub(crate) fn report(&mut self) -> String {
        self.state.report()
    }

    /// Lists at most `most` connections whose service, name or address contains `wanted`, and gives them numbers.
    /// Returns them with the count of all that match.
    pub(crate) fn list(&mut self, wanted: &str, most: usize) -> (Vec<Listed>, usize) {
        self.state.list(wanted, most)
    }

    /// Finds the open connection that a listing shows with the number `wanted`, or else those that have this name.
    pub(crate) fn find(&self, wanted: &str) -> Vec<Token> {
        self.state.find(wanted)
    }

    /// Closes the connection `other` for the operator, after [`Handler::kicked`](crate::Handler::kicked).
    ///
    /// The peer still receives what is queued for it, and the last words of the handler. Control characters in `reason`
    /// are replaced. No effect if the connection is no longer open.
    pub fn kick(&mut self, other: Token, reason: &str) {
        if self.state.connections.is_open(other) {
            self.state.work.kicked.push((other, sanitize(reason.as_bytes()).into()));
        }
    }
}
