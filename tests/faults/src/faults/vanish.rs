//! Fifteen hundred clients vanish at once, by a reset each: in a chat, members of the room.
//!
//! Quiet is measured with them in the room, too: there a line is a write to each, with and without the fault.

use std::io;
use std::time::Duration;

use crate::dial::{Window, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault, MIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene};
use crate::sink::Sink;

const COUNT: usize = 1_500;
const BATCH: usize = 100;

/// The time in which it can be noticed.
const LASTS: Duration = Duration::from_millis(500);

pub(crate) struct Vanish;

impl Fault for Vanish {
    fn name(&self) -> &'static str {
        "vanish"
    }

    fn counts(&self) -> &'static str {
        "vanish at once"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat, Kind::Web]
    }

    fn flags(&self, kind: Kind) -> &'static [&'static str] {
        if kind.is_room() { &["--room-buffer", "1MiB"] } else { &[] }
    }

    fn bound(&self, kind: Kind) -> Bound {
        let (room, why) = match kind {
            Kind::Chat | Kind::Web => (2 * MIB, "the allowance, twice --room-buffer, and a connection for each"),
            _ => (0, "the allowance, and a connection for each"),
        };
        Bound { fixed: ALLOWANCE + room, each: CONNECTION, count: COUNT as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        // The first clients read while the next ones connect: a client that does not read would be closed.
        let batch = |nth| scene.enter_all(&format!("gone{nth}-"), BATCH, Window::Usual).map(Sink::of);
        let sinks = (0..COUNT / BATCH).map(batch).collect::<io::Result<Vec<_>>>()?;
        scene.stay_quiet(LASTS);
        let crowd = sinks.into_iter().map(Sink::end).collect::<io::Result<Vec<_>>>()?;
        let span = scene.begin_for(LASTS);
        crowd.into_iter().flatten().for_each(reset);
        span.wait();
        Ok(Outcome::of(COUNT as u64))
    }
}
