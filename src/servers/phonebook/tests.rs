#[cfg(feature = "web")]
mod web;

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{Step, in_pieces, play, steps, tight, whole};
use crate::sim::{Ending, Sim, SimPeer, assert_chunking_law};
use crate::state::limits::Limits;
use crate::workers::Busy;
use crate::workers::storage::DataFile;

fn store(file: &DataFile) -> Store {
    Store::open(file, &Phonebook::SCHEMA).expect("a good file")
}

/// An empty book that is kept nowhere.
fn empty() -> Lines<Phonebook> {
    Phonebook::lines(store(&DataFile::Memory), PhonebookOptions::default())
}

/// A book of entries `n0000 1`, `n0001 1` and so on.
fn filled(count: usize) -> Lines<Phonebook> {
    let mut store = store(&DataFile::Memory);
    for number in 0..count {
        let Ok(Command::Add(name, number)) = Command::parse(&format!("ADD n{number:04} 1")) else { panic!("no entry") };
        store.write(|db| table::add(db, name, number)).expect("room");
    }
    crate::workers::Worker::commit(&mut store).expect("room");
    Phonebook::lines(store, PhonebookOptions::default())
}

/// What a client is answered that types this and ends its side.
fn answers(lines: &str) -> String {
    let (answers, ending) = whole(empty(), lines.as_bytes());
    assert_eq!(ending, Some(Ending::Eof));
    let text = String::from_utf8(answers).expect("the server sends UTF-8");
    text.strip_prefix(texts::WELCOME).expect("a welcome comes first").to_owned()
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().concat()
}

fn hears(sim: &mut Sim<Lines<Phonebook>>, peer: SimPeer) -> String {
    String::from_utf8(sim.received(peer)).expect("the server sends UTF-8")
}

/// A client that has been welcomed.
fn newcomer(sim: &mut Sim<Lines<Phonebook>>) -> SimPeer {
    let peer = sim.connect();
    assert_eq!(hears(sim, peer), texts::WELCOME);
    peer
}

#[test]
fn an_entry_is_added_found_changed_and_removed() {
    assert_eq!(
        answers(
            "ADD \"Ann Smith\" \"+44 20 7946 0000\"\n\
             find \"ann  SMITH\"\nChange \"ANN SMITH\" 555\nFIND \"Ann Smith\"\n\
             remove \"ann smith\"\nFIND \"ann smith\"\n"
        ),
        "Added: \"Ann Smith\" \"+44 20 7946 0000\"\n\
         \"Ann Smith\" \"+44 20 7946 0000\"\n\
         Changed: \"Ann Smith\" \"555\" (was \"+44 20 7946 0000\")\n\
         \"Ann Smith\" \"555\"\n\
         Removed: \"Ann Smith\" \"555\"\n\
         Not found: \"ann smith\"\n"
    );
}

#[test]
fn add_needs_a_new_name_and_change_and_remove_a_known_one() {
    assert_eq!(
        answers("ADD Ann 1\nADD ANN 2\nADD ＡＮＮ 3\nFIND ann\nCHANGE Bob 4\nREMOVE Bob\nFIND Bob\nLIST\n"),
        "Added: \"Ann\" \"1\"\nExists: \"Ann\" \"1\"\nExists: \"Ann\" \"1\"\n\"Ann\" \"1\"\n\
         Not found: \"Bob\"\nNot found: \"Bob\"\nNot found: \"Bob\"\n\"Ann\" \"1\"\nTotal: 1\n"
    );
}

#[test]
fn a_listing_is_in_order_and_ends_with_its_number() {
    let script = "ADD bob 1\nADD Ann 2\nADD \"Ann Lee\" 3\nADD anna 4\nADD Özil 5\nADD ann-b 6\n";
    let list = |command: &str| {
        let all = answers(&format!("{script}{command}\n"));
        all.lines().skip(6).collect::<Vec<_>>().join(",")
    };
    let all = "\"Ann\" \"2\",\"Ann Lee\" \"3\",\"ann-b\" \"6\",\"anna\" \"4\",\"bob\" \"1\",\"Özil\" \"5\",Total: 6";
    assert_eq!(list("LIST"), all);
    assert_eq!(list("LIST \"\""), all);
    assert_eq!(list("LIST ANNA"), "\"anna\" \"4\",Total: 1");
    assert_eq!(list("LIST \"ann \""), "\"Ann Lee\" \"3\",Total: 1");
    assert_eq!(list("LIST o\u{308}"), "\"Özil\" \"5\",Total: 1");
    assert_eq!(list("LIST x"), "Total: 0");
    assert_eq!(answers("LIST\n"), "Total: 0\n");
}

