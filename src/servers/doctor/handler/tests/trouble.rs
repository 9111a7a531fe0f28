//! Files that fail: patients are served, and no conversation is lost or overwritten.

use super::*;
use crate::workers::Busy;

/// Statements that make the file fail, and work again.
const BREAK: &str = "ALTER TABLE patient RENAME TO away";
const MEND: &str = "ALTER TABLE away RENAME TO patient";

#[test]
fn a_failed_save_is_tried_again() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = patient(&mut sim, "Ann");
    office.run(BREAK);
    assert!(ask(&mut sim, ann, "My garden is a desert.").contains("garden"));
    let jobs = sim.stats().results;
    assert!(ask(&mut sim, ann, "My cellar is a lake.").contains("cellar"));
    assert_eq!(ask(&mut sim, ann, "bye"), BYE);
    assert_eq!(sim.stats().results, jobs, "the file is left in peace for a while");
    assert_eq!(sim.ending(ann), Some(Ending::Eof));
    assert_eq!(office.text("SELECT count(*) || '' FROM away WHERE conversation LIKE '%garden%'"), "0");
    sim.advance(RETRY);
    office.run(MEND);
    sim.run();
    assert_eq!(sim.timers(), 1, "it failed again, and is tried again");
    sim.advance(RETRY);
    let kept = office.text("SELECT conversation FROM patient");
    assert!(kept.contains("your garden is a desert") && kept.contains("your cellar is a lake"), "{kept}");
    assert!(sim.handler_mut().get_ref().patients.is_empty());
    assert_eq!(sim.timers(), 0);
}

#[test]
fn a_save_that_no_thread_takes_is_tried_again() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = patient(&mut sim, "Ann");
    let memory = Store::open(&DataFile::Memory, &Doctor::SCHEMA).expect("memory");
    let full = Workers::new("full", 0, vec![memory]);
    let store = mem::replace(&mut sim.handler_mut().get_mut().store, full);
    assert!(ask(&mut sim, ann, "My garden is a desert.").contains("garden"));
    sim.handler_mut().get_mut().store = store;
    sim.reset(ann);
    sim.advance(RETRY);
    assert!(office.text("SELECT conversation FROM patient").contains("your garden is a desert"));
}

#[test]
fn notes_that_cannot_be_read_yet_are_joined_later() {
    let office = Office::new();
    office.visit("Ann\nMy garden is a desert.\n");
    let mut sim = office.open();
    office.run(BREAK);
    let ann = sim.connect();
    sim.send(ann, b"ANN\nMy cellar is a lake.\n");
    let seen = received(&mut sim, ann);
    assert!(seen.starts_with(&format!("{ASKED}{}Welcome, ANN.", texts::NO_NOTES)), "{seen}");
    assert!(seen.contains("your cellar is a lake"));
    let other = sim.connect();
    sim.send(other, b"Ann\n");
    assert!(received(&mut sim, other).contains(texts::NO_NOTES), "still");
    office.run(MEND);
    sim.advance(RETRY);
    assert!(ask(&mut sim, ann, "Hm.").contains("your garden is a desert"), "it is back");
    drop(sim);
    let seen = office.visit("Ann\nHm.\n");
    assert!(seen.contains(", Ann.") && seen.contains("your cellar is a lake") && !seen.contains(texts::NO_NOTES));
    assert_eq!(office.text("SELECT visits || '' FROM patient"), "4");
}

#[test]
fn a_damaged_row_is_left_alone_until_it_is_corrected() {
    let office = Office::new();
    office.visit("Ann\nMy garden is a desert.\n");
    office.run("UPDATE patient SET conversation = 'oops ' || conversation");
    let mut sim = office.open();
    let (ann, bob) = (sim.connect(), patient(&mut sim, "Bob"));
    sim.send(ann, b"Ann\nMy cellar is a lake.\n");
    let seen = received(&mut sim, ann);
    assert!(seen.starts_with(&format!("{ASKED}{}{GREETED}", texts::NO_NOTES)), "{seen}");
    ask(&mut sim, bob, "My attic is a nest.");
    let kept = office.text("SELECT conversation FROM patient WHERE key = 'ann'");
    assert!(kept.starts_with("oops ") && kept.contains("garden") && !kept.contains("cellar"), "{kept}");
    assert!(office.text("SELECT conversation FROM patient WHERE key = 'bob'").contains("attic"), "others are saved");

    office.run("UPDATE patient SET conversation = substr(conversation, 6) WHERE key = 'ann'");
    ask(&mut sim, ann, "Yes.");
    let kept = office.text("SELECT conversation FROM patient WHERE key = 'ann'");
    assert!(kept.contains("garden") && kept.contains("cellar"), "{kept}");
}

