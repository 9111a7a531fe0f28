//! The handler of a server of messages: each connection begins with requests and becomes a socket.

use std::process::ExitStatus;
use std::sync::Arc;

use super::close_code::CloseCode;
use super::encoder::close_frame;
use super::opening;
use super::options::WebSocketOptions;
use super::socket::{Message, Socket};
use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::http::{Event, Exchange, HttpOptions, Request, Status};
use crate::framing::unread::Unread;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::events::events;
use crate::workers::Done;

/// A server of messages for web pages and programs. [`WebSocket`] makes a [`Handler`] of it.
///
/// The calls for one connection are [`request`](Self::request) for each request that asks for no WebSocket, then, with
/// the one that does, [`open`](Self::open), and from then on those of a
/// [`MessageHandler`](crate::framing::MessageHandler). A connection without a WebSocket has no session.
pub trait WebSocketHandler {
    /// The state that the handler keeps for each WebSocket.
    type Session;

    /// A WebSocket is open. `request` has the path, and what else the client has sent with it.
    ///
    /// Returns the session of the connection.
    fn open(&mut self, origin: &Origin, request: &Request<'_>, cx: &mut Context<'_>) -> Self::Session;

    /// A whole message has arrived. It is used when this returns: to keep it, copy it.
    ///
    /// Reply with a frame: `cx.reply(&text_frame("hello"))`.
    fn message(&mut self, session: &mut Self::Session, message: Message<'_>, cx: &mut Context<'_>);

    /// Whether `request` is one for a WebSocket. If not, [`request`](Self::request) follows.
    ///
    /// The default accepts each request that asks for a WebSocket, on any path.
    fn wants_socket(&self, request: &Request<'_>) -> bool {
        Socket::is_requested(request)
    }

    /// A request that asks for no WebSocket: answer it with [`Exchange::respond`]. If it has a body, that is discarded.
    ///
    /// The default answers with 426.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        opening::require_upgrade(opening::NOT_REQUESTED, exchange, cx);
    }

    /// The operator is about to close this connection (`kick`), for a `reason` that may be empty.
    ///
    /// [`closed`](Self::closed) follows. The default sends a close frame with code 1008 and the reason.
    #[allow(unused_variables, reason = "the documentation shows the names")]
    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        cx.reply(&close_frame(CloseCode::POLICY_VIOLATION, reason));
    }

    events! { connection => declare }
    events! { closing => declare }
    events! { service => declare }
    events! { process => declare }
}

/// A [`Handler`] made of a [`WebSocketHandler`].
///
/// ```
/// use switchboard::framing::http::{HttpOptions, Request};
/// use switchboard::framing::websocket::{Message, WebSocket, WebSocketHandler, WebSocketOptions};
/// use switchboard::{Context, Origin, Sim};
///
/// struct Echo;
///
/// impl WebSocketHandler for Echo {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}
///
///     fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
///         cx.reply(&message.to_frame());
///     }
/// }
///
/// let mut sim = Sim::new(WebSocket::new(Echo, WebSocketOptions::default(), HttpOptions::default()));
/// let page = sim.connect();
/// let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
///     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// sim.send(page, request.as_bytes());
/// assert!(sim.received(page).starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// sim.send(page, b"\x81\x85\0\0\0\0hello"); // a text of five bytes, with a mask of zeros
/// assert_eq!(sim.received(page), b"\x81\x05hello");
/// ```
#[derive(Debug)]
pub struct WebSocket<H> {
    inner: H,
    options: WebSocketOptions,
    http: Arc<HttpOptions>,
}

/// The session of a [`WebSocket`] handler.
#[derive(Debug)]
pub struct WebSocketSession<S> {
    stage: Stage<S>,
}

/// How far a connection is. Most are open for long, so the requests before that do not count in the size.
#[derive(Debug)]
enum Stage<S> {
    Http(Box<(Origin, Exchange)>),
    Open(Socket, S),
}

impl<H: WebSocketHandler> WebSocket<H> {
    /// Passes messages to `inner`.
    pub fn new(inner: H, options: WebSocketOptions, http: HttpOptions) -> Self {
        WebSocket { inner, options, http: Arc::new(http) }
    }

    /// Returns the inner handler.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }

    /// Returns the inner handler, to change it between turns.
    pub fn get_mut(&mut self) -> &mut H {
        &mut self.inner
    }

    /// Answers requests up to one that opens a WebSocket.
    fn answer<'i>(
        &mut self,
        (origin, exchange): &mut (Origin, Exchange),
        unread: &mut Unread<'i>,
        cx: &mut Context<'i>,
    ) -> Option<(Socket, H::Session)> {
        while let Some(event) = exchange.next(unread, cx) {
            let Event::Request(request) = event else { continue };
            if !self.options.admits_host(&request) {
                exchange.respond_error(Status::FORBIDDEN, opening::UNKNOWN_HOST, cx);
            } else if !self.inner.wants_socket(&request) {
                self.inner.request(&request, exchange, cx);
                exchange.ensure_answer(&request, cx);
            } else if let Some(socket) = Socket::accept(&self.options, &request, exchange, cx) {
                return Some((socket, self.inner.open(origin, &request, cx)));
            }
        }
        None
    }
}

impl<H: WebSocketHandler> Handler for WebSocket<H> {
    type Session = WebSocketSession<H::Session>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        WebSocketSession { stage: Stage::Http(Box::new((origin.clone(), Exchange::open(&self.http, cx)))) }
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        if let Stage::Http(stage) = &mut session.stage
            && let Some((socket, inner)) = self.answer(stage, &mut unread, cx)
        {
            session.stage = Stage::Open(socket, inner);
        }
        if let Stage::Open(socket, inner) = &mut session.stage {
            while let Some(message) = socket.next(&mut unread, cx) {
                self.inner.message(inner, message, cx);
            }
        }
        unread.used()
    }

    fn eof(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match &mut session.stage {
            Stage::Http(stage) => stage.1.eof(cx),
            Stage::Open(_, inner) => self.inner.eof(inner, cx),
        }
    }

    fn timer(&mut self, session: &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
        match &mut session.stage {
            Stage::Http(stage) => drop(stage.1.timer(timer, cx)),
            Stage::Open(_, inner) => self.inner.timer(inner, timer, cx),
        }
    }

    fn drained(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        if let Stage::Open(_, inner) = &mut session.stage {
            self.inner.drained(inner, cx);
        }
    }

    fn done(&mut self, session: &mut Self::Session, done: Done, cx: &mut Context<'_>) {
        if let Stage::Open(_, inner) = &mut session.stage {
            self.inner.done(inner, done, cx);
        }
    }

    fn exited(&mut self, session: &mut Self::Session, status: ExitStatus, cx: &mut Context<'_>) {
        if let Stage::Open(_, inner) = &mut session.stage {
            self.inner.exited(inner, status, cx);
        }
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        if let Stage::Open(_, inner) = &mut session.stage {
            self.inner.kicked(inner, reason, cx);
        }
    }

    fn dismissed(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        if let Stage::Open(_, inner) = &mut session.stage {
            self.inner.dismissed(inner, cx);
            cx.reply(&close_frame(CloseCode::GOING_AWAY, ""));
        }
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        if let Stage::Open(_, inner) = session.stage {
            self.inner.closed(inner, cause, cx);
        }
    }

    events! { service => forward(self, cx) to self.inner }
    events! { process => forward(self, cx) to self.inner }
}
