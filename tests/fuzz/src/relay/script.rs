//! How bytes become a script of a relay.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use switchboard::Limits;

/// One thing that happens. An end is a client, or with the highest bit what it is joined to.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Connect { is_child: bool },
    Send { end: u8, bytes: &'a [u8] },
    ShutDown { end: u8 },
    Reset { end: u8 },
    Stall { end: u8 },
    Allow { end: u8, count: u8 },
    Resume { end: u8 },
    LimitWrites { end: u8, count: u8 },
    Answer { is_refused: bool },
    Exit { pair: u8, code: u8 },
    CloseInput { pair: u8 },
    Advance { millis: u16 },
    Look,
    Stop,
}

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        if bytes.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        let step = match u8::arbitrary(bytes)? % 24 {
            0 | 1 => Step::Connect { is_child: bytes.arbitrary()? },
            2..=6 => Step::Send { end: bytes.arbitrary()?, bytes: text(bytes)? },
            7 => Step::ShutDown { end: bytes.arbitrary()? },
            8 => Step::Reset { end: bytes.arbitrary()? },
            9 | 10 => Step::Stall { end: bytes.arbitrary()? },
            11 | 12 => Step::Allow { end: bytes.arbitrary()?, count: bytes.arbitrary()? },
            13 => Step::Resume { end: bytes.arbitrary()? },
            14 => Step::LimitWrites { end: bytes.arbitrary()?, count: bytes.arbitrary()? },
            15 | 16 => Step::Answer { is_refused: u8::arbitrary(bytes)? % 4 == 0 },
            17 => Step::Exit { pair: bytes.arbitrary()?, code: bytes.arbitrary()? },
            18 => Step::CloseInput { pair: bytes.arbitrary()? },
            19 => Step::Advance { millis: bytes.arbitrary()? },
            20 if u8::arbitrary(bytes)? % 8 == 0 => Step::Stop,
            _ => Step::Look,
        };
        Ok(step)
    }
}

/// A few bytes, their number before them.
fn text<'a>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let count = usize::from(u8::arbitrary(bytes)? % 64).min(bytes.len());
    bytes.bytes(count)
}

/// The limits of a script. Zero is the default; small ones are met soon.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) struct Frame {
    read_buffer: u8,
    turn_input: u8,
    turn_output: u8,
    max_queue: u8,
    linger: u8,
    flush_stall: u8,
    drain: u8,
}

impl Frame {
    pub(super) fn limits(self) -> Limits {
        let or = |small: u8, default: usize| if small == 0 { default } else { small.into() };
        let tenths = |count: u8| Duration::from_millis(100 * u64::from(count));
        let mut limits = Limits::default();
        limits.read_buffer = or(self.read_buffer, 1024);
        limits.turn_input = or(self.turn_input, limits.turn_input);
        limits.turn_output = or(self.turn_output, limits.turn_output);
        limits.max_queue = (self.max_queue > 0).then(|| 4 * usize::from(self.max_queue));
        limits.linger = tenths(self.linger.max(1));
        limits.flush_stall = if self.flush_stall == 0 { limits.flush_stall } else { tenths(self.flush_stall) };
        limits.drain = if self.drain == 0 { limits.drain } else { tenths(self.drain) };
        limits
    }
}
