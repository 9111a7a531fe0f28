//! Servers of lines at the web door: one message is one line, and the replies of one callback are one message.
//!
//! Invariant: a server says the same at both doors, because it does not know the door of a session.

use std::ops::ControlFlow;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::http::{Exchange, Request};
use crate::framing::websocket::{CloseCode, Message, WebSocketHandler, WebSocketOptions, close, text_frame};
use crate::framing::{FramedSession, LineState, Lines, MessageHandler};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::doors::{AtDoors, Doors};
use crate::servers::page;
use crate::workers::Done;

/// A server of lines that serves pages, too: see [`Doors::of_lines`].
///
/// At the web door, a text is a line; its line end may be missing. What a callback replies is one text, without its
/// last line end. At the line door, the server gets its lines by [`message`](MessageHandler::message), which can pass
/// them on to [`line`](Self::line).
///
/// ```
/// use std::ops::ControlFlow;
///
/// use switchboard::framing::http::{Exchange, Request, Status};
/// use switchboard::framing::websocket::WebSocketOptions;
/// use switchboard::framing::{Lines, MessageHandler};
/// use switchboard::servers::{Doors, LineServer};
/// use switchboard::{Context, Origin, Sim};
///
/// /// Answers each line with its length. An empty line ends the connection.
/// struct Length;
///
/// impl MessageHandler for Length {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///
///     fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
///         if self.line(&mut (), &String::from_utf8_lossy(line), cx).is_break() {
///             cx.close();
///         }
///     }
/// }
///
/// impl LineServer for Length {
///     fn line(&mut self, (): &mut (), line: &str, cx: &mut Context<'_>) -> ControlFlow<()> {
///         cx.reply(format!("{}\n", line.len()).as_bytes());
///         if line.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
///     }
///
///     fn request(&mut self, _: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
///         exchange.respond(Status::OK, cx).text("Send lines over a WebSocket.\n");
///     }
/// }
///
/// let mut sim = Sim::new(Doors::of_lines(Lines::new(Length, 80), WebSocketOptions::default()));
/// let nc = sim.connect();
/// sim.send(nc, b"four\n");
/// assert_eq!(sim.received(nc), b"4\n");
/// ```
pub trait LineServer: MessageHandler {
    /// Takes a line, at either door.
    ///
    /// Returns [`Break`](ControlFlow::Break) to end the connection after the replies. The server does not close it
    /// itself, since a page still gets a close frame.
    fn line(&mut self, session: &mut Self::Session, line: &str, cx: &mut Context<'_>) -> ControlFlow<()>;

    /// Answers a request that opens no WebSocket, such as that of a browser for a page.
    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>);
}

impl<S: LineServer> Doors<Lines<S>> {
    /// Opens both doors of a server of lines. The longest message is the longest line.
    pub fn of_lines(server: Lines<S>, options: WebSocketOptions) -> Self {
        let max_message = server.max_line();
        Doors::new(server, WebSocketOptions { max_message, ..options })
    }
}

impl<S: LineServer> WebSocketHandler for Lines<S> {
    type Session = S::Session;

    fn open(&mut self, origin: &Origin, _: &Request<'_>, cx: &mut Context<'_>) -> S::Session {
        as_one_text(cx, |cx| self.get_mut().open(origin, cx))
    }

    fn message(&mut self, session: &mut S::Session, message: Message<'_>, cx: &mut Context<'_>) {
        let Message::Text(text) = message else { return close(CloseCode::UNSUPPORTED_DATA, "only text", cx) };
        let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        if as_one_text(cx, |cx| self.get_mut().line(session, line, cx)).is_break() {
            close(CloseCode::NORMAL, "", cx);
        }
    }

    fn wants_socket(&self, request: &Request<'_>) -> bool {
        page::wants_socket(request)
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        self.get_mut().request(request, exchange, cx);
    }

    fn drained(&mut self, session: &mut S::Session, cx: &mut Context<'_>) {
        as_one_text(cx, |cx| self.get_mut().drained(session, cx));
    }

    fn timer(&mut self, session: &mut S::Session, timer: TimerId, cx: &mut Context<'_>) {
        as_one_text(cx, |cx| self.get_mut().timer(session, timer, cx));
    }

    fn done(&mut self, session: &mut S::Session, done: Done, cx: &mut Context<'_>) {
        as_one_text(cx, |cx| self.get_mut().done(session, done, cx));
    }

    fn dismissed(&mut self, session: &mut S::Session, cx: &mut Context<'_>) {
        as_one_text(cx, |cx| self.get_mut().dismissed(session, cx));
    }

    fn closed(&mut self, session: S::Session, cause: &Closed, cx: &mut Context<'_>) {
        self.get_mut().closed(session, cause, cx);
    }
}

impl<S: LineServer> AtDoors for Lines<S> {
    type LineSession = FramedSession<S::Session, LineState>;

    fn line(&mut self) -> impl Handler<Session = Self::LineSession> {
        self
    }
}

