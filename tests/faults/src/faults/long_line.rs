//! Lines of 200 KiB.

use std::io::{self, ErrorKind, Read, Write};

use crate::dial::{Window, read_until, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};

const LENGTH: usize = 200 << 10;
const THREADS: u64 = 4;
const PER_SECOND: u32 = 20;

pub(crate) struct LongLine;

impl Fault for LongLine {
    fn name(&self) -> &'static str {
        "long-line"
    }

    fn counts(&self) -> &'static str {
        "lines of 200 KiB"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Uppercase, Kind::Chat]
    }

    fn bound(&self, kind: Kind) -> Bound {
        if kind == Kind::Chat {
            let why = "the allowance, and --max-line for each connection";
            return Bound { fixed: ALLOWANCE, each: 4 * KIB, count: THREADS, why };
        }
        let why = "the allowance, and for each connection a quarter of --max-queue and one read buffer";
        Bound { fixed: ALLOWANCE, each: (256 + 64) * KIB, count: THREADS, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(THREADS, |thread| speak(scene, thread, span))?;
        Ok(Outcome::of(count))
    }
}

/// One connection, for all of its lines. Returns how many they were.
fn speak(scene: &Scene<'_>, thread: u64, span: Span) -> io::Result<u64> {
    let mut stream = scene.enter(&format!("long{thread}"), Window::Usual)?;
    let mut line = vec![b'a' + thread as u8; LENGTH];
    line.push(b'\n');
    let (mut heard, mut nth) = (vec![0; line.len()], 0);
    let owed = if scene.kind == Kind::Uppercase { line.to_ascii_uppercase() } else { line.clone() };
    while span.paced(nth, PER_SECOND) {
        stream.write_all(&line)?;
        if scene.kind == Kind::Chat {
            read_until(&mut stream, b"Your line is over 4096 bytes and was not sent.\n")?;
        } else {
            stream.read_exact(&mut heard)?;
            if heard != owed {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line of 200 KiB came back changed"));
            }
        }
        nth += 1;
    }
    reset(stream);
    Ok(nth)
}
