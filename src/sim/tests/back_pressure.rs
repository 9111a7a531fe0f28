//! Back-pressure: a peer that does not read is not read, or is closed for the output of others.

use super::*;
use crate::framing::{Lines, MessageHandler};
use crate::servers::Echo;

/// Replies with the input.
fn echo(_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>) {
    if let Call::Data(input) = call {
        cx.reply(input);
    }
}

#[test]
fn a_stalled_peer_is_not_read_and_gets_every_byte_later() {
    let mut sim = Sim::new(Echo::bytes());
    let peer = sim.connect();
    sim.stall(peer);
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    sim.send(peer, &sent);
    let limit = Limits::default();
    let read = sent.len() - sim.unread(peer);
    assert!(read >= limit.high_mark() && read <= limit.high_mark() + limit.turn_input, "{read}");
    sim.shut_down(peer);
    let mut received = Vec::new();
    for _ in 0..100 {
        sim.allow(peer, 20_000);
        received.extend(sim.received(peer));
    }
    assert_eq!(received.len(), 2_000_000);
    sim.resume(peer);
    received.extend(sim.received(peer));
    assert!(received == sent);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn own_output_pauses_at_the_high_mark_until_the_low_mark() {
    let mut sim = Sim::with_limits(scene(echo), small());
    let peer = sim.connect();
    sim.stall(peer);
    for _ in 0..4 {
        sim.send(peer, &[b'x'; 1000]);
        assert_eq!(sim.unread(peer), 0);
    }
    sim.send(peer, b"y");
    assert_eq!((sim.unread(peer), sim.stats().queued), (0, 4001), "at the high mark it is still read");
    sim.send(peer, b"later");
    assert_eq!(sim.unread(peer), 5);
    sim.allow(peer, 3000);
    assert_eq!((sim.unread(peer), sim.stats().queued), (5, 1001), "above the low mark it still waits");
    assert!(!sim.calls().contains(&"0 drained".to_owned()));
    sim.allow(peer, 1);
    assert_eq!(sim.unread(peer), 0);
    assert_eq!(sim.calls(), ["0 drained", "0 data 5"]);
    sim.resume(peer);
    assert_eq!(sim.received(peer), [&[b'x'; 4000][..], b"ylater"].concat());
    assert_eq!(sim.calls(), [""; 0], "drained comes once a pause");
}

#[test]
fn own_output_never_closes_however_much_it_is() {
    let mut sim = Sim::with_limits(
        scene(|_, _, call, cx| {
            if matches!(call, Call::Data(_)) {
                cx.reply(&vec![b'x'; 100_000]);
            }
        }),
        small(),
    );
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"more");
    assert_eq!((sim.ending(peer), sim.stats().queued), (None, 100_000));
    sim.resume(peer);
    assert_eq!(sim.received(peer).len(), 100_000);
}

#[test]
fn a_handler_that_holds_back_goes_on_without_a_new_edge() {
    struct Wide;
    impl MessageHandler for Wide {
        type Session = ();
        fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
        fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
            cx.reply(&[line[0]; 3000]);
        }
    }
    let mut sim = Sim::with_limits(Lines::new(Wide, 100), small());
    let peer = sim.connect();
    let input: Vec<u8> = (0..200).flat_map(|n| [b'a' + n % 26, b'\n']).collect();
    sim.send(peer, &input);
    sim.shut_down(peer);
    let want: Vec<u8> = (0..200).flat_map(|n| [b'a' + n % 26; 3000]).collect();
    assert!(sim.received(peer) == want);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn the_end_of_input_waits_until_the_output_has_drained() {
    let mut sim = Sim::with_limits(scene(echo), small());
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, &[b'x'; 5000]);
    sim.shut_down(peer);
    assert_eq!(sim.calls(), ["0 open", "0 data 5000"]);
    sim.allow(peer, 4000);
    assert_eq!(sim.calls(), ["0 drained", "0 eof", "0 closed: done"]);
}

/// Session 0 sends its input to session 1.
fn to_one(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    if let (0, Call::Data(input)) = (who, call) {
        cx.send(notes.tokens[1], input);
    }
}

