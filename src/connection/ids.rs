//! The names of services and listeners.

use crate::net::Door;

/// Names one service of a [`Reactor`](crate::Reactor) or a [`Sim`](crate::Sim).
///
/// [`Reactor::add_service`](crate::Reactor::add_service) returns it. An id has no meaning for another reactor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(u16);

impl ServiceId {
    /// The service that every reactor starts with.
    pub const DEFAULT: ServiceId = ServiceId(0);

    /// The id of the service at `index`, or `None` beyond the largest index.
    pub(crate) fn from_index(index: usize) -> Option<Self> {
        u16::try_from(index).ok().map(ServiceId)
    }

    pub(crate) fn index(self) -> usize {
        self.0.into()
    }
}

/// Names one listener of a [`Reactor`](crate::Reactor).
///
/// [`Reactor::listen`](crate::Reactor::listen) returns it. An id has no meaning for another reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId {
    pub(crate) number: usize,
    pub(crate) door: Door,
}

impl ListenerId {
    /// Returns the protocol of the clients of this listener.
    #[must_use]
    pub fn door(self) -> Door {
        self.door
    }
}
