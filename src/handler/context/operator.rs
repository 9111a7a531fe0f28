//! What the operator sees of a connection, and what the operator's commands ask for.

use std::fmt;

use super::{Context, ReplyTarget};
use crate::connection::closed::Closed;
use crate::connection::ids::ServiceId;
use crate::handler::sanitize::sanitize;
use crate::state::roster::{Listed, NamedPeer};

impl Context<'_> {
    /// Names this connection for the operator: `who` lists the name, `kick` finds it, and the log shows it with the
    /// address. The name is sanitized. An empty name removes the former one.
    ///
    /// Several connections may have the same name. A name ends with its connection.
    pub fn set_name(&mut self, name: &str) {
        if let ReplyTarget::Connection(token) = self.target {
            self.state.roster.set_name(token, &sanitize(name.as_bytes()));
        }
    }

    /// The peer of this connection, for the log: its name and its address, or the address alone. Works in
    /// [`closed`](crate::Handler::closed), too. Without a connection, `no peer`.
    #[must_use]
    pub fn peer(&self) -> impl fmt::Display + '_ {
        let (ReplyTarget::Connection(token) | ReplyTarget::Ended(token)) = self.target else { return NamedPeer::NONE };
        self.state.connections.get(token).map_or(NamedPeer::NONE, |found| self.state.roster.named(token, found.peer))
    }

    /// Makes `service` the service of this callback, which must not be about a connection.
    pub(crate) fn act_for(&mut self, service: ServiceId) {
        self.state.current_service = service;
    }

    /// The number of connections of a service.
    pub(crate) fn connections_of(&self, service: ServiceId) -> usize {
        self.state.services.get(service).map_or(0, |service| service.connections)
    }

    /// Lists at most `most` connections whose service, name or address contains `wanted`, and gives them numbers.
    /// Returns them with the count of all that match.
    pub(crate) fn list(&mut self, wanted: &str, most: usize) -> (Vec<Listed>, usize) {
        self.state.list(wanted, most)
    }

    /// Closes the connection that a listing shows with this number. Returns whether there is one.
    pub(crate) fn kick(&mut self, number: u32) -> bool {
        let Some(token) = self.state.roster.numbered(number).filter(|&token| self.state.connections.is_open(token))
        else {
            return false;
        };
        self.state.close(token, Closed::ByOperator);
        true
    }
}
