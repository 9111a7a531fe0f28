//! Readers that are slow, at a server whose send buffers are tiny. They are slow, not stuck: each gets every byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::dial::{TIMEOUT, Window, read_until, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB, MIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};
use crate::speech;
use crate::talker;

const COUNT: usize = 20;

/// How much a reader reads at a time, and how often in a second: 100 KiB/s.
const STEP: usize = 2048;
const PER_SECOND: u32 = 50;

/// How much each asks for, so much that its server has to wait for it.
const ASKED: usize = 4 << 20;

pub(crate) struct Narrow;

impl Fault for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }

    fn counts(&self) -> &'static str {
        "slow readers"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Web]
    }

    fn flags(&self, kind: Kind) -> &'static [&'static str] {
        let flags = &["--send-buffer", "4096", "--room-buffer", "1MiB", "--max-queue", "64KiB"];
        if kind.is_room() { flags } else { &flags[..2] }
    }

    fn bound(&self, kind: Kind) -> Bound {
        let count = COUNT as u64;
        if kind.is_room() {
            // While a feed is moved there are two of it.
            let why = "the allowance, twice --room-buffer, and --max-queue for each";
            return Bound { fixed: ALLOWANCE + 2 * MIB, each: 64 * KIB, count, why };
        }
        let why = "the allowance, and for each a quarter of --max-queue and one read buffer";
        Bound { fixed: ALLOWANCE, each: (256 + 64) * KIB, count, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let streams = scene.enter_all("narrow", COUNT, Window::Narrow)?;
        let mut readers: Vec<_> = streams.into_iter().enumerate().map(Reader::new).collect();
        let span = scene.begin();
        let outcome = Outcome::of(COUNT as u64);
        let outcome = if scene.kind.is_room() {
            let said = hear(scene, &mut readers, span)?;
            outcome.note(format!("{said} lines were said to them"))
        } else {
            ask(&mut readers, span)?;
            let sent: usize = readers.iter().map(|reader| reader.sent).sum();
            outcome.note(format!("{} KiB came back to them, byte for byte", sent >> 10))
        };
        for reader in readers {
            reset(reader.stream);
        }
        Ok(outcome)
    }
}

/// One of them.
struct Reader {
    stream: TcpStream,
    nth: usize,
    sent: usize,
    got: Vec<u8>,
}

impl Reader {
    fn new((nth, stream): (usize, TcpStream)) -> Reader {
        Reader { stream, nth, sent: 0, got: Vec::new() }
    }

    /// Reads a step of what is there.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; STEP];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "a reader was closed that was only slow")),
            Ok(count) => {
                self.got.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A room in which one member talks all the time, to the last word of which the readers listen. Returns the lines said.
fn hear(scene: &Scene<'_>, readers: &mut [Reader], span: Span) -> io::Result<u64> {
    readers.iter().try_for_each(|reader| reader.stream.set_nonblocking(true))?;
    let talking = std::thread::scope(|scope| {
        let talking = scope.spawn(|| on_threads(1, |nth| talker::talk(scene, (nth, "narrow"), span)));
        let mut round = 0;
        while span.paced(round, PER_SECOND) {
            readers.iter_mut().try_for_each(Reader::read)?;
            round += 1;
        }
        talking.join().map_err(|_| io::Error::other("the talker panicked: a bug of this program"))?
    })?;
    let mut last = scene.enter("last", Window::Usual)?;
    last.write_all(&scene.kind.message("the last word"))?;
    let owed: &[u8] = if scene.kind == Kind::Web { b"\"text\":\"the last word\"" } else { b"last: the last word\n" };
    for reader in readers {
        reader.stream.set_nonblocking(false)?;
        reader.stream.set_read_timeout(Some(TIMEOUT))?;
        read_until(&mut reader.stream, owed)?;
    }
    reset(last);
    Ok(talking)
}

/// Each sends as much as is taken, and reads slowly what comes back; in the end all of it.
fn ask(readers: &mut [Reader], span: Span) -> io::Result<()> {
    let words: Vec<_> = readers.iter().map(|reader| speech::noise(ASKED, reader.nth as u64 + 1)).collect();
    readers.iter().try_for_each(|reader| reader.stream.set_nonblocking(true))?;
    let mut round = 0;
    while span.paced(round, PER_SECOND) {
        for (reader, words) in readers.iter_mut().zip(&words) {
            match reader.stream.write(&words[reader.sent..]) {
                Ok(count) => reader.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            reader.read()?;
        }
        round += 1;
    }
    for (reader, words) in readers.iter_mut().zip(&words) {
        reader.stream.set_nonblocking(false)?;
        let mut rest = vec![0; reader.sent - reader.got.len()];
        reader.stream.read_exact(&mut rest)?;
        reader.got.append(&mut rest);
        if reader.got != words[..reader.sent] {
            return Err(io::Error::new(ErrorKind::InvalidData, "a slow reader got other bytes than it had sent"));
        }
    }
    Ok(())
}
