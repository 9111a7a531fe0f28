//! A framing of its own: a message is a paragraph, and ends at an empty line. The reply says how long it is.
//! Run it with `cargo run --example custom_framing`, and type a few lines and an empty one to `nc 127.0.0.1 7000`.

use std::ops::Range;

use switchboard::framing::{Frame, Framed, Framer, MessageHandler};
use switchboard::{ConsoleMode, Context, Limits, Origin, Reactor};

/// Finds paragraphs. A paragraph that does not fit into [`Limits::inbox`] ends its connection.
struct Paragraphs;

impl Framer for Paragraphs {
    /// The bytes of the unread input that are known to hold no end of a paragraph, so that no byte is searched twice.
    type State = usize;

    fn next(&self, searched: &mut usize, input: &mut [u8]) -> Frame {
        if let Some(at) = input[*searched..].windows(2).position(|pair| pair == b"\n\n") {
            let end = std::mem::take(searched) + at;
            return Frame::Message { body: 0..end, used: end + 2 };
        }
        // The last byte may be the first half of an end.
        *searched = input.len() - 1;
        Frame::Partial { needed: None }
    }

    /// The end of the input also ends a paragraph.
    fn last(&self, rest: &[u8]) -> Option<Range<usize>> {
        Some(0..rest.len())
    }
}

struct Counter;

impl MessageHandler for Counter {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), paragraph: &'a mut [u8], cx: &mut Context<'a>) {
        let text = paragraph.trim_ascii();
        if !text.is_empty() {
            let lines = text.split(|&byte| byte == b'\n').count();
            cx.reply(format!("lines: {lines}, bytes: {}\n", text.len()).as_bytes());
        }
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    let mut reactor = Reactor::new(Framed::with_framer(Counter, Paragraphs), Limits::default())?;
    for bound in reactor.bind(&address)? {
        println!("listening on {bound}");
    }
    reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
    reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
    reactor.run()?;
    Ok(())
}
