mod turns;

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{Step, play, steps, tight};
use crate::sim::{Ending, Sim, SimPeer, assert_chunking_law};
use crate::state::limits::Limits;

/// An operator and simulated clients.
struct Room(Sim<Lines<Talk>>);

impl Room {
    fn new() -> Room {
        Room::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Room {
        Room(Sim::with_limits(Talk::lines(TalkOptions::default()), limits))
    }

    fn holding() -> Room {
        Room(Sim::new(Talk::lines(TalkOptions { unheard: Unheard::Held, ..TalkOptions::default() })))
    }

    /// Clients who have connected in this order and have read all that they were told; the operator has, too.
    fn of<const N: usize>() -> (Room, [SimPeer; N]) {
        let mut room = Room::new();
        let peers = std::array::from_fn(|_| room.0.connect());
        for peer in peers {
            room.sees(peer);
        }
        room.0.stderr();
        (room, peers)
    }

    fn says(&mut self, peer: SimPeer, line: &str) {
        self.0.send(peer, format!("{line}\n").as_bytes());
        self.0.run();
    }

    fn sees(&mut self, peer: SimPeer) -> String {
        String::from_utf8(self.0.received(peer)).expect("the server sends UTF-8")
    }

    fn operator(&mut self, line: &str) {
        self.0.console(line.as_bytes());
    }

    fn printed(&mut self) -> String {
        String::from_utf8(self.0.stdout()).expect("the server prints UTF-8")
    }

    /// Lets the time pass after which places are told.
    fn pause(&mut self) {
        self.0.advance(POSITIONS_AFTER);
    }
}

#[test]
fn the_operator_and_a_client_talk() {
    let mut room = Room::new();
    let ann = room.0.connect();
    assert_eq!(room.sees(ann), GREETING);
    assert_eq!(room.0.stderr(), "talking to 127.0.0.1:10000 (0 waiting)\n");
    room.says(ann, "hello");
    assert_eq!(room.printed(), "127.0.0.1:10000: hello\n");
    room.operator("hello yourself");
    room.operator("");
    assert_eq!(room.sees(ann), "hello yourself\n\n");
    room.says(ann, "");
    assert_eq!(room.printed(), "127.0.0.1:10000: \n");
    assert_eq!(room.0.stderr(), "");
}

#[test]
fn either_side_ends_the_talk_with_q() {
    for word in ["q", "Q"] {
        let (mut room, [ann, bob, eve]) = Room::of();
        room.says(ann, word);
        assert_eq!((room.sees(ann).as_str(), room.0.ending(ann)), (BYE, Some(Ending::Eof)));
        assert_eq!(room.sees(bob), GREETING);
        room.operator(word);
        assert_eq!((room.sees(bob).as_str(), room.0.ending(bob)), (BYE, Some(Ending::Eof)));
        assert_eq!(room.sees(eve), GREETING, "and she is told no place in between");
        let told = room.0.stderr();
        let wanted = "the talk with 127.0.0.1:10000 is over (2 waiting)\n\
             talking to 127.0.0.1:10001 (1 waiting)\n\
             the talk with 127.0.0.1:10001 is over (1 waiting)\n\
             talking to 127.0.0.1:10002 (0 waiting)\n";
        assert_eq!(told, wanted);
        assert_eq!(room.printed(), "", "the word itself is not shown");
    }
}

#[test]
fn only_a_line_that_is_nothing_but_q_ends_the_talk() {
    let (mut room, [ann]) = Room::of();
    for line in [" q", "q ", "qq", "quit", "'q'", "quiet"] {
        room.says(ann, line);
        assert_eq!(room.printed(), format!("127.0.0.1:10000: {line}\n"));
    }
    for line in [" q", "q ", "qq", " quit", "quit ", "QUIT", "help", "stats"] {
        room.operator(line);
        assert_eq!(room.sees(ann), format!("{line}\n"));
    }
    assert_eq!(room.0.ending(ann), None);
}

#[test]
fn each_of_several_lines_goes_to_the_current_guest() {
    let (mut room, [ann, bob]) = Room::of();
    room.operator("to ann");
    room.operator("q");
    room.operator("to bob");
    assert_eq!(room.sees(ann), format!("to ann\n{BYE}"));
    assert_eq!(room.sees(bob), format!("{GREETING}to bob\n"));
    room.0.send(bob, b"one\nq\ntwo\n");
    assert_eq!((room.printed().as_str(), room.sees(bob).as_str()), ("127.0.0.1:10001: one\n", BYE));
}

#[test]
fn the_others_wait_in_a_queue_and_are_told_their_place() {
    let mut room = Room::new();
    let [_ann, bob, eve, joe] = [(); 4].map(|()| room.0.connect());
    for (peer, place) in [(bob, 1), (eve, 2), (joe, 3)] {
        assert_eq!(room.sees(peer), format!("You are number {place} in the queue.\n"));
    }
    let told = room.0.stderr();
    assert!(told.ends_with("127.0.0.1:10002 waits (2 waiting)\n127.0.0.1:10003 waits (3 waiting)\n"), "{told}");
    room.0.reset(eve);
    assert_eq!(room.0.stderr(), "127.0.0.1:10002 has left the queue: connection reset (2 waiting)\n");
    room.pause();
    assert_eq!((room.sees(bob), room.sees(joe)), (String::new(), "You are number 2 in the queue.\n".into()));
    room.operator("q");
    room.pause();
    assert_eq!((room.sees(bob), room.sees(joe)), (GREETING.into(), "You are number 1 in the queue.\n".into()));
    let sue = room.0.connect();
    assert_eq!(room.sees(sue), "You are number 2 in the queue.\n");
    room.pause();
    assert_eq!((room.sees(joe), room.sees(sue)), (String::new(), String::new()), "nothing has changed for them");
}

#[test]
fn many_departures_at_once_are_one_change_for_the_queue() {
    let mut room = Room::new();
    let _ann = room.0.connect();
    let crowd: Vec<_> = (0..1500).map(|_| room.0.connect()).collect();
    let last = room.0.connect();
    assert_eq!(room.sees(last), "You are number 1501 in the queue.\n");
    for peer in crowd {
        room.0.reset(peer);
    }
    room.pause();
    assert_eq!(room.sees(last), "You are number 1 in the queue.\n");
    assert_eq!(room.0.handler_mut().get_ref().waiting(), 1);
    assert_eq!(room.0.timers(), 0);
}

#[test]
fn what_is_typed_before_the_turn_is_shown_in_the_turn() {
    let (mut room, [ann, bob]) = Room::of();
    room.says(bob, "one");
    assert_eq!(room.sees(bob), KEPT);
    room.0.send(bob, b"two\r\n\nthr");
    room.says(ann, "I am still here");
    assert_eq!(room.sees(bob), "", "that is said once");
    assert_eq!(room.printed(), "127.0.0.1:10000: I am still here\n");
    room.operator("q");
    let name = "127.0.0.1:10001";
    assert_eq!(room.printed(), format!("{name}: one\n{name}: two\n{name}: \n"));
    room.says(bob, "ee");
    assert_eq!(room.printed(), format!("{name}: three\n"));
    assert_eq!(room.sees(bob), GREETING);
}

#[test]
fn only_a_limited_amount_is_kept_for_a_waiting_client() {
    let (mut room, [_ann, bob]) = Room::of();
    let line = "x".repeat(4095);
    for _ in 0..MOST_KEPT / 4096 - 1 {
        room.says(bob, &line);
    }
    assert_eq!(room.sees(bob), KEPT);
    room.says(bob, &format!("{line}x"));
    assert_eq!(room.sees(bob), NOT_KEPT, "one byte too many");
    room.says(bob, &line);
    assert_eq!(room.sees(bob), "");
    room.says(bob, "");
    assert_eq!(room.sees(bob), NOT_KEPT, "not even an end of line fits");
    room.operator("q");
    assert_eq!(room.printed(), format!("127.0.0.1:10001: {line}\n").repeat(MOST_KEPT / 4096));
    room.says(bob, "now");
    assert_eq!(room.printed(), "127.0.0.1:10001: now\n");
}

#[test]
fn a_client_that_ends_its_side_first_is_heard() {
    let mut room = Room::new();
    let ann = room.0.connect();
    room.0.send(ann, b"hi");
    room.0.shut_down(ann);
    assert_eq!((room.sees(ann).as_str(), room.0.ending(ann)), (GREETING, Some(Ending::Eof)));
    assert_eq!(room.printed(), "127.0.0.1:10000: hi\n");
    let told = "talking to 127.0.0.1:10000 (0 waiting)\nthe talk with 127.0.0.1:10000 is over (0 waiting)\n";
    assert_eq!(room.0.stderr(), told);
}

#[test]
fn a_half_closed_client_with_kept_lines_has_its_turn() {
    let (mut room, [ann, bob, eve, joe, sue]) = Room::of();
    room.0.send(bob, b"hi\nbye");
    room.0.send(joe, b"and I");
    for peer in [bob, eve, joe] {
        room.0.shut_down(peer);
    }
    assert_eq!(room.0.ending(eve), Some(Ending::Eof), "nothing will ever come of her turn");
    assert_eq!((room.0.ending(bob), room.0.ending(joe)), (None, None));
    room.pause();
    assert_eq!(room.sees(sue), "You are number 3 in the queue.\n");
    room.0.stderr();
    room.says(ann, "q");
    assert_eq!(room.printed(), "127.0.0.1:10001: hi\n127.0.0.1:10001: bye\n127.0.0.1:10003: and I\n");
    for (peer, between) in [(bob, ""), (joe, "You are number 2 in the queue.\n")] {
        let seen = (room.sees(peer), room.0.ending(peer));
        assert_eq!(seen, (format!("{KEPT}{between}{GREETING}"), Some(Ending::Eof)));
    }
    assert_eq!(room.sees(sue), GREETING);
    assert_eq!(room.0.stderr().lines().count(), 6);
}

#[test]
fn the_lines_of_a_client_leave_the_queue_with_it() {
    let (mut room, [_ann, bob, eve]) = Room::of();
    room.says(bob, "never mind\nq\nreally");
    assert_eq!((room.sees(bob), room.0.ending(bob)), (format!("{KEPT}{BYE}"), Some(Ending::Eof)));
    room.says(eve, "nor me");
    room.0.reset(eve);
    room.operator("q");
    assert_eq!(room.printed(), "");
    assert_eq!(room.0.handler_mut().get_ref().waiting(), 0);
}

#[test]
fn a_line_typed_without_a_guest_is_not_sent_later() {
    let (mut room, [ann]) = Room::of();
    room.says(ann, "q");
    room.0.stderr();
    for (line, answer) in [("a secret", NOT_SENT), ("", NOT_SENT), ("q", NO_TALK)] {
        room.operator(line);
        assert_eq!(room.0.stderr(), format!("{answer}\n"));
    }
    let bob = room.0.connect();
    assert_eq!(room.sees(bob), GREETING);
}

#[test]
fn a_line_of_a_program_waits_for_the_next_guest() {
    let mut room = Room::holding();
    room.operator("one");
    assert_eq!(room.0.stderr(), format!("{HELD}\n"));
    room.operator("two");
    room.operator("Q");
    let (ann, bob) = (room.0.connect(), room.0.connect());
    assert_eq!(room.sees(ann), format!("{GREETING}one\ntwo\n"));
    room.operator("three");
    room.operator("q");
    assert_eq!(room.sees(ann), format!("three\n{BYE}"));
    room.sees(bob);
    room.says(bob, "q");
    room.operator("four");
    assert_eq!(room.sees(bob), BYE);
    let eve = room.0.connect();
    assert_eq!(room.sees(eve), format!("{GREETING}four\n"));
}

#[test]
fn quit_and_the_end_of_input_stop_without_a_word_on_each() {
    for line in [Some("quit"), None] {
        let (mut room, peers @ [_ann, bob, _eve]) = Room::of();
        room.says(bob, "not heard");
        room.sees(bob);
        match line {
            Some(line) => room.operator(line),
            None => room.0.console_end(),
        }
        for peer in peers {
            assert_eq!((room.sees(peer).as_str(), room.0.ending(peer)), ("", Some(Ending::Eof)));
            room.0.shut_down(peer);
        }
        assert!(room.0.is_stopped());
        assert_eq!((room.0.stderr(), room.printed()), (String::new(), String::new()));
    }
}

#[test]
fn lines_of_the_guest_read_before_a_stop_are_shown() {
    let limits = Limits { max_queue: Some(4000), ..Limits::default() };
    let mut room = Room::with_limits(limits);
    let (ann, bob, _eve) = (room.0.connect(), room.0.connect(), room.0.connect());
    // Input of both is unused: bob does not read his notices, and no operator reads ann's lines.
    room.0.stall(bob);
    room.0.send(bob, format!("{}\n", "x".repeat(4000)).repeat(40).as_bytes());
    room.0.run();
    room.0.send(ann, &b"hello\n".repeat(80));
    room.0.run();
    room.0.stop();
    room.0.resume(bob);
    let shown = [room.printed(), room.printed(), room.printed()].concat();
    assert_eq!(shown, "127.0.0.1:10000: hello\n".repeat(80));
}

#[test]
fn a_guest_that_vanishes_or_is_idle_makes_room() {
    let limits = Limits { idle_timeout: Some(Duration::from_secs(60)), ..Limits::default() };
    let mut room = Room::with_limits(limits);
    let (ann, bob) = (room.0.connect(), room.0.connect());
    room.0.reset(ann);
    room.sees(bob);
    assert!(room.0.stderr().contains("the talk with 127.0.0.1:10000 is over: connection reset (1 waiting)"));
    room.0.advance(Duration::from_secs(50));
    let eve = room.0.connect();
    room.0.advance(Duration::from_secs(11));
    assert_eq!(room.0.ending(bob), Some(Ending::Eof));
    assert_eq!(room.sees(eve), format!("You are number 1 in the queue.\n{GREETING}"));
    assert!(room.0.stderr().contains("the talk with 127.0.0.1:10001 is over: idle for 60s (1 waiting)\n"));
}

#[test]
fn only_the_input_of_guests_is_sanitized() {
    let (mut room, [ann]) = Room::of();
    room.0.send(ann, b"\x1b[2J\xff \xc3\xbc\tq\rz\n");
    assert_eq!(room.printed(), "127.0.0.1:10000: \u{FFFD}[2J\u{FFFD} ü\tq\u{FFFD}z\n");
    room.0.console(b"\x1b[1m\xff");
    assert_eq!(room.0.received(ann), b"\x1b[1m\xff\n");
}

#[test]
fn a_slow_client_loses_nothing_of_what_the_operator_types() {
    let limits = Limits { max_queue: Some(1000), ..Limits::default() };
    let mut room = Room::with_limits(limits);
    let ann = room.0.connect();
    room.sees(ann);
    room.0.stall(ann);
    let line = "x".repeat(99);
    for _ in 0..100 {
        room.operator(&line);
    }
    room.0.resume(ann);
    assert_eq!(room.sees(ann), format!("{line}\n").repeat(100));
    room.0.stall(ann);
    room.operator("last words");
    room.operator("q");
    room.0.resume(ann);
    assert_eq!(room.sees(ann), format!("last words\n{BYE}"));
}

#[test]
fn a_long_line_gets_one_notice_and_is_not_shown() {
    let (mut room, [ann, bob]) = Room::of();
    for peer in [ann, bob] {
        room.0.send(peer, &b"x".repeat(100_000));
        room.says(peer, "\nshort");
    }
    let notice = "Your line is over 4096 bytes and was not sent.\n";
    assert_eq!((room.sees(ann), room.sees(bob)), (notice.into(), format!("{notice}{KEPT}")));
    assert_eq!(room.printed(), "127.0.0.1:10000: short\n");
}

#[test]
fn a_web_page_does_not_get_to_speak() {
    let (mut room, [ann]) = Room::of();
    let browser = room.0.connect();
    room.says(browser, "POST / HTTP/1.1\r\nHost: here\r\n\r\nhello");
    assert!(room.sees(browser).ends_with(NO_HTTP));
    assert_eq!(room.0.ending(browser), Some(Ending::Eof));
    room.says(ann, "well");
    room.says(ann, "GET / HTTP/1.1");
    room.operator("q");
    assert_eq!(room.printed(), "127.0.0.1:10000: well\n127.0.0.1:10000: GET / HTTP/1.1\n", "later it is only text");
    let browser = room.0.connect();
    room.says(browser, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!((room.sees(browser), room.printed()), (format!("{GREETING}{NO_HTTP}"), String::new()));
}

#[test]
fn nothing_is_left_behind_by_former_members() {
    let mut room = Room::new();
    for _ in 0..100 {
        let (ann, bob, eve) = (room.0.connect(), room.0.connect(), room.0.connect());
        room.says(eve, "kept");
        room.0.reset(bob);
        room.says(ann, "q");
        room.0.shut_down(eve);
        room.0.advance(Duration::from_secs(2));
    }
    assert_eq!((room.0.stats().connections, room.0.timers()), (0, 0));
    let talk = room.0.handler_mut().get_ref();
    assert!(talk.guest.is_none() && talk.queue.is_empty());
}

#[test]
fn every_text_is_on_the_page_of_the_server() {
    let page = include_str!("../../../docs/talk-server.md");
    let place = "You are number {place} in the queue.";
    let long = "Your line is over {limit} bytes and was not sent.";
    for text in [GREETING, place, KEPT, NOT_KEPT, long, BYE, NO_HTTP, NOT_SENT, HELD, NO_TALK] {
        assert!(page.contains(&format!("`{}`", text.trim_end())), "docs/talk-server.md lacks {text:?}");
    }
}

#[test]
fn the_way_of_the_bytes_is_not_seen() {
    let make = || Talk::lines(TalkOptions { max_line: 10, ..TalkOptions::default() });
    assert_chunking_law(make, b"hi\r\n\nfar too long for this\n\x1b[2J\nq\nnot heard");
    assert_chunking_law(make, b"POST / HTTP\n\nhello\n");
}

/// What is shown, and what the client receives, when it sends a script in these steps, at first from the queue.
fn transcript(script: &[u8], steps: &[Step], turn_after: usize, limits: Limits) -> (String, Vec<u8>) {
    let mut room = Room::with_limits(limits);
    let (_ann, bob) = (room.0.connect(), room.0.connect());
    let (early, late) = script.split_at(turn_after.min(script.len()));
    let mut seen = play(&mut room.0, bob, early, steps);
    room.operator("q");
    seen.extend(play(&mut room.0, bob, late, steps));
    room.0.shut_down(bob);
    seen.extend(room.0.received(bob));
    (room.printed(), seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_split_pause_or_slow_reader_changes_what_is_seen(
        lines in proptest::collection::vec("q|Q|[ a-z]{0,12}|\\PC{0,8}", 0..12),
        turn_after in 0..60usize,
        steps in steps(),
    ) {
        let script = lines.join("\n").into_bytes();
        let limits = Limits { max_queue: Some(4096), ..tight() };
        let want = transcript(&script, &[], turn_after, Limits::default());
        prop_assert_eq!(transcript(&script, &steps, turn_after, limits), want);
    }

    #[test]
    fn a_member_cannot_speak_as_another(script in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut room, [ann]) = Room::of();
        room.0.send(ann, &script);
        for line in room.printed().lines() {
            prop_assert!(line.starts_with("127.0.0.1:10000: "));
            prop_assert_eq!(sanitize(line.as_bytes()), line);
        }
    }
}
