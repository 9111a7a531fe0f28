//! Clients that vanish by a reset in the middle of a line, half of them members of the room.

use std::io::{self, Write};

use crate::dial::{Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const THREADS: u64 = 2;
const PER_SECOND: u32 = 500;

pub(crate) struct Reset;

impl Fault for Reset {
    fn name(&self) -> &'static str {
        "reset"
    }

    fn counts(&self) -> &'static str {
        "resets in mid-line"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Uppercase, Kind::Chat, Kind::Http, Kind::Web]
    }

    fn bound(&self, _: Kind) -> Bound {
        // Those of a tenth of a second: the time in which a dead one is buried is a turn.
        let count = THREADS * u64::from(PER_SECOND) / 10;
        Bound { fixed: ALLOWANCE, each: CONNECTION, count, why: "the allowance, and a connection for each of 100 ms" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let count = on_threads(THREADS, |thread| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                let (mut stream, half) = match nth % 2 {
                    0 => (dial(scene.target(), Window::Usual)?, scene.kind.first_half()),
                    _ => (scene.enter(&format!("reset{thread}-{nth}"), Window::Usual)?, scene.kind.half()),
                };
                stream.write_all(half)?;
                reset(stream);
                nth += 1;
            }
            Ok(nth)
        })?;
        Ok(Outcome::of(count))
    }
}
