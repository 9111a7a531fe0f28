//! How bytes become a script. One byte says what a step is, those behind it how much; so a fuzzer that changes, moves
//! or doubles a few bytes changes, moves or doubles a few steps.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use switchboard::Limits;

use super::machine::Act;

/// One thing that happens to a simulation. Peers are numbered; numbers beyond the last begin anew.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Connect { first: Act, last_will: Act },
    Send { peer: u8, bytes: &'a [u8] },
    ShutDown { peer: u8 },
    Reset { peer: u8 },
    Stall { peer: u8 },
    Allow { peer: u8, count: u8 },
    Resume { peer: u8 },
    LimitWrites { peer: u8, count: u8 },
    Advance { millis: u16 },
    Look,
    Console { line: &'a [u8] },
    ConsoleEnd,
    Datagram { bytes: &'a [u8] },
    HoldJobs,
    ReleaseJobs,
    Answer { is_refused: bool },
    Stop,
}

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        if bytes.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        let step = match u8::arbitrary(bytes)? % 24 {
            0 | 1 => Step::Connect { first: bytes.arbitrary()?, last_will: bytes.arbitrary()? },
            2..=5 => Step::Send { peer: bytes.arbitrary()?, bytes: text(bytes)? },
            6 => Step::ShutDown { peer: bytes.arbitrary()? },
            7 => Step::Reset { peer: bytes.arbitrary()? },
            8 | 9 => Step::Stall { peer: bytes.arbitrary()? },
            10 | 11 => Step::Allow { peer: bytes.arbitrary()?, count: bytes.arbitrary()? },
            12 => Step::Resume { peer: bytes.arbitrary()? },
            13 => Step::LimitWrites { peer: bytes.arbitrary()?, count: bytes.arbitrary()? },
            14 => Step::Advance { millis: u8::arbitrary(bytes)?.into() },
            15 => Step::Advance { millis: bytes.arbitrary()? },
            16 => Step::Console { line: text(bytes)? },
            17 => Step::Datagram { bytes: text(bytes)? },
            18 => Step::HoldJobs,
            19 => Step::ReleaseJobs,
            20 => Step::Answer { is_refused: bytes.arbitrary()? },
            21 => match u8::arbitrary(bytes)? % 4 {
                0 => Step::Stop,
                1 => Step::ConsoleEnd,
                _ => Step::Look,
            },
            _ => Step::Look,
        };
        Ok(step)
    }
}

/// A few bytes, their number before them.
fn text<'a>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let count = usize::from(u8::arbitrary(bytes)? % 32).min(bytes.len());
    bytes.bytes(count)
}

/// The limits of a script. Zero is the default, or none; small ones are met soon.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Frame {
    read_buffer: u8,
    turn_input: u8,
    turn_output: u8,
    turn_jobs: u8,
    inbox: u8,
    max_queue: u8,
    queue_time: u8,
    memory_limit: u8,
    feed_buffer: u8,
    idle_timeout: u8,
    linger: u8,
    flush_stall: u8,
    drain: u8,
}

impl Frame {
    pub(super) fn limits(self) -> Limits {
        let or = |small: u8, default: usize| if small == 0 { default } else { small.into() };
        let most = |small: u8| (small > 0).then(|| 16 * usize::from(small));
        let tenths = |count: u8| Duration::from_millis(100 * u64::from(count));
        let mut limits = Limits::default();
        // Not the default, which takes longer to clear than a script to play.
        limits.read_buffer = or(self.read_buffer, 1024);
        limits.turn_input = or(self.turn_input, limits.turn_input);
        limits.turn_output = or(self.turn_output, limits.turn_output);
        limits.turn_jobs = or(self.turn_jobs, limits.turn_jobs);
        // Room for an act, or a handler that waits for the rest of one would lose its connection.
        limits.inbox = or(self.inbox, limits.inbox).max(super::ACT);
        limits.max_queue = most(self.max_queue);
        limits.queue_time = (self.queue_time > 0).then(|| tenths(self.queue_time));
        limits.memory_limit = most(self.memory_limit);
        limits.feed_buffer = most(self.feed_buffer);
        limits.idle_timeout = (self.idle_timeout > 0).then(|| tenths(self.idle_timeout));
        // With none, what a peer sent before it was closed may turn the close into a reset.
        limits.linger = tenths(self.linger.max(1));
        limits.flush_stall = if self.flush_stall == 0 { limits.flush_stall } else { tenths(self.flush_stall) };
        limits.drain = if self.drain == 0 { limits.drain } else { tenths(self.drain) };
        limits
    }
}
