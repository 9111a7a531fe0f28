//! The rules of RFC 9110 and 9112, through the whole stack: bytes in, bytes out.

mod bodies;
mod heads;
mod model;
mod order;
mod time;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use super::{Event, Exchange, HttpOptions, Status};
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::unread::Unread;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::chunking::whole;
use crate::sim::{Ending, Sim};

/// Answers each request with what it is: `METHOD PATH?QUERY at HOST`, its body and its trailers.
///
/// The path `/chunks` gives an answer in chunks, `/early` one before the body, and `/later` one after a time. For
/// `/busy`, each part of the body takes 100 s, up to one that ends in a point.
pub(super) struct Show {
    pub(super) options: Arc<HttpOptions>,
    /// The time before the answer to `/later`: a second.
    pub(super) late: Duration,
}

impl Default for Show {
    fn default() -> Self {
        Show { options: Arc::default(), late: Duration::from_secs(1) }
    }
}

pub(super) struct Shown {
    exchange: Exchange,
    text: Vec<u8>,
    path: String,
}

impl Show {
    pub(super) fn with(options: HttpOptions) -> Self {
        Show { options: Arc::new(options), ..Show::default() }
    }
}

impl Shown {
    fn answer(&mut self, late: Duration, cx: &mut Context<'_>) {
        let text = std::mem::take(&mut self.text);
        match &*self.path {
            "/chunks" => {
                self.exchange.respond(Status::OK, cx).start();
                text.chunks(10).for_each(|chunk| self.exchange.write(chunk, cx));
                self.exchange.finish(cx);
            }
            "/early" => {}
            "/later" => {
                self.text = text;
                cx.set_timer(late);
            }
            _ => self.exchange.respond(Status::OK, cx).body(&text),
        }
    }
}

impl Handler for Show {
    type Session = Shown;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> Shown {
        Shown { exchange: Exchange::open(&self.options, cx), text: Vec::new(), path: String::new() }
    }

    fn data<'a>(&mut self, shown: &mut Shown, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(event) = shown.exchange.next(&mut unread, cx) {
            match event {
                Event::Request(request) => {
                    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
                    let host = request.host().unwrap_or("nowhere");
                    shown.text = format!("{} {}{query} at {host}", request.method(), request.path()).into_bytes();
                    shown.path = request.path().to_owned();
                    if shown.path == "/early" {
                        shown.exchange.respond(Status::OK, cx).text("early");
                    } else if request.has_body() {
                        shown.text.extend(b" <");
                    } else {
                        shown.answer(self.late, cx);
                    }
                }
                Event::Body(bytes) => {
                    shown.text.extend_from_slice(bytes);
                    if shown.path == "/busy" && !bytes.ends_with(b".") {
                        cx.pause_input(Duration::from_secs(100));
                    }
                }
                Event::End(trailers) => {
                    shown.text.push(b'>');
                    for (name, value) in trailers.iter() {
                        shown.text.extend([b" ", name.as_bytes(), b"=", value].concat());
                    }
                    shown.answer(self.late, cx);
                }
            }
        }
        unread.used()
    }

    fn eof(&mut self, shown: &mut Shown, cx: &mut Context<'_>) {
        shown.exchange.eof(cx);
    }

    fn timer(&mut self, shown: &mut Shown, timer: TimerId, cx: &mut Context<'_>) {
        if !shown.exchange.timer(timer, cx) {
            let text = std::mem::take(&mut shown.text);
            shown.exchange.respond(Status::OK, cx).body(&text);
        }
    }
}

/// The output without the lines `Date`, with LF for CRLF.
pub(super) fn readable(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output).replace("\r\n", "\n");
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("Date: "));
    lines.collect()
}

/// The answers to `input`, with LF for CRLF, after which the client ends its side.
pub(super) fn answers(input: &str) -> String {
    answers_of(Show::default(), input.as_bytes())
}

pub(super) fn answers_of(show: Show, input: &[u8]) -> String {
    let (output, ending) = whole(show, input);
    assert_eq!(ending, Some(Ending::Eof), "{}", input.escape_ascii());
    readable(&output)
}

/// The answer to input that is no request: the connection ends with it, whatever follows.
#[track_caller]
pub(super) fn assert_rejected(input: &[u8], page: &str) {
    let mut sim = Sim::new(Show::default());
    let peer = sim.connect();
    sim.send(peer, input);
    sim.send(peer, b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let (output, status) = (readable(&sim.received(peer)), page.split_once(':').map_or(page, |(status, _)| status));
    let length = page.len() + 1;
    let head = format!("HTTP/1.1 {status}\nContent-Type: text/plain; charset=utf-8\nContent-Length: {length}\n");
    let want = format!("{head}Connection: close\n\n{page}\n");
    assert_eq!(output, want, "{}", input.escape_ascii());
    assert_eq!(sim.ending(peer), Some(Ending::Eof), "{}", input.escape_ascii());
}
