//! A server with two doors: its own protocol, and a WebSocket for pages.
//!
//! The door of a connection is that of its listener. A server hosts its handler in [`Doors`] only if it has an address
//! with `web:`, so the path of a client without one stays as short as it is. The session of a page is boxed, because
//! most connections of such a server may still be without.

use std::process::ExitStatus;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::http::{Exchange, HttpOptions, Request, Status};
use crate::framing::websocket::{Message, Socket, WebSocket, WebSocketHandler, WebSocketOptions, WebSocketSession};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::events::events;
use crate::net::Door;
use crate::workers::Done;

/// Passes the connections of the web door to one handler, and all else to another.
#[derive(Debug)]
pub(crate) struct Doors<L, A> {
    line: L,
    web: WebSocket<WebDoor<A>>,
}

/// The session at either door.
#[derive(Debug)]
pub(crate) enum DoorSession<L> {
    Line(L),
    Web(Box<WebSocketSession<()>>),
}

/// A server that answers one message after another, and keeps nothing between them.
pub(crate) trait Answerer {
    /// Says what to do here, in one line, to a browser that asks for a page.
    const HINT: &'static str;

    /// Answers a message with a frame.
    fn answer(&mut self, message: Message<'_>, cx: &mut Context<'_>);
}

/// The web door of an [`Answerer`]: a socket at `/` and `/ws`, and a hint at `/`.
#[derive(Debug)]
struct WebDoor<A>(A);

impl<L: Handler, A: Answerer> Doors<L, A> {
    pub(crate) fn new(line: L, web: A, options: WebSocketOptions) -> Self {
        Doors { line, web: WebSocket::new(WebDoor(web), options, HttpOptions::default()) }
    }
}

impl<A: Answerer> WebSocketHandler for WebDoor<A> {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        self.0.answer(message, cx);
    }

    fn wants_socket(&self, request: &Request<'_>) -> bool {
        Socket::is_requested(request) && matches!(request.path(), "/" | "/ws")
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        match (request.method(), request.path()) {
            ("GET" | "HEAD", "/") => {
                let host = request.host().unwrap_or("HOST");
                let how = format!("Connect with a WebSocket to ws://{host}/, or over TLS to wss://{host}/.");
                exchange.respond(Status::OK, cx).text(&format!("{}\n{how}\n", A::HINT));
            }
            (_, "/") => {
                exchange.respond(Status::METHOD_NOT_ALLOWED, cx).header("Allow", "GET, HEAD").page("");
            }
            _ => exchange.respond_error(Status::NOT_FOUND, "the WebSocket is at /", cx),
        }
    }
}

impl<L: Handler, A: Answerer> Handler for Doors<L, A> {
    type Session = DoorSession<L::Session>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        match origin.door() {
            Door::Line => DoorSession::Line(self.line.open(origin, cx)),
            Door::Web => DoorSession::Web(Box::new(self.web.open(origin, cx))),
        }
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        match session {
            DoorSession::Line(session) => self.line.data(session, input, cx),
            DoorSession::Web(session) => self.web.data(session, input, cx),
        }
    }

    fn eof(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.eof(session, cx),
            DoorSession::Web(session) => self.web.eof(session, cx),
        }
    }

    fn drained(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.drained(session, cx),
            DoorSession::Web(session) => self.web.drained(session, cx),
        }
    }

    fn timer(&mut self, session: &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.timer(session, timer, cx),
            DoorSession::Web(session) => self.web.timer(session, timer, cx),
        }
    }

    fn done(&mut self, session: &mut Self::Session, done: Done, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.done(session, done, cx),
            DoorSession::Web(session) => self.web.done(session, done, cx),
        }
    }

    fn exited(&mut self, session: &mut Self::Session, status: ExitStatus, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.exited(session, status, cx),
            DoorSession::Web(session) => self.web.exited(session, status, cx),
        }
    }

    fn dismissed(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.dismissed(session, cx),
            DoorSession::Web(session) => self.web.dismissed(session, cx),
        }
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.kicked(session, reason, cx),
            DoorSession::Web(session) => self.web.kicked(session, reason, cx),
        }
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        match session {
            DoorSession::Line(session) => self.line.closed(session, cause, cx),
            DoorSession::Web(session) => self.web.closed(*session, cause, cx),
        }
    }

    events! { service => forward(self, cx) to self.line }
    events! { process => forward(self, cx) to self.line }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::servers::Echo;
    use crate::servers::chunking::{play, steps, tight};
    use crate::sim::{Ending, Sim, SimPeer};

    fn echo() -> Doors<Echo, Echo> {
        let options = WebSocketOptions {
            hosts: Some(vec!["a.example".to_owned()]),
            origins: vec!["https://b.example".to_owned()],
            ..WebSocketOptions::default()
        };
        Doors::new(Echo::bytes(), Echo::bytes(), options)
    }

    fn request(target: &str, host: &str, more: &str) -> Vec<u8> {
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

    /// A short frame of a client, with a mask of zeros.
    pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        assert!(payload.len() < 126);
        [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
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