#[test]
fn output_of_others_closes_over_the_limit_and_not_at_it() {
    let mut sim = Sim::with_limits(scene(to_one), small());
    let (talker, stuck) = (sim.connect(), sim.connect());
    sim.stall(stuck);
    for _ in 0..16 {
        sim.send(talker, &[b'x'; 1000]);
        sim.run();
    }
    assert_eq!((sim.ending(stuck), sim.stats().queued), (None, 16_000));
    sim.send(talker, b"!");
    assert_eq!(sim.ending(stuck), Some(Ending::Reset));
    let calls = sim.calls();
    assert_eq!(calls.last().unwrap(), "1 closed: 16001 bytes queued and not read, limit 16000 (--max-queue)");
    assert_eq!((sim.connections(), sim.stats().queued), (1, 0));
}

#[test]
fn a_reading_member_is_not_closed_for_one_large_send() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        if let (0, Call::Data(_)) = (who, call) {
            cx.send(notes.tokens[1], &vec![b'x'; 5_000_000]);
            cx.send(notes.tokens[1], b"!");
        }
    }));
    let (talker, reader) = (sim.connect(), sim.connect());
    sim.limit_writes(reader, 100_000);
    sim.send(talker, b"go");
    assert_eq!(sim.received(reader).len(), 5_000_001);
    assert_eq!(sim.ending(reader), None);
}

#[test]
fn a_member_that_reads_again_is_not_closed_before_its_edge() {
    let mut sim = Sim::with_limits(scene(to_one), small());
    let (talker, slow) = (sim.connect(), sim.connect());
    sim.stall(slow);
    sim.send(talker, &[b'x'; 16_000]);
    assert_eq!(sim.ending(slow), None);
    // Both edges are in one poll. That of the talker is first, though the kernel takes bytes again.
    sim.send(talker, &[b'y'; 16_000]);
    sim.resume(slow);
    assert_eq!(sim.received(slow).len(), 32_000);
    assert_eq!(sim.ending(slow), None);
}

/// Session 0 says how many thousand bytes to publish, in pieces of a thousand.
fn flood(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    let room = notes.room(cx);
    match (who, call) {
        (0, Call::Data(input)) => {
            for _ in 0..std::str::from_utf8(input).unwrap().parse().unwrap() {
                cx.publish(room, &[b'x'; 1000]);
            }
        }
        (1.., Call::Open) => cx.follow(room),
        _ => {}
    }
}

#[test]
fn a_follower_is_closed_when_it_is_more_than_the_room_behind() {
    let mut sim = Sim::with_limits(scene(flood), Limits { feed_buffer: Some(50_000), ..Limits::default() });
    let (talker, stuck, reader) = (sim.connect(), sim.connect(), sim.connect());
    sim.stall(stuck);
    sim.send(talker, b"50");
    assert_eq!((sim.ending(stuck), sim.received(reader).len()), (None, 50_000));
    sim.publish(b"!");
    assert_eq!(sim.ending(stuck), Some(Ending::Reset));
    let calls = sim.calls();
    assert_eq!(calls.last().unwrap(), "1 closed: 50001 bytes behind the room, limit 50000 (--room-buffer)");
    assert_eq!((sim.received(reader), sim.ending(reader)), (b"!".to_vec(), None));
}

#[test]
fn a_reading_member_is_never_closed_for_a_burst_in_one_turn() {
    for limit in [Some(4 << 20), Some(50_000), Some(3), None] {
        let mut sim = Sim::with_limits(scene(flood), Limits { feed_buffer: limit, ..Limits::default() });
        let (talker, reader) = (sim.connect(), sim.connect());
        sim.limit_writes(reader, 100_000);
        sim.send(talker, b"20000");
        assert_eq!(sim.received(reader).len(), 20_000_000, "{limit:?}");
        assert_eq!(sim.ending(reader), None);
        sim.publish(&vec![b'y'; 9_000_000]);
        assert_eq!(sim.received(reader).len(), 9_000_000, "{limit:?}");
    }
}

#[test]
fn a_reading_member_is_never_closed_for_a_burst_in_every_turn() {
    // Slightly less than what flushes a feed within a turn, in many turns.
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        let room = notes.room(cx);
        match (who, call) {
            (0, Call::Data(_)) => cx.publish(room, &vec![b'x'; 1_000_000]),
            (1.., Call::Open) => cx.follow(room),
            _ => {}
        }
    }));
    let (talker, reader) = (sim.connect(), sim.connect());
    sim.limit_writes(reader, 100_000);
    sim.send(talker, &vec![0; 40 * 65_536]);
    assert_eq!(sim.received(reader).len(), 40_000_000);
    assert_eq!(sim.ending(reader), None);
}

