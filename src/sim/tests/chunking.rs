//! The chunking law for the framings and the echo handlers, and handlers that break it.

use super::*;
use crate::framing::{Lines, MessageHandler};
use crate::servers::{Echo, EchoLines};
use proptest::prelude::*;

const INPUT: &[u8] =
    b"one\r\n\ntwo\nexactly8\nexactly8\r\nninechars\nmuch longer than that\r\n\r\r\n\r\r\r\n\xff\0\nq\nafter q\nlast";

#[test]
fn echo_obeys() {
    assert_chunking_law(Echo::bytes, INPUT);
    assert_chunking_law(Echo::bytes, &[b'x'; 300]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn echo_obeys_whatever_comes(input in proptest::collection::vec(prop_oneof![
        3 => any::<u8>(), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => Just(b'q')
    ], 0..40)) {
        assert_chunking_law(Echo::bytes, &input);
        let options = EchoLines { prefix: b"> ".to_vec(), quit_on: Some(b"q".to_vec()), max_line: 6 };
        assert_chunking_law(|| Echo::lines(options.clone()), &input);
    }
}

#[test]
fn echo_by_lines_obeys() {
    for quit_on in [None, Some(b"Q".to_vec())] {
        let options = EchoLines { prefix: b"You Send:".to_vec(), quit_on, max_line: 8 };
        assert_chunking_law(|| Echo::lines(options.clone()), INPUT);
        assert_chunking_law(|| Echo::lines(options.clone()), b"ends\r");
        assert_chunking_law(|| Echo::lines(options.clone()), b"exactly8\r");
        assert_chunking_law(|| Echo::lines(options.clone()), b"ninechars\r");
    }
}

/// Shows each line with its length, and counts them at the end.
struct Count;

impl MessageHandler for Count {
    type Session = usize;
    fn open(&mut self, _: &Origin, _: &mut Context<'_>) -> usize {
        0
    }
    fn message<'a>(&mut self, count: &mut usize, line: &'a mut [u8], cx: &mut Context<'a>) {
        *count += 1;
        cx.reply(format!("{} ", line.len()).as_bytes());
        line.reverse();
        cx.reply_input(line);
    }
    fn too_long(&mut self, _: &mut usize, limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("!{limit} ").as_bytes());
    }
    fn eof(&mut self, count: &mut usize, cx: &mut Context<'_>) {
        cx.reply(format!("{count} lines").as_bytes());
        cx.close();
    }
}

#[test]
fn lines_obey_with_any_limit() {
    for limit in [0, 1, 2, 7, 8, 9, 100] {
        assert_chunking_law(|| Lines::new(Count, limit), INPUT);
    }
}

#[test]
fn lines_are_those_of_the_input() {
    let mut sim = Sim::new(Lines::new(Count, 8));
    let peer = sim.connect();
    sim.send(peer, b"ab\r\n\nexactly8\r\nninechars\n\r\r\ncd");
    sim.shut_down(peer);
    assert_eq!(sim.received(peer), b"2 ba0 8 8yltcaxe!8 1 \r2 dc5 lines");
}

#[test]
#[should_panic(expected = "the transcript differs")]
fn a_handler_that_takes_reads_for_messages_is_found() {
    assert_chunking_law(|| Reads, b"two words");
}

/// Takes each read for a message, as beginners do.
struct Reads;

impl Handler for Reads {
    type Session = ();
    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        cx.reply_input(input);
        cx.reply(b"\n");
        input.len()
    }
}
