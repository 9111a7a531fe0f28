//! The phone book as its users meet it: netcats, a crowd, a long list, a slow disk, a kill.

mod faults;

use crate::support::data::assert_same;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use rusqlite::Connection;
use rustix::process::Signal;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use switchboard_harness::{Launch, Server, Stop, alone, until};
use tempfile::TempDir;

/// A data file in a directory of its own.
struct Book {
    place: TempDir,
}

impl Book {
    fn new() -> Self {
        Self { place: TempDir::new().expect("room for a directory") }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("book.db")
    }

    /// A busy machine makes turns slow, and the tests look at the log.
    fn launch(&self) -> Launch {
        Program::Phonebook.launch().args("--slow-turn off --data").arg(text(&self.path()))
    }

    fn start(&self) -> Server {
        self.launch().start()
    }

    /// A file with no entry in it, as a server leaves it.
    fn make(&self) {
        self.start().stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    }

    /// A file with this many entries, `name 000000` and so on.
    fn fill(&self, count: usize) {
        self.make();
        let mut other = self.open();
        let transaction = other.transaction().expect("no other writer");
        let mut insert = transaction.prepare("INSERT INTO entry VALUES (?1, ?2, ?3)").expect("a table");
        for number in 0..count {
            let name = format!("name {number:06}");
            insert.execute([&name, &name.to_uppercase(), &format!("+44 20 {number}")]).expect("room");
        }
        drop(insert);
        transaction.commit().expect("room");
    }

    /// The file as another program opens it.
    fn open(&self) -> Connection {
        Connection::open(self.path()).expect("a data file")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().concat()
}

/// One command and its answer.
#[track_caller]
fn ask(peer: &mut Peer, command: &str) -> String {
    peer.send(format!("{command}\n"));
    peer.line()
}

const WELCOME: &str = "Welcome to the phone book. HELP lists the commands.\n";

#[test]
fn every_netcat_gets_its_answers_over_tcp_and_at_a_path() {
    let book = Book::new();
    let path = book.place.path().join("socket");
    let server = book.launch().listen("127.0.0.1:0").listen(&format!("unix:{}", text(&path))).start();
    server.addresses(2);
    let port = server.port().to_string();
    let ways: [&[&str]; 4] = [
        &["nc", "-N", "127.0.0.1", &port],
        &["ncat", "127.0.0.1", &port],
        &["nc", "-N", "-U", text(&path)],
        &["ncat", "-U", text(&path)],
    ];
    for (number, words) in ways.into_iter().enumerate() {
        let talk = format!("add \"Nr. {number}\" 555-{number}\r\nFIND \"nr. {number}\"\nfind nobody");
        let answers = String::from_utf8(pass_through(words, talk.as_bytes())).expect("text");
        let entry = format!("\"Nr. {number}\" \"555-{number}\"");
        assert_eq!(answers, format!("{WELCOME}Added: {entry}\n{entry}\nNot found: \"nobody\"\n"), "{words:?}");
    }
    let answers = String::from_utf8(pass_through(ways[0], b"FIND \"Nr. 3\"\n")).expect("text");
    assert_eq!(answers, format!("{WELCOME}\"Nr. 3\" \"555-3\"\n"), "one book for all");
}

#[test]
fn a_thousand_commands_in_one_write_are_answered_in_order() {
    let book = Book::new();
    let server = book.start();
    let talk = (0..250).map(|n| format!("ADD n{n} {n}\nADD N{n} 1\nCHANGE n{n} 7\nFIND n{n}\n"));
    let wanted = (0..250).map(|n| {
        let (first, last) = (format!("\"n{n}\" \"{n}\""), format!("\"n{n}\" \"7\""));
        format!("Added: {first}\nExists: {first}\nChanged: {last} (was \"{n}\")\n{last}\n")
    });
    let port = server.port().to_string();
    let answers = pass_through(&["nc", "-N", "127.0.0.1", &port], joined(talk).as_bytes());
    assert_eq!(String::from_utf8_lossy(&answers), WELCOME.to_owned() + &joined(wanted));
    let mut peer = Peer::newcomer(&server.address());
    peer.send("HELP\n".repeat(1000));
    for _ in 0..1000 {
        assert!(peer.line().starts_with("Commands: FIND name"));
    }
}

#[test]
fn the_book_is_in_the_users_data_directory_by_default() {
    let mut server = Program::Phonebook.start();
    let file = server.data_home().join("switchboard/phonebook.db");
    assert_eq!(ask(&mut Peer::newcomer(&server.address()), "ADD ann 1"), "Added: \"ann\" \"1\"");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().expect("a directory"))), (0o600, 0o700));
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let again = Program::Phonebook.launch().arg("--data").arg(text(&file)).start();
    assert_eq!(ask(&mut Peer::newcomer(&again.address()), "FIND ann"), "\"ann\" \"1\"");
}