#[test]
fn a_follower_that_reads_again_is_not_closed_before_its_edge() {
    let mut sim = Sim::with_limits(scene(flood), Limits { feed_buffer: Some(50_000), ..Limits::default() });
    let (talker, slow) = (sim.connect(), sim.connect());
    sim.stall(slow);
    sim.send(talker, b"40");
    assert_eq!(sim.ending(slow), None);
    sim.send(talker, b"40");
    sim.resume(slow);
    assert_eq!(sim.received(slow).len(), 80_000);
    assert_eq!(sim.ending(slow), None);
}

#[test]
fn replies_do_not_count_against_the_limit_of_others() {
    let mut sim = Sim::with_limits(scene(echo), small());
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, &vec![0; 60_000]);
    sim.run();
    let token = sim.handler_mut().notes.tokens[0];
    sim.with_context(|_, cx| cx.send(token, &[0; 16_000]));
    assert_eq!((sim.ending(peer), sim.stats().queued), (None, 76_000));
    sim.with_context(|_, cx| cx.send(token, &[0; 1]));
    assert_eq!(sim.ending(peer), Some(Ending::Reset));
}

#[test]
fn a_peer_that_takes_no_output_of_others_is_closed_on_time() {
    for room in [false, true] {
        let mut sim = Sim::new(scene(if room { flood } else { to_one }));
        let (talker, stuck) = (sim.connect(), sim.connect());
        sim.stall(stuck);
        sim.advance(SECOND);
        sim.send(talker, b"5");
        sim.advance((10 * SECOND).saturating_sub(MS));
        assert_eq!(sim.ending(stuck), None, "room {room}");
        sim.advance(MS);
        assert_eq!(sim.ending(stuck), Some(Ending::Reset), "room {room}");
        let last = sim.calls().pop().expect("it was closed");
        assert!(last.ends_with("bytes queued and none taken for 10s (--queue-time)"), "{last}");
        assert_eq!((sim.ending(talker), sim.timers()), (None, 0));
    }
}

#[test]
fn a_byte_taken_in_time_begins_the_time_anew() {
    let mut sim = Sim::new(scene(flood));
    let (talker, slow) = (sim.connect(), sim.connect());
    sim.stall(slow);
    sim.send(talker, b"5");
    for _ in 0..20 {
        sim.advance(9 * SECOND);
        sim.allow(slow, 1);
        assert_eq!(sim.ending(slow), None);
    }
    sim.resume(slow);
    sim.advance(100 * SECOND);
    assert_eq!((sim.received(slow).len(), sim.ending(slow), sim.timers()), (5000, None, 0));
}

#[test]
fn a_peer_is_not_closed_for_unread_answers_to_itself() {
    let limits = Limits { idle_timeout: Some(1000 * SECOND), ..Limits::default() };
    let mut sim = Sim::with_limits(scene(echo), limits);
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, &[0; 1000]);
    sim.advance(999 * SECOND);
    assert_eq!(sim.ending(peer), None);
    sim.resume(peer);
    assert_eq!(sim.received(peer).len(), 1000);
}

/// Session 0 sends to all others. The others get their own input back.
fn to_all(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    match (who, call) {
        (0, Call::Data(input)) => notes.tokens[1..].iter().for_each(|&token| cx.send(token, input)),
        (1.., Call::Data(input)) => cx.reply(input),
        _ => {}
    }
}

#[test]
fn over_the_memory_limit_only_the_greediest_are_closed() {
    let limits = Limits { memory_limit: Some(10_000), queue_time: None, ..Limits::default() };
    let mut sim = Sim::with_limits(scene(to_all), limits);
    let talker = sim.connect();
    let [greedy, modest, reader] = [(); 3].map(|()| sim.connect());
    sim.stall(greedy);
    sim.stall(modest);
    sim.send(greedy, &[0; 3000]);
    sim.send(talker, &[1; 3500]);
    assert_eq!((sim.stats().queued, sim.ending(greedy)), (10_000, None), "at the limit");
    sim.send(talker, &[2; 1]);
    assert_eq!(sim.ending(greedy), Some(Ending::Reset));
    let last = sim.calls().pop().expect("it was closed");
    assert_eq!(
        last, "1 closed: 6501 bytes pending, the most of all connections, limit 10000 in total (--memory-limit)",
        "its own and what others queued"
    );
    assert_eq!((sim.ending(modest), sim.stats().queued, sim.received(reader).len()), (None, 3501, 3501));
}

