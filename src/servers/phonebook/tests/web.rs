//! The phone book at its web door.

use tempfile::TempDir;

use super::*;
use crate::framing::websocket::WebSocketOptions;
use crate::framing::websocket::tests::{client_frame, readable};
use crate::servers::Doors;
use crate::servers::line_server::tests::{ask, assert_pieces_do_not_matter, assert_same_words, heard, open};

const WELCOMED: &str = "text Welcome to the phone book. HELP lists the commands.\n";

fn doors(book: Lines<Phonebook>) -> Doors<Lines<Phonebook>> {
    Doors::of_lines(book, WebSocketOptions::default())
}

#[test]
fn a_page_and_a_netcat_share_one_book() {
    let mut sim = Sim::new(doors(empty()));
    let ann = sim.connect();
    let (bob, welcome) = open(&mut sim);
    assert_eq!(welcome, WELCOMED);
    sim.send(ann, b"ADD \"Ann Smith\" 1\n");
    assert_eq!(ask(&mut sim, bob, "find \"ann smith\""), "text \"Ann Smith\" \"1\"\n");
    assert_eq!(ask(&mut sim, bob, "CHANGE \"Ann Smith\" 2\r\n"), "text Changed: \"Ann Smith\" \"2\" (was \"1\")\n");
    sim.send(ann, b"LIST\n");
    let seen = String::from_utf8(sim.received(ann)).expect("text");
    assert!(seen.ends_with("\n\"Ann Smith\" \"2\"\nTotal: 1\n"), "{seen}");
}

#[test]
fn the_same_lines_get_the_same_words() {
    let lines = [
        "ADD Ann 1",
        "ADD \"<b> \\\" & 'x'\" 2",
        "add ann 3",
        "FIND ann",
        "CHANGE ann 4",
        "LIST",
        "LIST x",
        "REMOVE ann",
        "FIND ann",
        "",
        " \t",
        "HELP",
        "dial",
        "FIND",
        "FIND \"",
        "FIND \u{3164}",
        "ADD ann none",
        "FIND a\u{1b}[2J",
        "quit",
    ];
    assert_same_words(empty, &lines);
    assert_same_words(|| filled(256), &["LIST n", "LIST n0001", "QUIT now", "QUIT"]);
}

#[test]
fn a_page_may_type_what_a_form_of_another_page_would_send() {
    let mut sim = Sim::new(doors(empty()));
    let (page, _) = open(&mut sim);
    assert!(ask(&mut sim, page, "POST / HTTP/1.1").starts_with("text Unknown command: POST"));
    assert_eq!(ask(&mut sim, page, "LIST"), "text Total: 0\n");
}

#[test]
fn a_line_end_within_a_message_begins_no_line() {
    let mut sim = Sim::new(doors(empty()));
    let (page, _) = open(&mut sim);
    for message in ["FIND ann\nREMOVE", "FIND \"a\rb\""] {
        assert_eq!(ask(&mut sim, page, message), format!("text {}", texts::BAD_NAME), "{message:?}");
    }
}

#[test]
fn a_page_that_breaks_a_rule_is_told_the_code() {
    let lines = || Phonebook::lines(store(&DataFile::Memory), PhonebookOptions { max_line: 10 });
    for (frame, told) in [
        (client_frame(0x82, b"LIST"), "close 1003 only text\n"),
        (client_frame(0x81, b"FIND 123456"), "close 1009 "),
        (client_frame(0x81, b"FIND \xff"), "close 1007 "),
    ] {
        let mut sim = Sim::new(doors(lines()));
        let (page, _) = open(&mut sim);
        assert_eq!(ask(&mut sim, page, "FIND 12345"), "text Not found: \"12345\"\n");
        sim.send(page, &frame);
        let seen = heard(&mut sim, page);
        assert!(seen.starts_with(told) && seen.lines().count() == 1, "{seen}");
    }
}

/// The length of a page of `filled` in its frame.
const FRAME: usize = PAGE_BYTES + 4;

#[test]
fn a_listing_goes_no_further_than_its_page_reads() {
    let mut sim = Sim::with_limits(doors(filled(10_000)), Limits { max_queue: Some(64), ..Limits::default() });
    let (page, _) = open(&mut sim);
    sim.stall(page);
    sim.send(page, &[client_frame(0x81, b"LIST"), client_frame(0x81, b"HELP")].concat());
    let mut seen = Vec::new();
    for _ in 0..200 {
        assert!(sim.stats().queued <= FRAME, "{} bytes are kept", sim.stats().queued);
        sim.allow(page, 700);
        seen.extend(sim.received(page));
    }
    sim.resume(page);
    seen.extend(sim.received(page));
    let seen = readable(&seen);
    let texts = seen.lines().filter(|line| line.starts_with("text ")).count();
    assert_eq!((texts, seen.lines().count()), (10_000_usize.div_ceil(256) + 1, 10_002));
    assert!(
        seen.ends_with(&format!("\"n9999\" \"1\"\nTotal: 10000\ntext {}", texts::HELP)),
        "{}",
        &seen[seen.len() - 200..]
    );
}

