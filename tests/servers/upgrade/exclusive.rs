//! The upgrade of servers that remember something: the old program drains, and the new one replaces it by execve(2).

use super::{Line, under_load_by};
use crate::support::peer::Peer;
use rustix::process::Signal;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use switchboard_harness::{Launch, TIMEOUT, let_pass, until};
use tempfile::TempDir;

impl Line {
    /// Replaces the program, and waits until the new one serves.
    fn replace_program(&mut self) {
        let count = || self.server.stderr.text().matches("took over ").count();
        let before = count();
        self.ask();
        until("the new program", || count() > before);
    }
}

/// A chat whose newcomers wait while the process is replaced.
#[test]
fn a_server_that_remembers_ends_before_the_new_one_serves() {
    let directory = TempDir::new().expect("room");
    let unix = format!("unix:{}", directory.path().join("socket").display());
    let launch = Launch::of(env!("CARGO_BIN_EXE_chat-server")).listen("127.0.0.1:0").listen(&unix);
    let mut line = Line::of(launch.start());
    let address = line.server.address();
    let enter = |address: &str| {
        let mut peer = Peer::connect(address);
        peer.send("ann\n");
        peer.line_where(|line| line == "1 person is here.");
        peer
    };
    for round in 1..=3 {
        let mut member = enter(&address);
        line.ask();
        // It drains: the member is told, and a newcomer waits.
        member.line_where(|line| line == "The server is stopping.");
        let newcomer = thread::spawn({
            let unix = unix.clone();
            move || enter(&unix)
        });
        member.expect_eof();
        let mut newcomer = newcomer.join().expect("neither refused nor reset");
        until("the log", || line.server.stderr.text().matches("stopping: SIGUSR2").count() == round);
        newcomer.finish();
        newcomer.expect_eof();
    }
    assert_eq!(line.server.stdout.lines().len(), 2, "addresses are printed once");
    line.server.signal(Signal::TERM);
    line.server.wait().expect_clean_within(TIMEOUT);
    assert!(!Path::new(unix.trim_start_matches("unix:")).exists(), "the last program removes the path");
}

#[test]
fn a_stop_ends_the_upgrade_for_which_a_server_drains() {
    let words = "chat=127.0.0.1:0 echo=127.0.0.1:0 --drain 60s";
    let mut server = Launch::of(env!("CARGO_BIN_EXE_switchboard")).args(words).spawn();
    let addresses = server.addresses(2);
    let mut stuck = Peer::connect_narrow(&addresses[1], 4096);
    stuck.send_until_refused(&[b'x'; 4096], 100 << 20);
    server.signal(Signal::USR2);
    server.stderr.wait_for("stopping: SIGUSR2");
    let mut newcomer = Peer::connect(&addresses[1]);
    assert!(!newcomer.hears_within(Duration::from_millis(20)), "it waits");
    server.signal(Signal::USR2);
    server.stderr.wait_for("ignored during an upgrade");
    server.signal(Signal::TERM);
    server.stderr.wait_for("not upgraded, but stopping: SIGTERM");
    assert!(newcomer.rest().map_or(true, |text| text.is_empty()), "nobody is there to serve it");
    stuck.reset();
    server.wait().expect_clean_within(TIMEOUT);
}

#[test]
fn newcomers_wait_under_load_and_are_not_reset() {
    let directory = TempDir::new().expect("room");
    let unix = format!("unix:{}", directory.path().join("socket").display());
    let words = format!("chat=127.0.0.1:0 echo=127.0.0.1:0 echo={unix} --verbose");
    let mut line = Line::of(Launch::of(env!("CARGO_BIN_EXE_switchboard")).args(&words).spawn());
    let tcp = line.server.addresses(3)[1].clone();
    let dismissed = AtomicUsize::new(0);
    let ask = || {
        for address in [&tcp, &unix] {
            let mut peer = Peer::connect(address);
            peer.send("hello\n");
            peer.finish();
            let answer = peer.rest().expect("not reset");
            if answer.is_empty() {
                dismissed.fetch_add(1, Ordering::Relaxed);
            } else {
                assert_eq!(answer, b"hello\n");
            }
        }
    };
    under_load_by(&mut line, Line::replace_program, ask);
    // Each thread has one client at a time, which a stop may find without its question.
    let dismissed = dismissed.into_inner();
    assert!(dismissed <= 2 * super::UPGRADES, "{dismissed}");
}

#[test]
fn a_data_file_passes_to_the_new_program() {
    let directory = TempDir::new().expect("room");
    let launch = Launch::of(env!("CARGO_BIN_EXE_phonebook-server")).listen("127.0.0.1:0").args("--verbose");
    let mut line = Line::of(launch.arg("--data").arg(directory.path().join("book.db")).spawn());
    let address = line.server.address();
    let mut client = Peer::connect(&address);
    for round in 0..3 {
        client.send(format!("ADD name{round} 555\n"));
        client.line_where(|line| line.starts_with("Added"));
        line.replace_program();
        client.rest().expect("not reset");
        client = Peer::connect(&address);
        client.send(format!("FIND name{round}\n"));
        client.line_where(|line| line == format!("\"name{round}\" \"555\""));
    }
}

/// The moment at which SIGTERM arrives: while the old program ends, between the programs, or while the new one starts.
#[test]
fn no_stop_is_lost_between_two_programs() {
    let directory = TempDir::new().expect("room");
    for moment in 0..16 {
        let launch = Launch::of(env!("CARGO_BIN_EXE_phonebook-server")).listen("127.0.0.1:0");
        let mut server = launch.arg("--data").arg(directory.path().join("book.db")).spawn();
        server.address();
        server.signal(Signal::USR2);
        let_pass(Duration::from_millis(moment));
        server.signal(Signal::TERM);
        server.wait().expect_clean_within(TIMEOUT);
    }
}