#[test]
fn a_feed_counts_for_the_memory_limit_until_its_reader_goes() {
    let limits = Limits { memory_limit: Some(10_000), ..Limits::default() };
    let mut sim = Sim::with_limits(scene(flood), limits);
    let (talker, stuck, reader) = (sim.connect(), sim.connect(), sim.connect());
    sim.stall(stuck);
    sim.send(talker, b"10");
    assert_eq!((sim.stats().in_feeds, sim.ending(stuck)), (10_000, None));
    sim.send(talker, b"1");
    assert_eq!((sim.ending(stuck), sim.stats().in_feeds), (Some(Ending::Reset), 0));
    assert_eq!((sim.received(reader).len(), sim.ending(reader)), (11_000, None));
}

/// The console waits for a peer that does not read, so no peer is closed for what the console sends.
#[test]
fn what_is_typed_waits_for_its_peer_however_long_that_takes() {
    let mut sim = Sim::new(scene(to_one));
    let (talker, slow) = (sim.connect(), sim.connect());
    sim.stall(slow);
    let token = sim.handler_mut().notes.tokens[1];
    sim.dispatcher.call_operator(OperatorId::CONSOLE, |_, cx| cx.send(token, b"typed"));
    sim.advance(3600 * SECOND);
    sim.resume(slow);
    assert_eq!((sim.received(slow), sim.ending(slow)), (b"typed".to_vec(), None));

    // The time of a stall starts with output of others, even behind that of the console.
    sim.stall(slow);
    sim.dispatcher.call_operator(OperatorId::CONSOLE, |_, cx| cx.send(token, b"typed"));
    sim.advance(3600 * SECOND);
    sim.send(talker, b"sent");
    sim.advance((10 * SECOND).saturating_sub(MS));
    assert_eq!(sim.ending(slow), None);
    sim.advance(MS);
    assert_eq!((sim.ending(slow), sim.timers()), (Some(Ending::Reset), 0));
}

/// Replies to one byte of input at a time with more than the high mark, then publishes enough to flush within the
/// callback.
#[derive(Default)]
struct Publisher {
    room: Option<FeedId>,
    drained: usize,
}

impl Handler for Publisher {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        let room = *self.room.get_or_insert_with(|| cx.create_feed());
        cx.follow(room);
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        if input.is_empty() {
            return 0;
        }
        cx.reply(&[b'r'; 5000]);
        assert!(!cx.is_writable(), "above the high mark");
        cx.publish(self.room.expect("made when a session opened"), &[b'p'; 5000]);
        assert!(cx.is_writable(), "the publication has flushed the replies");
        1
    }

    fn drained(&mut self, (): &mut (), _: &mut Context<'_>) {
        self.drained += 1;
    }
}

#[test]
fn drained_follows_when_a_publication_flushed_the_replies() {
    let limits = Limits { feed_buffer: Some(8000), ..small() };
    for ends_early in [false, true] {
        let mut sim = Sim::with_limits(Publisher::default(), limits.clone());
        let peer = sim.connect();
        sim.send(peer, b"0123456789");
        if ends_early {
            sim.shut_down(peer);
        }
        assert_eq!(sim.received(peer).len(), 10 * 10_000, "all input is used, ends early: {ends_early}");
        assert_eq!(sim.handler_mut().drained, 10);
    }
}

#[test]
fn replies_after_a_shutdown_leave_no_input_behind() {
    struct Mute {
        follows: bool,
    }
    impl MessageHandler for Mute {
        type Session = ();
        fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
        fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
            match &*line {
                b"end" => {
                    cx.reply(&[b'x'; 3000]);
                    cx.shut_down();
                }
                b"last" => cx.write_stderr("heard"),
                _ => {
                    // Dropped, but with the bytes before the shutdown it is over the high mark.
                    cx.reply(&[b'y'; 3000]);
                    if self.follows && !cx.is_writable() {
                        let feed = cx.create_feed();
                        cx.follow(feed);
                    }
                }
            }
        }
    }
    for follows in [false, true] {
        let mut sim = Sim::with_limits(Lines::new(Mute { follows }, 100), small());
        let peer = sim.connect();
        sim.send(peer, b"end\nmore\nlast\n");
        assert_eq!((sim.stderr(), sim.received(peer).len()), ("heard\n".to_owned(), 3000), "{follows}");
    }
}
