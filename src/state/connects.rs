//! Outbound connections that are not established yet.
//!
//! Such a connection is in the table from its request on, so it has its token at once and keeps it while the socket
//! addresses of a name are tried one after the other: each try gives it another stream.
//!
//! Invariant: there is an attempt for each connection in phase `Connecting`, except that of a child, and for no other.

use std::io;
use std::net::SocketAddr;

use mio::net;

use crate::connection::flags::Flags;
use crate::connection::handshake::Handshake;
use crate::connection::ids::ServiceId;
use crate::connection::link::Link;
use crate::connection::origin::{Peer, Via};
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase, traced};
use crate::net::{Address, SocketOptions};
use crate::state::State;
use crate::state::stop::Stop;

/// The way to an established outbound connection.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) to: Address,
    pub(crate) tag: u64,
    pub(crate) step: Step,
    /// What was not tried yet, in reverse order.
    pub(crate) remaining: Vec<Target>,
}

impl Attempt {
    /// Whether the connection will carry datagrams.
    pub(crate) fn is_to_udp(&self) -> bool {
        matches!(self.to, Address::Udp { .. })
    }
}

/// The state of an attempt.
#[derive(Debug)]
pub(crate) enum Step {
    /// The name was not looked up yet.
    Requested,
    /// One target is tried.
    Trying,
    /// The last try has failed.
    Failed(io::Error),
}

/// What one try connects to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Inet(SocketAddr),
    /// The path of the address.
    Unix,
    /// The test of a simulation decides.
    Simulated,
}

impl State {
    /// Adds an outbound connection, which the connector establishes. When stopping, returns a token of no connection.
    pub(crate) fn connect(&mut self, to: Address, link: Link, service: ServiceId) -> Token {
        if self.stop >= Stop::Draining {
            return Token::none();
        }
        let mut connection = Connection::new(Stream::Unconnected, Peer::Unix, Phase::Connecting, service);
        connection.flags.insert(Flags::OUTBOUND);
        connection.flags.set(Flags::CLOSES_LAST, link.closes_last);
        let token = self.add(connection);
        if let Some(own) = link.limits {
            self.services.set_own_limits(token, &mut self.connections[token], own);
        }
        self.note_connect(service);
        let attempt = Attempt { to, tag: link.tag, step: Step::Requested, remaining: Vec::new() };
        self.attempts.insert(token.key(), attempt);
        self.work.connects.push(token);
        token
    }

    /// Lists the targets of an address.
    ///
    /// # Errors
    /// Those of [`Address::resolve`].
    pub(crate) fn targets(&self, to: &Address) -> io::Result<Vec<Target>> {
        if self.registry.is_none() {
            return Ok(vec![Target::Simulated]);
        }
        if let Address::Unix(_) = to.transport() {
            return Ok(vec![Target::Unix]);
        }
        Ok(to.resolve()?.into_iter().rev().map(Target::Inet).collect())
    }

    /// Starts to connect to the next target. Returns `None` if none is left.
    pub(crate) fn try_next(&mut self, token: Token) -> Option<io::Result<()>> {
        let attempt = self.attempts.get_mut(token.key())?;
        let (target, service) = (attempt.remaining.pop()?, self.connections.get(token)?.service);
        let begun = begin(attempt.to.transport(), target, &self.services[service].sockets);
        let begun = match (&attempt.to, begun) {
            (to @ Address::Tls(_), Ok(stream)) => self.services[service].secure_outbound(stream, to),
            (_, begun) => begun,
        };
        let peer = match target {
            Target::Inet(at) => Peer::Inet(at),
            Target::Unix | Target::Simulated => Peer::Unix,
        };
        Some(begun.and_then(|stream| self.replace_stream(token, stream, peer)).inspect(|()| {
            if let Some(limit) = self.limits_of(token).connect_timeout {
                self.set_deadline(token, limit);
            }
        }))
    }

    /// Gives a connection that is being established another stream, and registers that. The former one is closed.
    ///
    /// # Errors
    /// If the poll refuses the stream.
    pub(crate) fn replace_stream(&mut self, token: Token, stream: Stream, peer: Peer) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(token) else { return Ok(()) };
        let log_data = self.services[connection.service].log_data;
        connection.stream = if log_data { traced::trace(stream, peer) } else { stream };
        connection.peer = peer;
        // The edges were those of the former stream.
        connection.flags.remove(Flags::MAY_READ | Flags::DRAIN_FULLY | Flags::PEER_ENDING | Flags::WRITE_BLOCKED);
        connection.flags.insert(Flags::WRITABLE_ARMED);
        match &self.registry {
            Some(registry) => connection.stream.register(registry, token.to_mio(), connection.flags.interest()),
            None => Ok(()),
        }
    }

    /// Makes a connection open that was being established. Its session follows.
    pub(crate) fn established(&mut self, token: Token) {
        let connection = &mut self.connections[token];
        connection.phase = Phase::Open;
        connection.last_active = self.clock.nanos();
        connection.opened = self.clock.seconds();
        if let Some(timeout) = connection.deadline.take() {
            self.timers.cancel(timeout);
        }
        // Bytes may have been relayed to it already.
        self.mark_dirty(token);
    }

    /// Fails an outbound connection that is being established, whatever was not tried yet.
    pub(crate) fn fail_connect(&mut self, token: Token, error: io::Error) {
        let handshake = self.handshakes.remove(token.key());
        if let Some(Handshake { via: Via::Connect { to, tag }, .. }) = handshake {
            self.connections[token].phase = Phase::Connecting;
            self.attempts.insert(token.key(), Attempt { to, tag, step: Step::Trying, remaining: Vec::new() });
        }
        if let Some(attempt) = self.attempts.get_mut(token.key()) {
            attempt.remaining.clear();
        }
        self.fail_try(token, error);
    }

    /// Fails the current try of a connection that is being established. The connector goes on with the next target.
    pub(crate) fn fail_try(&mut self, token: Token, error: io::Error) {
        if let Some(attempt) = self.attempts.get_mut(token.key()) {
            attempt.step = Step::Failed(error);
            self.work.connects.push(token);
        }
    }
}

/// Starts to connect to one target.
fn begin(to: &Address, target: Target, options: &SocketOptions) -> io::Result<Stream> {
    Ok(match (to, target) {
        (_, Target::Simulated) => Stream::Unconnected,
        (Address::Unix(path), _) => Stream::Unix(net::UnixStream::from_std(options.connect_unix(path)?)),
        (Address::Udp { .. }, Target::Inet(at)) => Stream::Udp(net::UdpSocket::from_std(options.connect_udp(at)?)),
        (_, Target::Inet(at)) => Stream::Tcp(net::TcpStream::from_std(options.connect_tcp(at)?)),
        (_, Target::Unix) => return Err(io::ErrorKind::InvalidInput.into()),
    })
}
