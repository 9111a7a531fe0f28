//! Clients of programs: thirty that never read, so that their programs stall, and others that start a program and
//! vanish, again and again.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::dial::{Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const STALLED: usize = 30;
const PER_SECOND: u32 = 20;
/// Rounds of 10 ms without a byte taken, after which the programs are stalled.
const QUIET_ROUNDS: u32 = 20;
/// Of a client and its program: the socket, three pipes, and the descriptor of the process.
const DESCRIPTORS: usize = 5;

pub(crate) struct Programs;

impl Fault for Programs {
    fn name(&self) -> &'static str {
        "programs"
    }

    fn counts(&self) -> &'static str {
        "programs left by their clients"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Exec]
    }

    fn bound(&self, _: Kind) -> Bound {
        // What was sent of a queue is dropped when it is the larger part.
        let why = "the allowance, and for each and both ways twice a quarter of --max-queue and a read buffer";
        Bound { fixed: ALLOWANCE, each: 4 * (256 + 64) * KIB, count: STALLED as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let streams = scene.enter_all("stalled", STALLED, Window::Narrow)?;
        // Before it is measured: until then, the programs compete with the server for its core.
        fill(&streams)?;
        let span = scene.begin();
        let count = on_threads(1, |_| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                let mut stream = dial(scene.target(), Window::Usual)?;
                stream.write_all(b"half a li")?;
                reset(stream);
                nth += 1;
            }
            Ok(nth)
        })?;
        let is_kept = scene.has_descriptors(STALLED * DESCRIPTORS)?;
        streams.into_iter().for_each(reset);
        let is_over = scene.has_descriptors(0)?;
        let outcome = Outcome::of(count).promise(is_kept, || "a client that does not read was closed".into());
        Ok(outcome.promise(is_over, || "a program outlived its client".into()))
    }
}

/// Sends to each until nothing more is taken.
fn fill(streams: &[TcpStream]) -> io::Result<()> {
    let (block, mut quiet) = ([b'x'; 16_384], 0);
    for stream in streams {
        stream.set_nonblocking(true)?;
    }
    while quiet < QUIET_ROUNDS {
        quiet += 1;
        for mut stream in streams {
            match stream.write(&block) {
                Ok(_) => quiet = 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if quiet > 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}