#[test]
fn mistakes_are_answered_with_one_line_each() {
    for (line, start) in [
        ("dial ann", "Unknown command: dial (HELP"),
        ("\x1b[2J", "Unknown command: \u{FFFD}[2J (HELP"),
        ("FIND", "Usage: FIND name (a name"),
        ("ADD Ann Smith 5", "Usage: ADD name number (a name"),
        ("FIND \"ann", "Bad quotes: write"),
        ("FIND \"a\u{202E}b\"", "Bad name: "),
        ("ADD \u{3164} 5", "Bad name: "),
        ("ADD ann\u{200B} 5", "Bad name: "),
        ("ADD ann none", "Bad number: "),
    ] {
        let answer = answers(&format!("{line}\n"));
        assert!(answer.starts_with(start) && answer.ends_with('\n') && answer.lines().count() == 1, "{answer}");
    }
    assert_eq!(whole(empty(), b"FIND \xff\n").0, [texts::WELCOME, texts::NOT_UTF8].concat().as_bytes());
    assert_eq!(
        answers(&format!("{}\nHELP\n", "x".repeat(4097))),
        format!("Bad line: it is over 4096 bytes\n{}", texts::HELP)
    );
    assert_eq!(answers("\n \r\n\t\n"), "", "an empty line is no command");
    assert_eq!(answers("QUIT\nHELP\n"), texts::BYE);
}

#[test]
fn a_web_page_does_not_get_to_write_into_the_book() {
    let mut sim = Sim::new(empty());
    let browser = newcomer(&mut sim);
    sim.send(browser, b"POST / HTTP/1.1\r\nHost: here\r\n\r\nADD mallory 666\r\n");
    assert_eq!(hears(&mut sim, browser), texts::NO_HTTP);
    assert_eq!(sim.ending(browser), Some(Ending::Eof));
    let ann = newcomer(&mut sim);
    sim.send(ann, b"LIST\n");
    assert_eq!(hears(&mut sim, ann), "Total: 0\n");
}

#[test]
fn a_thousand_commands_in_one_piece_are_answered_in_order() {
    let script = joined((0..500).map(|n| format!("ADD n{n} {n}\nFIND N{n}\n")));
    let wanted = joined((0..500).map(|n| format!("Added: \"n{n}\" \"{n}\"\n\"n{n}\" \"{n}\"\n")));
    assert_eq!(answers(&script), wanted);
    assert_eq!(answers(script.trim_end()), wanted, "the last line needs no end");
}

#[test]
fn of_two_adds_of_one_name_one_wins_and_both_answers_are_true() {
    let mut sim = Sim::new(empty());
    let (ann, bob) = (newcomer(&mut sim), newcomer(&mut sim));
    sim.hold_jobs();
    sim.send(ann, b"ADD eve 1\n");
    sim.send(bob, b"ADD Eve 2\n");
    assert_eq!((hears(&mut sim, ann), hears(&mut sim, bob)), (String::new(), String::new()));
    sim.release_jobs();
    assert_eq!(hears(&mut sim, ann), "Added: \"eve\" \"1\"\n");
    assert_eq!(hears(&mut sim, bob), "Exists: \"eve\" \"1\"\n");
    sim.hold_jobs();
    sim.send(bob, b"REMOVE eve\nADD eve 2\n");
    sim.send(ann, b"CHANGE eve 3\n");
    sim.release_jobs();
    assert_eq!(hears(&mut sim, ann), "Not found: \"eve\"\n");
    assert_eq!(hears(&mut sim, bob), "Removed: \"eve\" \"1\"\nAdded: \"eve\" \"2\"\n");
}

#[test]
fn while_the_file_is_slow_others_are_served() {
    let mut sim = Sim::new(empty());
    let (ann, bob) = (newcomer(&mut sim), newcomer(&mut sim));
    sim.hold_jobs();
    sim.send(ann, b"ADD ann 1\nHELP\n");
    sim.send(bob, b"HELP\nQUIT\n");
    assert_eq!(hears(&mut sim, bob), format!("{}{}", texts::HELP, texts::BYE));
    assert_eq!(hears(&mut sim, ann), "");
    sim.release_jobs();
    assert_eq!(hears(&mut sim, ann), format!("Added: \"ann\" \"1\"\n{}", texts::HELP));
}

