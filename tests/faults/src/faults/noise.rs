//! Random bytes, as what is said and in a chat as nicknames, too.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::dial::{Window, dial, discard, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB, MIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::speech;

const THREADS: u64 = 10;
const LENGTH: usize = 16_384;
const PER_SECOND: u32 = 20;

pub(crate) struct Noise;

impl Fault for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn counts(&self) -> &'static str {
        "KiB of random bytes"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Uppercase, Kind::Chat]
    }

    fn flags(&self, kind: Kind) -> &'static [&'static str] {
        if kind == Kind::Chat { &["--room-buffer", "1MiB"] } else { &[] }
    }

    fn bound(&self, kind: Kind) -> Bound {
        // A member that a busy machine lets wait reads its lines later, so the room keeps them.
        let (room, why) = match kind {
            Kind::Chat => (2 * MIB, "the allowance, twice --room-buffer, and one read buffer for each connection"),
            _ => (0, "the allowance, and one read buffer for each connection"),
        };
        Bound { fixed: ALLOWANCE + room, each: 64 * KIB, count: THREADS, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(THREADS, |thread| {
            // Every second one is a member, the others have no name yet, or make one of noise.
            let mut stream = match thread % 2 {
                0 => dial(scene.target(), Window::Usual)?,
                _ => scene.enter(&format!("noise{thread}"), Window::Usual)?,
            };
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                let noise = speech::noise(LENGTH, thread << 32 | (nth + 1));
                if !make(&mut stream, &noise, scene.kind)? {
                    break;
                }
                nth += 1;
            }
            span.wait();
            reset(stream);
            Ok(nth)
        })?;
        Ok(Outcome::of(count * LENGTH as u64 / KIB))
    }
}

/// Sends noise, and reads what comes back. Returns whether there is room for more.
fn make(stream: &mut TcpStream, noise: &[u8], kind: Kind) -> io::Result<bool> {
    if kind == Kind::Chat {
        // A client over the rate is read no further: then the socket is full, which is enough.
        stream.set_nonblocking(true)?;
        let is_taken = matches!(stream.write(noise), Ok(count) if count == noise.len());
        discard(stream)?;
        return Ok(is_taken);
    }
    stream.write_all(noise)?;
    let mut heard = vec![0; noise.len()];
    stream.read_exact(&mut heard)?;
    let owed = if kind == Kind::Uppercase { noise.to_ascii_uppercase() } else { noise.to_vec() };
    let changed = || io::Error::new(ErrorKind::InvalidData, "noise came back changed");
    (heard == owed).then_some(true).ok_or_else(changed)
}
