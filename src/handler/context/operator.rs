//! What the operator's commands and [`Services`](crate::Services) ask for.

use super::Context;
use crate::connection::closed::Closed;
use crate::connection::ids::ServiceId;

impl Context<'_> {
    /// Makes `service` the service of this callback, which must not be about a connection.
    pub(crate) fn act_for(&mut self, service: ServiceId) {
        self.state.current_service = service;
    }

    /// The number of connections of a service.
    pub(crate) fn connections_of(&self, service: ServiceId) -> usize {
        self.state.services.get(service).map_or(0, |service| service.connections)
    }

    /// A line for each open connection: its number, its peer, and the bytes queued for it.
    pub(crate) fn connections(&self) -> impl Iterator<Item = String> + '_ {
        let open = self.state.connections.iter().filter(|(_, found)| found.is_open());
        open.map(|(token, found)| format!("{}  {}  queued {}", token, found.peer, found.pending(&self.state.feeds)))
    }

    /// Closes the connection with the number `wanted` for the operator. Returns whether there is one.
    pub(crate) fn kick(&mut self, wanted: &str) -> bool {
        let found = self.state.connections.iter().find(|(token, found)| found.is_open() && token.to_string() == wanted);
        let Some(token) = found.map(|(token, _)| token) else { return false };
        self.state.close(token, Closed::ByOperator);
        true
    }
}
