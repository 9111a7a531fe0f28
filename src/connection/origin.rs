//! Where connections and datagrams come from.

use std::fmt;
use std::net::SocketAddr;

use crate::connection::ids::ListenerId;
use crate::connection::token::Token;
use crate::net::{Address, Door};

/// Where a connection comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Origin {
    /// The name of the connection, for example for [`Context::send`](crate::Context::send).
    pub token: Token,
    /// The other end.
    pub peer: Peer,
    /// How it was established.
    pub via: Via,
}

impl Origin {
    /// Returns the door by which the client came in. A connection that this side has made is at the line door.
    #[must_use]
    pub fn door(&self) -> Door {
        if let Via::Listener(listener) = self.via { listener.door() } else { Door::Line }
    }
}

/// How a connection was established.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Via {
    /// This listener accepted it.
    Listener(ListenerId),
    /// [`Context::connect`](crate::Context::connect) requested it.
    Connect {
        /// The address of the request.
        to: Address,
        /// The [`Link::tag`](crate::Link::tag) of the request.
        tag: u64,
    },
    /// [`Context::spawn`](crate::Context::spawn) started it.
    Spawn,
}

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The address of the sender. It can be forged.
    pub address: SocketAddr,
    /// The listener that received it.
    pub listener: ListenerId,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A host and port.
    Inet(SocketAddr),
    /// A process on this machine, connected to a Unix socket.
    Unix,
    /// A program that [`Context::spawn`](crate::Context::spawn) has started, with the number of its process.
    Child(u32),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
            Peer::Child(pid) => write!(f, "child {pid}"),
        }
    }
}
