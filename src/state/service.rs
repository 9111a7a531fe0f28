//! What is served together: the connections of some listeners, and the limits that they keep to.
//!
//! Invariant: the counts are those of the connections in the state, dead ones included until they are buried.

use crate::connection::Connection;
use crate::connection::origin::Peer;
use crate::state::admission::{Admission, Hosts, Refusal};
use crate::state::limits::Limits;

/// What is served together, with limits of its own.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) limits: Limits,
    /// Connections that it has now.
    pub(crate) connections: usize,
    /// Of whom they are, while that has a limit.
    pub(crate) hosts: Hosts,
}

impl Service {
    pub(crate) fn new(limits: Limits) -> Self {
        Service { limits, connections: 0, hosts: Hosts::default() }
    }

    pub(crate) fn count_in(&mut self, connection: &Connection) {
        self.connections += 1;
        if let Some(host) = self.limits.max_per_host.and(connection.host()) {
            self.hosts.add(host);
        }
    }

    pub(crate) fn count_out(&mut self, connection: &Connection) {
        self.connections -= 1;
        if let Some(host) = self.limits.max_per_host.and(connection.host()) {
            self.hosts.remove(host);
        }
    }

    /// Why a peer is not let in, if it is not.
    pub(crate) fn refusal(&self, peer: Peer, admission: &Admission) -> Option<Refusal> {
        let is_over = |limit: Option<usize>, count: usize| limit.is_some_and(|most| count >= most);
        match peer {
            Peer::Inet(address) if !admission.admits(address.ip()) => Some(Refusal::Denied),
            _ if is_over(self.limits.max_connections, self.connections) => Some(Refusal::Full),
            Peer::Inet(address) if is_over(self.limits.max_per_host, self.hosts.count(address.ip())) => {
                Some(Refusal::HostFull)
            }
            _ => None,
        }
    }
}
