//! Chargen: a pattern of printing characters that never ends (RFC 864).
//!
//! Invariants: every peer receives the beginning of the same endless text, whatever it sends. The text is queued in
//! whole rounds of the pattern, and the next round only when the peer's queue has room. So a peer that does not read
//! costs bounded memory and no time. The handler has no state.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::ChargenServer;

use std::time::Duration;

use crate::connection::origin::{Origin, Source};
use crate::connection::timer_id::TimerId;
use crate::handler::Handler;
use crate::handler::context::Context;

/// Sends lines of 72 printing characters until the peer closes (RFC 864).
///
/// Each line begins one character later than the line before it. A datagram is answered with the first six lines. Input
/// is discarded. A peer that has ended its own side still receives.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::Chargen;
///
/// let mut sim = Sim::new(Chargen);
/// let peer = sim.connect();
/// sim.stall(peer); // or it would never end
/// sim.allow(peer, 10);
/// assert_eq!(sim.received(peer), b" !\"#$%&'()");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Chargen;

/// The printing characters of ASCII: the space to the tilde.
const FIRST: u8 = b' ';
const CHARACTERS: usize = 95;

/// The length of a line, without and with its CR and LF.
const WIDTH: usize = 72;
const LINE: usize = WIDTH + 2;

/// The length of the answer to a datagram: as many whole lines as fit into the 512 characters that the RFC allows. The
/// RFC asks for a random number of characters but gives no use for the randomness, so the number is fixed.
const DATAGRAM: usize = 512 / LINE * LINE;

/// One round of the pattern. The first line follows the last.
static ROUND: [u8; CHARACTERS * LINE] = round();

const fn round() -> [u8; CHARACTERS * LINE] {
    let mut round = [b'\r'; CHARACTERS * LINE];
    let mut at = 0;
    while at < round.len() {
        let (line, column) = (at / LINE, at % LINE);
        if column < WIDTH {
            round[at] = FIRST + ((line + column) % CHARACTERS) as u8;
        } else if column > WIDTH {
            round[at] = b'\n';
        }
        at += 1;
    }
    round
}

impl Handler for Chargen {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        refill(cx);
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    /// Keeps the connection: a peer that has ended its side may still read.
    fn eof(&mut self, (): &mut (), _: &mut Context<'_>) {}

    fn drained(&mut self, (): &mut (), cx: &mut Context<'_>) {
        refill(cx);
    }

    /// Fills the queue. [`Handler::drained`] follows, since the loop ends when the queue is full.
    fn timer(&mut self, (): &mut (), _: TimerId, cx: &mut Context<'_>) {
        while cx.is_writable() {
            cx.reply(&ROUND);
        }
    }

    fn datagram<'a>(&mut self, _: &Source, _: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(&ROUND[..DATAGRAM]);
    }
}

