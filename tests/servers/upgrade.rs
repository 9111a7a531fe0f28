//! The upgrade at SIGUSR2: real programs under load, and new programs that fail.

use crate::support::peer::Peer;
use crate::support::server::Program;
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use switchboard_harness::{Launch, Process, Server, TIMEOUT, until, until_some};
use tempfile::TempDir;

const UPGRADES: usize = 5;

/// A server and the processes that have replaced it, first to last. They are killed when this is dropped.
struct Line {
    server: Server,
    processes: Vec<Process>,
}

impl Line {
    fn of(server: Server) -> Self {
        let processes = vec![server.process()];
        Line { server, processes }
    }

    fn last(&self) -> Process {
        *self.processes.last().expect("the first one")
    }

    fn ask(&self) {
        self.last().signal(Signal::USR2).expect("it runs");
    }

    /// Replaces the last process, and waits until the new one accepts.
    fn upgrade(&mut self) {
        self.ask();
        let before = self.processes.len();
        let next = until_some("the upgrade", || {
            let text = self.server.stderr.text();
            let next = text.lines().filter_map(|line| line.split_once("upgraded: process ")?.1.split_once(" accepts"));
            next.filter_map(|(number, _)| number.parse().ok()).nth(before - 1)
        });
        self.processes.push(Process(next));
    }

    fn expect_only_last(&self) {
        let (last, earlier) = self.processes.split_last().expect("the first one");
        for process in earlier {
            until("the end of a process without clients", || !process.is_alive());
        }
        assert!(last.is_alive());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.processes.iter().for_each(|process| process.end());
    }
}

/// Calls `ask` in two threads during several upgrades. Returns the number of calls. A panic of `ask` is one of this.
fn under_load(line: &mut Line, ask: impl Fn() + Sync, between: impl FnMut(&mut Line) + Send) -> usize {
    let (is_over, mut between) = (AtomicBool::new(false), between);
    thread::scope(|scope| {
        let client = || {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                ask();
                count += 1;
            }
            count
        };
        let clients = [scope.spawn(client), scope.spawn(client)];
        let upgrades = scope.spawn(|| {
            for _ in 0..UPGRADES {
                between(line);
                line.upgrade();
            }
        });
        let outcome = upgrades.join();
        is_over.store(true, Ordering::Relaxed);
        outcome.expect("upgraded");
        clients.into_iter().map(|client| client.join().expect("no client was refused or reset")).sum()
    })
}

#[test]
fn upgrades_under_load_refuse_and_reset_nothing() {
    let directory = TempDir::new().expect("room");
    let path = directory.path().join("socket");
    let unix = format!("unix:{}", path.display());
    let launch = Launch::of(Program::Echo.path()).listen("127.0.0.1:0").listen(&unix).listen("udp:127.0.0.1:0");
    let mut line = Line::of(launch.start());
    let addresses = line.server.addresses(3);
    let (tcp, udp) = (&addresses[0], addresses[2].trim_start_matches("udp:"));
    let mut stayed = Vec::new();
    let ask = || {
        Peer::connect(tcp).echo("over TCP\n");
        Peer::connect(&unix).echo("over a path\n");
    };
    let count = under_load(&mut line, ask, |_| {
        let mut peer = Peer::connect(tcp);
        peer.echo("before\n");
        stayed.push(peer);
    });
    assert!(count >= UPGRADES, "{count} calls are no load");
    for (peer, process) in stayed.iter_mut().zip(&line.processes) {
        assert!(process.is_alive(), "it has a client");
        peer.echo("after\n");
    }
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    socket.send_to(b"datagram", udp).expect("sent");
    assert_eq!(socket.recv(&mut [0; 20]).expect("an answer"), 8);
    drop(stayed);
    line.expect_only_last();
    assert!(path.exists(), "the path belongs to the last process");
    assert_eq!(line.server.stdout.lines().len(), 3, "addresses are printed once");
    line.last().signal(Signal::TERM).expect("it runs");
    until("the end", || !line.last().is_alive());
    assert!(!path.exists(), "the last process removes the path");
}

