//! The data files of the phone book, the bank and the doctor: the name is the one of the flag, the file stays at its
//! path, and one server uses it.

use crate::support::bank::{Vault, ask, log_in, opened};
use crate::support::peer::Peer;
use crate::support::server::Program;
use rusqlite::Connection;
use rustix::process::{Signal, geteuid};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use switchboard_harness::{Finished, Launch, Server, Stop, skipped, until};
use tempfile::TempDir;

const FAILED: &str = "Failed: the phone book is out of order, try again later";

/// A directory with the data file of a phone book.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("room for a directory"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn launch(&self, name: &str) -> Launch {
        launch(Program::Phonebook, &self.file(name))
    }

    /// A server with the entry `ann`, and a client.
    fn start(&self) -> (Server, Peer) {
        let server = self.launch("book.db").start();
        let mut peer = Peer::newcomer(&server.address());
        assert_eq!(ask(&mut peer, "ADD ann 1"), "Added: \"ann\" \"1\"");
        (server, peer)
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.file(from), self.file(to)).expect("a file of ours");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("a file of ours");
    }

    /// Fails unless the next server finds each of these entries.
    #[track_caller]
    fn expect_entries(&self, name: &str, entries: &[&str]) {
        let server = self.launch(name).start();
        let mut peer = Peer::newcomer(&server.address());
        for entry in entries {
            let answer = ask(&mut peer, &format!("FIND {entry}"));
            assert!(answer.starts_with(&format!("\"{entry}\" ")), "{entry}: {answer}");
        }
    }
}

/// A busy machine makes turns slow, and the tests look at the log.
fn launch(program: Program, path: &Path) -> Launch {
    Launch::of(program.path()).args("--slow-turn off --data").arg(path)
}

fn stop(mut server: Server) {
    assert_eq!(server.stop_by(Stop::Line).code, Some(0));
}

/// Fails unless the log has exactly these lines, found by words of theirs.
#[track_caller]
fn expect_log(server: &Server, words: &[&str]) {
    let last = words.last().expect("a line at least");
    until(last, || server.stderr.text().contains(last));
    let log = server.stderr.text();
    assert_eq!(log.lines().count(), words.len(), "{log}");
    for (line, words) in log.lines().zip(words) {
        assert!(line.contains(words), "{words:?} is missing: {log}");
    }
}

#[test]
fn each_name_is_a_file_of_exactly_that_name() {
    let names: [&[u8]; 8] = [
        b"file::memory:",
        b"file:book.db",
        b"file:book.db?mode=memory",
        b"FILE:book.db",
        b"book.db?mode=memory",
        b"a b%20c#d.db",
        b"./:memory:",
        b"b\xffk.db",
    ];
    for name in names {
        let place = Place::new();
        let name = OsStr::from_bytes(name);
        let launch = || {
            let launch = Program::Phonebook.launch().after(&format!("cd '{}'", place.0.path().display()));
            launch.arg("--data").arg(name)
        };
        let server = launch().start();
        assert_eq!(ask(&mut Peer::newcomer(&server.address()), "ADD ann 1"), "Added: \"ann\" \"1\"");
        stop(server);
        let files: Vec<_> =
            fs::read_dir(place.0.path()).expect("ours").map(|file| file.expect("ours").path()).collect();
        assert_eq!(files, [place.0.path().join(name)]);
        let server = launch().start();
        assert_eq!(ask(&mut Peer::newcomer(&server.address()), "FIND ann"), "\"ann\" \"1\"", "{name:?}");
    }
}

#[test]
fn money_in_a_file_that_looks_like_a_uri_is_kept() {
    let place = Place::new();
    let launch = || {
        let launch = Launch::of(Program::Bank.path()).after(&format!("cd '{}'", place.0.path().display()));
        launch.args("--data file::memory:")
    };
    let server = launch().start();
    assert_eq!(ask(&mut opened(&server, "ann"), "DEPOSIT 5"), "ok entry 1 balance 5.00");
    stop(server);
    let server = launch().start();
    let mut ann = Peer::newcomer(&server.address());
    log_in(&mut ann, "ann");
    assert_eq!(ask(&mut ann, "BALANCE"), "ok balance 5.00");
}

#[test]
fn an_empty_name_is_refused() {
    for program in [Program::Phonebook, Program::Bank, Program::Doctor] {
        let finished = Launch::of(program.path()).arg("--data").arg("").run();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("empty") && finished.stderr.contains("--data"), "{finished:?}");
    }
}

#[test]
fn a_moved_file_is_an_error_until_it_is_back() {
    let place = Place::new();
    let (server, mut peer) = place.start();
    place.rename("book.db", "away.db");
    for command in ["ADD bob 2", "FIND ann", "CHANGE ann 3"] {
        assert_eq!(ask(&mut peer, command), FAILED);
    }
    expect_log(&server, &["book.db was moved or deleted"]);
    place.rename("away.db", "book.db");
    until("the file is used again", || ask(&mut peer, "FIND ann") == "\"ann\" \"1\"");
    assert_eq!(ask(&mut peer, "ADD bob 2"), "Added: \"bob\" \"2\"");
    expect_log(&server, &["book.db was moved or deleted", "book.db is back"]);
    server.signal(Signal::KILL);
    drop(server);
    place.expect_entries("book.db", &["ann", "bob"]);
}

