//! Slow readers of a large file, and a fast one, in the same process as polite clients.
//!
//! A file is no memory, and the readers share one descriptor of it. The fast reader always takes what a turn gives it,
//! but the server is not at its limit: then all would wait for the core, and nothing would be shown about files.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};

use crate::dial::{Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};

const SLOW: usize = 20;

/// Bytes that a slow reader reads at a time, and how often in a second: 200 KiB/s.
const STEP: usize = 4096;
const PER_SECOND: u32 = 50;

/// Bytes that the fast reader reads at a time, and how often in a second: 100 MiB/s.
const FAST_STEP: usize = 1 << 20;
const FAST_PER_SECOND: u32 = 100;

/// More than the fast reader gets in the time of a fault. The file is a hole, so it takes no room.
const SIZE: u64 = 1 << 40;

pub(crate) struct Files;

impl Fault for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn counts(&self) -> &'static str {
        "readers of a file"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Uppercase]
    }

    fn file(&self) -> Option<u64> {
        Some(SIZE)
    }

    fn bound(&self, _: Kind) -> Bound {
        let why = "the allowance, and a connection for each; a file is no memory";
        Bound { fixed: ALLOWANCE, each: CONNECTION, count: 1 + SLOW as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let target = scene.server.second()?;
        let slow = (0..SLOW).map(|_| dial(target, Window::Narrow)).collect::<io::Result<Vec<_>>>()?;
        let span = scene.begin();
        let read = on_threads(2, |nth| if nth == 0 { read_fast(target, span) } else { read_slowly(&slow, span) })?;
        let shares = scene.has_descriptors(SLOW + 1)?;
        slow.into_iter().for_each(reset);
        let outcome = Outcome::of(1 + SLOW as u64).note(format!("they read {} MiB", read >> 20));
        Ok(outcome.promise(shares, || "a reader was closed, or has a descriptor of the file for itself".into()))
    }
}

fn read_fast(target: SocketAddr, span: Span) -> io::Result<u64> {
    let (stream, mut buffer) = (dial(target, Window::Usual)?, vec![0; FAST_STEP]);
    let (mut read, mut round) = (0, 0);
    while span.paced(round, FAST_PER_SECOND) {
        let mut missing = FAST_STEP as u64;
        while missing > 0 {
            missing -= read_zeros(&stream, &mut buffer[..missing as usize])?;
        }
        read += FAST_STEP as u64;
        round += 1;
    }
    reset(stream);
    Ok(read)
}

fn read_slowly(streams: &[TcpStream], span: Span) -> io::Result<u64> {
    let (mut buffer, mut read, mut round) = ([0; STEP], 0, 0);
    while span.paced(round, PER_SECOND) {
        for stream in streams {
            read += read_zeros(stream, &mut buffer)?;
        }
        round += 1;
    }
    Ok(read)
}

/// Reads once, and checks that all bytes are those of a hole.
fn read_zeros(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<u64> {
    match stream.read(buffer)? {
        0 => Err(io::Error::other("the file ended early")),
        count if buffer[..count].iter().any(|&byte| byte != 0) => Err(io::Error::other("a byte was wrong")),
        count => Ok(count as u64),
    }
}
