//! The web door of the capitals: texts only.

use super::{Alphabet, Uppercase};
use crate::framing::websocket::{CloseCode, Message, close, text_frame};
use crate::handler::context::Context;
use crate::servers::doors::Answerer;

impl Answerer for Uppercase {
    const HINT: &'static str = "This uppercase-server sends each text back in capitals.";

    fn answer(&mut self, message: Message<'_>, cx: &mut Context<'_>) {
        let Message::Text(text) = message else { return close(CloseCode::UNSUPPORTED_DATA, "only text", cx) };
        match self.alphabet {
            Alphabet::Ascii => {
                text.make_ascii_uppercase();
                cx.reply(&text_frame(text));
            }
            Alphabet::Unicode => cx.reply(&text_frame(&text.to_uppercase())),
        }
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
            let mut sim = Sim::new(Doors::new(handler, handler, WebSocketOptions::default()));
            let page = open(&mut sim);
            sim.send(page, &frame(0x81, "straße".as_bytes()));
            assert_eq!(sim.received(page), [&[0x81, 7], capitals.as_bytes()].concat());
            sim.send(page, &frame(0x82, b"a"));
            assert_eq!(sim.received(page), b"\x88\x0b\x03\xebonly text");
        }
    }
}
