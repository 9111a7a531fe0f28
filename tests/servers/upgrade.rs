//! The upgrade at SIGUSR2: real programs under load, and new programs that fail.

use crate::servers::http::curl_at;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use switchboard_harness::{Certificates, Launch, Process, SERVER, Server, TIMEOUT, until, until_some};
use tempfile::TempDir;

mod exclusive;

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

/// Calls `ask` in two threads during several upgrades, each of them after further calls and a call of `between`. A
/// panic of `ask` is one of this.
fn under_load(line: &mut Line, ask: impl Fn() + Sync, mut between: impl FnMut(&mut Line) + Send) {
    let upgrade = |line: &mut Line| {
        between(line);
        line.upgrade();
    };
    under_load_by(line, upgrade, ask);
}

/// Calls `ask` in two threads during several calls of `upgrade`, each of them after further calls.
fn under_load_by(line: &mut Line, mut upgrade: impl FnMut(&mut Line) + Send, ask: impl Fn() + Sync) {
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let client = || {
            while !is_over.load(Ordering::Relaxed) {
                ask();
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients = [scope.spawn(client), scope.spawn(client)];
        let upgrades = scope.spawn(|| {
            for _ in 0..UPGRADES {
                let before = calls.load(Ordering::Relaxed);
                until("calls", || calls.load(Ordering::Relaxed) >= before + 2);
                upgrade(line);
            }
        });
        let outcome = upgrades.join();
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no client was refused or reset");
        }
        outcome.expect("upgraded");
    });
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
    under_load(&mut line, ask, |_| {
        let mut peer = Peer::connect(tcp);
        peer.echo("before\n");
        stayed.push(peer);
    });
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

#[test]
fn upgrades_under_load_lose_no_datagram_and_no_session_of_tls() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let launch = Launch::of(Program::Echo.path()).listen("udp:127.0.0.1:0").listen("tls:127.0.0.1:0");
    let launch = launch.args("--datagram-rate off").arg("--tls-cert").arg(&pair.cert).arg("--tls-key").arg(&pair.key);
    let mut line = Line::of(launch.start());
    let addresses = line.server.addresses(2);
    let (udp, port) = (addresses[0].trim_start_matches("udp:"), addresses[1].rsplit(':').next().expect("a port"));
    let ask = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        for number in 0..100_u32 {
            socket.send_to(&number.to_be_bytes(), udp).expect("sent");
            let mut answer = [0; 4];
            socket.recv(&mut answer).expect("an answer to each");
            assert_eq!(u32::from_be_bytes(answer), number);
        }
        assert_eq!(pass_through(&["ncat", "--ssl", "127.0.0.1", port], b"secret\n"), b"secret\n");
    };
    under_load(&mut line, ask, |_| {});
    line.expect_only_last();
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
    under_load(&mut line, ask, |_| {});
    let last = get(&mut kept, "keep-alive");
    assert!(last.contains("\r\nConnection: close\r\n"), "the first process serves its client, and lets it go: {last}");
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
    until("the end of each starter", || !has_children(line.processes[0]));
    drop(peer);
    line.expect_only_last();
}

#[test]
fn a_stop_ends_the_new_process_that_is_not_ready() {
    let directory = TempDir::new().expect("room");
    let program = directory.path().join("echo-server");
    fs::copy(Program::Echo.path(), &program).expect("copied");
    let mut server = Launch::of(&program).listen("127.0.0.1:0").start();
    replace(&program, "#!/bin/sh\nexec sleep 100\n");
    server.signal(Signal::USR2);
    let new = until_some("the new process", || server.process().children().ok()?.first().copied());
    server.signal(Signal::TERM);
    server.wait().expect_clean_within(TIMEOUT);
    until("the end of the new process", || !new.is_alive());
}

/// Whether a process has children, living or not waited for.
fn has_children(process: Process) -> bool {
    let id = process.0;
    fs::read_to_string(format!("/proc/{id}/task/{id}/children")).is_ok_and(|children| !children.is_empty())
}

/// The number of the parent of a process.
fn parent(process: Process) -> String {
    let text = fs::read_to_string(format!("/proc/{}/status", process.0)).unwrap_or_default();
    let parent = text.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.unwrap_or_default().trim().to_owned()
}

