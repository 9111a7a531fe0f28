//! Greeting: one text for each client.
//!
//! Invariant: each peer receives the text once, as a line, before any of its input is read. The peer is then closed, or
//! closed after a line of its own. That line is only logged, through [`sanitize`].

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::GreetingServer;

use crate::connection::origin::{Origin, Peer};
use crate::framing::{Lines, MessageHandler};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;

/// Sends a text as a line and closes the connection.
///
/// ```
/// use switchboard::servers::Greeting;
/// use switchboard::{Ending, Sim};
///
/// let mut sim = Sim::new(Greeting::new("hello"));
/// let peer = sim.connect();
/// assert_eq!(sim.received(peer), b"hello\n");
/// sim.shut_down(peer);
/// assert_eq!(sim.ending(peer), Some(Ending::Eof));
/// ```
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The text with its LF.
    line: Vec<u8>,
}

impl Greeting {
    /// Sends `text`, and a line end, as soon as a peer connects, and closes the connection. Input is discarded.
    #[must_use]
    pub fn new(text: &str) -> Greeting {
        Greeting { line: format!("{text}\n").into_bytes() }
    }

    /// Sends `text`, waits for a line of at most `max_line` bytes, and closes the connection. The line is logged at the
    /// level `info`.
    #[must_use]
    pub fn lines(text: &str, max_line: usize) -> Lines<GreetingReply> {
        Lines::new(GreetingReply { greeting: Greeting::new(text) }, max_line)
    }
}

impl Handler for Greeting {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        cx.reply(&self.line);
        cx.close();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }
}

/// A greeting that waits for a reply; the handler that [`Greeting::lines`] wraps.
#[derive(Clone, Debug)]
pub struct GreetingReply {
    greeting: Greeting,
}

impl MessageHandler for GreetingReply {
    /// The address, for the log.
    type Session = Peer;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Peer {
        cx.reply(&self.greeting.line);
        origin.peer
    }

    fn message<'a>(&mut self, peer: &mut Peer, line: &'a mut [u8], cx: &mut Context<'a>) {
        log::info!("{peer} says: {}", sanitize(line));
        cx.close();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::servers::chunking::{in_pieces, steps, whole};
    use crate::sim::{Ending, Sim, assert_chunking_law};

    const ONCE: &[u8] = b"hello\n";

    fn with_reply() -> Lines<GreetingReply> {
        Greeting::lines("hello", 10)
    }

    #[test]
    fn the_text_comes_before_anything_is_sent() {
        let mut sim = Sim::new(Greeting::new("hello"));
        let peer = sim.connect();
        assert_eq!((sim.received(peer), sim.ending(peer)), (ONCE.to_vec(), Some(Ending::Eof)));
    }

    #[test]
    fn a_reply_follows_the_text_and_ends_the_connection() {
        let mut sim = Sim::new(with_reply());
        let peer = sim.connect();
        assert_eq!((sim.received(peer), sim.ending(peer)), (ONCE.to_vec(), None));
        sim.send(peer, b"I am ann");
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
        sim.send(peer, b"\nand more\n");
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
    }

    #[test]
    fn the_end_of_input_stands_for_a_line() {
        for input in [&b""[..], b"no end", b"\n", b"two\nlines\n"] {
            assert_eq!(whole(with_reply(), input), (ONCE.to_vec(), Some(Ending::Eof)), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_line_over_the_limit_is_told_and_the_next_one_counts() {
        let mut sim = Sim::new(with_reply());
        let peer = sim.connect();
        sim.send(peer, b"far too long for this\n");
        assert_eq!(sim.received(peer), b"hello\nline too long: the limit is 10 bytes\n");
        assert_eq!(sim.ending(peer), None);
        sim.send(peer, b"short\n");
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
    }

    #[test]
    fn obeys_the_chunking_law() {
        assert_chunking_law(|| Greeting::new("hello"), b"one\ntwo");
        assert_chunking_law(with_reply, b"one\ntwo");
        assert_chunking_law(with_reply, b"far too long for this\r\nshort\r\nrest");
    }

    proptest! {
        #[test]
        fn each_client_is_greeted_once(input: Vec<u8>, steps in steps()) {
            let greeting = Greeting::new("hello");
            prop_assert_eq!(in_pieces(greeting, &input, &steps), (ONCE.to_vec(), Some(Ending::Eof)));
            let expected = whole(with_reply(), &input);
            prop_assert!(expected.0.starts_with(ONCE));
            prop_assert_eq!(in_pieces(with_reply(), &input, &steps), expected);
        }
    }
}
