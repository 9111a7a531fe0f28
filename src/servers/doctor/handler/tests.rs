mod law;
mod trouble;
#[cfg(feature = "web")]
mod web;

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::framing::Lines;
use crate::sim::{Ending, Sim, SimPeer};
use crate::workers::storage::DataFile;

const ASKED: &str = "Good day. What is your name?\n";
const GREETED: &str = "Welcome, Ann. What is on your mind?\n";
const BACK: &str = "You are back, Ann. How have you been since then?\n";
const BYE: &str = "Goodbye, Ann. The door is open whenever you like.\n";

fn doctor(file: &DataFile) -> Lines<Doctor> {
    let store = Store::open(file, &Doctor::SCHEMA).expect("a good file");
    Doctor::lines(Therapist::built_in(), store, 4096)
}

/// A doctor without a data file.
fn in_memory() -> Lines<Doctor> {
    doctor(&DataFile::Memory)
}

/// A data file in a directory of its own.
struct Office {
    folder: TempDir,
}

impl Office {
    fn new() -> Self {
        Office { folder: TempDir::new().expect("room for a directory") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("doctor.db")
    }

    fn open(&self) -> Sim<Lines<Doctor>> {
        Sim::new(doctor(&DataFile::Path(self.path())))
    }

    /// Executes statements on the file as another program.
    #[track_caller]
    fn run(&self, statements: &str) {
        let other = rusqlite::Connection::open(self.path()).expect("a file");
        other.execute_batch(statements).expect("good statements");
    }

    /// The result of a query, which is one text.
    #[track_caller]
    fn text(&self, query: &str) -> String {
        let other = rusqlite::Connection::open(self.path()).expect("a file");
        other.query_row(query, [], |row| row.get(0)).expect("a text")
    }

    /// Sends lines to a new server, and returns everything that it sends.
    fn visit(&self, lines: &str) -> String {
        let mut sim = self.open();
        let peer = sim.connect();
        sim.send(peer, lines.as_bytes());
        sim.shut_down(peer);
        received(&mut sim, peer)
    }
}

fn received(sim: &mut Sim<Lines<Doctor>>, peer: SimPeer) -> String {
    String::from_utf8(sim.received(peer)).expect("the server sends UTF-8")
}

/// A peer that has given a name and was greeted.
fn patient(sim: &mut Sim<Lines<Doctor>>, name: &str) -> SimPeer {
    let peer = sim.connect();
    sim.send(peer, format!("{name}\n").as_bytes());
    assert!(received(sim, peer).starts_with(ASKED));
    peer
}

/// Sends a line and returns its answer.
fn ask(sim: &mut Sim<Lines<Doctor>>, peer: SimPeer, line: &str) -> String {
    sim.send(peer, format!("{line}\n").as_bytes());
    received(sim, peer)
}

#[test]
fn a_patient_gives_a_name_talks_and_says_goodbye() {
    let mut sim = Sim::new(in_memory());
    let peer = sim.connect();
    assert_eq!(received(&mut sim, peer), ASKED);
    assert_eq!(ask(&mut sim, peer, " Ann "), GREETED);
    assert_eq!(ask(&mut sim, peer, "my brother hates me\r"), "What does it mean to you that your brother hates you?\n");
    assert_eq!(ask(&mut sim, peer, "Thanks, bye.\nstill here"), BYE);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn a_line_without_a_name_is_asked_for_again() {
    let mut sim = Sim::new(in_memory());
    let peer = sim.connect();
    assert_eq!(received(&mut sim, peer), ASKED);
    for nothing in ["", " \t ", "...", "\u{202E}"] {
        assert_eq!(ask(&mut sim, peer, nothing), format!("{}{ASKED}", texts::BAD_NAME));
    }
    let long = "x".repeat(4097);
    assert_eq!(ask(&mut sim, peer, &long), format!("Your line is over 4096 bytes and was not heard.\n{ASKED}"));
    assert_eq!(ask(&mut sim, peer, "Ann"), GREETED);
    assert_eq!(ask(&mut sim, peer, &long), "Your line is over 4096 bytes and was not heard.\n");
    assert_eq!(ask(&mut sim, peer, "bye"), BYE);
}

#[test]
fn a_web_page_does_not_become_a_patient() {
    let office = Office::new();
    let mut sim = office.open();
    let browser = sim.connect();
    sim.send(browser, b"POST / HTTP/1.1\r\nHost: here\r\n\r\nAnn\r\nmy dog bites\r\n");
    assert_eq!(received(&mut sim, browser), format!("{ASKED}{}", texts::NO_HTTP));
    assert_eq!(sim.ending(browser), Some(Ending::Eof));
    assert_eq!(office.text("SELECT count(*) || '' FROM patient"), "0");
    let ann = patient(&mut sim, "Ann");
    assert_eq!(ask(&mut sim, ann, "GET out of my head"), "What does it mean to you: your head?\n");
}

#[test]
fn a_patient_is_known_by_any_form_of_the_name() {
    let office = Office::new();
    assert_eq!(office.visit("Ann\nMy garden is a desert.\nbye\n").lines().nth(1), Some(GREETED.trim_end()));
    for name in ["Ann", "ANN", "  ann", "ＡＮＮ"] {
        let seen = office.visit(&format!("{name}\n"));
        assert!(seen.contains(", Ann."), "{name}: {seen}");
        assert!(!seen.contains("Welcome"), "{name}: {seen}");
    }
    assert!(office.visit("Anna\n").contains("Welcome, Anna."));
    assert_eq!(
        office.text("SELECT group_concat(key || ' ' || name || ' ' || visits) FROM patient"),
        "ann Ann 5,anna Anna 1"
    );
}

#[test]
fn a_sentence_of_one_visit_is_taken_up_at_the_next() {
    let office = Office::new();
    office.visit("Ann\nMy garden is a desert.\nbye\n");
    let seen = office.visit("Ann\nHm.\n");
    let taken_up = "A while ago you said: your garden is a desert. What comes to mind about it now?\n";
    assert_eq!(seen, format!("{ASKED}{BACK}{taken_up}"));
    assert!(!office.visit("Ann\nHm.\n").contains("garden"), "once is enough");
}

#[test]
fn visits_are_noted_with_their_time() {
    let office = Office::new();
    let mut sim = office.open();
    patient(&mut sim, "Ann");
    sim.advance(std::time::Duration::from_secs(3600));
    patient(&mut sim, "ann");
    sim.run();
    let times = "SELECT datetime(first_visit, 'unixepoch') || ', ' || datetime(last_visit, 'unixepoch') FROM patient";
    assert_eq!(office.text(times), "2000-01-01 12:00:00, 2000-01-01 13:00:00");
    drop(sim);
    office.visit("Ann\n");
    assert_eq!(office.text(times), "2000-01-01 12:00:00, 2000-01-01 12:00:00", "the clock was set back");
    assert_eq!(office.text("SELECT visits || '' FROM patient"), "3");
}

/// An action on a server and a patient.
type Act = fn(&mut Sim<Lines<Doctor>>, SimPeer);

#[test]
fn every_end_of_a_visit_keeps_all_that_was_answered() {
    let ends: [Act; 5] =
        [|sim, peer| drop(ask(sim, peer, "Goodbye.")), Sim::shut_down, Sim::reset, |sim, _| sim.stop(), |_, _| ()];
    for (number, end) in ends.into_iter().enumerate() {
        let office = Office::new();
        let mut sim = office.open();
        let ann = patient(&mut sim, "Ann");
        ask(&mut sim, ann, "My garden is a desert.");
        end(&mut sim, ann);
        sim.run();
        drop(sim);
        assert!(office.visit("Ann\nHm.\n").contains("your garden is a desert"), "end {number}");
    }
}

#[test]
fn two_connections_of_one_name_are_one_patient() {
    for first_leaves_first in [true, false] {
        let office = Office::new();
        let mut sim = office.open();
        let (one, two) = (patient(&mut sim, "Ann"), patient(&mut sim, "ANN"));
        ask(&mut sim, one, "My garden is a desert.");
        ask(&mut sim, two, "My cellar is a lake.");
        let (early, late) = if first_leaves_first { (one, two) } else { (two, one) };
        assert_eq!(ask(&mut sim, early, "bye"), BYE);
        assert_eq!((sim.ending(early), sim.ending(late)), (Some(Ending::Eof), None));
        assert!(ask(&mut sim, late, "Hm.").contains("your garden is a desert"), "both have one memory");
        sim.shut_down(late);
        sim.run();
        drop(sim);
        assert!(office.visit("Ann\nHm.\nHm.\n").contains("your cellar is a lake"));
        assert_eq!(office.text("SELECT visits || '' FROM patient"), "3");
    }
}

#[test]
fn two_look_ups_of_one_name_give_one_patient() {
    let office = Office::new();
    office.visit("Ann\nMy garden is a desert.\n");
    let mut sim = office.open();
    let (one, two) = (sim.connect(), sim.connect());
    sim.hold_jobs();
    sim.send(one, b"Ann\nMy cellar is a lake.\n");
    sim.send(two, b"ann\nHm.\nHm.\nHm.\n");
    assert_eq!((received(&mut sim, one), received(&mut sim, two)), (ASKED.into(), ASKED.into()));
    sim.release_jobs();
    let (one, two) = (received(&mut sim, one), received(&mut sim, two));
    assert!(one.starts_with(BACK) && two.starts_with("Good to see you again, Ann."), "{one}{two}");
    assert!(two.contains("your garden is a desert") && two.contains("your cellar is a lake"), "{two}");
}

#[test]
fn an_answer_waits_for_no_file() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = patient(&mut sim, "Ann");
    sim.hold_jobs();
    for number in 0..100 {
        assert!(ask(&mut sim, ann, &format!("My box number {number} is empty.")).contains(&number.to_string()));
    }
    let bob = sim.connect();
    sim.send(bob, b"Bob\n");
    assert_eq!(received(&mut sim, bob), ASKED, "a new name has to be looked up");
    let before = sim.stats().results;
    sim.release_jobs();
    assert!(received(&mut sim, bob).starts_with("Welcome, Bob."));
    let jobs = sim.stats().results - before;
    assert_eq!(jobs, 4, "a save that was under way, a look-up, a save of all else, and Bob's");
    assert!(office.text("SELECT conversation FROM patient WHERE key = 'ann'").contains("your box number 99 is empty"));
}

#[test]
fn a_return_before_the_save_finds_everything() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = patient(&mut sim, "Ann");
    sim.hold_jobs();
    ask(&mut sim, ann, "My garden is a desert.");
    ask(&mut sim, ann, "bye");
    let again = sim.connect();
    sim.send(again, b"Ann\n");
    assert_eq!(received(&mut sim, again), format!("{ASKED}{BACK}"), "without the file");
    assert!(ask(&mut sim, again, "Hm.").contains("your garden is a desert"));
    sim.release_jobs();
    sim.shut_down(again);
    sim.run();
    assert!(sim.handler_mut().get_ref().patients.is_empty(), "a patient who left and is saved is not in memory");
}

