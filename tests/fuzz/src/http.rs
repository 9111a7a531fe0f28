//! What a server of HTTP is told of a stream of bytes, for the targets `http_head` and `http_body`.

use std::sync::Arc;

use switchboard::framing::Unread;
use switchboard::framing::http::{Event, Exchange, HttpOptions, Status};
use switchboard::{Context, Ending, Handler, Limits, Origin, Sim, TimerId};

/// What is told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Request(Head),
    /// All bytes of a body up to its end.
    Body(Vec<u8>),
    End(Vec<(String, Vec<u8>)>),
}

/// A head, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) is_http10: bool,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) has_body: bool,
}

/// Everything that happened to a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) told: Vec<Told>,
    /// The answers, one after the other.
    pub(crate) answers: Vec<u8>,
    pub(crate) ending: Option<Ending>,
}

impl Outcome {
    /// The status of the answer to input that is no request, if there was such input.
    pub(crate) fn rejection(&self) -> Option<&str> {
        let text = str::from_utf8(&self.answers).expect("answers of ASCII");
        let last = text.rfind("HTTP/1.1 ").map_or("", |at| &text[at + 9..]);
        last.get(..3).filter(|status| *status != "200")
    }
}

/// Sends `input` whole, in pieces of `size` bytes, and byte by byte, and returns what happened each time: the same.
pub(crate) fn play(input: &[u8], size: u8) -> Outcome {
    let outcome = send(input, input.len());
    for size in [usize::from(size), 1] {
        if size > 0 && size < input.len() {
            assert_eq!(send(input, size), outcome, "in pieces of {size} bytes");
        }
    }
    crate::show(&outcome);
    outcome
}

fn send(input: &[u8], size: usize) -> Outcome {
    let mut limits = Limits::default();
    limits.read_buffer = 4096;
    let mut sim = Sim::with_limits(Notes::default(), limits);
    let peer = sim.connect();
    for piece in input.chunks(size.max(1)) {
        sim.send(peer, piece);
        sim.run();
    }
    sim.shut_down(peer);
    sim.run();
    let (answers, ending) = (sim.received(peer), sim.ending(peer));
    assert_eq!(ending, Some(Ending::Eof));
    Outcome { told: std::mem::take(&mut sim.handler_mut().told), answers, ending }
}

/// Notes what it is told, and answers each request with nothing.
#[derive(Default)]
struct Notes {
    options: Arc<HttpOptions>,
    told: Vec<Told>,
}

impl Notes {
    fn note(&mut self, exchange: &mut Exchange, event: Event<'_>, cx: &mut Context<'_>) {
        let owned = |headers: switchboard::framing::http::Headers<'_>| -> Vec<(String, Vec<u8>)> {
            headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
        };
        match event {
            Event::Request(request) => {
                self.told.push(Told::Request(Head {
                    method: request.method().to_owned(),
                    target: request.target().to_owned(),
                    path: request.path().to_owned(),
                    query: request.query().map(str::to_owned),
                    host: request.host().map(str::to_owned),
                    is_http10: request.version() == switchboard::framing::http::Version::Http10,
                    headers: owned(request.headers()),
                    has_body: request.has_body(),
                }));
                if request.has_body() {
                    self.told.push(Told::Body(Vec::new()));
                } else {
                    exchange.respond(Status::OK, cx).body(b"");
                }
            }
            Event::Body(bytes) => match self.told.last_mut() {
                Some(Told::Body(body)) => body.extend_from_slice(bytes),
                last => panic!("bytes of a body after {last:?}"),
            },
            Event::End(trailers) => {
                self.told.push(Told::End(owned(trailers)));
                exchange.respond(Status::OK, cx).body(b"");
            }
        }
    }
}

impl Handler for Notes {
    type Session = Exchange;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> Exchange {
        Exchange::open(&self.options, cx)
    }

    fn data<'a>(&mut self, exchange: &mut Exchange, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(event) = exchange.next(&mut unread, cx) {
            self.note(exchange, event, cx);
        }
        unread.used()
    }

    fn eof(&mut self, exchange: &mut Exchange, cx: &mut Context<'_>) {
        exchange.eof(cx);
    }

    fn timer(&mut self, exchange: &mut Exchange, timer: TimerId, cx: &mut Context<'_>) {
        exchange.timer(timer, cx);
    }
}
