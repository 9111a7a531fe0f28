//! Echo: input is sent back (RFC 862), as a stream of bytes or line by line.

#[cfg(feature = "cli")]
mod args;
#[cfg(feature = "web")]
mod web;

#[cfg(feature = "cli")]
pub use args::EchoServer;

use crate::connection::origin::{Origin, Source};
use crate::framing::{Lines, MessageHandler};
use crate::handler::Handler;
use crate::handler::context::Context;

/// Sends every byte back unchanged, over connections and in datagrams (RFC 862).
///
/// [`Echo::bytes`] works on a stream of bytes. [`Echo::lines`] works on lines, with a prefix for each answer and a word
/// that ends the conversation.
#[derive(Clone, Debug, Default)]
pub struct Echo;

impl Echo {
    /// Echoes the stream of bytes. Nothing is added, parsed or stored.
    #[must_use]
    pub fn bytes() -> Echo {
        Echo
    }

    /// Echoes whole lines of at most `max_line` bytes. Each answer begins with the prefix and ends in LF.
    #[must_use]
    pub fn lines(options: EchoLines) -> Lines<EchoLines> {
        let max_line = options.max_line;
        Lines::new(options, max_line)
    }
}

impl Handler for Echo {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        cx.reply_input(input);
        input.len()
    }

    fn datagram<'a>(&mut self, _: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply_input(input);
    }
}

/// Echoes lines; the handler that [`Echo::lines`] wraps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EchoLines {
    /// Sent before each line.
    pub prefix: Vec<u8>,
    /// A line that equals this, ASCII case ignored, ends the conversation without an answer.
    pub quit_on: Option<Vec<u8>>,
    /// The longest line, in bytes.
    pub max_line: usize,
}

impl Default for EchoLines {
    fn default() -> Self {
        EchoLines { prefix: Vec::new(), quit_on: None, max_line: 4096 }
    }
}

impl EchoLines {
    fn is_quit(&self, line: &[u8]) -> bool {
        self.quit_on.as_ref().is_some_and(|word| word.eq_ignore_ascii_case(line))
    }
}

impl MessageHandler for EchoLines {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
        if self.is_quit(line) {
            cx.close();
        } else {
            cx.reply(&self.prefix);
            cx.reply_input(line);
            cx.reply(b"\n");
        }
    }

    /// Treats a datagram as one line. The answer has a line end if the datagram has one.
    fn datagram<'a>(&mut self, _: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        let line = input.trim_ascii_end();
        if !self.is_quit(line) {
            cx.reply(&self.prefix);
            cx.reply_input(input);
        }
    }
}