#[test]
fn a_moved_file_has_all_that_was_acknowledged() {
    let place = Place::new();
    let (server, mut peer) = place.start();
    place.rename("book.db", "away.db");
    assert_eq!(ask(&mut peer, "ADD bob 2"), FAILED);
    server.signal(Signal::KILL);
    drop(server);
    place.expect_entries("away.db", &["ann"]);
}

#[test]
fn an_idle_server_notices_that_its_file_is_gone() {
    let place = Place::new();
    let (server, _peer) = place.start();
    place.remove("book.db");
    expect_log(&server, &["book.db was moved or deleted"]);
    stop(server);
}

#[test]
fn a_file_that_takes_the_place_is_left_alone() {
    let place = Place::new();
    let (server, _peer) = place.start();
    stop(server);
    fs::copy(place.file("book.db"), place.file("backup.db")).expect("room");
    let server = place.launch("book.db").start();
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, "ADD bob 2"), "Added: \"bob\" \"2\"");
    place.rename("backup.db", "book.db");
    let before = fs::read(place.file("book.db")).expect("readable");
    assert_eq!(ask(&mut peer, "ADD eve 3"), FAILED);
    expect_log(&server, &["book.db was replaced by another file"]);
    stop(server);
    assert!(fs::read(place.file("book.db")).expect("readable") == before);
    place.expect_entries("book.db", &["ann"]);
}

#[test]
fn a_renamed_directory_is_an_error_until_it_is_back() {
    let outer = TempDir::new().expect("room for a directory");
    let (inner, away) = (outer.path().join("inner"), outer.path().join("away"));
    fs::create_dir(&inner).expect("room");
    let server = launch(Program::Phonebook, &inner.join("book.db")).start();
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, "ADD ann 1"), "Added: \"ann\" \"1\"");
    fs::rename(&inner, &away).expect("ours");
    assert_eq!(ask(&mut peer, "ADD bob 2"), FAILED);
    fs::rename(&away, &inner).expect("ours");
    assert_eq!(ask(&mut peer, "ADD bob 2"), "Added: \"bob\" \"2\"");
    assert_eq!(ask(&mut peer, "FIND ann"), "\"ann\" \"1\"");
}

#[test]
fn without_its_log_a_file_loses_nothing() {
    for missing in [&["book.db-wal"][..], &["book.db-shm"], &["book.db-wal", "book.db-shm"]] {
        let place = Place::new();
        let (server, mut peer) = place.start();
        for name in missing {
            place.remove(name);
        }
        let answer = ask(&mut peer, "ADD bob 2");
        assert_eq!(answer, "Added: \"bob\" \"2\"", "{missing:?}");
        server.signal(Signal::KILL);
        drop(server);
        place.expect_entries("book.db", &["ann", "bob"]);
    }
}

#[test]
fn the_bank_acknowledges_no_payment_into_a_moved_file() {
    let vault = Vault::new();
    let server = vault.launch().start();
    let mut ann = opened(&server, "ann");
    assert_eq!(ask(&mut ann, "DEPOSIT 5"), "ok entry 1 balance 5.00");
    let away = vault.file().with_extension("away");
    fs::rename(vault.file(), &away).expect("ours");
    for request in ["DEPOSIT 7", "BALANCE"] {
        let answer = ask(&mut ann, request);
        assert!(answer.starts_with("error ") && answer.contains("was moved or deleted"), "{answer}");
    }
    fs::rename(&away, vault.file()).expect("ours");
    assert_eq!(ask(&mut ann, "DEPOSIT 7"), "ok entry 2 balance 12.00");
    expect_log(&server, &["was moved or deleted", "is back"]);
}

#[test]
fn the_doctor_saves_what_was_said_while_its_file_was_away() {
    let place = Place::new();
    let server = launch(Program::Doctor, &place.file("doctor.db")).start();
    let mut peer = Peer::connect(&server.address());
    peer.line();
    place.rename("doctor.db", "away.db");
    expect_log(&server, &["doctor.db was moved or deleted"]);
    assert_eq!(ask(&mut peer, "Ann"), "My notes of earlier visits cannot be read at the moment.");
    peer.line();
    assert!(!ask(&mut peer, "My garden is a desert.").is_empty());
    place.rename("away.db", "doctor.db");
    let kept = || -> Option<String> {
        let file = Connection::open(place.file("doctor.db")).ok()?;
        file.query_row("SELECT conversation FROM patient", [], |row| row.get(0)).ok()
    };
    until("the conversation in the file", || kept().is_some_and(|kept| kept.contains("desert")));
    expect_log(&server, &["doctor.db was moved or deleted", "doctor.db is back"]);
}

/// Fails unless a server ends at once because another one uses its file.
#[track_caller]
fn expect_in_use(finished: &Finished) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.contains("another server uses it"), "{finished:?}");
}

