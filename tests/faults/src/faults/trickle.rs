//! Five hundred connections, each of which sends a byte a second.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::dial::{Window, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};
use crate::sink::Sink;

const COUNT: usize = 500;
const TEXT: &str = "hi!";

pub(crate) struct Trickle;

impl Fault for Trickle {
    fn name(&self) -> &'static str {
        "trickle"
    }

    fn counts(&self) -> &'static str {
        "at a byte a second"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Web]
    }

    fn bound(&self, kind: Kind) -> Bound {
        // A member may have the beginning of a line, and words of its own to skip.
        let each = CONNECTION + if kind.is_room() { 4096 } else { 0 };
        Bound {
            fixed: ALLOWANCE,
            each,
            count: COUNT as u64,
            why: "the allowance, and for each a connection and an unfinished line",
        }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let mut streams = scene.enter_all("slow", COUNT, Window::Usual)?;
        let outcome = Outcome::of(COUNT as u64);
        let line = scene.kind.message(TEXT);
        if scene.kind.is_room() {
            let writers = streams.iter().map(TcpStream::try_clone).collect::<io::Result<Vec<_>>>()?;
            let sink = Sink::of(streams);
            on_threads(1, |_| trickle(&writers, &line, scene.begin()))?;
            sink.end()?.into_iter().for_each(reset);
            return Ok(outcome);
        }
        let sent = on_threads(1, |_| trickle(&streams, &line, scene.begin()))? as usize;
        let mut wrong = 0;
        for (nth, stream) in streams.iter_mut().enumerate() {
            let owed = sent / COUNT + usize::from(nth < sent % COUNT);
            let mut heard = vec![0; owed];
            stream.read_exact(&mut heard)?;
            wrong += usize::from(
                heard.iter().zip(line.iter().cycle().skip(nth % line.len())).any(|(heard, owed)| heard != owed),
            );
        }
        streams.into_iter().for_each(reset);
        Ok(outcome.promise(wrong == 0, || format!("{wrong} of {COUNT} were not sent back what they had sent")))
    }
}

/// A byte of each in turn, evenly over the seconds; as many of them begin at each byte of the line. At a web door,
/// bytes from within a frame would be no frames, so all begin with the first. Returns how many bytes were sent.
fn trickle(streams: &[TcpStream], line: &[u8], span: Span) -> io::Result<u64> {
    let mut sent = 0;
    while span.paced(sent, COUNT as u32) {
        let (round, nth) = (sent as usize / COUNT, sent as usize % COUNT);
        let first = if line.ends_with(b"\n") { nth } else { 0 };
        match (&streams[nth]).write(&line[(round + first) % line.len()..][..1]) {
            Ok(_) => sent += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
