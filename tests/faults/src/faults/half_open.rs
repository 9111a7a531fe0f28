//! Peers that close their side only, before or behind what they say, and peers of which nothing is heard any more.
//!
//! The first are owed every answer and then an orderly end. The last say half a line and then nothing; on loopback a
//! peer that vanished can only be shown as one that is silent, and it is the idle time that ends it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::answer::Answer;
use crate::dial::{Window, dial, open};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::site;

const THREADS: u64 = 2;
const PER_SECOND: u32 = 100;
const SILENT: usize = 200;

pub(crate) struct HalfOpen;

impl Fault for HalfOpen {
    fn name(&self) -> &'static str {
        "half-open"
    }

    fn counts(&self) -> &'static str {
        "half-closed or silent"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Http, Kind::Web]
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--idle-timeout", "500ms"]
    }

    fn bound(&self, _: Kind) -> Bound {
        let count = SILENT as u64 + THREADS;
        Bound { fixed: ALLOWANCE, each: CONNECTION, count, why: "the allowance, and a connection for each" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let mut silent = Vec::new();
        for _ in 0..SILENT {
            let mut stream = dial(scene.target(), Window::Usual)?;
            stream.write_all(scene.kind.first_half())?;
            silent.push(stream);
        }
        let closed = on_threads(THREADS, |thread| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                half_close(scene, thread, nth)?;
                nth += 1;
            }
            Ok(nth)
        })?;
        let kept = silent.iter_mut().filter_map(|stream| rest(stream).err()).collect::<Vec<_>>();
        let outcome = Outcome::of(closed + SILENT as u64);
        Ok(outcome.promise(kept.is_empty(), || format!("{} silent peers were not closed: {}", kept.len(), kept[0])))
    }
}

/// One peer that closes its side, before anything is said or behind three lines.
fn half_close(scene: &Scene<'_>, thread: u64, nth: u64) -> io::Result<()> {
    let mut stream = open((scene.target(), scene.kind), Window::Usual)?;
    let said = match (nth % 2, scene.kind) {
        (0, _) => String::new(),
        (_, Kind::Http) => (0..3).map(site::request).collect(),
        (_, Kind::Chat | Kind::Web) => format!("half{thread}-{nth}\n/who\n/msg nobody I was here"),
        (_, Kind::Echo | Kind::Uppercase | Kind::Exec | Kind::Relay) => "one\ntwo\nthe last".to_owned(),
    };
    if scene.kind == Kind::Web {
        said.lines().try_for_each(|line| stream.write_all(&scene.kind.message(line)))?;
    } else {
        stream.write_all(said.as_bytes())?;
    }
    stream.shutdown(Shutdown::Write)?;
    // The head of a frame is no text.
    let heard = String::from_utf8_lossy(&rest(&mut stream)?).into_owned();
    let is_whole = match scene.kind {
        Kind::Http => is_pages(heard.as_bytes(), if said.is_empty() { 0 } else { 3 }),
        Kind::Echo | Kind::Uppercase | Kind::Exec | Kind::Relay => heard == scene.kind.answer(&said),
        Kind::Chat if said.is_empty() => heard == "Enter your nickname: ",
        Kind::Web if said.is_empty() => heard.starts_with("HTTP/1.1 101 ") && heard.ends_with("\r\n\r\n"),
        Kind::Chat | Kind::Web => heard.contains(" here: ") && heard.contains("No member is called nobody"),
    };
    let incomplete = || io::Error::new(ErrorKind::InvalidData, format!("behind {said:?} came {heard:?} and the end"));
    is_whole.then_some(()).ok_or_else(incomplete)
}

/// Whether these are the first `count` pages, one answer each.
fn is_pages(mut heard: &[u8], count: u64) -> bool {
    for number in 0..count {
        match Answer::first(heard) {
            Ok(Some(answer)) if answer.body == site::page(number).as_bytes() => heard = &heard[answer.length()..],
            _ => return false,
        }
    }
    heard.is_empty()
}

/// All up to the orderly end.
fn rest(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    Ok(rest)
}
