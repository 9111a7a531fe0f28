//! One client, served by a handler to its end with read(2) and write(2) that wait.
//!
//! A [`Sim`] hosts the handler: it is a reactor without a poll, so what is read goes in, and what comes out is written.
//! The handler cannot tell that there is no loop. Time stands still and there is no other client, so this is no host
//! for a protocol that speaks without being spoken to: a chat, or anything with timers.

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use switchboard::servers::Uppercase;
use switchboard::{Handler, Limits, Sim, SimPeer};
use switchboard_harness::Process;

/// Bytes read at once. Each client has a buffer of its own here, where a loop has one for all.
const BUFFER: usize = 4096;

/// Messages by which the cost of the host is found.
const TRIALS: u32 = 200_000;

/// Clients by which its memory is found.
const HOSTS: usize = 2000;

/// Serves one client until its end. That of the connection by an error is one, too.
pub(crate) fn serve(mut stream: TcpStream) {
    // The client is gone: there is none to tell.
    stream.set_nodelay(true).and_then(|()| converse(Uppercase::ascii(), &mut stream)).ok();
}

/// Reads, has the handler answer, writes, until either side has ended.
fn converse<H: Handler>(handler: H, stream: &mut (impl Read + Write)) -> io::Result<()> {
    let mut host = Host::new(handler);
    let mut buffer = [0; BUFFER];
    stream.write_all(&host.answer())?;
    while !host.is_over() {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return stream.write_all(&host.end()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        stream.write_all(&host.hear(&buffer[..count]))?;
    }
    Ok(())
}

/// What the host adds to the system calls, for a message of `size` bytes: the fastest of five trials.
pub(crate) fn cost(size: usize) -> Duration {
    let mut host = Host::new(Uppercase::ascii());
    let message = vec![b'a'; size];
    let trial = |_| {
        let begin = Instant::now();
        for _ in 0..TRIALS {
            black_box(host.hear(black_box(&message)));
            black_box(host.is_over());
        }
        begin.elapsed() / TRIALS
    };
    (0..5).map(trial).min().unwrap_or_default()
}

/// What the host adds to the memory for a client who has said something, in bytes.
///
/// # Errors
/// The system does not tell this process how much it uses.
pub(crate) fn memory() -> io::Result<f64> {
    let this = std::process::id();
    let before = Process(this).resident_exact()?;
    let hosts: Vec<_> = (0..HOSTS)
        .map(|_| {
            let mut host = Host::new(Uppercase::ascii());
            host.hear(b"hello\n");
            host
        })
        .collect();
    let after = Process(this).resident_exact()?;
    black_box(hosts);
    Ok(after.saturating_sub(before) as f64 / HOSTS as f64)
}

/// A handler and its one client.
struct Host<H: Handler> {
    sim: Sim<H>,
    peer: SimPeer,
}

impl<H: Handler> Host<H> {
    fn new(handler: H) -> Host<H> {
        let mut limits = Limits::default();
        limits.read_buffer = BUFFER;
        let mut sim = Sim::with_limits(handler, limits);
        let peer = sim.connect();
        Host { sim, peer }
    }

    /// What the handler has to say to what it has heard.
    fn answer(&mut self) -> Vec<u8> {
        self.sim.received(self.peer)
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.sim.send(self.peer, bytes);
        self.answer()
    }

    /// The client will send no more. It may still read.
    fn end(&mut self) -> Vec<u8> {
        self.sim.shut_down(self.peer);
        self.answer()
    }

    /// Whether the handler has ended the conversation.
    fn is_over(&mut self) -> bool {
        self.sim.ending(self.peer).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use switchboard::framing::{Lines, MessageHandler};
    use switchboard::{Context, Origin};

    use super::*;

    /// Reads from one place and writes to another, a few bytes at a time.
    struct Wire {
        input: Cursor<Vec<u8>>,
        output: Vec<u8>,
    }

    impl Read for Wire {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = into.len().min(3);
            self.input.read(&mut into[..count])
        }
    }

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.write(&bytes[..bytes.len().min(2)])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn talk(handler: impl Handler, input: &[u8]) -> Wire {
        let mut wire = Wire { input: Cursor::new(input.to_vec()), output: Vec::new() };
        converse(handler, &mut wire).expect("a wire in memory does not fail");
        wire
    }

    /// Greets, answers lines, ends itself at `bye`, and says so when the client ends first.
    struct Polite;

    impl MessageHandler for Polite {
        type Session = ();

        fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
            cx.reply(b"hello\n");
        }

        fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
            cx.reply(&[&*line, b"?\n"].concat());
            if line == b"bye" {
                cx.close();
            }
        }

        fn eof(&mut self, (): &mut (), cx: &mut Context<'_>) {
            cx.reply(b"so soon\n");
            cx.close();
        }
    }

    #[test]
    fn everything_comes_back_in_order() {
        let input: Vec<u8> = (0..10_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        assert_eq!(talk(Uppercase::ascii(), &input).output, input.to_ascii_uppercase());
    }

    #[test]
    fn an_incomplete_character_comes_back_at_the_end() {
        assert_eq!(talk(Uppercase::unicode(), b"a\xc3").output, b"A\xc3");
    }

    #[test]
    fn a_handler_that_speaks_first_and_last_is_heard() {
        assert_eq!(talk(Lines::new(Polite, 100), b"fine\nthanks").output, b"hello\nfine?\nthanks?\nso soon\n");
    }

    #[test]
    fn a_handler_that_ends_is_sent_nothing_more() {
        let wire = talk(Lines::new(Polite, 100), b"bye\nmore and more\n");
        assert_eq!(wire.output, b"hello\nbye?\n");
        assert!(wire.input.position() < 10, "read on to {}", wire.input.position());
    }
}
