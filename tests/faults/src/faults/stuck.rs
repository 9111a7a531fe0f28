//! Clients that never read, while there is always something for them.
//!
//! A client that asks and does not read is read no further, and is never closed for it; a member that does not read
//! what others say is closed with a reason.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use crate::dial::{Window, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB, MIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};
use crate::talker::{self, TALKERS};

pub(crate) const COUNT: usize = 30;

pub(crate) struct Stuck;

/// A room with little patience.
pub(crate) const ROOM: &[&str] =
    &["--queue-time", "500ms", "--room-buffer", "1MiB", "--max-queue", "64KiB", "--send-buffer", "16KiB"];

/// What may be kept for `COUNT` clients that never read.
pub(crate) fn bound(kind: Kind) -> Bound {
    let count = COUNT as u64;
    if kind.is_room() {
        // While a feed is moved there are two of it.
        let why = "the allowance, twice --room-buffer, and --max-queue for each member";
        return Bound { fixed: ALLOWANCE + 2 * MIB, each: 64 * KIB, count, why };
    }
    let why = "the allowance, and for each a quarter of --max-queue and one read buffer";
    Bound { fixed: ALLOWANCE, each: (256 + 64) * KIB, count, why }
}

impl Fault for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn counts(&self) -> &'static str {
        "never read"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Web]
    }

    fn flags(&self, kind: Kind) -> &'static [&'static str] {
        if kind.is_room() { ROOM } else { &[] }
    }

    fn bound(&self, kind: Kind) -> Bound {
        bound(kind)
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let streams = scene.enter_all("stuck", COUNT, Window::Narrow)?;
        let span = scene.begin();
        let outcome = Outcome::of(COUNT as u64);
        let outcome = if scene.kind.is_room() {
            let said = on_threads(TALKERS, |nth| talker::talk(scene, (nth, "stuck"), span))?;
            let is_closed = scene.has_descriptors(0)?;
            let outcome = outcome.note(format!("{said} lines were said to them"));
            outcome.promise(is_closed, || "members that do not read were not closed".into())
        } else {
            let sent = on_threads(1, |_| push(&streams, span))?;
            let is_kept = scene.has_descriptors(COUNT)?;
            let outcome = outcome.note(format!("they sent {} KiB", sent >> 10));
            outcome.promise(is_kept, || "a client was closed that reads none of its own answers".into())
        };
        streams.into_iter().for_each(reset);
        Ok(outcome)
    }
}

/// Sends as much as is taken of each. Returns how many bytes were.
fn push(streams: &[TcpStream], span: Span) -> io::Result<u64> {
    let (block, mut sent, mut round) = ([b'x'; 16_384], 0, 0);
    for stream in streams {
        stream.set_nonblocking(true)?;
    }
    while span.paced(round, 100) {
        for mut stream in streams {
            loop {
                match stream.write(&block) {
                    Ok(count) => sent += count as u64,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        round += 1;
    }
    Ok(sent)
}