#[test]
fn a_new_process_that_hangs_leaves_no_trace() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let launch = Launch::of(Program::Echo.path()).listen("127.0.0.1:0").listen("tls:127.0.0.1:0");
    let mut server = launch.arg("--tls-cert").arg(&pair.cert).arg("--tls-key").arg(&pair.key).spawn();
    let address = server.addresses(2)[0].clone();
    // The new process waits for a writer of this FIFO.
    fs::remove_file(&pair.cert).expect("removed");
    assert!(Command::new("mkfifo").arg(&pair.cert).status().is_ok_and(|status| status.success()));
    let hanging = || {
        let all =
            fs::read_dir("/proc").expect("proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // A child is the starter.
        let parents = [server.process().0.to_string(), std::process::id().to_string()];
        let mut others = all.map(Process).filter(|process| !parents.contains(&parent(*process)));
        others.find(|process| {
            let words = fs::read(format!("/proc/{}/cmdline", process.0)).unwrap_or_default();
            words.split(|&byte| byte == 0).any(|word| word == pair.cert.as_os_str().as_bytes())
        })
    };
    for round in 1..=2 {
        server.signal(Signal::USR2);
        let new = until_some("the new process", hanging);
        until("the end of the starter", || server.process().children().is_ok_and(|living| living.is_empty()));
        if round == 1 {
            new.end();
            server.stderr.wait_for("not upgraded: the new process has ended; serving as before");
            Peer::connect(&address).echo("still here\n");
        } else {
            server.signal(Signal::TERM);
            until("the end of both", || !new.is_alive());
        }
    }
    server.wait().expect_clean_within(TIMEOUT);
}

#[test]
fn a_server_that_stops_begins_no_upgrade() {
    let mut server = Launch::of(Program::Echo.path()).listen("127.0.0.1:0").args("--drain 60s").start();
    let mut stuck = Peer::connect_narrow(&server.address(), 4096);
    stuck.send_until_refused(&[b'x'; 4096], 100 << 20);
    server.signal(Signal::TERM);
    server.stderr.wait_for("stopping: SIGTERM");
    server.signal(Signal::USR2);
    server.stderr.wait_for("SIGUSR2: ignored during an upgrade and during a stop");
    stuck.reset();
    server.wait().expect_clean_within(TIMEOUT);
}

#[test]
fn three_hundred_listeners_pass_on() {
    let directory = TempDir::new().expect("room");
    let addresses = (0..300).map(|number| format!("unix:{}/{number}", directory.path().display()));
    let launch = addresses.fold(Launch::of(Program::Echo.path()), |launch, address| launch.listen(&address));
    let mut line = Line::of(launch.spawn());
    let addresses = line.server.addresses(300);
    line.upgrade();
    line.expect_only_last();
    Peer::connect(&addresses[299]).echo("the last one\n");
}

#[test]
fn operators_and_figures_stay_at_their_addresses() {
    let directory = TempDir::new().expect("room");
    let control = directory.path().join("control");
    let launch = Launch::of(Program::Echo.path()).listen("127.0.0.1:0").args("--stdin ignore --metrics 127.0.0.1:0");
    let launch = launch.arg("--control").arg(format!("unix:{}", control.display()));
    let mut line = Line::of(launch.start());
    line.server.stderr.wait_for("metrics on ");
    let metrics = until_some("an address", || {
        let text = line.server.stderr.text();
        Some(text.split_once("metrics on ")?.1.split_once('\n')?.0.to_owned())
    });
    let inode = || fs::metadata(&control).expect("a path").ino();
    let before = inode();
    let mut stays = Peer::connect(&line.server.address());
    stays.echo("a client of the first process\n");
    for _ in 0..2 {
        line.upgrade();
        let mut operator = Peer::connect(&format!("unix:{}", control.display()));
        operator.send("who\n");
        operator.line_where(|line| line == "no connections");
        let health = curl_at(&format!("http://{metrics}/healthz"), &[]);
        assert_eq!((health.as_slice(), inode()), (b"ok\n".as_slice(), before));
    }
    drop(stays);
    line.expect_only_last();
    let ask = || {
        let mut scraper = Peer::connect(&metrics);
        scraper.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(scraper.rest().expect("not reset").ends_with(b"\r\n\r\nok\n"));
    };
    let mut kept = Vec::new();
    under_load(&mut line, ask, |_| {
        let mut scraper = Peer::connect(&metrics);
        scraper.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        scraper.line_where(|line| line == "ok");
        scraper.send("GET /healthz HTTP/1.1\r\n");
        kept.push(scraper);
    });
    for scraper in &mut kept {
        scraper.send("Host: a\r\n\r\n");
        scraper.line_where(|line| line == "connection: close");
        assert!(scraper.rest().expect("not reset").ends_with(b"\r\n\r\nok\n"), "from the process that it had asked");
    }
    drop(kept);
    line.expect_only_last();
    assert!(control.exists(), "the first processes leave the path to the last one");
}