fn get(stream: &mut TcpStream, connection: &str) -> String {
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let request = format!("GET /file HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"the content") {
        let count = stream.read(&mut chunk).expect("an answer");
        assert_ne!(count, 0, "a whole answer");
        answer.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8(answer).expect("text")
}

#[test]
fn http_answers_all_requests_during_upgrades() {
    let directory = TempDir::new().expect("room");
    fs::write(directory.path().join("file"), "the content").expect("written");
    let launch = Launch::of(env!("CARGO_BIN_EXE_http-server")).listen("127.0.0.1:0").arg(directory.path());
    let mut line = Line::of(launch.start());
    let address = line.server.address();
    let connect = || TcpStream::connect(&address).expect("not refused");
    let mut kept = connect();
    assert!(get(&mut kept, "keep-alive").starts_with("HTTP/1.1 200"));
    let ask = || assert!(get(&mut connect(), "close").starts_with("HTTP/1.1 200"));
    let count = under_load(&mut line, ask, |_| {});
    assert!(count >= UPGRADES, "{count} calls are no load");
    assert!(get(&mut kept, "close").starts_with("HTTP/1.1 200"), "the first process serves its client");
    line.expect_only_last();
}

/// Replaces a program by an executable script.
fn replace(program: &Path, script: &str) {
    let new = program.with_extension("new");
    fs::write(&new, script).expect("written");
    fs::set_permissions(&new, Permissions::from_mode(0o755)).expect("set");
    fs::rename(new, program).expect("renamed");
}

#[test]
fn a_new_program_that_fails_changes_nothing() {
    let directory = TempDir::new().expect("room");
    let (program, path) = (directory.path().join("echo-server"), directory.path().join("socket"));
    fs::copy(Program::Echo.path(), &program).expect("copied");
    let unix = format!("unix:{}", path.display());
    let mut line = Line::of(Launch::of(&program).listen(&unix).start());
    let mut peer = Peer::connect(&line.server.address());
    let failed = |line: &Line, times| {
        until("the failure", || line.server.stderr.text().matches("not upgraded").count() == times);
        Peer::connect(&unix).echo("still here\n");
    };
    replace(&program, "#!/bin/sh\nexit 3\n");
    line.ask();
    failed(&line, 1);
    replace(&program, "no program");
    line.ask();
    failed(&line, 2);
    replace(&program, "#!/bin/sh\nexec sleep 100\n");
    line.ask();
    let new = until_some("the new process", || line.last().children().ok()?.first().copied());
    new.end();
    failed(&line, 3);
    fs::remove_file(&program).expect("removed");
    fs::copy(Program::Echo.path(), &program).expect("copied");
    line.upgrade();
    peer.echo("never noticed\n");
    Peer::connect(&unix).echo("new\n");
    drop(peer);
    line.expect_only_last();
}

#[test]
fn a_server_that_remembers_refuses_to_be_upgraded() {
    let line = Line::of(Launch::of(env!("CARGO_BIN_EXE_chat-server")).listen("127.0.0.1:0").start());
    let _peer = Peer::connect(&line.server.address());
    line.ask();
    line.server.stderr.wait_for("this server cannot be upgraded while it runs");
    assert!(line.last().is_alive());
}

#[test]
fn the_services_of_one_process_are_upgraded_together() {
    let words = "echo=127.0.0.1:0 discard=127.0.0.1:0 echo=127.0.0.1:0";
    let mut line = Line::of(Launch::of(env!("CARGO_BIN_EXE_switchboard")).args(words).spawn());
    let addresses = line.server.addresses(3);
    line.upgrade();
    line.upgrade();
    line.expect_only_last();
    let answers = addresses.iter().map(|address| {
        let mut stream = TcpStream::connect(address).expect("not refused");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        stream.write_all(b"which").expect("sent");
        stream.shutdown(Shutdown::Write).expect("ended");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    });
    let mut answers: Vec<_> = answers.collect();
    answers.sort();
    assert_eq!(answers, ["", "which", "which"], "each listener has kept its service");
}
