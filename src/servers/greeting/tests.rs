//! Tests of the greeting: texts, files, and replies.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::servers::chunking::{in_pieces, steps, whole};
use crate::sim::{Ending, Sim, assert_chunking_law};

const ONCE: &[u8] = b"hello\n";

fn with_reply() -> Lines<GreetingReply> {
    Greeting::new("hello").with_reply(10)
}

#[test]
fn the_text_comes_before_anything_is_sent() {
    let mut sim = Sim::new(Greeting::new("hello"));
    let peer = sim.connect();
    assert_eq!((sim.received(peer), sim.ending(peer)), (ONCE.to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_reply_follows_the_text_and_ends_the_connection() {
    let mut sim = Sim::new(with_reply());
    let peer = sim.connect();
    assert_eq!((sim.received(peer), sim.ending(peer)), (ONCE.to_vec(), None));
    sim.send(peer, b"I am ann");
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
    sim.send(peer, b"\nand more\n");
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
}

#[test]
fn the_end_of_input_stands_for_a_line() {
    for input in [&b""[..], b"no end", b"\n", b"two\nlines\n"] {
        assert_eq!(whole(with_reply(), input), (ONCE.to_vec(), Some(Ending::Eof)), "{}", input.escape_ascii());
    }
}

#[test]
fn a_line_over_the_limit_is_told_and_the_next_one_counts() {
    let mut sim = Sim::new(with_reply());
    let peer = sim.connect();
    sim.send(peer, b"far too long for this\n");
    assert_eq!(sim.received(peer), b"hello\nline too long: the limit is 10 bytes\n");
    assert_eq!(sim.ending(peer), None);
    sim.send(peer, b"short\n");
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
}

#[test]
fn obeys_the_chunking_law() {
    assert_chunking_law(|| Greeting::new("hello"), b"one\ntwo");
    assert_chunking_law(with_reply, b"one\ntwo");
    assert_chunking_law(with_reply, b"far too long for this\r\nshort\r\nrest");
}

/// A place with a file, which each byte of its content depends on.
struct Place {
    directory: TempDir,
    content: Vec<u8>,
}

impl Place {
    fn new(size: usize) -> Place {
        let place = Place { directory: TempDir::new().expect("a directory"), content: content(size) };
        fs::write(place.path(), &place.content).expect("room for the file");
        place
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("file")
    }

    fn greeting(&self) -> Greeting {
        Greeting::file(&self.path()).expect("a regular file")
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_file_is_sent_as_it_is() {
    for size in [0, 1, 100_000] {
        let place = Place::new(size);
        let got = whole(place.greeting(), b"input is discarded");
        assert!(got == (place.content.clone(), Some(Ending::Eof)), "{size}");
        let got = whole(place.greeting().with_reply(10), b"thanks\nrest");
        assert!(got == (place.content, Some(Ending::Eof)), "{size}");
    }
}

#[test]
fn a_file_obeys_the_chunking_law() {
    let place = Place::new(300);
    assert_chunking_law(|| place.greeting(), b"one\ntwo");
    assert_chunking_law(|| place.greeting().with_reply(10), b"far too long for this\r\nshort\r\nrest");
}

#[test]
fn each_client_gets_the_file_that_is_at_the_path() {
    let place = Place::new(1000);
    let mut sim = Sim::new(place.greeting());
    let old = sim.connect();
    sim.stall(old);
    sim.run();
    let new_path = place.directory.path().join("new");
    fs::write(&new_path, "new").expect("room for the file");
    fs::rename(&new_path, place.path()).expect("one directory");
    let new = sim.connect();
    assert_eq!(sim.received(new), b"new");
    sim.resume(old);
    assert!(sim.received(old) == place.content, "the file that was there when it connected");
}

#[test]
fn a_file_that_is_gone_sends_nothing_and_may_come_back() {
    let place = Place::new(10);
    let mut sim = Sim::new(place.greeting());
    fs::remove_file(place.path()).expect("it is there");
    let early = sim.connect();
    assert_eq!((sim.received(early), sim.ending(early)), (Vec::new(), Some(Ending::Reset)));
    fs::create_dir(place.path()).expect("nothing is there");
    let late = sim.connect();
    assert_eq!((sim.received(late), sim.ending(late)), (Vec::new(), Some(Ending::Reset)));
    fs::remove_dir(place.path()).expect("it is empty");
    fs::write(place.path(), "back").expect("room for the file");
    let later = sim.connect();
    assert_eq!((sim.received(later), sim.ending(later)), (b"back".to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_file_that_is_truncated_is_no_end_in_good_order() {
    let place = Place::new(1000);
    let mut sim = Sim::new(place.greeting());
    let peer = sim.connect();
    sim.stall(peer);
    sim.allow(peer, 100);
    assert_eq!(sim.received(peer), place.content[..100]);
    fs::write(place.path(), "rewritten in place").expect("room for the file");
    sim.resume(peer);
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Reset)));
}

#[test]
fn clients_of_one_file_share_a_descriptor() {
    let place = Place::new(1000);
    let descriptors = || {
        let open =
            fs::read_dir("/proc/self/fd").expect("Linux").filter_map(|found| fs::read_link(found.ok()?.path()).ok());
        open.filter(|target| target.starts_with(place.directory.path())).count()
    };
    let mut sim = Sim::new(place.greeting());
    let peers: Vec<_> = (0..50).map(|_| sim.connect()).collect();
    for &peer in &peers {
        sim.stall(peer);
    }
    sim.run();
    assert_eq!(descriptors(), 1);
    for &peer in &peers {
        sim.resume(peer);
        assert!(sim.received(peer) == place.content);
    }
    assert_eq!(descriptors(), 0);
}

#[test]
fn a_client_waits_for_a_slow_disk_and_a_stop_waits_for_both() {
    let place = Place::new(1000);
    let mut sim = Sim::new(place.greeting());
    sim.hold_jobs();
    let (peer, gone) = (sim.connect(), sim.connect());
    sim.send(peer, b"early input");
    sim.shut_down(peer);
    sim.reset(gone);
    sim.advance(Duration::from_secs(1));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), None));
    sim.stop();
    sim.run();
    sim.release_jobs();
    assert!(sim.received(peer) == place.content);
    assert_eq!((sim.ending(peer), sim.is_stopped()), (Some(Ending::Eof), true));
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let place = Place::new(0);
    let pipe = place.directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("a new path");
    for (path, want) in [
        (place.directory.path(), "it is a directory, not a regular file"),
        (&pipe, "it is a pipe, not a regular file"),
        (Path::new("/dev/null"), "it is a device, not a regular file"),
        (&place.directory.path().join("missing"), "No such file or directory (os error 2)"),
    ] {
        assert_eq!(Greeting::file(path).expect_err("no regular file").to_string(), want);
    }
}

proptest! {
    #[test]
    fn each_client_is_greeted_once(input: Vec<u8>, steps in steps()) {
        let greeting = Greeting::new("hello");
        prop_assert_eq!(in_pieces(greeting, &input, &steps), (ONCE.to_vec(), Some(Ending::Eof)));
        let expected = whole(with_reply(), &input);
        prop_assert!(expected.0.starts_with(ONCE));
        prop_assert_eq!(in_pieces(with_reply(), &input, &steps), expected);
    }

    #[test]
    fn a_file_is_sent_whole_to_any_reader(size in 0..3000usize, input: Vec<u8>, steps in steps()) {
        let place = Place::new(size);
        let want = (place.content.clone(), Some(Ending::Eof));
        prop_assert_eq!(in_pieces(place.greeting(), &input, &steps), want);
        let expected = whole(place.greeting().with_reply(10), &input);
        prop_assert!(expected.0.starts_with(&place.content));
        prop_assert_eq!(in_pieces(place.greeting().with_reply(10), &input, &steps), expected);
    }
}
