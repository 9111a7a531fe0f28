//! Outbound connections: from an address that a handler asked for to a stream, or to the reason why not.
//!
//! Invariant: every address that is asked for ends in exactly one `open` or one `connect_failed`, unless the reactor stops
//! first. The addresses of a name are tried one after the other.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use mio::net;

use crate::connection::origin::Peer;
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::handler::Handler;
use crate::net::Address;
use crate::net::SocketOptions;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::Stop;

/// The connections that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Connector {
    pub(crate) options: SocketOptions,
    attempts: HashMap<Token, Attempt>,
    /// Those of which the kernel has ready.
    ready: Vec<Token>,
}

#[derive(Debug)]
struct Attempt {
    to: Address,
    /// The service that asked for it.
    service: u16,
    /// Addresses not tried yet, the next one last.
    rest: Vec<Target>,
}

#[derive(Debug)]
enum Target {
    Inet(SocketAddr),
    Unix,
}

impl Connector {
    /// Notes news of a connection, if it is one of those on their way.
    #[inline]
    pub(crate) fn wake(&mut self, token: Token) {
        if !self.attempts.is_empty() && self.attempts.contains_key(&token) {
            self.ready.push(token);
        }
    }

    /// Begins what handlers have asked for, and takes what has come about or failed one step further.
    pub(crate) fn work<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        if dispatcher.state.stop >= Stop::Draining {
            // Who stops makes no new connections, and lets go of those that have not come about.
            dispatcher.state.pending_connects.clear();
            return self.attempts.clear();
        }
        for token in std::mem::take(&mut self.ready) {
            self.advance(token, dispatcher);
        }
        for (to, service) in std::mem::take(&mut dispatcher.state.pending_connects) {
            match targets(&to) {
                Ok(rest) => self.attempt(Attempt { to, service, rest }, None, dispatcher),
                Err(error) => dispatcher.call(service, |handler, cx| handler.connect_failed(&to, &error, cx)),
            }
        }
    }

    /// Begins with the next address that can be begun with.
    fn attempt<H: Handler>(
        &mut self,
        mut attempt: Attempt,
        mut failed: Option<io::Error>,
        dispatcher: &mut Dispatcher<H>,
    ) {
        while let Some(target) = attempt.rest.pop() {
            let begun = self.begin(&attempt.to, &target);
            let peer = match target {
                Target::Inet(at) => Peer::Inet(at),
                Target::Unix => Peer::Unix,
            };
            let place = (Phase::Connecting, attempt.service);
            let connection = begun.map(|stream| Connection::new(stream, peer, place));
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

    fn begin(&self, to: &Address, target: &Target) -> io::Result<Stream> {
        Ok(match (to, target) {
            (Address::Unix(path), _) => Stream::Unix(net::UnixStream::from_std(self.options.connect_unix(path)?)),
            (Address::Udp { .. }, Target::Inet(at)) => {
                Stream::Udp(net::UdpSocket::from_std(self.options.connect_udp(*at)?))
            }
            (_, Target::Inet(at)) => Stream::Tcp(net::TcpStream::from_std(self.options.connect_tcp(*at)?)),
            (_, Target::Unix) => return Err(io::ErrorKind::InvalidInput.into()),
        })
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

fn targets(to: &Address) -> io::Result<Vec<Target>> {
    if let Address::Unix(_) = to {
        return Ok(vec![Target::Unix]);
    }
    Ok(to.resolve()?.into_iter().rev().map(Target::Inet).collect())
}
