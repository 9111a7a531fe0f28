//! The chunking law: a handler's output depends on the bytes that it receives, never on how they were split on the way.
//!
//! It is checked with one peer, and without time passing. The splits are the same in each run, so a failure can be
//! repeated.

use std::fmt::Write;

use super::{Ending, Sim, SimPeer};
use crate::handler::Handler;

/// Inputs longer than this are split and ended at some positions only.
const MAX_POSITIONS: usize = 128;
/// Number of reads after which the output counts as endless.
const MAX_READS: usize = 100_000;

/// A way for the bytes to travel.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In one piece, to a peer that reads everything. The other ways are compared with this one.
    Whole,
    /// In two pieces.
    SplitAt(usize),
    /// In pieces of this many bytes.
    Pieces(usize),
    /// In pieces of random sizes from this seed. Each write of the output takes at most seven bytes.
    Random(u64),
    /// In one piece, to a peer that reads this many bytes at a time, and none before all is sent.
    Slow(usize),
}

/// All output of a server.
#[derive(Debug, PartialEq, Eq)]
struct Transcript {
    received: Vec<u8>,
    ending: Option<Ending>,
    stderr: String,
    stdout: Vec<u8>,
}

/// Checks that a handler obeys the chunking law: for each prefix of `input`, the output and the end of the connection
/// are the same, however the prefix is split on its way, and however slowly the output is read. `make` creates a new
/// handler.
///
/// ```
/// use switchboard::servers::{Echo, EchoLines};
/// use switchboard::sim::assert_chunking_law;
///
/// assert_chunking_law(Echo::bytes, b"any bytes");
///
/// let mut options = EchoLines::default();
/// options.prefix = b"> ".to_vec();
/// options.max_line = 10;
/// assert_chunking_law(|| Echo::lines(options.clone()), b"one\ntwo\r\na line that is too long\nend");
/// ```
///
/// # Panics
/// If the handler does not obey the law. The message has the input, the way and both transcripts.
#[track_caller]
pub fn assert_chunking_law<H: Handler>(make: impl Fn() -> H, input: &[u8]) {
    let step = input.len().div_ceil(MAX_POSITIONS).max(1);
    for end in (0..input.len()).step_by(step).chain([input.len()]) {
        let input = &input[..end];
        let want = transcript(make(), input, Way::Whole);
        let pieces = [1, 2, 3, 7].map(Way::Pieces);
        let random = (1..=8).map(Way::Random);
        let slow = [1, 5, 1000].map(Way::Slow);
        let splits = (0..end).step_by(step).map(Way::SplitAt);
        for way in splits.chain(pieces).chain(random).chain(slow) {
            let got = transcript(make(), input, way);
            assert!(got == want, "{}", difference(input, way, &got, &want));
        }
    }
}

fn difference(input: &[u8], way: Way, got: &Transcript, want: &Transcript) -> String {
    let mut text = format!("the transcript differs for {:?}, sent {way:?}:", input.escape_ascii().to_string());
    for (name, transcript) in [("split", got), ("whole", want)] {
        let received = transcript.received.escape_ascii();
        // Writing to a String does not fail.
        let _ = write!(text, "\n  {name}: \"{received}\", then {:?}", transcript.ending);
        let _ =
            write!(text, ", stderr {:?}, stdout {:?}", transcript.stderr, transcript.stdout.escape_ascii().to_string());
    }
    text
}

fn transcript<H: Handler>(handler: H, input: &[u8], way: Way) -> Transcript {
    let mut sim = Sim::new(handler);
    let peer = sim.connect();
    let mut stdout = Vec::new();
    if let Way::Slow(_) = way {
        sim.stall(peer);
    }
    if let Way::Random(_) = way {
        sim.limit_writes(peer, 7);
    }
    for piece in pieces(input, way) {
        sim.send(peer, piece);
        sim.run();
        stdout.extend(sim.stdout());
    }
    sim.shut_down(peer);
    let mut received = Vec::new();
    if let Way::Slow(count) = way {
        received = read_slowly(&mut sim, peer, count);
    }
    sim.resume(peer);
    received.extend(sim.received(peer));
    stdout.extend(sim.stdout());
    Transcript { received, ending: sim.ending(peer), stderr: sim.stderr(), stdout }
}

fn pieces(input: &[u8], way: Way) -> Vec<&[u8]> {
    match way {
        Way::Whole | Way::Slow(_) => vec![input],
        Way::SplitAt(at) => vec![&input[..at], &input[at..]],
        Way::Pieces(size) => input.chunks(size).collect(),
        Way::Random(seed) => {
            // Knuth's linear congruential generator (MMIX). Its high bits are random enough for sizes.
            let mut state = seed;
            let (mut pieces, mut remaining) = (Vec::new(), input);
            while !remaining.is_empty() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (piece, after) = remaining.split_at(((state >> 33) as usize % 12 + 1).min(remaining.len()));
                pieces.push(piece);
                remaining = after;
            }
            pieces
        }
    }
}

fn read_slowly<H: Handler>(sim: &mut Sim<H>, peer: SimPeer, count: usize) -> Vec<u8> {
    let mut received = Vec::new();
    for _ in 0..MAX_READS {
        sim.allow(peer, count);
        let piece = sim.received(peer);
        if piece.is_empty() {
            break;
        }
        received.extend(piece);
    }
    received
}
