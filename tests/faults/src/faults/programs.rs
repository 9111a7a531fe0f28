//! Clients of programs: thirty that never read, so that their programs stall, and others that start a program and
//! vanish, again and again.

use std::io::{self, Write};

use crate::dial::{Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::faults::stuck;
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const STALLED: usize = 30;
const PER_SECOND: u32 = 20;
/// Of a client and its program: the socket, three pipes, and the descriptor of the process.
const DESCRIPTORS: usize = 5;

pub(crate) struct Programs;

impl Fault for Programs {
    fn name(&self) -> &'static str {
        "programs"
    }

    fn counts(&self) -> &'static str {
        "programs left by their clients"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Exec]
    }

    fn bound(&self, _: Kind) -> Bound {
        let why = "the allowance, and for each and both ways a quarter of --max-queue and one read buffer";
        Bound { fixed: ALLOWANCE, each: 2 * (256 + 64) * KIB, count: STALLED as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let streams = scene.enter_all("stalled", STALLED, Window::Narrow)?;
        let span = scene.begin();
        let count = on_threads(2, |thread| {
            if thread == 0 {
                return stuck::push(&streams, span).map(|_| 0);
            }
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                let mut stream = dial(scene.target(), Window::Usual)?;
                stream.write_all(b"half a li")?;
                reset(stream);
                nth += 1;
            }
            Ok(nth)
        })?;
        let is_kept = scene.has_descriptors(STALLED * DESCRIPTORS)?;
        streams.into_iter().for_each(reset);
        let is_over = scene.has_descriptors(0)?;
        let outcome = Outcome::of(count).promise(is_kept, || "a client that does not read was closed".into());
        Ok(outcome.promise(is_over, || "a program outlived its client".into()))
    }
}
