//! What can be done to a server, each in a file of its own.

use std::io;

use crate::faults;
use crate::kind::Kind;
use crate::scene::{Outcome, Scene};

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;

/// How much memory a server may need more during a fault, and why so much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// Whatever the count.
    pub(crate) fixed: u64,
    /// For each of [`Bound::count`].
    pub(crate) each: u64,
    /// How many are connected at a time, at most.
    pub(crate) count: u64,
    pub(crate) why: &'static str,
}

impl Bound {
    pub(crate) fn bytes(self) -> u64 {
        self.fixed + self.each * self.count
    }
}

/// What a server may need more for any load at all: pages of buffers, tables and pools that are touched for the first
/// time.
pub(crate) const ALLOWANCE: u64 = MIB;

/// One connection with a session, timers, and the beginning of a line.
pub(crate) const CONNECTION: u64 = KIB;

/// Something that is done to a server while polite clients use it.
pub(crate) trait Fault {
    /// As `--only` knows it.
    fn name(&self) -> &'static str;

    /// What is counted.
    fn counts(&self) -> &'static str;

    /// The servers for which it makes sense.
    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Chat]
    }

    /// Flags of the server.
    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &[]
    }

    /// The server's limit of descriptors.
    fn descriptors(&self, _: Kind) -> Option<u32> {
        None
    }

    /// The size of a file that the same process sends to each client of a second address.
    fn file(&self) -> Option<u64> {
        None
    }

    /// How much memory may grow.
    fn bound(&self, kind: Kind) -> Bound;

    /// Does it, for as long as the scene says, and cleans up what it has connected.
    ///
    /// # Errors
    /// It could not be done at all, so nothing was shown.
    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome>;
}

/// All faults, in the order of the table.
pub(crate) const ALL: [&dyn Fault; 25] = [
    &faults::reset::Reset,
    &faults::half_open::HalfOpen,
    &faults::headless::Headless,
    &faults::handshakes::Handshakes,
    &faults::trickle::Trickle,
    &faults::stuck::Stuck,
    &faults::stopped::Stopped,
    &faults::narrow::Narrow,
    &faults::files::Files,
    &faults::long_line::LongLine,
    &faults::noise::Noise,
    &faults::escapes::Escapes,
    &faults::storm::Storm,
    &faults::vanish::Vanish,
    &faults::descriptors::Descriptors,
    &faults::signals::Signals,
    &faults::flood::Flood,
    &faults::programs::Programs,
    &faults::upstreams::Upstreams,
    &faults::slow_heads::SlowHeads,
    &faults::slow_bodies::SlowBodies,
    &faults::unread::Unread,
    &faults::scripts::Scripts,
    &faults::frames::Frames,
    &faults::pings::Pings,
];
