//! Data files that cannot be used, or no longer: one clear line, nothing lost, and the server goes on where it can.
//!
//! What needs rights that this machine may not give (a mount) says so where it is left out.

use super::{Book, ask, text};
use crate::support::peer::Peer;
use crate::support::server::Program;
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, geteuid, prlimit};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use switchboard_harness::{Launch, Server, Stop, skipped};
use tempfile::TempDir;

/// Fails unless the server ends at once with code 1 and one line that has these words.
#[track_caller]
fn expect_refusal(launch: Launch, words: &[&str]) {
    let finished = launch.listen("127.0.0.1:0").run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.starts_with("phonebook-server: cannot use "), "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} is missing: {finished:?}");
    }
}

/// A file in which another program has changed something.
fn changed(statements: &str) -> Book {
    let book = Book::new();
    book.make();
    book.open().execute_batch(statements).expect("a database");
    book
}

#[test]
fn what_is_no_book_of_ours_is_refused_and_left_alone() {
    let book = Book::new();
    fs::create_dir(book.path()).expect("room");
    expect_refusal(book.launch(), &["book.db"]);

    let book = Book::new();
    fs::write(book.path(), "a letter to a friend\n".repeat(1000)).expect("room");
    expect_refusal(book.launch(), &["book.db", "not a database", "--data"]);
    assert_eq!(fs::read(book.path()).expect("readable"), "a letter to a friend\n".repeat(1000).as_bytes());

    let book = Book::new();
    Connection::open(book.path()).expect("room").execute_batch("CREATE TABLE theirs (x)").expect("room");
    let before = fs::read(book.path()).expect("readable");
    expect_refusal(book.launch(), &["book.db", "another program", "--data"]);
    assert_eq!(fs::read(book.path()).expect("readable"), before);

    expect_refusal(changed("PRAGMA application_id = 12345").launch(), &["another program", "--data"]);
    expect_refusal(changed("PRAGMA user_version = 99").launch(), &["newer version"]);
    let nowhere = Book::new().path().join("deeper/book.db");
    expect_refusal(Program::Phonebook.launch().arg("--data").arg(text(&nowhere)), &["No such file"]);
}

#[test]
fn a_damaged_book_is_refused() {
    let book = Book::new();
    book.fill(5000);
    damage(&book.path());
    expect_refusal(book.launch(), &["book.db", "damaged"]);
}

/// Overwrites all but the beginning.
fn damage(path: &Path) {
    let file = File::options().write(true).open(path).expect("a file of ours");
    let length = file.metadata().expect("a file").len() as usize;
    file.write_all_at(&vec![0xA5; length - 8192], 8192).expect("room");
}

#[test]
fn a_locked_book_is_refused_only_if_it_must_be_changed() {
    let book = Book::new();
    book.make();
    let other = book.open();
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let server = book.start();
    assert_eq!(ask(&mut Peer::newcomer(&server.address()), "FIND ann"), "Not found: \"ann\"");
    drop((server, other));

    let book = Book::new();
    let other = book.open();
    other.execute_batch("BEGIN EXCLUSIVE").expect("no other writer");
    expect_refusal(book.launch(), &["book.db", "locked", "stop that program"]);
}

#[test]
fn a_book_that_may_not_be_written_is_refused() {
    let book = Book::new();
    book.make();
    let folder = book.place.path();
    fs::set_permissions(book.path(), Permissions::from_mode(0o444)).expect("a file of ours");
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("a directory of ours");
    // The superuser may write everything. So the server runs as another user, which may be unable to reach the
    // original.
    let launch = if geteuid().is_root() {
        let program = folder.join("phonebook-server");
        fs::copy(Program::Phonebook.path(), &program).expect("room");
        Launch::of("setpriv").args("--reuid=65534 --regid=65534 --clear-groups").arg(text(&program))
    } else {
        Program::Phonebook.launch()
    };
    expect_refusal(launch.arg("--data").arg(text(&book.path())), &["book.db", "permissions"]);
}

#[test]
fn a_lasting_lock_is_an_answer_and_one_line_in_the_log() {
    let book = Book::new();
    let server = book.start();
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, "ADD ann 1"), "Added: \"ann\" \"1\"");
    let other = book.open();
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    for command in ["ADD bob 2", "CHANGE ann 3"] {
        assert_eq!(ask(&mut peer, command), "Failed: the phone book is out of order, try again later");
        assert_eq!(ask(&mut peer, "FIND ann"), "\"ann\" \"1\"", "reading needs no lock");
    }
    other.execute_batch("ROLLBACK").expect("it was begun");
    assert_eq!(ask(&mut peer, "ADD bob 2"), "Added: \"bob\" \"2\"");
    server.stderr.wait_for("stop that program");
    let log = server.stderr.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("phone book: ") && log.contains("locked") && log.contains("stop that program"), "{log}");
}

#[test]
fn a_book_damaged_while_open_does_not_end_the_server() {
    let book = Book::new();
    book.fill(100_000);
    let server = book.start();
    let mut peer = Peer::newcomer(&server.address());
    damage(&book.path());
    peer.send("LIST\nHELP\n");
    // What is in memory is still right.
    let end = peer.line_where(|line| !line.starts_with("\"NAME "));
    assert_eq!(end, "Failed: the phone book is out of order, try again later");
    assert!(peer.line().starts_with("Commands: "));
    server.stderr.wait_for("restore a copy");
    server.expect_manners();
}

/// Adds entries until one fails. Returns the names of those that did not.
#[track_caller]
fn add_until_full(peer: &mut Peer, most: usize) -> Vec<String> {
    let mut added = Vec::new();
    for number in 0..most {
        let name = format!("n{number} {}", "x".repeat(50));
        let answer = ask(peer, &format!("ADD \"{name}\" {number}"));
        if answer == "Failed: the phone book is out of order, try again later" {
            return added;
        }
        assert_eq!(answer, format!("Added: \"{name}\" \"{number}\""));
        added.push(name);
    }
    panic!("{most} entries were taken");
}

