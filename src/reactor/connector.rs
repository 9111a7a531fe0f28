//! Outbound connections: from the address in a request of a handler to a stream or an error.
//!
//! Invariant: every request ends in exactly one `open` or one `connect_failed`, unless the reactor stops first. The
//! socket addresses of a name are tried one after the other.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use mio::net;

use crate::connection::ids::ServiceId;
use crate::connection::origin::Peer;
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::net::{Address, SocketOptions};
use crate::reactor::dispatcher::Dispatcher;
use crate::state::stop::Stop;

/// The outbound connections that are not established yet.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    attempts: HashMap<Token, Attempt>,
    /// Attempts for which the kernel has reported an edge.
    ready: Vec<Token>,
}

#[derive(Debug)]
struct Attempt {
    to: Address,
    /// The service of the request.
    service: ServiceId,
    /// Socket addresses that were not tried yet, in reverse order.
    remaining: Vec<Target>,
}

#[derive(Debug)]
enum Target {
    Inet(SocketAddr),
    Unix,
}

impl Connector {
    /// Notes an edge of a connection, if the connection is being established.
    #[inline]
    pub(crate) fn wake(&mut self, token: Token) {
        if !self.attempts.is_empty() && self.attempts.contains_key(&token) {
            self.ready.push(token);
        }
    }

    /// Starts the attempts that handlers have requested, and advances those with an edge.
    pub(crate) fn work<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        if dispatcher.state.stop >= Stop::Draining {
            // A stopping reactor neither starts nor finishes attempts.
            dispatcher.state.work.pending_connects.clear();
            return self.attempts.clear();
        }
        for token in std::mem::take(&mut self.ready) {
            self.advance(token, dispatcher);
        }
        for (to, service) in std::mem::take(&mut dispatcher.state.work.pending_connects) {
            match targets(&to) {
                Ok(remaining) => self.attempt(Attempt { to, service, remaining }, None, dispatcher),
                Err(error) => dispatcher.call(service, |handler, cx| handler.connect_failed(&to, &error, cx)),
            }
        }
    }

    /// Tries the remaining socket addresses until an attempt starts. `failed` is the error of the previous attempt.
    fn attempt<H: Handler>(
        &mut self,
        mut attempt: Attempt,
        mut failed: Option<io::Error>,
        dispatcher: &mut Dispatcher<H>,
    ) {
        while let Some(target) = attempt.remaining.pop() {
            let begun = begin(&attempt.to, &target, &dispatcher.state.services[attempt.service].sockets);
            let peer = match target {
                Target::Inet(at) => Peer::Inet(at),
                Target::Unix => Peer::Unix,
            };
            let connection = begun.map(|stream| Connection::new(stream, peer, Phase::Connecting, attempt.service));
            match connection.and_then(|connection| dispatcher.state.insert(connection)) {
                Ok(token) => {
                    self.attempts.insert(token, attempt);
                    return;
                }
                Err(error) => failed = Some(error),
            }
        }
        let error = failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        dispatcher.call(attempt.service, |handler, cx| handler.connect_failed(&attempt.to, &error, cx));
    }

    fn advance<H: Handler>(&mut self, token: Token, dispatcher: &mut Dispatcher<H>) {
        let Some(attempt) = self.attempts.remove(&token) else { return };
        let Some(connection) = dispatcher.state.connections.get_mut(token) else { return };
        match connection.stream.is_connected() {
            Ok(true) => dispatcher.connected(token, attempt.to),
            Ok(false) => {
                self.attempts.insert(token, attempt);
            }
            Err(error) => {
                dispatcher.state.kill(token);
                self.attempt(attempt, Some(error), dispatcher);
            }
        }
    }
}

/// Starts to connect to one socket address.
fn begin(to: &Address, target: &Target, options: &SocketOptions) -> io::Result<Stream> {
    Ok(match (to, target) {
        (Address::Unix(path), _) => Stream::Unix(net::UnixStream::from_std(options.connect_unix(path)?)),
        (Address::Udp { .. }, Target::Inet(at)) => Stream::Udp(net::UdpSocket::from_std(options.connect_udp(*at)?)),
        (_, Target::Inet(at)) => Stream::Tcp(net::TcpStream::from_std(options.connect_tcp(*at)?)),
        (_, Target::Unix) => return Err(io::ErrorKind::InvalidInput.into()),
    })
}

fn targets(to: &Address) -> io::Result<Vec<Target>> {
    if let Address::Unix(_) = to {
        return Ok(vec![Target::Unix]);
    }
    Ok(to.resolve()?.into_iter().rev().map(Target::Inet).collect())
}
