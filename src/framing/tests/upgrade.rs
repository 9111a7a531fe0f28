//! A connection that changes its framing in the middle of the stream, and back.

use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::chunking::{in_pieces, play, steps, tight, whole};
use crate::sim::{Ending, Sim, assert_chunking_law};
use crate::workers::{Done, Workers};

/// Shows lines, netstrings after the line `UPGRADE`, lines again after the netstring `DOWNGRADE`, and bytes after the
/// line `RAW`.
///
/// A message with `j` takes a job, one with `p` pauses the input, and one with `b` has a big answer.
struct Switch {
    lines: LineFramer,
    netstrings: NetstringFramer,
    workers: Workers<()>,
}

enum Protocol {
    Lines(LineState),
    Netstrings(NetstringState),
    Raw,
}

impl Switch {
    fn new() -> Switch {
        let workers = Workers::new("switch", 10, vec![()]);
        Switch { lines: LineFramer::new(12), netstrings: NetstringFramer::new(12), workers }
    }

    fn message(&self, protocol: &mut Protocol, message: &[u8], cx: &mut Context<'_>) {
        match (&protocol, message) {
            (Protocol::Lines(_), b"UPGRADE") => *protocol = Protocol::Netstrings(NetstringState::default()),
            (Protocol::Lines(_), b"RAW") => *protocol = Protocol::Raw,
            (Protocol::Netstrings(_), b"DOWNGRADE") => *protocol = Protocol::Lines(LineState::default()),
            _ => {}
        }
        let shown = message.escape_ascii();
        match protocol {
            Protocol::Lines(_) => cx.reply(format!("<{shown}>").as_bytes()),
            _ => cx.reply(format!("[{shown}]").as_bytes()),
        }
        if message.contains(&b'b') {
            cx.reply(&[b'-'; 100]);
        }
        if message.contains(&b'j') {
            cx.offload(&self.workers, |()| ()).expect("room for a job");
        }
        if message.contains(&b'p') {
            cx.pause_input(Duration::from_millis(100));
        }
    }
}

impl Handler for Switch {
    type Session = Protocol;

    fn open(&mut self, origin: &Origin, _: &mut Context<'_>) -> Protocol {
        Protocol::Lines(self.lines.begin(origin))
    }

    fn data<'a>(&mut self, protocol: &mut Protocol, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        loop {
            let found = match protocol {
                Protocol::Lines(state) => unread.next(&self.lines, state, cx),
                Protocol::Netstrings(state) => unread.next(&self.netstrings, state, cx),
                Protocol::Raw if cx.may_continue() => {
                    cx.reply_input(unread.take_rest());
                    None
                }
                Protocol::Raw => None,
            };
            match found {
                Some(Found::Message(message)) => self.message(protocol, message, cx),
                Some(Found::TooLong(limit)) => cx.reply(format!("!{limit}").as_bytes()),
                Some(Found::Failed(error)) => {
                    cx.reply(format!("{{{error}}}").as_bytes());
                    if let FramingError::Malformed { .. } = error {
                        cx.close();
                    }
                }
                None => return unread.used(),
            }
        }
    }

    fn eof(&mut self, _: &mut Protocol, cx: &mut Context<'_>) {
        cx.reply(b".");
        cx.close();
    }

    fn done(&mut self, _: &mut Protocol, _: Done, cx: &mut Context<'_>) {
        cx.reply(b"'");
    }
}

/// Changes in both directions, with messages at each end that are empty, or too long.
const INPUT: &[u8] =
    b"one\r\ntwo\nUPGRADE\n3:o\ne,0:,13:far too long!,9:DOWNGRADE,four\n\nfar too long for this\nUPGRADE\n2:ok,";
const SHOWN: &str = "<one><two>[UPGRADE][o\\ne][]!12<DOWNGRADE><four><>!12[UPGRADE][ok].";

fn shown(input: &[u8]) -> String {
    assert_chunking_law(Switch::new, input);
    super::shown(Switch::new(), input)
}