#[test]
fn a_damaged_row_keeps_no_memory_after_the_visit() {
    let office = Office::new();
    office.visit("Ann\n");
    office.run("UPDATE patient SET conversation = 'name = \"\"'");
    let mut sim = office.open();
    let ann = sim.connect();
    sim.send(ann, b"Ann\nbye\n");
    assert_eq!(received(&mut sim, ann), format!("{ASKED}{}{GREETED}{BYE}", texts::NO_NOTES));
    assert!(sim.handler_mut().get_ref().patients.is_empty());
}

#[test]
fn a_stop_tries_once_more_and_waits_for_no_retry() {
    let office = Office::new();
    let mut sim = office.open();
    let (ann, bob) = (patient(&mut sim, "Ann"), patient(&mut sim, "Bob"));
    office.run(BREAK);
    ask(&mut sim, ann, "My garden is a desert.");
    ask(&mut sim, bob, "My cellar is a lake.");
    office.run(MEND);
    sim.stop();
    sim.run();
    sim.shut_down(ann);
    sim.shut_down(bob);
    assert!(sim.is_stopped(), "no time has passed");
    let both = "SELECT group_concat(conversation) FROM patient";
    assert!(
        office.text(both).contains("your garden") && office.text(both).contains("your cellar"),
        "{}",
        office.text(both)
    );
}

#[test]
fn a_stop_waits_for_the_save_and_for_later_changes() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = patient(&mut sim, "Ann");
    sim.hold_jobs();
    ask(&mut sim, ann, "My garden is a desert.");
    ask(&mut sim, ann, "My cellar is a lake.");
    sim.stop();
    sim.shut_down(ann);
    assert!(!sim.is_stopped());
    sim.release_jobs();
    assert!(sim.is_stopped());
    assert!(office.text("SELECT conversation FROM patient").contains("your cellar is a lake"));
}

#[test]
fn too_many_look_ups_are_refused_and_leave_room_for_a_save() {
    assert_eq!(texts::BUSY, format!("{Busy}\n"));
    let mut sim = Sim::new(in_memory());
    let ann = patient(&mut sim, "Ann");
    sim.hold_jobs();
    let waiting: Vec<_> = (0..=MAX_LOOK_UPS).map(|_| sim.connect()).collect();
    for (number, &peer) in waiting.iter().enumerate() {
        sim.send(peer, format!("p{number}\n").as_bytes());
    }
    let last = waiting[MAX_LOOK_UPS];
    assert_eq!(received(&mut sim, last), format!("{ASKED}{}{ASKED}", texts::BUSY));
    assert!(ask(&mut sim, ann, "My garden is a desert.").contains("garden"));
    assert_eq!(sim.handler_mut().get_ref().saving.len(), 1);
    sim.release_jobs();
    assert!(received(&mut sim, waiting[0]).starts_with(&format!("{ASKED}Welcome, p0.")));
    assert!(ask(&mut sim, last, "late").starts_with("Welcome, late."));
}

#[test]
fn memory_for_unsaved_patients_is_bounded() {
    let office = Office::new();
    let mut sim = office.open();
    let ann = patient(&mut sim, "Ann");
    office.run(BREAK);
    for number in 0..MAX_AWAY {
        let peer = sim.connect();
        sim.send(peer, format!("p{number}\nbye\n").as_bytes());
        sim.shut_down(peer);
        if number % 100 == 0 {
            sim.run();
        }
    }
    sim.run();
    let late = sim.connect();
    sim.send(late, b"late\n");
    assert_eq!(received(&mut sim, late), format!("{ASKED}{}{ASKED}", texts::BUSY));
    assert!(ask(&mut sim, ann, "My garden is a desert.").contains("garden"), "connected patients are served");
    assert!(ask(&mut sim, late, "p7").starts_with(texts::NO_NOTES), "known patients, too");
    office.run(MEND);
    sim.advance(RETRY);
    assert_eq!(office.text("SELECT count(*) || '' FROM patient"), (MAX_AWAY + 1).to_string());
    let last = sim.connect();
    assert!(ask(&mut sim, last, "last").ends_with("Welcome, last. What is on your mind?\n"));
}
