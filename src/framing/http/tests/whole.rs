//! Whole requests, and a change of the protocol.

use std::sync::Arc;

use super::super::{Event, Exchange, Http, HttpOptions, Request, RequestHandler, Status};
use super::readable;
use crate::connection::origin::Origin;
use crate::framing::unread::Unread;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::chunking::whole;
use crate::sim::{Sim, assert_chunking_law};

/// Answers with the body in capitals. The path `/silent` has no answer.
struct Capitals;

impl RequestHandler for Capitals {
    fn request(&mut self, request: &Request<'_>, body: &[u8], exchange: &mut Exchange, cx: &mut Context<'_>) {
        if request.path() != "/silent" {
            let response = exchange.respond(Status::OK, cx).header("X-Value", "a\r\nX-Other: b");
            response.body(&body.to_ascii_uppercase());
        }
    }
}

fn capitals() -> Http<Capitals> {
    Http::new(Capitals, HttpOptions::default())
}

const OK: &str = "HTTP/1.1 200 OK\nX-Value: a  X-Other: b\nContent-Length: ";

#[test]
fn a_request_is_passed_on_with_its_whole_body() {
    let input = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
        POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
        POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    let (output, _) = whole(capitals(), input.as_bytes());
    assert_eq!(readable(&output), format!("{OK}0\n\n{OK}2\n\nHI{OK}5\n\nHELLO"));
    assert_chunking_law(capitals, input.as_bytes());
}

#[test]
fn a_request_without_an_answer_gets_500() {
    let (output, _) = whole(capitals(), b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let want = "HTTP/1.1 500 Internal Server Error\nContent-Type: text/plain; charset=utf-8\nContent-Length: 26\n\n\
        500 Internal Server Error\n";
    assert_eq!(readable(&output), format!("{want}{OK}0\n\n"));
}

/// After `Upgrade: echo`, all input is sent back.
#[derive(Default)]
struct Echo {
    options: Arc<HttpOptions>,
}

struct EchoSession {
    exchange: Exchange,
    is_echo: bool,
}

impl Handler for Echo {
    type Session = EchoSession;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> EchoSession {
        EchoSession { exchange: Exchange::open(&self.options, cx), is_echo: false }
    }

    fn data<'a>(&mut self, session: &mut EchoSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(event) = session.exchange.next(&mut unread, cx) {
            match event {
                Event::Request(request) if request.headers().has_token("Upgrade", "echo") => {
                    let response = session.exchange.respond(Status::SWITCHING_PROTOCOLS, cx);
                    response.header("Upgrade", "echo").switch_protocols();
                    session.is_echo = true;
                }
                Event::Request(_) => session.exchange.respond_error(Status::UPGRADE_REQUIRED, "", cx),
                Event::Body(_) | Event::End(_) => {}
            }
        }
        if session.is_echo {
            cx.reply(unread.take_rest());
        }
        unread.used()
    }
}

/// RFC 9110, section 7.8.
#[test]
fn after_an_upgrade_all_input_belongs_to_the_other_protocol() {
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x, ECHO\r\n\r\nGET / x\r\n\r\n";
    let answer = "HTTP/1.1 101 Switching Protocols\nUpgrade: echo\nConnection: Upgrade\n\n";
    let mut sim = Sim::new(Echo::default());
    let peer = sim.connect();
    sim.send(peer, upgrade.as_bytes());
    sim.send(peer, b"\0\n");
    assert_eq!(readable(&sim.received(peer)), format!("{answer}GET / x\n\n\0\n"));
    assert_eq!((sim.ending(peer), sim.timers()), (None, 0));
    assert_chunking_law(Echo::default, upgrade.as_bytes());
}