#[test]
fn when_too_many_wait_one_more_is_told_to_try_again() {
    assert_eq!(texts::BUSY, format!("{Busy}\n"));
    let mut sim = Sim::new(empty());
    let peers: Vec<_> = (0..=WAITING).map(|_| newcomer(&mut sim)).collect();
    sim.hold_jobs();
    for &peer in &peers {
        sim.send(peer, b"FIND ann\n");
    }
    let last = peers[WAITING];
    assert_eq!(hears(&mut sim, last), texts::BUSY);
    sim.send(last, b"LIST\nHELP\n");
    assert_eq!(hears(&mut sim, last), format!("{}{}", texts::BUSY, texts::HELP));
    sim.release_jobs();
    for peer in peers.into_iter().take(WAITING) {
        assert_eq!(hears(&mut sim, peer), "Not found: \"ann\"\n");
    }
    sim.send(last, b"LIST\n");
    assert_eq!(hears(&mut sim, last), "Total: 0\n");
}

#[test]
fn a_listing_of_many_pages_is_whole() {
    for count in [255, 256, 257, 512, 513, 1000] {
        let mut sim = Sim::new(filled(count));
        let peer = newcomer(&mut sim);
        sim.send(peer, b"LIST n\nLIST n0001\n");
        let wanted = joined((0..count).map(|n| format!("\"n{n:04}\" \"1\"\n")));
        assert_eq!(hears(&mut sim, peer), format!("{wanted}Total: {count}\n\"n0001\" \"1\"\nTotal: 1\n"));
    }
}

#[test]
fn a_listing_goes_no_further_than_its_client_reads() {
    let mut sim = Sim::with_limits(filled(5000), Limits { max_queue: Some(64), ..Limits::default() });
    let peer = newcomer(&mut sim);
    sim.stall(peer);
    sim.send(peer, b"LIST\nHELP\n");
    let page = PAGE_BYTES;
    assert!(sim.stats().queued <= page, "{} bytes are kept", sim.stats().queued);
    let mut seen = Vec::new();
    for _ in 0..200 {
        sim.allow(peer, 1000);
        seen.extend(sim.received(peer));
        assert!(sim.stats().queued <= page, "{} bytes are kept", sim.stats().queued);
    }
    let text = String::from_utf8(seen).expect("text");
    assert_eq!(text.lines().count(), 5002);
    assert!(text.ends_with(&format!("\"n4999\" \"1\"\nTotal: 5000\n{}", texts::HELP)), "{}", &text[text.len() - 200..]);
}

/// A page of `filled`.
const PAGE_BYTES: usize = table::PAGE as usize * "\"n0000\" \"1\"\n".len();

#[test]
fn between_the_pages_of_a_listing_others_have_their_turn() {
    let mut sim = Sim::with_limits(filled(5000), Limits { max_queue: Some(64), ..Limits::default() });
    let (lists, finds) = (newcomer(&mut sim), newcomer(&mut sim));
    sim.stall(lists);
    sim.hold_jobs();
    sim.send(lists, b"LIST\n");
    sim.run();
    sim.send(finds, b"FIND n4321\n");
    sim.run();
    sim.release_jobs();
    assert_eq!(hears(&mut sim, finds), "\"n4321\" \"1\"\n");
    sim.send(finds, b"REMOVE n4321\nREMOVE n4999\nADD n0000b 1\n");
    assert_eq!(hears(&mut sim, finds).lines().count(), 3);
    sim.resume(lists);
    assert_eq!(hears(&mut sim, lists).lines().last(), Some("Total: 4998"), "without those removed ahead of it");
}

#[test]
fn a_client_that_vanishes_within_a_listing_leaves_nothing() {
    let mut sim = Sim::with_limits(filled(2000), Limits { max_queue: Some(64), ..Limits::default() });
    for leave in [Sim::reset, Sim::shut_down] {
        let peer = newcomer(&mut sim);
        sim.stall(peer);
        sim.send(peer, b"LIST\n");
        sim.run();
        leave(&mut sim, peer);
        sim.resume(peer);
        sim.run();
    }
    sim.advance(std::time::Duration::from_secs(2));
    assert_eq!((sim.stats().connections, sim.stats().queued, sim.timers()), (0, 0, 0));
}

#[test]
fn a_stop_answers_what_was_asked() {
    let mut sim = Sim::new(filled(1000));
    let (adds, lists) = (newcomer(&mut sim), newcomer(&mut sim));
    sim.hold_jobs();
    sim.send(adds, b"ADD ann 1\nFIND ann\n");
    sim.send(lists, b"LIST\n");
    sim.stop();
    sim.run();
    sim.release_jobs();
    assert_eq!(hears(&mut sim, adds), "Added: \"ann\" \"1\"\n\"ann\" \"1\"\n");
    assert!(hears(&mut sim, lists).ends_with("\nTotal: 1001\n"));
    sim.shut_down(adds);
    sim.shut_down(lists);
    assert!(sim.is_stopped());
}

