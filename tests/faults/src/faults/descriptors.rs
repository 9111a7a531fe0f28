//! A server with 40 descriptors, or 80 if it opens files, and more clients than fit: those who came before are served
//! as always, those who wait are served when others leave.

use std::io::{self, Write};
use std::time::Duration;

use crate::dial::{Window, open, read_until, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::site;

/// The descriptors of a server.
fn limit(kind: Kind) -> u32 {
    if kind == Kind::Http { 80 } else { 40 }
}

/// Those that it leaves for files.
fn spare(kind: Kind) -> u32 {
    if kind == Kind::Http { 16 } else { 0 }
}

const WAITING: u64 = 50;

/// How long one who is served stays.
const STAY: Duration = Duration::from_millis(20);

pub(crate) struct Descriptors;

impl Fault for Descriptors {
    fn name(&self) -> &'static str {
        "descriptors"
    }

    fn counts(&self) -> &'static str {
        "clients, more than fit at once"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Http, Kind::Web]
    }

    fn descriptors(&self, kind: Kind) -> Option<u32> {
        Some(limit(kind))
    }

    fn bound(&self, kind: Kind) -> Bound {
        let count = u64::from(limit(kind));
        Bound { fixed: ALLOWANCE, each: CONNECTION, count, why: "the allowance, and a connection for each descriptor" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(WAITING, |_| {
            let mut nth = 0;
            while span.is_on() {
                let mut stream = open((scene.target(), scene.kind), Window::Usual)?;
                let (said, owed) = match scene.kind {
                    Kind::Http => (site::request(0).into_bytes(), site::page(0)),
                    Kind::Chat => (scene.kind.message("/quit"), "Enter your nickname: Good bye!\n"),
                    Kind::Web => (scene.kind.message("/quit"), "Good bye!"),
                    _ => (scene.kind.message("/quit"), "/quit\n"),
                };
                stream.write_all(&said)?;
                read_until(&mut stream, owed.as_bytes())?;
                std::thread::sleep(STAY);
                reset(stream);
                nth += 1;
            }
            Ok(nth)
        })?;
        let free = (limit(scene.kind) - spare(scene.kind)) as usize - scene.descriptors;
        let outcome = Outcome::of(count).note(format!("{WAITING} at a time wanted to be served, {free} fitted"));
        Ok(outcome.promise((free as u64) < WAITING, || "all fitted, so nothing was shown".into()))
    }
}
