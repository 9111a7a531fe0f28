//! The doctor at the web door.

use proptest::prelude::*;

use super::law::small;
use super::*;
use crate::framing::websocket::WebSocketOptions;
use crate::framing::websocket::tests::client_frame;
use crate::servers::Doors;
use crate::servers::chunking::steps;
use crate::servers::line_server::tests::{ask, assert_pieces_do_not_matter, assert_same_words, heard, open};

fn doors(doctor: Lines<Doctor>) -> Sim<Doors<Lines<Doctor>>> {
    Sim::new(Doors::of_lines(doctor, WebSocketOptions::default()))
}

#[test]
fn a_page_says_what_a_netcat_has_told() {
    let mut sim = doors(in_memory());
    let nc = sim.connect();
    sim.send(nc, b"Ann\nMy garden is a desert.\nbye\n");
    assert!(sim.received(nc).ends_with(BYE.as_bytes()));
    let (page, asked) = open(&mut sim);
    assert_eq!(asked, format!("text {ASKED}"));
    assert_eq!(ask(&mut sim, page, "ann"), format!("text {BACK}"));
    assert!(ask(&mut sim, page, "Hm.\r\n").starts_with("text A while ago you said: your garden is a desert."));
    assert_eq!(ask(&mut sim, page, "Goodbye."), "text Until next time, Ann. Be kind to yourself.\nclose 1000 \n");
}

#[test]
fn the_same_lines_get_the_same_words() {
    assert_same_words(
        in_memory,
        &["", "...", "GETTY", "", "my brother hates me", "GET out of my head", "\u{1b}[2J", "bye"],
    );
    let damaged = || {
        let mut store = Store::open(&DataFile::Memory, &Doctor::SCHEMA).expect("memory");
        store.read(|db| Ok(db.execute_batch("ALTER TABLE patient RENAME TO away")?)).expect("a table");
        Doctor::lines(Therapist::built_in(), store, 4096)
    };
    assert_same_words(damaged, &["Ann", "My garden is a desert.", "bye"]);
}

#[test]
fn a_page_may_be_called_as_a_web_request() {
    let mut sim = doors(in_memory());
    let (page, _) = open(&mut sim);
    assert_eq!(ask(&mut sim, page, "Host: Ann"), "text Welcome, Host: Ann. What is on your mind?\n");
}

#[test]
fn a_page_that_breaks_a_rule_is_told_the_code() {
    for (frame, told) in [
        (client_frame(0x82, b"Ann"), "close 1003 only text\n"),
        (client_frame(0x81, &[b'a'; 4097]), "close 1009 "),
        (client_frame(0x81, b"Ann \xff"), "close 1007 "),
    ] {
        let mut sim = doors(in_memory());
        let (page, _) = open(&mut sim);
        sim.send(page, &frame);
        let seen = heard(&mut sim, page);
        assert!(seen.starts_with(told) && seen.lines().count() == 1, "{seen}");
    }
}

#[test]
fn every_end_of_a_page_keeps_all_that_was_answered() {
    type End = fn(&mut Sim<Doors<Lines<Doctor>>>, SimPeer);
    let ends: [End; 5] =
        [|sim, page| drop(ask(sim, page, "Goodbye.")), Sim::shut_down, Sim::reset, |sim, _| sim.stop(), |_, _| ()];
    for (number, end) in ends.into_iter().enumerate() {
        let office = Office::new();
        let mut sim = doors(doctor(&DataFile::Path(office.path())));
        let (page, _) = open(&mut sim);
        ask(&mut sim, page, "Ann");
        ask(&mut sim, page, "My garden is a desert.");
        end(&mut sim, page);
        sim.run();
        drop(sim);
        assert!(office.visit("Ann\nHm.\n").contains("your garden is a desert"), "end {number}");
    }
}

#[test]
fn a_stop_during_a_look_up_dismisses_the_page() {
    let mut sim = doors(in_memory());
    let (page, _) = open(&mut sim);
    sim.hold_jobs();
    assert_eq!(ask(&mut sim, page, "Ann"), "");
    sim.stop();
    sim.release_jobs();
    assert_eq!(heard(&mut sim, page), format!("text {GREETED}close 1001 \n"));
    sim.shut_down(page);
    assert!(sim.is_stopped());
}

/// What a patient may send as one text.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "(my|I am|you) (dog|cat)( bites| bit me)?",
        2 => "(Ann|Hm|Yes|)[ .]{0,2}",
        1 => "bye",
        1 => "\\PC{0,5}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn each_door_says_the_same(lines in proptest::collection::vec(line(), 0..10)) {
        assert_same_words(small, &lines);
    }

    #[test]
    fn no_split_pause_or_slow_page_changes_an_answer(
        lines in proptest::collection::vec(line(), 0..10),
        steps in steps(),
    ) {
        assert_pieces_do_not_matter(small, &lines, &steps);
    }
}
