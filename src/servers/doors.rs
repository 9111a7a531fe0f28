//! A server with two doors: its own protocol, and a WebSocket for pages.
//!
//! The door of a connection is that of its listener. A server hosts its handler in [`Doors`] only if it has an address
//! with `web:`, so the path of a client without one stays as short as it is. Sessions are boxed, so that the
//! clients of one door do not pay for the larger session of the other.

use std::process::ExitStatus;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::http::HttpOptions;
use crate::framing::websocket::{WebSocket, WebSocketHandler, WebSocketOptions, WebSocketSession};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::events::events;
use crate::net::Door;
use crate::workers::Done;

/// A server whose clients come in by two doors. As a [`WebSocketHandler`], it serves the web door; [`Doors`] calls
/// [`line`](Self::line) for the line door and for all that belongs to no connection.
pub trait AtDoors: WebSocketHandler {
    /// The state that the server keeps for a connection at the line door.
    type LineSession;

    /// Returns the handler of the line door: `self`, or a framing around it, made for one call.
    fn line(&mut self) -> impl Handler<Session = Self::LineSession>;
}

/// A [`Handler`] made of a server with two doors.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::framing::websocket::WebSocketOptions;
/// use switchboard::net::Door;
/// use switchboard::servers::{Doors, Echo};
///
/// let mut sim = Sim::new(Doors::new(Echo::bytes(), WebSocketOptions::default()));
/// let (nc, curl) = (sim.connect(), sim.connect_at(Door::Web));
/// let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// sim.send(nc, request);
/// assert_eq!(sim.received(nc), request);
/// sim.send(curl, request);
/// assert!(sim.received(curl).starts_with(b"HTTP/1.1 200 OK\r\n"));
/// ```
#[derive(Debug)]
pub struct Doors<S> {
    server: WebSocket<S>,
}

/// The session of a connection at either door.
#[derive(Debug)]
pub struct DoorSession<L, W> {
    at: At<L, W>,
}

#[derive(Debug)]
enum At<L, W> {
    Line(Box<L>),
    Web(Box<WebSocketSession<W>>),
}

impl<S: AtDoors> Doors<S> {
    /// Opens both doors of `server`. The `options` apply to the web door.
    pub fn new(server: S, options: WebSocketOptions) -> Self {
        Doors { server: WebSocket::new(server, options, HttpOptions::default()) }
    }

    /// Returns the server.
    pub fn get_ref(&self) -> &S {
        self.server.get_ref()
    }

    /// Returns the server, to be changed.
    pub fn get_mut(&mut self) -> &mut S {
        self.server.get_mut()
    }

    fn line(&mut self) -> impl Handler<Session = S::LineSession> {
        self.get_mut().line()
    }
}