#[test]
fn a_page_hears_of_a_change_after_it_is_on_the_disk() {
    let folder = TempDir::new().expect("room");
    let path = folder.path().join("book.db");
    let book = Phonebook::lines(store(&DataFile::Path(path.clone())), PhonebookOptions::default());
    let mut sim = Sim::new(doors(book));
    let kept = || -> u32 {
        let file = rusqlite::Connection::open(&path).expect("a file");
        file.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).expect("a number")
    };
    let (page, _) = open(&mut sim);
    sim.hold_jobs();
    assert_eq!(ask(&mut sim, page, "ADD ann 1"), "");
    assert_eq!(kept(), 0);
    sim.release_jobs();
    assert_eq!(heard(&mut sim, page), "text Added: \"ann\" \"1\"\n");
    assert_eq!(kept(), 1);
}

#[test]
fn a_stop_answers_what_a_page_has_asked() {
    let mut sim = Sim::new(doors(filled(300)));
    let ((adds, _), (lists, _)) = (open(&mut sim), open(&mut sim));
    sim.hold_jobs();
    assert_eq!(ask(&mut sim, adds, "ADD ann 1"), "");
    assert_eq!(ask(&mut sim, lists, "LIST"), "");
    sim.stop();
    sim.run();
    sim.release_jobs();
    assert_eq!(heard(&mut sim, adds), "text Added: \"ann\" \"1\"\nclose 1001 \n");
    let list = heard(&mut sim, lists);
    assert!(list.ends_with("\"n0299\" \"1\"\nTotal: 301\nclose 1001 \n"), "{list}");
}

#[test]
fn the_operator_ends_a_page() {
    let mut sim = Sim::new(doors(empty()));
    let (page, _) = open(&mut sim);
    sim.control(b"who");
    sim.control(b"kick 1 enough");
    assert_eq!(heard(&mut sim, page), "close 1008 enough\n");
}

#[test]
fn a_page_that_vanishes_within_a_listing_leaves_nothing() {
    let mut sim = Sim::with_limits(doors(filled(1000)), Limits { max_queue: Some(64), ..Limits::default() });
    for leave in [Sim::reset, Sim::shut_down, Sim::hang_up] {
        let (page, _) = open(&mut sim);
        sim.stall(page);
        ask(&mut sim, page, "LIST");
        leave(&mut sim, page);
        sim.resume(page);
        sim.run();
    }
    sim.advance(std::time::Duration::from_secs(2));
    assert_eq!((sim.stats().connections, sim.stats().queued, sim.timers()), (0, 0, 0));
}

/// What a page may send as one text.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "(ADD|add|FIND|CHANGE|REMOVE|LIST)( (ann|\"Ann B\"|bob|[a-c])){0,2}( [0-9x]{1,3})?",
        1 => "(HELP|QUIT|\"|)[ a-z\"\\\\]{0,4}",
        1 => "\\PC{0,12}",
    ]
}

/// What happens to one of the pages, which a number selects.
#[derive(Clone, Debug)]
enum Event {
    Say(String),
    Stall,
    Allow(usize),
    Resume,
    Reset,
    End,
    /// Jobs are held from now on, or no longer.
    Hold(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => line().prop_map(Event::Say),
        4 => Just(Event::Say("LIST".to_owned())),
        2 => Just(Event::Stall),
        2 => (0..9000usize).prop_map(Event::Allow),
        2 => Just(Event::Resume),
        1 => Just(Event::Reset),
        1 => Just(Event::End),
        2 => any::<bool>().prop_map(Event::Hold),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Pages that stall, vanish and end, with a slow file, and at last a stop: each hears whole texts and then why the
    /// server ends, and nothing remains.
    #[test]
    fn whatever_happens_a_page_hears_whole_texts(events in proptest::collection::vec((0..3usize, event()), 0..40)) {
        let mut sim = Sim::with_limits(doors(filled(300)), Limits { max_queue: Some(64), ..Limits::default() });
        let pages = [(); 3].map(|()| open(&mut sim).0);
        let mut heard = [const { Vec::new() }; 3];
        let mut is_gone = [false; 3];
        for (number, event) in events {
            let page = pages[number];
            match &event {
                _ if is_gone[number] => continue,
                Event::Say(line) => sim.send(page, &client_frame(0x81, line.as_bytes())),
                Event::Stall => sim.stall(page),
                Event::Allow(count) => sim.allow(page, *count),
                Event::Resume => sim.resume(page),
                Event::Reset => sim.reset(page),
                Event::End => sim.shut_down(page),
                Event::Hold(true) => sim.hold_jobs(),
                Event::Hold(false) => sim.release_jobs(),
            }
            is_gone[number] |= matches!(event, Event::Reset | Event::End);
            heard[number].extend(sim.received(page));
            prop_assert!(sim.stats().queued <= 3 * FRAME, "{} bytes are kept", sim.stats().queued);
        }
        sim.stop();
        sim.release_jobs();
        for (number, page) in pages.into_iter().enumerate() {
            sim.resume(page);
            heard[number].extend(sim.received(page));
            if !is_gone[number] {
                let heard = readable(&heard[number]);
                let has_reason = heard.ends_with("close 1001 \n") || heard.ends_with("text Good bye!\nclose 1000 \n");
                prop_assert!(has_reason, "{}", heard);
                sim.shut_down(page);
            }
        }
        prop_assert!(sim.is_stopped());
        prop_assert_eq!((sim.stats().connections, sim.stats().queued), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn each_door_says_the_same(lines in proptest::collection::vec(line(), 0..10)) {
        assert_same_words(empty, &lines);
    }

    #[test]
    fn no_split_pause_or_slow_page_changes_an_answer(
        lines in proptest::collection::vec(line(), 0..10),
        steps in steps(),
    ) {
        assert_pieces_do_not_matter(empty, &lines, &steps);
    }
}
