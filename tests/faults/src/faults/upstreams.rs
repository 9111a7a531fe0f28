//! Clients of a relay whose other side is bad: thirty relays of which one side takes nothing, or little, and others
//! whose upstream server breaks off, is absent, or loses its client, again and again.
//!
//! The relays of the polite go to an echo server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use crate::dial::{TIMEOUT, Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::upstream::Upstream;

/// Relays whose client, or upstream server, never reads.
const STALLED: usize = 20;
/// Relays whose client, or upstream server, reads a step in each round: 200 KiB/s.
const SLOW: usize = 10;
const STEP: usize = 4096;
const PER_SECOND: u32 = 50;
/// Rounds of 10 ms without a byte taken, after which the relays are full.
const QUIET_ROUNDS: u32 = 20;
const HALF_A_LINE: &[u8] = b"half a li";

pub(crate) struct Upstreams;

impl Fault for Upstreams {
    fn name(&self) -> &'static str {
        "upstreams"
    }

    fn counts(&self) -> &'static str {
        "relays with a bad side"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Relay]
    }

    fn bound(&self, _: Kind) -> Bound {
        // What was sent of a queue is dropped when it is the larger part.
        let why = "the allowance, and for each twice a quarter of --max-queue and a read buffer";
        Bound { fixed: ALLOWANCE, each: 2 * (256 + 64) * KIB, count: (STALLED + SLOW) as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let upstream = scene.server.upstream.as_ref().ok_or_else(|| io::Error::other("the server is no relay"))?;
        let listener = upstream.replace()?;
        let relays =
            (0..SLOW + STALLED).map(|nth| Relay::new(scene, &listener, nth)).collect::<io::Result<Vec<_>>>()?;
        relays.iter().try_for_each(Relay::stop_waiting)?;
        fill(&relays)?;
        let span = scene.begin();
        let broken = on_threads(1, |_| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                relays[..SLOW].iter().try_for_each(sip)?;
                break_one(scene, (upstream, &listener), nth)?;
                nth += 1;
            }
            Ok(nth)
        })?;
        let is_kept = scene.has_descriptors(2 * relays.len())?;
        let outcome = Outcome::of(broken + relays.len() as u64);
        drop(relays);
        let is_over = scene.has_descriptors(0)?;
        let outcome = outcome.promise(is_kept, || "a relay was closed that only waits".into());
        Ok(outcome.promise(is_over, || "a relay outlived both of its sides".into()))
    }
}

/// Both sides of one relay. Its bytes go to the upstream server, or to the client.
struct Relay {
    client: TcpStream,
    upstream: UnixStream,
    is_up: bool,
}

impl Relay {
    fn new(scene: &Scene<'_>, listener: &UnixListener, nth: usize) -> io::Result<Relay> {
        let client = dial(scene.target(), Window::Narrow)?;
        let (upstream, _) = listener.accept()?;
        upstream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Relay { client, upstream, is_up: nth.is_multiple_of(2) })
    }

    fn stop_waiting(&self) -> io::Result<()> {
        self.client.set_nonblocking(true)?;
        self.upstream.set_nonblocking(true)
    }

    fn source(&self) -> Box<dyn Write + '_> {
        if self.is_up { Box::new(&self.client) } else { Box::new(&self.upstream) }
    }

    fn destination(&self) -> Box<dyn Read + '_> {
        if self.is_up { Box::new(&self.upstream) } else { Box::new(&self.client) }
    }

    /// Sends as much as is taken. Returns whether that was any.
    fn push(&self) -> io::Result<bool> {
        let (mut source, block, mut is_taken) = (self.source(), [b'x'; 16_384], false);
        loop {
            match source.write(&block) {
                Ok(_) => is_taken = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(is_taken),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Sends through each until nothing more is taken.
fn fill(relays: &[Relay]) -> io::Result<()> {
    let mut quiet = 0;
    while quiet < QUIET_ROUNDS {
        quiet += 1;
        for relay in relays {
            if relay.push()? {
                quiet = 0;
            }
        }
        if quiet > 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// Reads a step, and sends as much as is taken for it.
fn sip(relay: &Relay) -> io::Result<()> {
    let mut step = [0; STEP];
    match relay.destination().read(&mut step) {
        Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "a side was closed that only reads slowly")),
        Ok(count) if step[..count].iter().any(|&byte| byte != b'x') => {
            return Err(io::Error::new(ErrorKind::InvalidData, "a byte was wrong"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    relay.push().map(|_| ())
}

/// A relay that breaks, in one of three ways. Its other side has to end in time.
fn break_one(scene: &Scene<'_>, (upstream, listener): (&Upstream, &UnixListener), nth: u64) -> io::Result<()> {
    if nth.is_multiple_of(3) {
        return upstream.without(|| {
            let mut client = dial(scene.target(), Window::Usual)?;
            client.write_all(HALF_A_LINE)?;
            ends(client)
        });
    }
    let Relay { mut client, upstream, .. } = Relay::new(scene, listener, 0)?;
    client.write_all(HALF_A_LINE)?;
    // The rest of it stays unread, so that the end of this side is a reset.
    (&upstream).read_exact(&mut [0; 1])?;
    if nth % 3 == 1 {
        drop(upstream);
        ends(client)
    } else {
        reset(client);
        (&upstream).read_exact(&mut [0; HALF_A_LINE.len() - 1])?;
        ends(upstream)
    }
}

/// Waits for the end of a stream.
fn ends(mut stream: impl Read) -> io::Result<()> {
    match stream.read(&mut [0; 64]) {
        Ok(0) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("a relay made up bytes")),
    }
}
