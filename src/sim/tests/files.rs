//! Files as output: order, back-pressure, budgets, and files that change while they are sent.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::connection::file::FilePiece;
use crate::servers::chunking::{play, steps};

/// A file of this size, in which each byte depends on its offset.
pub(super) fn file_of(size: usize) -> (Arc<File>, Vec<u8>) {
    let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&content).expect("room for the file");
    (Arc::new(file), content)
}

/// Replies to each input with a line, the file, and a line.
pub(super) fn with_lines(file: &Arc<File>, size: u64) -> impl FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>) {
    let file = file.clone();
    move |_, _, call, cx| {
        if let Call::Data(_) = call {
            cx.reply(b"before\n");
            cx.reply_file(file.clone(), 0..size).expect("an open connection");
            cx.reply(b"after\n");
        }
    }
}

/// Replies to `open` with the file, and closes.
fn send_and_close(file: &Arc<File>, size: u64) -> impl FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>) {
    let file = file.clone();
    move |_, _, call, cx| {
        if let Call::Open = call {
            cx.reply_file(file.clone(), 0..size).expect("an open connection");
            cx.close();
        }
    }
}

#[test]
fn bytes_and_files_leave_in_order() {
    let (file, content) = file_of(50_000);
    let mut sim = Sim::new(scene(with_lines(&file, 50_000)));
    let peer = sim.connect();
    sim.send(peer, b"x");
    let once = [b"before\n", &content[..], b"after\n"].concat();
    assert!(sim.received(peer) == once);
    // Two answers, to a peer that reads nothing before both are queued.
    sim.stall(peer);
    sim.send(peer, b"x");
    sim.run();
    sim.send(peer, b"x");
    sim.run();
    assert_eq!(sim.stats().queued, 26, "a file is no memory");
    sim.resume(peer);
    assert!(sim.received(peer) == [once.clone(), once].concat());
}