#[test]
fn trouble_with_the_file_is_told_and_the_book_goes_on() {
    let mut store = store(&DataFile::Memory);
    store.read(|db| Ok(db.execute_batch("ALTER TABLE entry RENAME TO away")?)).expect("a table");
    let mut sim = Sim::new(Phonebook::lines(store, PhonebookOptions::default()));
    let peer = newcomer(&mut sim);
    sim.send(peer, b"ADD ann 1\nFIND ann\nLIST\nHELP\n");
    assert_eq!(hears(&mut sim, peer), format!("{0}{0}{0}{1}", texts::FAILED, texts::HELP));
    assert_eq!(sim.handler_mut().get_ref().failures.kinds.len(), 1, "one kind");
}

/// Another program may write into the file what no command could.
#[test]
fn what_the_file_holds_is_shown_harmless() {
    let mut store = store(&DataFile::Memory);
    let insert = "INSERT INTO entry VALUES ('evil', 'e' || char(27) || '[2J' || char(10) || '\"', '1' || char(155))";
    store.read(|db| Ok(db.execute_batch(insert)?)).expect("a table");
    let mut sim = Sim::new(Phonebook::lines(store, PhonebookOptions::default()));
    let peer = newcomer(&mut sim);
    sim.send(peer, b"FIND evil\n");
    assert_eq!(hears(&mut sim, peer), "\"e\u{FFFD}[2J\u{FFFD}\\\"\" \"1\u{FFFD}\"\n");
}

#[test]
fn the_chunking_law_holds() {
    assert_chunking_law(empty, b"ADD \"A b\" 1\r\nLIST\n\nfind a\nQUIT\nx");
    assert_chunking_law(|| filled(300), b"LIST\nHELP\n");
}

/// What a client may try: commands, mistakes, noise.
fn talk() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..12),
        6 => "(ADD|add|FIND|CHANGE|REMOVE|LIST)( (ann|\"Ann B\"|bob|[a-c])){0,2}( [0-9x]{1,3})?"
            .prop_map(String::into_bytes),
        1 => "(HELP|QUIT|GET /|\"|)[ a-z\"\\\\]{0,4}".prop_map(String::into_bytes),
        1 => Just(b"x".repeat(5000)),
    ];
    proptest::collection::vec((line, prop_oneof![Just("\n"), Just("\r\n")]), 0..10)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.into()].concat()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_split_pause_or_slow_reader_changes_what_is_answered(talk in talk(), steps in steps()) {
        prop_assert_eq!(in_pieces(empty(), &talk, &steps), whole(empty(), &talk));
    }

    /// Whatever is typed, the book is what a simple model says, and every answer is one clean line.
    #[test]
    fn the_answers_are_those_of_a_simple_book(
        talk in "((ADD|CHANGE) [a-c] [1-9]\n|(FIND|REMOVE) [a-c]\n|LIST\n){0,30}",
    ) {
        let mut book = std::collections::BTreeMap::new();
        let mut wanted = Vec::new();
        for line in talk.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let known = words.get(1).and_then(|name| book.get(name).copied());
            wanted.push(match (&words[..], known) {
                (["LIST"], _) => {
                    let entries = book.iter().map(|(name, number)| format!("\"{name}\" \"{number}\"\n"));
                    format!("{}Total: {}\n", joined(entries), book.len())
                }
                (["FIND", name], Some(number)) => format!("\"{name}\" \"{number}\"\n"),
                (["REMOVE", name], Some(number)) => format!("Removed: \"{name}\" \"{number}\"\n"),
                (["ADD", name, _], Some(number)) => format!("Exists: \"{name}\" \"{number}\"\n"),
                (["CHANGE", name, new], Some(old)) => format!("Changed: \"{name}\" \"{new}\" (was \"{old}\")\n"),
                (["ADD", name, new], None) => format!("Added: \"{name}\" \"{new}\"\n"),
                (_, _) => format!("Not found: \"{}\"\n", words[1]),
            });
            match (words[0], known) {
                ("REMOVE", _) => drop(book.remove(words[1])),
                ("ADD", None) | ("CHANGE", Some(_)) => drop(book.insert(words[1], words[2])),
                _ => {}
            }
        }
        prop_assert_eq!(answers(&talk), wanted.concat());
    }

    #[test]
    fn whatever_is_typed_every_answer_is_a_clean_line(talk in talk()) {
        let mut sim = Sim::with_limits(empty(), tight());
        let peer = newcomer(&mut sim);
        let seen = play(&mut sim, peer, &talk, &[Step::LimitWrites(3)]);
        let seen = String::from_utf8(seen).expect("the server sends UTF-8");
        prop_assert!(seen.is_empty() || seen.ends_with('\n'));
        for line in seen.lines() {
            prop_assert_eq!(sanitize(line.as_bytes()), line);
        }
    }
}
