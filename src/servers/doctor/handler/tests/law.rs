//! Neither the arrival of the lines nor a slow file changes the answers.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{Step, in_pieces, play, steps, tight, whole};
use crate::sim::assert_chunking_law;

/// A small script, which is compiled quickly.
const SMALL: &str = "
ask_name = 'Who?'
greeting = ['Hello {name}.']
farewell = ['Bye {name}.']
default = ['So?', 'And?']
quit = ['bye']
keyword = [{ words = ['my'], rule = [{ match = 'my +', answers = ['{1}?'], remember = ['Still {1}?'] }] }]
";

pub(super) fn small() -> Lines<Doctor> {
    let store = Store::open(&DataFile::Memory, &Doctor::SCHEMA).expect("memory");
    Doctor::lines(Therapist::parse(SMALL).expect("a script"), store, 20)
}

#[test]
fn the_chunking_law_holds() {
    assert_chunking_law(small, b"\nAnn\r\nmy dog\n\nlonger than it may be\nx\nx\nbye\nno\n");
    assert_chunking_law(small, b"GET / HTTP/1.1\r\n\r\nAnn\n");
}

/// Input of a patient: names, sentences, noise.
fn talk() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..12),
        6 => "(my|I am|you) (dog|cat|mother)( never)?( bites| bites me)?".prop_map(String::into_bytes),
        2 => "(Ann|Hm|Yes|GET /|host:|)[ .]{0,2}".prop_map(String::into_bytes),
        1 => Just(b"bye".to_vec()),
        1 => Just(b"x".repeat(5000)),
    ];
    proptest::collection::vec((line, prop_oneof![Just("\n"), Just("\r\n")]), 0..10)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.into()].concat()).collect())
}

/// An event of a server.
#[derive(Clone, Debug)]
enum Event {
    /// A patient connects.
    Enter(&'static str),
    /// A connected patient sends a line.
    Say(usize, String),
    /// A connected patient disappears.
    Leave(usize),
    /// Jobs are held from now on, or no longer.
    Hold(bool),
    /// A new server begins after everything was saved.
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => prop_oneof![Just("Ann"), Just("ANN"), Just("Bob")].prop_map(Event::Enter),
        8 => (0..4usize, "(my (dog|cat|hat) (bites|is [a-e])|Hm|Yes|)").prop_map(|(who, line)| Event::Say(who, line)),
        2 => (0..4usize).prop_map(Event::Leave),
        2 => any::<bool>().prop_map(Event::Hold),
        1 => Just(Event::Restart),
    ];
    proptest::collection::vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_split_pause_or_slow_reader_changes_what_is_answered(talk in talk(), steps in steps()) {
        prop_assert_eq!(in_pieces(small(), &talk, &steps), whole(small(), &talk));
    }

    #[test]
    fn no_slow_file_changes_what_is_answered(talk in talk(), pieces in proptest::collection::vec(1..40usize, 0..12)) {
        let wanted = whole(small(), &talk);
        let mut sim = Sim::with_limits(small(), tight());
        let peer = sim.connect();
        let (mut rest, mut received) = (&talk[..], Vec::new());
        for count in pieces {
            let (piece, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            sim.hold_jobs();
            sim.send(peer, piece);
            received.extend(sim.received(peer));
            if count % 3 != 0 {
                sim.release_jobs();
                received.extend(sim.received(peer));
            }
        }
        sim.send(peer, rest);
        sim.shut_down(peer);
        received.extend(sim.received(peer));
        sim.release_jobs();
        received.extend(sim.received(peer));
        prop_assert_eq!((received, sim.ending(peer)), wanted);
    }

    #[test]
    fn any_input_gets_clean_lines(talk in talk()) {
        let mut sim = Sim::with_limits(in_memory(), tight());
        let peer = sim.connect();
        let seen = play(&mut sim, peer, &talk, &[Step::LimitWrites(3)]);
        let seen = String::from_utf8(seen).expect("the server sends UTF-8");
        prop_assert!(seen.ends_with('\n'));
        for line in seen.lines() {
            prop_assert_eq!(sanitize(line.as_bytes()), line);
            prop_assert!(!line.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Several patients under few names, with a slow file, and with servers that end without a stop.
    #[test]
    fn answers_are_those_of_a_therapist_with_perfect_memory(events in events()) {
        let office = Office::new();
        let therapist = Therapist::built_in();
        let mut wanted: HashMap<&str, Conversation> = HashMap::new();
        let mut sim = office.open();
        let mut here: Vec<(&str, SimPeer)> = Vec::new();
        for event in events {
            match event {
                Event::Enter(name) => {
                    sim.release_jobs();
                    let key = if name == "Bob" { "bob" } else { "ann" };
                    let known = wanted.entry(key).or_insert_with(|| Conversation::new(name).expect("a name"));
                    let peer = sim.connect();
                    sim.send(peer, format!("{name}\n").as_bytes());
                    prop_assert_eq!(received(&mut sim, peer), format!("{ASKED}{}\n", therapist.greet(known)));
                    here.push((key, peer));
                }
                Event::Say(who, line) if !here.is_empty() => {
                    let (key, peer) = here[who % here.len()];
                    let answer = therapist.answer(wanted.get_mut(key).expect("entered"), &line).text;
                    prop_assert_eq!(ask(&mut sim, peer, &line), format!("{answer}\n"));
                }
                Event::Leave(who) if !here.is_empty() => {
                    let (_, peer) = here.swap_remove(who % here.len());
                    sim.reset(peer);
                }
                Event::Hold(true) => sim.hold_jobs(),
                Event::Restart => {
                    sim.release_jobs();
                    sim.run();
                    here.clear();
                    drop(sim);
                    sim = office.open();
                }
                Event::Hold(false) => sim.release_jobs(),
                Event::Say(..) | Event::Leave(_) => {}
            }
        }
    }
}
