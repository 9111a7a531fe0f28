//! Terminal escape sequences and whatever else steers a terminal: as nicknames, as what is said to all and to one.
//!
//! That the polite see none of it is checked with every line that they hear; that the log has none, in every run.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::dial::{Window, discard, open, reset, welcomed};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::speech;

const THREADS: u64 = 10;
const PER_SECOND: u32 = 20;

/// A title, colours, a cleared screen, a bell; C1 as a byte and as a character; DEL, NUL, a return; a direction, a
/// separator.
const STEERING: [&[u8]; 12] = [
    b"\x1b]0;mine\x07",
    b"\x1b[31;1m",
    b"\x1b[2J\x1b[H",
    b"\x07\x08\x08",
    b"\x9b31m",
    "\u{9b}31m".as_bytes(),
    "\u{85}next".as_bytes(),
    b"\x7f\x00",
    b"before\rbehind",
    "\u{202e}drawkcab".as_bytes(),
    "one\u{2028}two".as_bytes(),
    b"\x1bP+q\x1b\\",
];

pub(crate) struct Escapes;

impl Fault for Escapes {
    fn name(&self) -> &'static str {
        "escapes"
    }

    fn counts(&self) -> &'static str {
        "escape sequences"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Web]
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--verbose"]
    }

    fn bound(&self, _: Kind) -> Bound {
        Bound { fixed: ALLOWANCE, each: CONNECTION, count: THREADS, why: "the allowance, and a connection for each" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(THREADS, |thread| {
            let name = format!("steering{thread}");
            let mut nth = 0;
            let mut stream = enter(scene, &name)?;
            while span.paced(nth, PER_SECOND) {
                let steering = STEERING[(nth + thread) as usize % STEERING.len()];
                let before = match nth % 4 {
                    _ if !scene.kind.is_room() => String::new(),
                    0 => "/me ".into(),
                    1 => format!("/msg {} ", speech::name(nth as usize % 20)),
                    2 => "/nick ".into(),
                    _ => String::new(),
                };
                say(&mut stream, &said(scene.kind, &[before.as_bytes(), steering].concat()), scene.kind)?;
                nth += 1;
            }
            reset(stream);
            Ok(nth)
        })?;
        Ok(Outcome::of(count))
    }
}

/// A member, who first tries to be called by a sequence.
fn enter(scene: &Scene<'_>, name: &str) -> io::Result<TcpStream> {
    let mut stream = open((scene.target(), scene.kind), Window::Usual)?;
    if scene.kind.is_room() {
        let names = STEERING.into_iter().chain([name.as_bytes()]);
        names.map(|name| said(scene.kind, name)).try_for_each(|name| stream.write_all(&name))?;
    }
    welcomed(stream, scene.kind)
}

/// A line of these bytes. At a web door it is a text, and all of it is UTF-8.
fn said(kind: Kind, line: &[u8]) -> Vec<u8> {
    if kind == Kind::Web { kind.message(&String::from_utf8_lossy(line)) } else { [line, b"\n"].concat() }
}

/// Sends a line and reads what comes back, which of an echo is the line itself.
fn say(stream: &mut TcpStream, words: &[u8], kind: Kind) -> io::Result<()> {
    stream.write_all(words)?;
    if kind.is_room() {
        return discard(stream);
    }
    let mut heard = vec![0; words.len()];
    stream.read_exact(&mut heard)?;
    let changed =
        || io::Error::new(ErrorKind::InvalidData, format!("{:?} came back changed", words.escape_ascii().to_string()));
    (heard == words).then_some(()).ok_or_else(changed)
}