#[test]
fn a_book_that_is_kept_nowhere_touches_no_file() {
    let server = Program::Phonebook.launch().args("--data :memory:").start();
    assert_eq!(ask(&mut Peer::newcomer(&server.address()), "ADD ann 1"), "Added: \"ann\" \"1\"");
    assert_eq!(fs::read_dir(server.data_home()).expect("it is there").count(), 0);
}

/// What was answered before a kill is there after it, whatever else was under way.
#[test]
fn a_kill_loses_nothing_that_was_answered() {
    const CLIENTS: usize = 20;
    let book = Book::new();
    let mut known = Vec::new();
    for round in 0..3 {
        let server = book.start();
        let answered = AtomicUsize::new(0);
        let added = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let mut peer = Peer::newcomer(&server.address());
                    let answered = &answered;
                    scope.spawn(move || {
                        let names = (0..).map(|number| format!("r{round} c{client} n{number}"));
                        let told = names.take_while(|name| {
                            let is_told = peer
                                .tell(&format!("ADD \"{name}\" 1"))
                                .is_some_and(|answer| answer == format!("Added: \"{name}\" \"1\""));
                            answered.fetch_add(usize::from(is_told), Ordering::Relaxed);
                            is_told
                        });
                        told.collect::<Vec<_>>()
                    })
                })
                .collect();
            until("traffic", || answered.load(Ordering::Relaxed) >= 300);
            server.signal(Signal::KILL);
            clients.into_iter().flat_map(|client| client.join().expect("no surprise")).collect::<Vec<_>>()
        });
        assert!(added.len() >= 300, "only {} were answered", added.len());
        known.extend(added);
        drop(server);
    }
    let server = book.start();
    let mut peer = Peer::newcomer(&server.address());
    for name in &known {
        assert_eq!(ask(&mut peer, &format!("FIND \"{name}\"")), format!("\"{name}\" \"1\""));
    }
}

#[test]
fn of_two_adds_at_once_one_wins_and_both_answers_are_true() {
    let book = Book::new();
    let server = book.start();
    let (mut one, mut two) = (Peer::newcomer(&server.address()), Peer::newcomer(&server.address()));
    for number in 0..200 {
        one.send(format!("ADD \"both {number}\" 1\n"));
        two.send(format!("ADD \"BOTH {number}\" 2\n"));
        let (first, second) = (one.line(), two.line());
        let wins = |answer: &str| answer.strip_prefix("Added: ").map(str::to_owned);
        let (winner, loser) = match (wins(&first), wins(&second)) {
            (Some(entry), None) => (entry, second),
            (None, Some(entry)) => (entry, first),
            both => panic!("{both:?}: {first:?}, {second:?}"),
        };
        assert_eq!(loser, format!("Exists: {winner}"));
        assert_eq!(ask(&mut one, &format!("FIND \"both {number}\"")), winner);
        one.send(format!("REMOVE \"both {number}\"\n"));
        two.send(format!("REMOVE \"both {number}\"\n"));
        let mut answers = [one.line(), two.line()];
        answers.sort();
        assert_eq!(answers, [format!("Not found: \"both {number}\""), format!("Removed: {winner}")]);
    }
}

const MANY: usize = 100_000;

#[test]
fn a_list_of_a_hundred_thousand_is_whole_and_costs_no_memory() {
    let _alone = alone();
    let book = Book::new();
    book.fill(MANY);
    let server = book.launch().args("--send-buffer 65536").start();
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, "FIND \"name 000000\""), "\"NAME 000000\" \"+44 20 0\"");
    let before = server.resident();
    // Those that never read are to cost no more than those that do.
    let stuck: Vec<_> = (0..5).map(|_| Peer::connect_narrow(&server.address(), 4096)).collect();
    for mut peer in stuck.iter().map(Peer::twin) {
        peer.send("LIST\n");
    }
    peer.send("LIST\nLIST \"NAME 0999\"\nQUIT\n");
    let entry = |number: usize| format!("\"NAME {number:06}\" \"+44 20 {number}\"\n");
    let entries = |numbers: Range<usize>| joined(numbers.map(entry));
    let wanted = format!("{}Total: {MANY}\n{}Total: 100\nGood bye!\n", entries(0..MANY), entries(99_900..MANY));
    assert_same(&peer.rest().expect("an orderly end"), wanted.as_bytes());
    let growth = server.peak_resident().saturating_sub(before);
    // Five queues of a quarter of --max-queue, and a page on its way for each; the list has three megabytes.
    assert!(growth < 2_500_000, "grown by {growth} bytes");
}

