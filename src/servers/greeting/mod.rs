//! Greeting: one text for each client, or one file.
//!
//! Invariant: each peer receives the text once, as a line, or the file, before any of its input is used. The peer is
//! then closed, or closed after a line of its own. That line is only logged, through [`sanitize`].

#[cfg(feature = "cli")]
mod args;
mod file;

#[cfg(feature = "cli")]
pub use args::GreetingServer;

use std::io;
use std::path::Path;

use crate::connection::origin::{Origin, Peer};
use crate::framing::{Lines, MessageHandler};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::greeting::file::GreetingFile;
use crate::workers::Done;

/// Sends a text as a line, or a file, and closes the connection.
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
#[derive(Debug)]
pub struct Greeting {
    content: Content,
}

/// What each client gets.
#[derive(Debug)]
enum Content {
    /// The text with its LF.
    Line(Vec<u8>),
    File(GreetingFile),
}

impl Greeting {
    /// Sends `text`, and a line end, as soon as a peer connects, and closes the connection. Input is discarded.
    #[must_use]
    pub fn new(text: &str) -> Greeting {
        Greeting { content: Content::Line(format!("{text}\n").into_bytes()) }
    }

    /// Sends the file at `path` as soon as a peer connects, and closes the connection. Input is discarded.
    ///
    /// The file is opened for each peer anew, and sent with the length that it has then, by [`Context::reply_file`]. If
    /// it cannot be opened, the peer gets nothing; if it is truncated meanwhile, the connection is reset. The log shows
    /// both.
    ///
    /// # Errors
    /// If the file cannot be opened now, or is no regular file.
    pub fn file(path: &Path) -> io::Result<Greeting> {
        Ok(Greeting { content: Content::File(GreetingFile::new(path)?) })
    }

    /// Starts the thread that opens the file, so that a program without the right to start threads fails at its start.
    #[cfg(feature = "cli")]
    fn start_thread(&self) -> io::Result<()> {
        match &self.content {
            Content::Line(_) => Ok(()),
            Content::File(file) => file.start_thread(),
        }
    }

    /// After the text or the file, waits for a line of at most `max_line` bytes before it closes the connection. The
    /// line is logged at the level `info`.
    #[must_use]
    pub fn with_reply(self, max_line: usize) -> Lines<GreetingReply> {
        Lines::new(GreetingReply { greeting: self }, max_line)
    }

    /// Greets a new peer. Returns whether that is done. If not, a job opens the file, and
    /// [`greet_by_file`](Self::greet_by_file) follows.
    fn greet(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.content {
            Content::Line(line) => {
                cx.reply(line);
                true
            }
            Content::File(file) => {
                file.open(cx);
                false
            }
        }
    }

    fn greet_by_file(&mut self, done: Done, cx: &mut Context<'_>) {
        if let Content::File(file) = &mut self.content {
            file.reply(done, cx);
        }
    }
}

impl Handler for Greeting {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        if self.greet(cx) {
            cx.close();
        }
    }

    fn done(&mut self, (): &mut (), done: Done, cx: &mut Context<'_>) {
        self.greet_by_file(done, cx);
        cx.close();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }
}

/// A greeting that waits for a reply; the handler that [`Greeting::with_reply`] wraps.
#[derive(Debug)]
pub struct GreetingReply {
    greeting: Greeting,
}

impl MessageHandler for GreetingReply {
    /// The address, for the log.
    type Session = Peer;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Peer {
        self.greeting.greet(cx);
        origin.peer
    }

    fn done(&mut self, _: &mut Peer, done: Done, cx: &mut Context<'_>) {
        self.greeting.greet_by_file(done, cx);
    }

    fn message<'a>(&mut self, peer: &mut Peer, line: &'a mut [u8], cx: &mut Context<'a>) {
        log::info!("{peer} says: {}", sanitize(line));
        cx.close();
    }
}

#[cfg(test)]
mod tests;