#[test]
fn a_range_is_sent_from_its_start_to_its_end() {
    let (file, content) = file_of(1000);
    let mut sim = Sim::new(scene(move |_, _, call, cx| {
        if let Call::Open = call {
            for range in [990..1000, 500..500, 0..3] {
                cx.reply_file(file.clone(), range).expect("an open connection");
            }
            cx.close();
        }
    }));
    let peer = sim.connect();
    assert_eq!(sim.received(peer), [&content[990..], &content[..3]].concat());
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn a_peer_that_reads_no_file_is_not_read_until_the_low_mark() {
    let (file, content) = file_of(4001);
    let mut sim = Sim::with_limits(scene(with_lines(&file, 4001)), small());
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    assert_eq!(sim.unread(peer), 0);
    sim.send(peer, b"later");
    assert_eq!((sim.unread(peer), sim.stats().queued), (5, 13));
    sim.allow(peer, 3000);
    assert_eq!(sim.unread(peer), 5, "above the low mark it still waits");
    sim.allow(peer, 100);
    assert_eq!(sim.unread(peer), 0);
    assert_eq!(sim.calls()[2..], ["0 drained", "0 data 5"]);
    sim.resume(peer);
    assert!(sim.received(peer) == [b"before\n", &content[..], b"after\nbefore\n", &content, b"after\n"].concat());
}

#[test]
fn a_handler_is_told_that_a_file_is_too_much() {
    let (file, _) = file_of(4001);
    let mut sim = Sim::with_limits(
        scene(move |notes, _, call, cx| {
            if let Call::Open = call {
                cx.reply_file(file.clone(), 0..3000).expect("an open connection");
                notes.calls.push(format!("{}", cx.is_writable()));
                cx.reply_file(file.clone(), 0..1000).expect("an open connection");
                notes.calls.push(format!("{}", cx.is_writable()));
            }
        }),
        small(),
    );
    sim.connect();
    assert_eq!(sim.calls()[1..], ["true", "false", "0 drained"], "each file counts a little more than its bytes");
}

#[test]
fn many_small_files_are_too_much_as_well() {
    let (file, _) = file_of(1);
    let mut sim = Sim::with_limits(
        scene(move |notes, _, call, cx| {
            if let Call::Data(_) = call {
                let mut count = 0;
                while cx.is_writable() && count < 4000 {
                    cx.reply_file(file.clone(), 0..1).expect("an open connection");
                    count += 1;
                }
                notes.calls.push(format!("{count} files"));
            }
        }),
        small(),
    );
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    let most = 4000 / (1 + size_of::<FilePiece>()) + 1;
    assert_eq!(sim.calls()[2..], [format!("{most} files")]);
    sim.send(peer, b"x");
    assert_eq!((sim.unread(peer), sim.stats().queued), (1, 0));
}

#[test]
fn file_bytes_count_for_the_budget_of_a_turn() {
    let (file, content) = file_of(100_000);
    let limits = Limits { turn_output: 1000, ..Limits::default() };
    let mut sim = Sim::with_limits(scene(send_and_close(&file, 100_000)), limits);
    let peer = sim.connect();
    assert!(sim.received(peer) == content);
    assert_eq!(sim.stats().bytes_out, 100_000);
    let mut sizes = Vec::new();
    let other = sim.connect();
    for _ in 0..3 {
        sim.turn();
        sizes.push(sim.wires(other).from_server.len());
    }
    assert_eq!(sizes, [1000, 2000, 3000]);
}

#[test]
fn what_is_refused_is_an_error_and_sends_nothing() {
    let (file, _) = file_of(10);
    let mut sim = Sim::new(scene(move |notes, _, call, cx| {
        let mut note = |cx: &mut Context<'_>, range| {
            let kind = cx.reply_file(file.clone(), range).map_err(|error| error.kind());
            notes.calls.push(format!("{kind:?}"));
        };
        #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
        match call {
            Call::Open => {
                note(cx, 5..4);
                note(cx, 0..u64::MAX);
                note(cx, 0..10);
                note(cx, 0..i64::MAX as u64 - 9);
            }
            Call::Data(b"follow") => {
                let room = cx.create_feed();
                cx.follow(room);
                note(cx, 0..10);
                cx.unfollow();
                note(cx, 0..10);
            }
            Call::Data(_) => {
                cx.shut_down();
                note(cx, 0..10);
                cx.close();
                note(cx, 0..10);
            }
            Call::Closed(_) => note(cx, 0..10),
            _ => {}
        }
    }));
    let peer = sim.connect();
    let wrong = format!("Err({:?})", ErrorKind::InvalidInput);
    assert_eq!(sim.calls()[1..], [&wrong, &wrong, "Ok(())", &wrong]);
    sim.send(peer, b"follow");
    assert_eq!(sim.calls()[1..], [&format!("Err({:?})", ErrorKind::Unsupported), "Ok(())"]);
    sim.send(peer, b"close");
    let gone = format!("Err({:?})", ErrorKind::NotConnected);
    assert_eq!(sim.calls(), ["0 data 5", &gone, &gone, "0 closed: done", &gone]);
    assert_eq!(sim.received(peer).len(), 20);
}

#[test]
fn a_file_comes_before_the_feed_that_is_followed_after_it() {
    let (file, content) = file_of(300);
    let mut sim = Sim::new(scene(move |notes, _, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(b"file") => {
                cx.unfollow();
                cx.reply(b"(");
                cx.reply_file(file.clone(), 0..300).expect("it follows no feed");
                cx.reply(b")");
                cx.follow(room);
                cx.reply(b"!");
            }
            Call::Data(b"leave") => cx.unfollow(),
            _ => {}
        }
    }));
    let peer = sim.connect();
    sim.stall(peer);
    sim.publish(b"1");
    sim.send(peer, b"file");
    sim.publish(b"2");
    sim.allow(peer, 100);
    sim.publish(b"3");
    sim.send(peer, b"leave");
    sim.publish(b"4");
    assert_eq!(sim.stats().queued, 4, "the rest of its own bytes, and what was published before it left");
    sim.resume(peer);
    assert!(sim.received(peer) == [b"1(", &content[..], b")!23"].concat());
}