#[test]
fn long_lists_leave_the_others_their_turn() {
    let _alone = alone();
    let book = Book::new();
    book.fill(MANY);
    let server = book.start();
    let address = server.address();
    let mut peer = Peer::newcomer(&address);
    let found = thread::scope(|scope| {
        let lists: Vec<_> = (0..4)
            .map(|_| {
                let mut list = Peer::newcomer(&address);
                list.send("LIST\nQUIT\n");
                scope.spawn(move || list.rest().expect("an orderly end"))
            })
            .collect();
        let mut count = 0;
        while lists.iter().any(|list| !list.is_finished()) {
            let number = count % MANY;
            let entry = ask(&mut peer, &format!("FIND \"name {number:06}\""));
            assert_eq!(entry, format!("\"NAME {number:06}\" \"+44 20 {number}\""));
            count += 1;
        }
        for list in lists {
            assert!(list.join().expect("no surprise").ends_with(format!("\nTotal: {MANY}\nGood bye!\n").as_bytes()));
        }
        count
    });
    // A list that held the file to its end would let four in.
    assert!(found >= 40, "only {found} entries were found beside four lists");
}

/// Another program holds the lock, which a writer cannot tell from a disk that does not answer.
#[test]
fn a_locked_file_delays_only_the_clients_that_need_it() {
    const CROWD: usize = 200;
    let _alone = alone();
    let book = Book::new();
    let server = book.start();
    let other = book.open();
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let mut held: Vec<_> = (0..CROWD).map(|_| Peer::newcomer(&server.address())).collect();
    for (number, peer) in held.iter_mut().enumerate() {
        peer.send(if number % 2 == 0 { format!("ADD n{number} 1\n") } else { format!("FIND n{}\n", number - 1) });
    }
    let started = Instant::now();
    let mut longest = Duration::ZERO;
    for _ in 0..CROWD {
        let asked = Instant::now();
        let mut peer = Peer::newcomer(&server.address());
        peer.send("HELP\nFIND\nQUIT\n");
        for wanted in ["Commands: FIND name", "Usage: FIND name", "Good bye!"] {
            let line = peer.line();
            assert!(line.starts_with(wanted), "{line}");
        }
        peer.expect_eof();
        longest = longest.max(asked.elapsed());
    }
    let took = started.elapsed();
    assert!(longest < Duration::from_secs(1), "one waited for {longest:?}, all of them for {took:?}");
    other.execute_batch("ROLLBACK").expect("it was begun");
    // One whose patience ended before that is told so, and has lost nothing by it.
    for (number, peer) in held.iter_mut().enumerate() {
        let mut answer = peer.line();
        if number % 2 == 1 {
            let name = number - 1;
            let is_true = answer == format!("Not found: \"n{name}\"") || answer == format!("\"n{name}\" \"1\"");
            assert!(is_true, "{answer}");
            continue;
        }
        if answer.starts_with("Failed: ") {
            answer = ask(peer, &format!("ADD n{number} 1"));
        }
        assert_eq!(answer, format!("Added: \"n{number}\" \"1\""));
    }
    let mut peer = Peer::newcomer(&server.address());
    peer.send("LIST\n");
    assert_eq!(peer.line_where(|line| line.starts_with("Total")), format!("Total: {}", CROWD / 2));
}

#[test]
fn a_stop_waits_for_a_held_file_no_longer_than_the_drain_time() {
    let book = Book::new();
    let mut server = book.launch().args("--drain 200ms").start();
    let other = book.open();
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let mut peer = Peer::newcomer(&server.address());
    peer.send("ADD ann 1\n");
    assert_eq!(ask(&mut Peer::newcomer(&server.address()), "QUIT"), "Good bye!");
    // A job under way is waited for, for a second at most.
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(2));
    server.expect_manners();
    drop(other);
    assert_eq!(ask(&mut Peer::newcomer(&book.start().address()), "FIND ann"), "Not found: \"ann\"");
}