/// Requests a refill of the queue by a timer that is due at once.
///
/// The queue is not refilled directly, because a peer with a full queue is not read: its input must be read and
/// discarded between two refills.
fn refill(cx: &mut Context<'_>) {
    cx.set_timer(Duration::ZERO);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::sim::{Ending, Sim, SimPeer};
    use crate::state::limits::Limits;

    /// The first bytes of the text, found as the RFC describes it.
    fn text(length: usize) -> Vec<u8> {
        let ring: Vec<u8> = (b' '..=b'~').collect();
        let lines = (0..).flat_map(|line: usize| {
            let characters = (line..line + 72).map(|at| ring[at % 95]).collect::<Vec<_>>();
            [characters, b"\r\n".to_vec()].concat()
        });
        lines.take(length).collect()
    }

    /// A peer that reads nothing until it is allowed to.
    fn stalled(limits: Limits) -> (Sim<Chargen>, SimPeer) {
        let mut sim = Sim::with_limits(Chargen, limits);
        let peer = sim.connect();
        sim.stall(peer);
        (sim, peer)
    }

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let (mut sim, peer) = stalled(Limits::default());
        sim.allow(peer, 1_000_000);
        let received = sim.received(peer);
        assert!(
            received
                .starts_with(b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n!\"#$%&")
        );
        assert!(received == text(1_000_000), "the text goes on as it began");
    }

    #[test]
    fn no_more_is_made_than_there_is_room_for() {
        for max_queue in [Some(1), Some(64), Some(100_000), Some(1 << 20), None] {
            let limits = Limits { max_queue, ..Limits::default() };
            let most = limits.high_mark() + ROUND.len();
            let (mut sim, peer) = stalled(limits);
            let mut expected = 0;
            for _ in 0..50 {
                let queued = sim.stats().queued;
                assert!(queued > 0 && queued <= most, "{queued} of {most} bytes queued");
                sim.allow(peer, 10_000);
                expected += sim.received(peer).len();
            }
            assert_eq!(expected, 500_000, "and what was asked for came");
        }
    }

    #[test]
    fn a_client_that_does_not_read_costs_nothing_more() {
        let (mut sim, peer) = stalled(Limits::default());
        let queued = sim.stats().queued;
        sim.advance(Duration::from_secs(3600));
        assert_eq!((sim.stats().queued, sim.timers(), sim.ending(peer)), (queued, 0, None));
    }

    #[test]
    fn what_a_reader_sends_is_thrown_away() {
        for max_queue in [Some(64), Some(1 << 20)] {
            let (mut sim, peer) = stalled(Limits { max_queue, ..Limits::default() });
            for _ in 0..20 {
                sim.send(peer, &[b'x'; 10_000]);
                sim.allow(peer, 300_000);
                assert_eq!(sim.received(peer).len(), 300_000);
            }
            assert_eq!((sim.unread(peer), sim.stats().bytes_in), (0, 200_000), "with {max_queue:?}");
        }
    }

    #[test]
    fn a_half_closed_client_receives_until_it_is_gone() {
        let (mut sim, peer) = stalled(Limits::default());
        sim.shut_down(peer);
        for _ in 0..10 {
            sim.allow(peer, 300_000);
            assert_eq!((sim.received(peer).len(), sim.ending(peer)), (300_000, None));
        }
        sim.reset(peer);
        assert_eq!((sim.stats().connections, sim.timers()), (0, 0));
    }

    #[test]
    fn a_stop_ends_it_with_a_whole_line() {
        let (mut sim, peer) = stalled(Limits::default());
        sim.allow(peer, 1234);
        sim.run();
        sim.stop();
        sim.resume(peer);
        let received = sim.received(peer);
        assert!(received == text(received.len()) && received.ends_with(b"\r\n"), "{} bytes", received.len());
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }

    #[test]
    fn a_datagram_has_whole_lines_of_at_most_512_characters() {
        let mut sim = Sim::new(Chargen);
        for bytes in [&b""[..], b"more, please"] {
            let answer = sim.datagram((Ipv4Addr::LOCALHOST, 5000).into(), bytes).expect("an answer");
            assert_eq!((answer.len(), &answer), (6 * 74, &text(6 * 74)));
        }
    }

    /// What a peer does between two looks.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Send(usize),
        End,
        Allow(usize),
        LimitWrites(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..20_000usize).prop_map(Step::Send),
            1 => Just(Step::End),
            5 => (0..20_000usize).prop_map(Step::Allow),
            1 => (1000..5000usize).prop_map(Step::LimitWrites),
        ];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        /// The chunking law for a text without an end: how the peer sends, and how it reads, changes no byte of it.
        #[test]
        fn nothing_that_a_peer_does_changes_the_text(steps in steps(), max_queue in 1..500_000usize) {
            let (mut sim, peer) = stalled(Limits { max_queue: Some(max_queue), ..Limits::default() });
            let (mut received, mut allowed, mut has_ended) = (Vec::new(), 0, false);
            for step in steps {
                match step {
                    Step::Send(count) if !has_ended => sim.send(peer, &vec![b'x'; count]),
                    Step::End if !has_ended => {
                        sim.shut_down(peer);
                        has_ended = true;
                    }
                    Step::Send(_) | Step::End => {}
                    Step::Allow(count) => {
                        sim.allow(peer, count);
                        allowed += count;
                    }
                    Step::LimitWrites(count) => sim.limit_writes(peer, count),
                }
                received.extend(sim.received(peer));
            }
            prop_assert_eq!(received.len(), allowed, "it receives as much as it takes");
            prop_assert!(received == text(allowed));
            prop_assert_eq!(sim.ending(peer), None);
        }
    }
}