#[test]
fn a_file_before_a_feed_is_sent_within_the_budget() {
    let (file, content) = file_of(100_000);
    let limits = Limits { turn_output: 10_000, ..Limits::default() };
    let mut sim = Sim::with_limits(
        scene(move |notes, _, call, cx| {
            let room = notes.room(cx);
            if let Call::Open = call {
                cx.reply_file(file.clone(), 0..100_000).expect("it follows no feed");
                cx.follow(room);
            }
        }),
        limits,
    );
    let peer = sim.connect();
    let room = sim.dispatcher.handler.notes.room.expect("made by open");
    for turn in 1..=3 {
        sim.with_context(|_, cx| cx.publish(room, b"x"));
        sim.turn();
        // The connection is flushed twice: on the ready list, and as a follower.
        let sent = sim.wires(peer).from_server.len();
        assert!((10_000 * turn..=20_000 * turn).contains(&sent), "{sent} bytes after {turn} turns");
    }
    assert!(sim.received(peer) == [&content[..], b"xxx"].concat());
}

#[test]
fn a_file_that_is_truncated_is_a_reset() {
    for is_closing in [false, true] {
        let (file, content) = file_of(10_000);
        let sent = file.clone();
        let mut sim = Sim::new(scene(move |_, _, call, cx| {
            if let Call::Data(_) = call {
                cx.reply_file(sent.clone(), 0..10_000).expect("an open connection");
                if is_closing {
                    cx.close();
                }
            }
        }));
        let peer = sim.connect();
        sim.stall(peer);
        sim.send(peer, b"x");
        sim.allow(peer, 4000);
        assert!(sim.received(peer) == content[..4000]);
        file.set_len(6000).expect("a file can be made shorter");
        sim.resume(peer);
        assert!(sim.received(peer) == content[4000..6000]);
        assert_eq!(sim.ending(peer), Some(Ending::Reset));
        let why = if is_closing {
            "0 closed: done"
        } else {
            "0 closed: the file ends 4000 bytes early: it was truncated while it was sent"
        };
        assert_eq!(sim.calls(), ["0 open", "0 data 1", why]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_reset() {
    // Nothing is mapped at address 0, so the read fails (EIO, proc(5)).
    let unreadable = Arc::new(File::open("/proc/self/mem").expect("our own memory"));
    let mut sim = Sim::new(scene(with_lines(&unreadable, 100)));
    let peer = sim.connect();
    sim.send(peer, b"x");
    sim.shut_down(peer);
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"before\n".to_vec(), Some(Ending::Reset)));
}

#[test]
fn a_file_that_grows_is_sent_up_to_the_end_of_its_range() {
    let (file, content) = file_of(1000);
    let mut sim = Sim::new(scene(send_and_close(&file, 1000)));
    let peer = sim.connect();
    sim.stall(peer);
    (&*file).write_all(b"more").expect("room for a few bytes");
    sim.resume(peer);
    assert!(sim.received(peer) == content);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn a_reset_ends_a_session_with_a_pending_file() {
    let (file, _) = file_of(1000);
    let mut sim = Sim::new(scene(with_lines(&file, 1000)));
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    sim.run();
    assert_eq!(Arc::strong_count(&file), 3, "the handler, the outbox, and this test");
    sim.reset(peer);
    assert_eq!((sim.connections(), sim.handler_mut().notes.closings(0)), (0, 1));
    assert_eq!(Arc::strong_count(&file), 2);
}

#[test]
fn a_stop_sends_the_file_within_the_drain_time() {
    let (file, content) = file_of(10_000);
    for is_read in [true, false] {
        let mut sim = Sim::new(scene(with_lines(&file, 10_000)));
        let peer = sim.connect();
        sim.stall(peer);
        sim.send(peer, b"x");
        sim.allow(peer, 1000);
        sim.stop();
        assert!(!sim.is_stopped());
        if is_read {
            sim.resume(peer);
            assert!(sim.received(peer) == [b"before\n", &content[..], b"after\n"].concat());
            assert_eq!(sim.ending(peer), Some(Ending::Eof));
        }
        sim.advance(5 * SECOND);
        assert!(sim.is_stopped());
        assert_eq!(sim.ending(peer), Some(if is_read { Ending::Eof } else { Ending::Reset }));
    }
}

#[test]
fn dropping_all_counts_the_bytes_of_files() {
    let (file, _) = file_of(10_000);
    let mut sim = Sim::new(scene(with_lines(&file, 10_000)));
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    sim.allow(peer, 1007);
    sim.run();
    assert_eq!(sim.dispatcher.drop_all(), (1, 9006));
}

#[test]
fn a_closing_peer_that_takes_nothing_of_a_file_is_dropped() {
    let (file, _) = file_of(10_000);
    let mut sim = Sim::new(scene(send_and_close(&file, 10_000)));
    let peer = sim.connect();
    sim.stall(peer);
    sim.allow(peer, 10);
    sim.advance(29 * SECOND);
    assert_eq!(sim.connections(), 1);
    sim.allow(peer, 10);
    sim.advance(29 * SECOND);
    assert_eq!(sim.connections(), 1, "it has taken some");
    sim.advance(2 * SECOND);
    assert_eq!((sim.connections(), sim.ending(peer)), (0, Some(Ending::Reset)));
}

#[test]
fn what_others_send_waits_for_the_file_and_is_limited() {
    let (file, content) = file_of(10_000);
    let mut reply = with_lines(&file, 10_000);
    let mut sim = Sim::with_limits(
        scene(move |notes, who, call, cx| match call {
            Call::Data(input) if who == 1 => cx.send(notes.tokens[0], input),
            _ => reply(notes, who, call, cx),
        }),
        small(),
    );
    let (reader, sender) = (sim.connect(), sim.connect());
    sim.stall(reader);
    sim.send(reader, b"x");
    sim.run();
    sim.send(sender, &[b's'; 1000]);
    sim.run();
    assert_eq!(sim.stats().queued, 1013);
    sim.allow(reader, 15_000);
    assert!(sim.received(reader) == [b"before\n", &content[..], b"after\n", &[b's'; 1000]].concat());
    sim.stall(reader);
    sim.send(reader, b"x");
    sim.run();
    for _ in 0..17 {
        sim.send(sender, &[b's'; 1000]);
        sim.run();
    }
    assert_eq!(sim.handler_mut().notes.closings(0), 1, "the file does not hide what others have queued");
    assert!(sim.calls().contains(&"0 closed: 17000 bytes queued and not read, limit 16000 (--max-queue)".to_owned()));
}

#[test]
fn a_file_is_no_output_for_the_memory_limit() {
    let (file, content) = file_of(10_000);
    let limits = Limits { memory_limit: Some(100), ..Limits::default() };
    let mut sim = Sim::with_limits(scene(with_lines(&file, 10_000)), limits);
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"x");
    sim.run();
    assert_eq!(sim.connections(), 1);
    sim.resume(peer);
    assert_eq!(sim.received(peer).len(), content.len() + 13);
}

proptest! {
    /// Each letter of the input has an answer of bytes, of a part of a file, or of both.
    #[test]
    fn no_split_pause_or_slow_reader_changes_what_is_sent(
        input in proptest::collection::vec(any::<u8>(), 0..60),
        steps in steps(),
        turn_output in prop_oneof![Just(1), Just(7), Just(100_000)],
    ) {
        let (file, content) = file_of(600);
        let answer = |letter: u8| {
            let start = usize::from(letter) * 2;
            (format!("{letter}:"), start..start + usize::from(letter) % 60)
        };
        let mut want = Vec::new();
        for &letter in &input {
            let (text, range) = answer(letter);
            want.extend_from_slice(text.as_bytes());
            want.extend_from_slice(&content[range]);
        }
        let handler = scene(move |_, _, call, cx| {
            if let Call::Data(input) = call {
                for &letter in input {
                    let (text, range) = answer(letter);
                    cx.reply(text.as_bytes());
                    let range = range.start as u64..range.end as u64;
                    cx.reply_file(file.clone(), range).expect("an open connection");
                }
            }
        });
        let mut sim = Sim::with_limits(handler, Limits { max_queue: Some(64), turn_output, ..Limits::default() });
        let peer = sim.connect();
        let mut received = play(&mut sim, peer, &input, &steps);
        sim.shut_down(peer);
        received.extend(sim.received(peer));
        prop_assert!(received == want);
        prop_assert_eq!((sim.ending(peer), sim.stats().queued), (Some(Ending::Eof), 0));
    }
}