#[test]
fn a_stop_during_a_look_up_leaves_no_patient() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = sim.connect();
    sim.hold_jobs();
    sim.send(ann, b"Ann\nMy garden is a desert.\n");
    sim.run();
    sim.stop();
    sim.advance(crate::Limits::default().drain);
    sim.release_jobs();
    assert!(sim.is_stopped());
    assert!(sim.handler_mut().get_ref().patients.is_empty());
    assert_eq!(office.text("SELECT count(*) || '' FROM patient"), "0");
}

#[test]
fn terminal_controls_are_neither_repeated_nor_kept() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = sim.connect();
    sim.send(ann, b"Ann\x1b[31m\nMy \x1b[2J\x07 dog \xff is \xe2\x80\xae big\n");
    let seen = received(&mut sim, ann);
    assert!(seen.contains("Ann\u{FFFD}[31m") && seen.contains("dog"), "{seen}");
    assert!(!seen.contains(['\x1b', '\x07', '\u{202E}']), "{seen}");
    let kept = office.text("SELECT key || name || conversation FROM patient");
    assert!(kept.contains("dog") && !kept.contains(['\x1b', '\x07', '\u{202E}']), "{kept}");
    assert_eq!(sanitize(kept.replace('\n', "").as_bytes()), kept.replace('\n', ""));
}
