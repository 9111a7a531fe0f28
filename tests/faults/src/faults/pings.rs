//! Clients that send pings as fast as they are answered. Each pong is checked.

use std::io::{self, ErrorKind, Read, Write};

use switchboard_harness::websocket::frame;

use crate::dial::{Window, open, read_until, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::speech;

const THREADS: u64 = 2;

/// Pings that are sent in one go.
const BATCH: usize = 100;

/// The most bytes that a control frame has (RFC 6455, 5.5).
const LENGTH: usize = 125;

pub(crate) struct Pings;

impl Fault for Pings {
    fn name(&self) -> &'static str {
        "pings"
    }

    fn counts(&self) -> &'static str {
        "pings"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Web]
    }

    fn bound(&self, _: Kind) -> Bound {
        let why = "the allowance, and for each connection a quarter of --max-queue and one read buffer";
        Bound { fixed: ALLOWANCE, each: (256 + 64) * KIB, count: THREADS, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(THREADS, |thread| {
            let mut stream = open((scene.target(), scene.kind), Window::Usual)?;
            read_until(&mut stream, b"\r\n\r\n")?;
            let texts: Vec<_> = (0..BATCH as u64).map(|nth| speech::noise(LENGTH, thread << 32 | (nth + 1))).collect();
            let batch: Vec<u8> = texts.iter().flat_map(|text| frame(0x89, text)).collect();
            let pongs: Vec<u8> = texts.iter().flat_map(|text| [&[0x8a, LENGTH as u8], &text[..]].concat()).collect();
            let (mut heard, mut count) = (vec![0; pongs.len()], 0);
            while span.is_on() {
                stream.write_all(&batch)?;
                stream.read_exact(&mut heard)?;
                if heard != pongs {
                    return Err(io::Error::new(ErrorKind::InvalidData, "a pong differs from its ping"));
                }
                count += BATCH as u64;
            }
            reset(stream);
            Ok(count)
        })?;
        Ok(Outcome::of(count))
    }
}