#[test]
fn a_half_typed_line_goes_on_in_the_new_process() {
    for program in [Program::Echo, Program::Chat] {
        let mut line = Line::of(program.launch().args("--stdin commands").start());
        let answers = |line: &Line| line.server.stderr.text().matches("no connections").count();
        // The answer to the first line shows that the part after it was read, too.
        line.server.say("who\nw");
        until("an answer", || answers(&line) == 1);
        if program == Program::Echo {
            line.upgrade();
        } else {
            line.ask();
            line.server.stderr.wait_for("stopping: SIGUSR2");
        }
        line.server.say("ho\n");
        until("an answer to the whole line", || answers(&line) == 2);
    }
}

#[test]
fn a_new_process_has_the_settings_of_its_file() {
    let directory = TempDir::new().expect("room");
    let (config, gone) = (directory.path().join("echo.toml"), directory.path().join("gone"));
    let gone_address = format!("unix:{}", gone.display());
    let kept = directory.path().join("kept");
    let write = |text: String| fs::write(&config, text).expect("written");
    write(format!("listen = ['unix:{}', '{gone_address}']\nreply-prefix = 'one '\n", kept.display()));
    let launch = Launch::of(Program::Echo.path()).arg("--config").arg(&config);
    let mut line = Line::of(launch.spawn());
    let address = line.server.addresses(2)[0].clone();
    let ask = |wanted: &str| {
        let mut peer = Peer::connect(&address);
        peer.send("hello\n");
        assert_eq!(peer.line(), wanted);
    };
    ask("one hello");
    write("listen = ['unix:nothing'\n".to_owned());
    line.ask();
    line.server.stderr.wait_for("not upgraded: the new process has ended");
    ask("one hello");
    write(format!("listen = 'unix:{}'\nreply-prefix = 'two '\n", kept.display()));
    line.upgrade();
    ask("two hello");
    until("the end of an address that no file has", || !gone.exists());
    line.expect_only_last();
}

/// The messages that a service manager hears.
fn heard(manager: &UnixDatagram) -> String {
    let mut told = [0; 1000];
    let length = manager.recv(&mut told).expect("a message");
    String::from_utf8_lossy(&told[..length]).into_owned()
}

#[test]
fn a_service_manager_follows_the_main_process() {
    let directory = TempDir::new().expect("room");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a free path");
    manager.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let notified = format!("export NOTIFY_SOCKET={}", path.display());
    let mut line = Line::of(Program::Echo.launch().after(&notified).start());
    assert!(heard(&manager).starts_with("READY=1\n"));
    line.upgrade();
    let id = line.last().0;
    assert_eq!([heard(&manager), heard(&manager)], ["RELOADING=1\n".to_owned(), format!("MAINPID={id}\n")]);
    assert!(heard(&manager).starts_with("READY=1\n"), "from the new process");
    // The manager learns of its end, because it is no child of the first process.
    assert!(line.processes[0].children().is_ok_and(|children| children.is_empty()) || !line.processes[0].is_alive());

    let chat = Program::Chat.launch().after(&notified).start();
    assert!(heard(&manager).starts_with("READY=1\n"));
    chat.signal(Signal::USR2);
    assert_eq!(heard(&manager), "RELOADING=1\n");
    assert!(heard(&manager).starts_with("READY=1\n"), "from the same process");
    assert!(chat.process().is_alive());
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
