//! A handler with pages and sockets: sessions, timers, jobs, and the time before a socket.

use std::time::Duration;

use super::*;
use crate::connection::closed::Closed;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::framing::http::{Exchange, Status};
use crate::sim::Ending;
use crate::workers::{Done, Workers};

/// A page at `/`. In a socket, `job` takes a job, `timer` a second, and `pause` one before the next message; other
/// messages go to all sockets.
struct Room {
    members: Vec<Token>,
    workers: Workers<()>,
}

fn room() -> WebSocket<Room> {
    let inner = Room { members: Vec::new(), workers: Workers::new("room", 10, vec![()]) };
    WebSocket::new(inner, WebSocketOptions::default(), HttpOptions::default())
}

impl WebSocketHandler for Room {
    type Session = (Token, String);

    fn open(&mut self, origin: &Origin, request: &Request<'_>, cx: &mut Context<'_>) -> (Token, String) {
        self.members.push(origin.token);
        cx.reply(&text_frame("welcome"));
        (origin.token, request.query().unwrap_or("someone").to_owned())
    }

    fn message(&mut self, (_, name): &mut (Token, String), message: Message<'_>, cx: &mut Context<'_>) {
        match message.as_bytes() {
            b"job" => cx.offload(&self.workers, |()| "done").expect("room for a job"),
            b"timer" => drop(cx.set_timer(Duration::from_secs(1))),
            b"pause" => cx.pause_input(Duration::from_secs(1)),
            bytes => {
                let frame = text_frame(&format!("{name}: {}", bytes.escape_ascii()));
                self.members.iter().for_each(|&member| cx.send(member, &frame));
            }
        }
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        match request.path() {
            "/" => exchange.respond(Status::OK, cx).text("the page"),
            "/silent" => {}
            _ => exchange.respond_error(Status::NOT_FOUND, "", cx),
        }
    }

    fn timer(&mut self, _: &mut (Token, String), _: TimerId, cx: &mut Context<'_>) {
        cx.reply(&text_frame("time is over"));
    }

    fn done(&mut self, _: &mut (Token, String), done: Done, cx: &mut Context<'_>) {
        cx.reply(&text_frame(done.downcast().unwrap_or("lost")));
    }

    fn closed(&mut self, (token, _): (Token, String), _: &Closed, _: &mut Context<'_>) {
        self.members.retain(|&member| member != token);
    }
}

#[test]
fn pages_come_before_a_socket_on_the_same_connection() {
    let mut sim = Sim::new(room());
    let peer = sim.connect();
    sim.send(peer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    sim.send(peer, REQUEST.replace("/room", "/room?ann").as_bytes());
    sim.send(peer, &client_frame(TEXT, b"hello"));
    let output = String::from_utf8_lossy(&sim.received(peer)).into_owned();
    let parts = ["HTTP/1.1 200 OK\r\n", "the page", "HTTP/1.1 404 Not Found\r\n", "HTTP/1.1 101 ", "\x07welcome"];
    let places: Vec<_> = parts.iter().map(|part| output.find(part).expect(part)).collect();
    assert!(places.is_sorted() && output.ends_with("\nann: hello"), "{output}");
    assert_eq!(sim.timers(), 0, "no timer of HTTP is left");
    sim.send(peer, b"GET / HTTP/1.1\r\n");
    assert!(readable(&sim.received(peer)).starts_with("close 1002 "), "after the opening, nothing is HTTP");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert_eq!(sim.handler_mut().get_ref().members, []);
}

#[test]
fn a_page_without_an_answer_gets_500() {
    let (output, _) = whole(room(), b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(output.starts_with(b"HTTP/1.1 500 Internal Server Error\r\n"), "{}", output.escape_ascii());
}

#[test]
fn a_frame_is_the_same_for_all_members() {
    let mut sim = Sim::new(room());
    let members = [sim.connect(), sim.connect(), sim.connect()];
    for peer in members {
        sim.send(peer, REQUEST.as_bytes());
        assert_eq!(readable(&sim.received(peer)), "text welcome\n");
    }
    sim.send(members[0], &client_frame(BINARY, b"a\nb"));
    for peer in members {
        assert_eq!(readable(&sim.received(peer)), "text someone: a\\nb\n");
    }
}

/// Messages wait for a job, and so do pings: answers have the order of what they answer.
#[test]
fn a_job_a_pause_and_a_timer_end_in_order() {
    let (mut sim, peer) = opened(room());
    sim.hold_jobs();
    sim.send(peer, &[client_frame(TEXT, b"job"), client_frame(PING, b"1"), client_frame(TEXT, b"a")].concat());
    assert_eq!(readable(&sim.received(peer)), "");
    sim.release_jobs();
    assert_eq!(readable(&sim.received(peer)), "text done\npong 1\ntext someone: a\n");
    sim.send(peer, &[client_frame(TEXT, b"timer"), client_frame(TEXT, b"pause"), client_frame(TEXT, b"b")].concat());
    assert_eq!(readable(&sim.received(peer)), "");
    sim.advance(Duration::from_secs(2));
    let mut lines: Vec<_> = readable(&sim.received(peer)).lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["text someone: b", "text time is over"]);
}

/// The close of a stop follows the answers to what was read before.
#[test]
fn a_stop_answers_what_was_read() {
    let (mut sim, peer) = opened(room());
    sim.hold_jobs();
    sim.send(peer, &[client_frame(TEXT, b"job"), client_frame(TEXT, b"a"), client_frame(TEXT_BEGINS, b"b")].concat());
    assert_eq!(readable(&sim.received(peer)), "");
    sim.stop();
    sim.run();
    sim.release_jobs();
    assert_eq!(readable(&sim.received(peer)), "text done\ntext someone: a\nclose 1001 \n");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

/// Half a request has the time of `header_timeout`; a socket may be silent.
#[test]
fn the_limits_of_http_end_with_the_opening() {
    let (mut sim, peer) = opened(room());
    let slow = sim.connect();
    sim.send(slow, &REQUEST.as_bytes()[..50]);
    sim.advance(Duration::from_secs(3600));
    assert!(sim.received(slow).starts_with(b"HTTP/1.1 408 "));
    sim.send(peer, &client_frame(TEXT, b"still here"));
    assert_eq!(readable(&sim.received(peer)), "text someone: still here\n");
}

/// The size that each idle socket has in the table of sessions.
#[test]
fn a_session_is_small() {
    assert_eq!(size_of::<Socket>(), 16);
    assert_eq!(size_of::<WebSocketSession<()>>(), 24);
}