#[test]
fn a_second_server_on_a_file_is_refused() {
    for program in [Program::Phonebook, Program::Bank, Program::Doctor] {
        let place = Place::new();
        let file = place.file("data.db");
        let server = launch(program, &file).start();
        symlink(&file, place.file("symbolic.db")).expect("room");
        fs::hard_link(&file, place.file("hard.db")).expect("room");
        for name in ["data.db", "symbolic.db", "hard.db"] {
            expect_in_use(&launch(program, &place.file(name)).listen("127.0.0.1:0").run());
        }
        let count = |file: &Connection| file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
        let tables: u32 = count(&Connection::open(&file).expect("a data file")).expect("other programs may read");
        assert!(tables > 0);
        server.signal(Signal::KILL);
        drop(server);
        stop(launch(program, &file).start());
    }
}

#[test]
fn a_moved_file_is_still_in_use() {
    let place = Place::new();
    let (server, _peer) = place.start();
    place.rename("book.db", "away.db");
    expect_in_use(&place.launch("away.db").listen("127.0.0.1:0").run());
    stop(server);
    place.expect_entries("away.db", &["ann"]);
}

/// Threads of this size are refused without any right being needed, as `ulimit -u` refuses them for a user.
const NO_THREADS: &str = "export RUST_MIN_STACK=70368744177664";

#[test]
fn without_threads_no_server_starts() {
    let place = Place::new();
    let launches = [
        launch(Program::Phonebook, &place.file("book.db")),
        launch(Program::Bank, &place.file("bank.db")),
        launch(Program::Doctor, &place.file("doctor.db")),
        Launch::of(Program::Chat.path()).arg("--log").arg(place.file("chat.log")),
        Launch::of(env!("CARGO_BIN_EXE_switchboard")).args("echo=127.0.0.1:0 phonebook=127.0.0.1:0"),
    ];
    for launch in launches {
        let finished = launch.after(NO_THREADS).run();
        assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
        assert!(finished.stderr.contains("cannot start a thread: "), "{finished:?}");
        assert!(finished.stderr.contains("ulimit -u"), "{finished:?}");
    }
    Program::Echo.launch().after(NO_THREADS).start();
}

#[test]
fn a_user_without_processes_is_told() {
    if !geteuid().is_root() {
        return skipped("a limit of processes: it needs another user");
    }
    let place = Place::new();
    fs::set_permissions(place.0.path(), Permissions::from_mode(0o777)).expect("a directory of ours");
    let program = place.file("phonebook-server");
    fs::copy(Program::Phonebook.path(), &program).expect("room");
    let limited = format!("ulimit -u 1; exec {} --data {}", program.display(), place.file("book.db").display());
    // A user of this test alone, so that its limit concerns nothing else.
    let user = "--reuid=61234 --regid=61234 --clear-groups bash -c";
    let finished = Launch::of("setpriv").args(user).arg(limited).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("cannot start a thread: "), "{finished:?}");
}

/// A root that is read-only, with the data elsewhere: `interest` for 101 accounts and more sorts and undoes in memory.
#[test]
fn no_temporary_directory_is_needed() {
    let vault = Vault::new();
    let directory = vault.file().parent().expect("a directory").to_owned();
    // `/mnt` holds the data. Nothing can be written to the places where SQLite looks for a temporary directory.
    let script = format!(
        "mount --bind '{}' /mnt && for d in /tmp /var/tmp; do \
         mount --bind $d $d && mount -o remount,bind,ro $d || exit; done; \
         cd /tmp; unset TMPDIR SQLITE_TMPDIR; exec \"$0\" \"$@\"",
        directory.display()
    );
    let unshare = ["--mount", "--mount --user --map-root-user"].into_iter().find(|unshare| {
        let mut command = Command::new("unshare");
        command.args(unshare.split(' ')).args(["bash", "-c", &script, "true"]);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    let Some(unshare) = unshare else { return skipped("no temporary directory: nothing may be mounted here") };
    let launch = Launch::of("unshare").args(unshare).arg("bash").arg("-c").arg(&script);
    let mut server = launch.arg(Program::Bank.path()).args("--data /mnt/bank.db --stdin commands").start();
    drop(opened(&server, "ann"));
    let more = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 500)
                INSERT INTO account (name, pin, opened) SELECT 'n' || i, '', 0 FROM n;
                INSERT INTO journal (at, kind, receiver, amount) SELECT 0, 'deposit', id, 10000 FROM account;";
    Connection::open(vault.file()).expect("a data file").execute_batch(more).expect("room");
    server.say("interest 2\n");
    server.stderr.wait_for("paid to 501 accounts");
}

#[test]
fn two_services_on_one_file_are_refused() {
    let place = Place::new();
    let service =
        format!("server = 'phonebook'\nlisten = '127.0.0.1:0'\ndata = '{}'\n", place.file("book.db").display());
    let config = place.file("services.toml");
    fs::write(&config, format!("[one]\n{service}[two]\n{service}")).expect("room for a file");
    let finished = Launch::of(env!("CARGO_BIN_EXE_switchboard")).arg("--config").arg(&config).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("another server uses it"), "{finished:?}");
}