impl<S: AtDoors> Handler for Doors<S> {
    type Session = DoorSession<S::LineSession, S::Session>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        let at = match origin.door() {
            Door::Line => At::Line(Box::new(self.line().open(origin, cx))),
            Door::Web => At::Web(Box::new(self.server.open(origin, cx))),
        };
        DoorSession { at }
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        match &mut session.at {
            At::Line(session) => self.line().data(session, input, cx),
            At::Web(session) => self.server.data(session, input, cx),
        }
    }

    fn eof(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().eof(session, cx),
            At::Web(session) => self.server.eof(session, cx),
        }
    }

    fn drained(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().drained(session, cx),
            At::Web(session) => self.server.drained(session, cx),
        }
    }

    fn timer(&mut self, session: &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().timer(session, timer, cx),
            At::Web(session) => self.server.timer(session, timer, cx),
        }
    }

    fn done(&mut self, session: &mut Self::Session, done: Done, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().done(session, done, cx),
            At::Web(session) => self.server.done(session, done, cx),
        }
    }

    fn exited(&mut self, session: &mut Self::Session, status: ExitStatus, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().exited(session, status, cx),
            At::Web(session) => self.server.exited(session, status, cx),
        }
    }

    fn dismissed(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().dismissed(session, cx),
            At::Web(session) => self.server.dismissed(session, cx),
        }
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        match &mut session.at {
            At::Line(session) => self.line().kicked(session, reason, cx),
            At::Web(session) => self.server.kicked(session, reason, cx),
        }
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        match session.at {
            At::Line(session) => self.line().closed(*session, cause, cx),
            At::Web(session) => self.server.closed(*session, cause, cx),
        }
    }

    events! { service => forward(self, cx) to self.line() }
    events! { process => forward(self, cx) to self.line() }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::servers::Echo;
    use crate::servers::chunking::{play, steps, tight};
    use crate::sim::{Ending, Sim, SimPeer};

    fn echo() -> Doors<Echo> {
        let options = WebSocketOptions {
            hosts: Some(vec!["a.example".to_owned()]),
            origins: vec!["https://b.example".to_owned()],
            ..WebSocketOptions::default()
        };
        Doors::new(Echo::bytes(), options)
    }

    pub(crate) fn request(target: &str, host: &str, more: &str) -> Vec<u8> {
        format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{more}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into_bytes()
    }

    /// Opens a WebSocket at the web door.
    pub(crate) fn open<H: Handler>(sim: &mut Sim<H>) -> SimPeer {
        let page = sim.connect_at(Door::Web);
        sim.send(page, &request("/", "localhost", ""));
        assert!(sim.received(page).starts_with(b"HTTP/1.1 101 "));
        page
    }

    /// A frame of a client, with a mask of zeros.
    pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = match payload.len() {
            length @ ..126 => vec![0x80 | length as u8],
            length => [&[0xfe][..], &u16::try_from(length).expect("a short payload").to_be_bytes()].concat(),
        };
        [&[first], &length[..], &[0; 4], payload].concat()
    }

    #[test]
    fn each_door_speaks_its_own_protocol() {
        let mut sim = Sim::new(echo());
        let (nc, page) = (sim.connect(), open(&mut sim));
        let request = request("/", "localhost", "");
        sim.send(nc, &request);
        assert_eq!(sim.received(nc), request, "an upgrade is text at the line door");
        sim.send(page, &frame(0x81, b"hello"));
        assert_eq!(sim.received(page), b"\x81\x05hello");
        sim.shut_down(nc);
        assert_eq!(sim.ending(nc), Some(Ending::Eof));
        sim.stop();
        assert_eq!(sim.received(page), b"\x88\x02\x03\xe9", "1001: going away");
    }

    #[test]
    fn other_requests_get_a_hint_or_an_error() {
        let mut sim = Sim::new(echo());
        for (head, status, told) in [
            (
                "GET / HTTP/1.1\r\nHost: 127.0.0.1:1",
                "200 OK",
                "sends each message back.\nConnect with a WebSocket to ws",
            ),
            ("HEAD / HTTP/1.1\r\nHost: a.example", "200 OK", "Content-Type: text/plain"),
            ("POST / HTTP/1.1\r\nHost: localhost", "405 Method Not Allowed", "Allow: GET, HEAD\r\n"),
            ("GET /x HTTP/1.1\r\nHost: localhost", "404 Not Found", "the WebSocket is at /\n"),
            ("GET / HTTP/1.1\r\nHost: evil.example", "403 Forbidden", "the host is not a name of this server"),
            ("hello", "400 Bad Request", ""),
        ] {
            let page = sim.connect_at(Door::Web);
            sim.send(page, format!("{head}\r\n\r\n").as_bytes());
            let answer = String::from_utf8(sim.received(page)).expect("text");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(told), "{head}: {answer}");
        }
    }

    #[test]
    fn a_socket_opens_for_own_pages_and_for_programs() {
        let mut sim = Sim::new(echo());
        for (target, host, more, status) in [
            ("/", "127.0.0.1:8080", "", 101),
            ("/ws", "a.example", "Origin: http://a.example\r\n", 101),
            ("/?x", "localhost:1", "Origin: http://localhost:1\r\n", 101),
            ("/", "[::1]", "Origin: https://b.example\r\n", 101),
            ("/other", "localhost", "", 404),
            ("/", "localhost:1", "Origin: http://localhost:2\r\n", 403),
            ("/", "localhost", "Origin: null\r\n", 403),
            ("/", "evil.example", "Origin: http://evil.example\r\n", 403),
        ] {
            let page = sim.connect_at(Door::Web);
            sim.send(page, &request(target, host, more));
            let answer = String::from_utf8(sim.received(page)).expect("a head");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {host} {more}: {answer}");
        }
    }

    proptest! {
        #[test]
        fn no_split_pause_or_slow_reader_changes_a_message(
            texts in proptest::collection::vec("[a-zé€]{0,20}", 0..6),
            steps in steps(),
        ) {
            let frames: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
            let mut sim = Sim::with_limits(echo(), tight());
            let page = sim.connect_at(Door::Web);
            let script = [request("/", "localhost", ""), frames, frame(0x88, b"")].concat();
            let received = play(&mut sim, page, &script, &steps);
            let at = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
            let wanted: Vec<u8> =
                texts.iter().flat_map(|text| [&[0x81, text.len() as u8], text.as_bytes()].concat()).collect();
            prop_assert_eq!(&received[at..], [&wanted[..], b"\x88\x00"].concat());
            prop_assert_eq!(sim.ending(page), Some(Ending::Eof));
        }
    }
}