#[track_caller]
fn expect_all(peer: &mut Peer, names: &[String]) {
    for (number, name) in names.iter().enumerate() {
        assert_eq!(ask(peer, &format!("FIND \"{name}\"")), format!("\"{name}\" \"{number}\""));
    }
}

/// `ulimit -f` needs no rights. To SQLite, a file at that limit is a disk that fails to write.
#[test]
fn a_file_at_its_limit_refuses_and_keeps_all_that_was_answered() {
    let book = Book::new();
    let server = book.launch().after("ulimit -S -f 64").start();
    let mut peer = Peer::newcomer(&server.address());
    let added = add_until_full(&mut peer, 10_000);
    assert!(added.len() >= 5, "only {} were added", added.len());
    expect_all(&mut peer, &added);
    assert!(ask(&mut peer, "HELP").starts_with("Commands: "));
    server.stderr.wait_for("look at the disk");

    let process = Pid::from_raw(server.process().0.cast_signed()).expect("a process");
    prlimit(Some(process), Resource::Fsize, Rlimit { current: None, maximum: None }).expect("a process of ours");
    assert_eq!(ask(&mut peer, "ADD \"one more\" 5"), "Added: \"one more\" \"5\"");
    drop(server);
    let server = book.start();
    let mut peer = Peer::newcomer(&server.address());
    expect_all(&mut peer, &added);
    assert_eq!(ask(&mut peer, "FIND \"one more\""), "\"one more\" \"5\"");
}

/// Every change takes room in the log, and this one takes none in the file.
#[test]
fn a_limit_that_only_the_log_has_met_is_not_the_end_of_the_book() {
    let book = Book::new();
    let server = book.launch().after("ulimit -f 64").start();
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, "ADD ann 0"), "Added: \"ann\" \"0\"");
    let answers: Vec<_> = (1..=200).map(|number| ask(&mut peer, &format!("CHANGE ann {number}"))).collect();
    let failed = answers.iter().filter(|answer| answer.starts_with("Failed: ")).count();
    assert!((1..=40).contains(&failed), "{failed} of 200 have failed");
    let mut number = 0;
    for (answer, next) in answers.iter().zip(1..) {
        if !answer.starts_with("Failed: ") {
            assert_eq!(*answer, format!("Changed: \"ann\" \"{next}\" (was \"{number}\")"));
            number = next;
        }
    }
}

/// A directory that is a disk of one megabyte for the server alone.
struct SmallDisk {
    place: TempDir,
    unshare: &'static str,
}

impl SmallDisk {
    /// `None`, and a word about it, where nothing can be mounted.
    fn new(test: &str) -> Option<Self> {
        let place = TempDir::new().expect("room for a directory");
        for unshare in ["--mount", "--mount --user --map-root-user"] {
            let disk = SmallDisk { place: TempDir::new().expect("room"), unshare };
            let mut command = Command::new("unshare");
            command.args(unshare.split(' ')).args(["bash", "-c", &disk.script("true")]);
            if command.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                return Some(SmallDisk { place, unshare });
            }
        }
        skipped(&format!("{test}: nothing may be mounted here, not even by unshare"));
        None
    }

    fn script(&self, then: &str) -> String {
        format!("mount -t tmpfs -o size=1m tmpfs '{}' && {then}", text(self.place.path()))
    }

    /// The server, with its data on the disk. The disk is gone with the process.
    fn launch(&self, first: &str) -> Launch {
        let launch = Launch::of("unshare").args(self.unshare).arg("bash").arg("-c");
        let launch = launch.arg(self.script(&format!("{first} exec \"$0\" \"$@\"")));
        launch.arg(Program::Phonebook.path()).arg("--data").arg(text(&self.place.path().join("book.db")))
    }

    /// A file on the disk, as the server sees it.
    fn file(&self, server: &Server, name: &str) -> PathBuf {
        let path = self.place.path().join(name);
        Path::new(&format!("/proc/{}/root", server.process().0)).join(path.strip_prefix("/").expect("absolute"))
    }
}

#[test]
fn a_full_disk_keeps_what_was_answered_and_recovers() {
    let Some(disk) = SmallDisk::new("a full disk") else { return };
    let mut server = disk.launch("").start();
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, "ADD before 1"), "Added: \"before\" \"1\"");
    let ballast = disk.file(&server, "ballast");
    let filled = File::create(&ballast).and_then(|mut file| {
        loop {
            if let Err(error) = file.write_all(&[0; 4096]) {
                return Ok(error.kind());
            }
        }
    });
    assert_eq!(filled.expect("the disk can be reached"), io::ErrorKind::StorageFull);
    let added = add_until_full(&mut peer, 1000);
    expect_all(&mut peer, &added);
    server.stderr.wait_for("make room on the disk");
    assert!(server.is_running());

    fs::remove_file(&ballast).expect("a file of ours");
    assert_eq!(ask(&mut peer, "ADD after 2"), "Added: \"after\" \"2\"");
    expect_all(&mut peer, &added);
    assert_eq!(ask(&mut peer, "FIND before"), "\"before\" \"1\"");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    server.expect_manners();
}

#[test]
fn a_disk_that_is_full_at_the_start_is_one_clear_line() {
    let Some(disk) = SmallDisk::new("a disk that is full at the start") else { return };
    let fill = format!("head -c 2M /dev/zero 2>&- > '{}';", text(&disk.place.path().join("ballast")));
    expect_refusal(disk.launch(&fill), &["book.db", "full", "make room on the disk"]);
}