#[test]
fn the_rest_goes_to_the_framing_that_follows() {
    assert_eq!(shown(INPUT), SHOWN);
    assert_eq!(shown(b"RAW\n\r\n\0any bytes"), "[RAW]\r\n\0any bytes.");
    assert_eq!(shown(b"UPGRADE"), "[UPGRADE].", "the end of input stands for a line end");
    assert_eq!(shown(b"UPGRADE\r\n3:ab"), "[UPGRADE]{the input ended within a message, after 4 of its 6 bytes}.");
    let malformed = "[UPGRADE][a]{malformed input: expected a digit at offset 4, found 'x'}";
    assert_eq!(shown(b"UPGRADE\n1:a,x"), malformed, "the offset counts from the change");
}

/// Jobs, pauses and answers over the high mark come between messages and at the changes themselves.
const BUSY: &[u8] = b"jbp\nb\nUPGRADE\n1:j,2:jp,1:b,9:DOWNGRADE,p\nj\nUPGRADE\n0:,1:b,3:jjj,";

/// What the handler answers to [`BUSY`], whatever happens in between.
fn busy_answers() -> String {
    let big = "-".repeat(100);
    format!("<jbp>{big}'<b>{big}[UPGRADE][j]'[jp]'[b]{big}<DOWNGRADE><p><j>'[UPGRADE][][b]{big}[jjj]'.")
}

#[test]
fn each_size_of_pieces_gives_the_same_with_jobs_and_pauses() {
    for size in 1..=BUSY.len() {
        for is_slow in [false, true] {
            let mut sim = Sim::with_limits(Switch::new(), tight());
            let peer = sim.connect();
            let mut received = Vec::new();
            if is_slow {
                sim.stall(peer);
            }
            for piece in BUSY.chunks(size) {
                sim.send(peer, piece);
                sim.advance(Duration::from_millis(30));
                sim.allow(peer, 11);
                received.extend(sim.received(peer));
            }
            sim.shut_down(peer);
            while sim.ending(peer).is_none() {
                sim.advance(Duration::from_millis(30));
                sim.allow(peer, 11);
                received.extend(sim.received(peer));
            }
            received.extend(sim.received(peer));
            assert_eq!(String::from_utf8_lossy(&received), busy_answers(), "pieces of {size} bytes");
        }
    }
}

#[test]
fn a_slow_job_holds_the_change_and_nothing_is_lost() {
    let mut sim = Sim::new(Switch::new());
    sim.hold_jobs();
    let peer = sim.connect();
    sim.send(peer, b"j\nUPGRADE\n1:j,9:DOWNGRADE,last");
    assert_eq!(sim.received(peer), b"<j>");
    sim.release_jobs();
    assert_eq!(sim.received(peer), b"'[UPGRADE][j]'<DOWNGRADE>");
    sim.shut_down(peer);
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"<last>.".to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_stop_answers_what_was_read_in_the_framing_of_the_moment() {
    let mut sim = Sim::new(Switch::new());
    sim.hold_jobs();
    let peer = sim.connect();
    sim.send(peer, b"j\nUPGRADE\n2:ok,1");
    assert_eq!(sim.received(peer), b"<j>");
    sim.stop();
    sim.run();
    sim.release_jobs();
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"'[UPGRADE][ok]".to_vec(), Some(Ending::Eof)));
}

proptest! {
    #[test]
    fn no_split_changes_what_is_answered(steps in steps()) {
        let mut sim = Sim::with_limits(Switch::new(), tight());
        let peer = sim.connect();
        let mut received = play(&mut sim, peer, BUSY, &steps);
        sim.shut_down(peer);
        sim.advance(Duration::from_secs(5));
        received.extend(sim.received(peer));
        prop_assert_eq!(String::from_utf8_lossy(&received), busy_answers());
        prop_assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }

    #[test]
    fn any_input_obeys_the_law(input in "(a|\r|\n|UPGRADE\n|9:DOWNGRADE,|1:a,|0:,|[0-2]|:|,){0,20}", steps in steps()) {
        let want = whole(Switch::new(), input.as_bytes());
        let got = in_pieces(Switch::new(), input.as_bytes(), &steps);
        prop_assert_eq!(got, want);
    }
}
