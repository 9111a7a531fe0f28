//! Where connections and datagrams come from.

use std::fmt;
use std::net::SocketAddr;

use crate::connection::ids::ListenerId;
use crate::connection::token::Token;
use crate::net::Address;

/// Where a connection comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Origin {
    /// The name of the connection, for [`Context::send`](crate::Context::send) and its like.
    pub token: Token,
    /// Who is at the other end.
    pub peer: Peer,
    /// How it came about.
    pub via: Via,
}

/// How a connection came about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Via {
    /// This listener accepted it.
    Listener(ListenerId),
    /// [`Context::connect`](crate::Context::connect) asked for it.
    Connect(Address),
}

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// Who sent it, or claims to have: a UDP source address can be forged.
    pub address: SocketAddr,
    /// The listener that received it.
    pub listener: ListenerId,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A host and port.
    Inet(SocketAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}
