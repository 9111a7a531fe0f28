//! The web door of the capitals: texts only.

use super::{Alphabet, Uppercase};
use crate::connection::origin::Origin;
use crate::framing::http::{Exchange, Request};
use crate::framing::websocket::{CloseCode, Message, WebSocketHandler, close, text_frame};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::doors::AtDoors;
use crate::servers::page;

impl WebSocketHandler for Uppercase {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        let Message::Text(text) = message else { return close(CloseCode::UNSUPPORTED_DATA, "only text", cx) };
        match self.alphabet {
            Alphabet::Ascii => {
                text.make_ascii_uppercase();
                cx.reply(&text_frame(text));
            }
            Alphabet::Unicode => cx.reply(&text_frame(&text.to_uppercase())),
        }
    }

    fn wants_socket(&self, request: &Request<'_>) -> bool {
        page::wants_socket(request)
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        page::hint("This uppercase-server sends each text back in capitals.", request, exchange, cx);
    }
}

impl AtDoors for Uppercase {
    type LineSession = ();

    fn line(&mut self) -> impl Handler<Session = Self::LineSession> {
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::framing::websocket::WebSocketOptions;
    use crate::servers::Uppercase;
    use crate::servers::doors::Doors;
    use crate::servers::doors::tests::{frame, open};
    use crate::sim::Sim;

    #[test]
    fn a_text_comes_back_in_capitals_and_bytes_are_refused() {
        for (handler, capitals) in [(Uppercase::ascii(), "STRAßE"), (Uppercase::unicode(), "STRASSE")] {
            let mut sim = Sim::new(Doors::new(handler, WebSocketOptions::default()));
            let page = open(&mut sim);
            sim.send(page, &frame(0x81, "straße".as_bytes()));
            assert_eq!(sim.received(page), [&[0x81, 7], capitals.as_bytes()].concat());
            sim.send(page, &frame(0x82, b"a"));
            assert_eq!(sim.received(page), b"\x88\x0b\x03\xebonly text");
        }
    }
}
