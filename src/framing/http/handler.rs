//! The handler of a server that answers whole requests.

use std::sync::Arc;

use super::exchange::{Event, Exchange};
use super::options::HttpOptions;
use super::request::Request;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::unread::Unread;
use crate::handler::Handler;
use crate::handler::context::Context;

/// A server that answers whole requests at once: an interface for programs, figures, a small page.
///
/// [`Http`] makes a [`Handler`] of it. A server that needs time for an answer, or has large bodies, is a [`Handler`]
/// with an [`Exchange`] in its session instead.
pub trait RequestHandler {
    /// Answers a request, whose whole body is `body`, with [`Exchange::respond`] or [`Exchange::respond_error`].
    ///
    /// If this returns without an answer, the answer is 500.
    fn request(&mut self, request: &Request<'_>, body: &[u8], exchange: &mut Exchange, cx: &mut Context<'_>);
}

/// A [`Handler`] made of a [`RequestHandler`].
///
/// A body is kept until it is complete, so each connection may take
/// [`HttpOptions::max_body`](super::HttpOptions::max_body) bytes of memory.
#[derive(Debug)]
pub struct Http<H> {
    inner: H,
    options: Arc<HttpOptions>,
}

/// The session of an [`Http`] handler.
#[derive(Debug)]
pub struct HttpSession {
    exchange: Exchange,
    /// A request whose body is not complete.
    pending: Option<Box<Pending>>,
}

#[derive(Debug, Default)]
struct Pending {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl<H: RequestHandler> Http<H> {
    /// Passes requests to `inner`.
    pub fn new(inner: H, options: HttpOptions) -> Self {
        Http { inner, options: Arc::new(options) }
    }

    /// Returns the inner handler.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// Returns the inner handler, to change it between turns.
    pub fn get_mut(&mut self) -> &mut H {
        &mut self.inner
    }

    /// Answers a request for good.
    fn answer(&mut self, request: &Request<'_>, body: &[u8], exchange: &mut Exchange, cx: &mut Context<'_>) {
        self.inner.request(request, body, exchange, cx);
        exchange.ensure_answer(request, cx);
    }

    fn event(&mut self, session: &mut HttpSession, event: Event<'_>, cx: &mut Context<'_>) {
        let HttpSession { exchange, pending } = session;
        match event {
            Event::Request(request) if request.has_body() => {
                *pending = Some(Box::new(Pending { head: request.as_bytes().to_vec(), body: Vec::new() }));
            }
            Event::Request(request) => self.answer(&request, b"", exchange, cx),
            Event::Body(bytes) => {
                if let Some(pending) = pending {
                    pending.body.extend_from_slice(bytes);
                }
            }
            Event::End(_) => {
                if let Some(Pending { head, body }) = pending.take().as_deref()
                    && let Ok(request) = Request::parse(head, &self.options)
                {
                    self.answer(&request, body, exchange, cx);
                }
            }
        }
    }
}

impl<H: RequestHandler> Handler for Http<H> {
    type Session = HttpSession;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> HttpSession {
        HttpSession { exchange: Exchange::open(&self.options, cx), pending: None }
    }

    fn data<'a>(&mut self, session: &mut HttpSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(event) = session.exchange.next(&mut unread, cx) {
            self.event(session, event, cx);
        }
        unread.used()
    }

    fn eof(&mut self, session: &mut HttpSession, cx: &mut Context<'_>) {
        session.exchange.eof(cx);
    }

    fn timer(&mut self, session: &mut HttpSession, timer: TimerId, cx: &mut Context<'_>) {
        session.exchange.timer(timer, cx);
    }
}
