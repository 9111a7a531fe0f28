//! A storm of signals: SIGCONT a thousand times a second, every tenth right behind a SIGSTOP.
//!
//! Linux throws SIGCONT away where it would change nothing; behind a SIGSTOP it interrupts the poll (EINTR, signal(7)),
//! as Ctrl-Z and `fg` do.

use std::io;

use rustix::process::Signal;

use crate::fault::{ALLOWANCE, Bound, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const PER_SECOND: u32 = 1_000;

pub(crate) struct Signals;

impl Fault for Signals {
    fn name(&self) -> &'static str {
        "signals"
    }

    fn counts(&self) -> &'static str {
        "SIGCONT"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Web]
    }

    fn bound(&self, _: Kind) -> Bound {
        Bound { fixed: ALLOWANCE, each: 0, count: 0, why: "the allowance" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let (span, server) = (scene.begin(), scene.server.process());
        let count = on_threads(1, |_| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                if nth % 10 == 0 {
                    server.signal(Signal::STOP)?;
                }
                server.signal(Signal::CONT)?;
                nth += 1;
            }
            Ok(nth)
        })?;
        Ok(Outcome::of(count))
    }
}
