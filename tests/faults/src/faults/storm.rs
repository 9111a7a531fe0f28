//! Storms of 5,000 connections: all come as fast as they can, each says a word and is answered, and all vanish.

use std::io::{self, Write};
use std::sync::Mutex;

use crate::dial::{Window, open, read_until, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::site;

const COUNT: u64 = 5_000;
const THREADS: u64 = 8;

pub(crate) struct Storm;

impl Fault for Storm {
    fn name(&self) -> &'static str {
        "storm"
    }

    fn counts(&self) -> &'static str {
        "connections, 5,000 at a time"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Uppercase, Kind::Chat, Kind::Http, Kind::Web]
    }

    fn bound(&self, _: Kind) -> Bound {
        Bound {
            fixed: ALLOWANCE,
            each: CONNECTION,
            count: COUNT,
            why: "the allowance, and a connection for each of a storm",
        }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let mut count = 0;
        while span.is_on() {
            let crowd = Mutex::new(Vec::new());
            count += on_threads(THREADS, |_| {
                for _ in 0..COUNT / THREADS {
                    let mut stream = open((scene.target(), scene.kind), Window::Usual)?;
                    if scene.kind.is_room() {
                        // Without a name: that 5,000 are welcomed to 5,000 is another story.
                        let asked: &[u8] = if scene.kind == Kind::Web { b"\r\n\r\n" } else { b"Enter your nickname: " };
                        read_until(&mut stream, asked)?;
                    } else if scene.kind == Kind::Http {
                        stream.write_all(site::request(0).as_bytes())?;
                        read_until(&mut stream, site::page(0).as_bytes())?;
                    } else {
                        stream.write_all(b"hello\n")?;
                        read_until(&mut stream, scene.kind.answer("hello\n").as_bytes())?;
                    }
                    crowd.lock().map_err(|_| io::Error::other("a thread panicked"))?.push(stream);
                }
                Ok(COUNT / THREADS)
            })?;
            crowd.into_inner().map_err(|_| io::Error::other("a thread panicked"))?.into_iter().for_each(reset);
        }
        Ok(Outcome::of(count))
    }
}
