//! Outbound connections: from the request of a handler to a session or an error.
//!
//! Invariant: every request ends in exactly one `open` or one `connect_failed`, unless the handler ends the connection
//! before, or the reactor stops. The socket addresses of a name are tried one after the other.

use std::io;

use crate::connection::token::Token;
use crate::handler::Handler;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::connects::Step;

impl<H: Handler> Dispatcher<H> {
    /// Starts the attempts that handlers have requested, and advances those with an edge or a failure.
    #[inline]
    pub(crate) fn connect(&mut self) {
        if !self.state.work.connects.is_empty() {
            self.advance_all();
        }
    }

    // Apart from the path of every turn, where it would take 24 instructions.
    #[cold]
    fn advance_all(&mut self) {
        for token in std::mem::take(&mut self.state.work.connects) {
            self.advance(token);
        }
    }

    fn advance(&mut self, token: Token) {
        let Some(attempt) = self.state.attempts.get_mut(token.key()) else { return };
        let error = match std::mem::replace(&mut attempt.step, Step::Trying) {
            Step::Requested => {
                let to = attempt.to.clone();
                match (self.state.targets(&to), self.state.attempts.get_mut(token.key())) {
                    (Ok(targets), Some(attempt)) => attempt.remaining = targets,
                    (Ok(_), None) => return,
                    (Err(error), _) => return self.connect_failed(token, &error),
                }
                io::Error::new(io::ErrorKind::NotFound, "the name has no address")
            }
            Step::Trying => match self.state.connections[token].stream.is_connected() {
                Ok(true) => return self.connected(token),
                Ok(false) => return,
                Err(error) => error,
            },
            Step::Failed(error) => error,
        };
        self.try_next(token, error);
    }

    /// Tries the remaining socket addresses until one try begins. `error` is that of the last one.
    pub(crate) fn try_next(&mut self, token: Token, mut error: io::Error) {
        while let Some(begun) = self.state.try_next(token) {
            match begun {
                Ok(()) => return,
                Err(failed) => error = failed,
            }
        }
        self.connect_failed(token, &error);
    }

    /// Removes a connection that could not be established, and tells the handler.
    fn connect_failed(&mut self, token: Token, error: &io::Error) {
        let Some(attempt) = self.state.attempts.remove(token.key()) else { return };
        let service = self.state.connections[token].service;
        self.state.note_failed_connect(service);
        self.state.kill(token);
        self.call(service, |handler, cx| handler.connect_failed(token, &attempt.to, error, cx));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::Reactor;
    use crate::connection::ids::ServiceId;
    use crate::connection::link::Link;
    use crate::connection::origin::{Origin, Peer};
    use crate::handler::context::Context;
    use crate::net::Address;
    use crate::state::connects::Target;
    use crate::state::limits::Limits;

    /// Stops when its connection is established or has failed.
    #[derive(Default)]
    struct Once {
        opened: Option<(Token, Peer)>,
        failed: Option<(Token, io::ErrorKind)>,
    }

    impl Handler for Once {
        type Session = ();

        fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
            self.opened = Some((origin.token, origin.peer));
            cx.stop();
        }

        fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
            input.len()
        }

        fn connect_failed(&mut self, requested: Token, _: &Address, error: &io::Error, cx: &mut Context<'_>) {
            self.failed = Some((requested, error.kind()));
            cx.stop();
        }
    }

    /// Connects to a name with these addresses. Returns its token and the handler.
    fn connect(addresses: &[SocketAddr]) -> (Token, Once) {
        let limits = Limits { connect_timeout: Some(Duration::from_millis(100)), ..Limits::default() };
        let mut reactor = Reactor::new(Once::default(), limits).expect("a poll");
        let state = &mut reactor.dispatcher.state;
        let to = "name.invalid:1".parse().expect("an address");
        let token = state.connect(to, Link::default(), ServiceId::DEFAULT);
        let attempt = &mut state.attempts[token.key()];
        attempt.remaining = addresses.iter().rev().copied().map(Target::Inet).collect();
        attempt.step = Step::Failed(io::ErrorKind::Other.into());
        (token, reactor.run().expect("the poll works"))
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("free");
        let at = listener.local_addr().expect("bound");
        (listener, at)
    }

    /// An address that answers nothing: Linux drops the request for a connection if the backlog is full.
    fn silence() -> ([Socket; 4], SocketAddr) {
        let sockets = [(); 4].map(|()| Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket"));
        let [listener, waiting @ ..] = &sockets;
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("free");
        listener.listen(0).expect("bound");
        let at = listener.local_addr().expect("bound");
        for socket in waiting {
            socket.set_nonblocking(true).expect("a socket");
            let _ = socket.connect(&at);
        }
        (sockets, at.as_socket().expect("an IP address"))
    }

    #[test]
    fn an_address_that_does_not_answer_gives_way_to_the_next() {
        let ((_full, silent), (_live, live)) = (silence(), listener());
        let (token, handler) = connect(&[silent, live]);
        assert_eq!((handler.opened, handler.failed), (Some((token, Peer::Inet(live))), None));
        let (token, handler) = connect(&[silent]);
        assert_eq!((handler.opened, handler.failed), (None, Some((token, io::ErrorKind::TimedOut))));
    }

    #[test]
    fn the_token_stays_the_same_over_the_addresses_of_a_name() {
        let ((_live, live), (_, dead)) = (listener(), listener());
        let (token, handler) = connect(&[dead, dead, live]);
        assert_eq!((handler.opened, handler.failed), (Some((token, Peer::Inet(live))), None));
    }

    #[test]
    fn the_last_address_that_fails_fails_the_request() {
        let (_, dead) = listener();
        let (token, handler) = connect(&[dead, dead]);
        assert_eq!((handler.opened, handler.failed), (None, Some((token, io::ErrorKind::ConnectionRefused))));
        assert_eq!(connect(&[]).1.failed.map(|(_, kind)| kind), Some(io::ErrorKind::Other));
    }
}
