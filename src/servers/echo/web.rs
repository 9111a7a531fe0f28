//! The web door of the echo: one message for each message, or for each line.

use std::ops::ControlFlow;

use super::{Echo, EchoLines};
use crate::connection::origin::Origin;
use crate::framing::http::{Exchange, Request};
use crate::framing::websocket::{Message, WebSocketHandler};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::doors::AtDoors;
use crate::servers::line_server::LineServer;
use crate::servers::page;

impl WebSocketHandler for Echo {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        cx.reply(&message.to_frame());
    }

    fn wants_socket(&self, request: &Request<'_>) -> bool {
        page::wants_socket(request)
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        page::hint("This echo-server sends each message back.", request, exchange, cx);
    }
}

impl AtDoors for Echo {
    type LineSession = ();

    fn line(&mut self) -> impl Handler<Session = Self::LineSession> {
        self
    }
}

impl LineServer for EchoLines {
    fn line(&mut self, (): &mut (), line: &str, cx: &mut Context<'_>) -> ControlFlow<()> {
        if self.is_quit(line.as_bytes()) {
            return ControlFlow::Break(());
        }
        cx.reply(&[&self.prefix, line.as_bytes(), b"\n"].concat());
        ControlFlow::Continue(())
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        page::hint("This echo-server answers each message with one.", request, exchange, cx);
    }
}

#[cfg(test)]
mod tests {
    use crate::framing::websocket::WebSocketOptions;
    use crate::net::Door;
    use crate::servers::doors::Doors;
    use crate::servers::doors::tests::{frame, open};
    use crate::servers::{Echo, EchoLines};
    use crate::sim::Sim;

    #[test]
    fn texts_and_bytes_come_back_as_they_are() {
        let mut sim = Sim::new(Doors::new(Echo::bytes(), WebSocketOptions::default()));
        let page = open(&mut sim);
        sim.send(page, &[frame(0x81, "é".as_bytes()), frame(0x82, b"\xff"), frame(0x81, b"")].concat());
        assert_eq!(sim.received(page), b"\x81\x02\xc3\xa9\x82\x01\xff\x81\x00");
    }

    #[test]
    fn a_message_is_answered_like_a_line() {
        let lines = EchoLines { prefix: b"> ".to_vec(), quit_on: Some(b"q".to_vec()), ..EchoLines::default() };
        let mut sim = Sim::new(Doors::new(Echo::lines(lines), WebSocketOptions::default()));
        let (page, nc) = (open(&mut sim), sim.connect_at(Door::Line));
        sim.send(page, &[frame(0x81, b"hi"), frame(0x81, "é\r\n".as_bytes()), frame(0x81, b"")].concat());
        assert_eq!(sim.received(page), b"\x81\x04> hi\x81\x04> \xc3\xa9\x81\x02> ");
        sim.send(nc, b"hi\n");
        assert_eq!(sim.received(nc), b"> hi\n");
        sim.send(page, &[frame(0x81, b"Q"), frame(0x81, b"late")].concat());
        assert_eq!(sim.received(page), b"\x88\x02\x03\xe8");
    }

    #[test]
    fn a_line_is_a_text_and_may_be_empty() {
        let mut sim = Sim::new(Doors::new(Echo::lines(EchoLines::default()), WebSocketOptions::default()));
        let page = open(&mut sim);
        sim.send(page, &[frame(0x81, b"\n"), frame(0x82, b"a"), frame(0x81, b"late")].concat());
        assert_eq!(sim.received(page), b"\x81\x00\x88\x0b\x03\xebonly text");
    }
}