/// Runs a callback of the server, and makes one text of its replies.
fn as_one_text<'a, R>(cx: &mut Context<'a>, callback: impl FnOnce(&mut Context<'a>) -> R) -> R {
    let (result, is_open) = cx.encode_replies(
        |cx| (callback(cx), cx.is_open()),
        |replies| text_frame(&String::from_utf8_lossy(replies.strip_suffix(b"\n").unwrap_or(replies))),
    );
    debug_assert!(is_open, "a server of lines does not close the connection itself");
    result
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::http::HttpOptions;
    use crate::framing::websocket::WebSocket;
    use crate::framing::websocket::tests::{client_frame, readable};
    use crate::net::Door;
    use crate::servers::chunking::{Step, play, steps, tight};
    use crate::servers::doors::tests::request;
    use crate::servers::{Echo, EchoLines};
    use crate::sim::{Sim, SimPeer, assert_chunking_law};

    /// Opens a page, and returns the first answers in words.
    pub(crate) fn open<H: Handler>(sim: &mut Sim<H>) -> (SimPeer, String) {
        let page = sim.connect_at(Door::Web);
        sim.send(page, &request("/", "localhost", ""));
        (page, heard(sim, page))
    }

    /// What a page has received, in words: `text hello`, `close 1000`.
    pub(crate) fn heard<H: Handler>(sim: &mut Sim<H>, page: SimPeer) -> String {
        readable(&sim.received(page))
    }

    /// Sends a line from a page, and returns the answers in words.
    pub(crate) fn ask<H: Handler>(sim: &mut Sim<H>, page: SimPeer, line: &str) -> String {
        sim.send(page, &client_frame(0x81, line.as_bytes()));
        heard(sim, page)
    }

    /// The answers to a page do not depend on how its lines arrive and how fast it reads.
    #[track_caller]
    pub(crate) fn assert_pieces_do_not_matter<S: LineServer>(
        make: impl Fn() -> Lines<S>,
        lines: &[String],
        steps: &[Step],
    ) {
        let frames: Vec<u8> = lines.iter().flat_map(|line| client_frame(0x81, line.as_bytes())).collect();
        let answers = |steps: &[Step]| {
            let mut sim = Sim::with_limits(Doors::of_lines(make(), WebSocketOptions::default()), tight());
            let (page, greeting) = open(&mut sim);
            let mut received = play(&mut sim, page, &frames, steps);
            sim.shut_down(page);
            received.extend(sim.received(page));
            (greeting, readable(&received), sim.ending(page))
        };
        assert_eq!(answers(steps), answers(&[]));
    }

    /// Each line has the same answer at both doors, at the web door in one text, and the same line is the last one.
    #[track_caller]
    pub(crate) fn assert_same_words<S: LineServer>(make: impl Fn() -> Lines<S>, lines: &[impl AsRef<str>]) {
        let doors = || Sim::new(Doors::of_lines(make(), WebSocketOptions::default()));
        let (mut by_lines, mut by_texts) = (doors(), doors());
        let nc = by_lines.connect();
        let (page, mut got) = open(&mut by_texts);
        let mut last = "(the greeting)";
        for line in lines.iter().map(AsRef::as_ref) {
            assert_eq!(got, answer_as_text(&mut by_lines, nc), "{last}");
            if by_lines.ending(nc).is_some() {
                return;
            }
            by_lines.send(nc, format!("{line}\n").as_bytes());
            got = ask(&mut by_texts, page, line);
            last = line;
        }
        assert_eq!(got, answer_as_text(&mut by_lines, nc), "{last}");
    }

    /// What a netcat has received, in the words for a page.
    fn answer_as_text<H: Handler>(sim: &mut Sim<H>, nc: SimPeer) -> String {
        let answer = String::from_utf8(sim.received(nc)).expect("text");
        let end = sim.ending(nc).map_or("", |_| "close 1000 \n");
        if answer.is_empty() { end.to_owned() } else { format!("text {answer}{end}") }
    }

    fn echo() -> Lines<EchoLines> {
        Echo::lines(EchoLines { quit_on: Some(b"q".to_vec()), ..EchoLines::default() })
    }

    proptest! {
        #[test]
        fn a_page_hears_what_a_netcat_hears(
            lines in proptest::collection::vec("[a-z\u{e9} ]{0,9}|q", 0..6),
            steps in steps(),
        ) {
            assert_same_words(echo, &lines);
            assert_pieces_do_not_matter(echo, &lines, &steps);
        }
    }

    #[test]
    fn the_chunking_law_holds_for_a_page() {
        let server = || WebSocket::new(echo(), WebSocketOptions::default(), HttpOptions::default());
        let frames = ["hi\r\n", "", "q", "late"].map(|line| client_frame(0x81, line.as_bytes())).concat();
        assert_chunking_law(server, &[request("/", "localhost", ""), frames].concat());
    }

    /// A server that closes the connection itself, so that its last words come without a frame.
    struct Rude;

    impl MessageHandler for Rude {
        type Session = ();

        fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

        fn message<'a>(&mut self, (): &mut (), _: &'a mut [u8], _: &mut Context<'a>) {}
    }

    impl LineServer for Rude {
        fn line(&mut self, (): &mut (), _: &str, cx: &mut Context<'_>) -> ControlFlow<()> {
            cx.close();
            ControlFlow::Continue(())
        }

        fn request(&mut self, _: &Request<'_>, _: &mut Exchange, _: &mut Context<'_>) {}
    }

    #[test]
    #[should_panic(expected = "a server of lines does not close the connection itself")]
    fn a_server_leaves_the_close_to_its_door() {
        let mut sim = Sim::new(Doors::of_lines(Lines::new(Rude, 10), WebSocketOptions::default()));
        let (page, _) = open(&mut sim);
        ask(&mut sim, page, "x");
    }
}
