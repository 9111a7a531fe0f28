//! Exec: a program for each client. Where users of other tools lose answers, collect zombies or have no limit.

use crate::support::data::noise;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::net::SocketAddr;
use std::time::Instant;
use switchboard_harness::{Input, Launch, Server, Stop, TIMEOUT, own_address, until};
use tempfile::TempDir;

/// A server whose program is a script of the shell.
fn script(flags: &str, script: &str) -> Server {
    Program::Exec.launch().args(flags).last(&["--", "sh", "-c", script]).start()
}

/// All children of the server, also those that are dead and not reaped.
fn children(server: &Server) -> String {
    let pid = server.process().0;
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the server runs")
}

fn expect_no_children(server: &Server) {
    until("the children to be reaped", || children(server).is_empty());
}

#[test]
fn no_netcat_loses_an_answer_at_its_half_close() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("socket").display().to_string();
    let listen = Program::Exec.launch().listen("127.0.0.1:0").listen(&format!("unix:{path}"));
    // The answer comes after the end of the input, and the program has to be asked for nothing else.
    let server =
        listen.last(&["--", "sh", "-c", "read line; sleep 0.1; echo \"got $line\"; sleep 0.1; echo end"]).start();
    let port = server.port().to_string();
    for words in [
        &["nc", "-N", "127.0.0.1", &port][..],
        &["nc", "127.0.0.1", &port],
        &["ncat", "127.0.0.1", &port],
        &["nc", "-N", "-U", &path],
        &["ncat", "-U", &path],
    ] {
        assert_eq!(String::from_utf8_lossy(&pass_through(words, b"hello\n")), "got hello\nend\n", "{words:?}");
    }
    expect_no_children(&server);
}

#[test]
fn fifty_megabytes_come_back_as_they_were() {
    let server = Program::Exec.start();
    let port = server.port().to_string();
    let data = noise(50_000_000, 61);
    let back = pass_through(&["nc", "-N", "127.0.0.1", &port], &data);
    assert!(back == data, "{} of {} bytes", back.len(), data.len());
    assert!(server.peak_resident() < server.resident() + (8 << 20));
    expect_no_children(&server);
}

#[test]
fn a_hundred_clients_leave_neither_zombie_nor_descriptor() {
    let server = script("", "cat; exit 7");
    Peer::connect(&server.address()).echo("warm\n");
    expect_no_children(&server);
    let before = server.descriptors();
    for _ in 0..100 {
        let mut peer = Peer::connect(&server.address());
        peer.echo("hello\n");
        peer.finish();
        peer.expect_eof();
    }
    expect_no_children(&server);
    until("the descriptors to be closed", || server.descriptors() <= before);
}

#[test]
fn a_client_that_is_gone_ends_the_processes_of_its_program() {
    let server = script("", "sleep 1000 & echo $! $$; wait");
    let mut peer = Peer::connect(&server.address());
    let line = peer.line();
    peer.reset();
    expect_no_children(&server);
    for pid in line.split_whitespace() {
        until("the whole group to end", || !is_alive(pid));
    }
}

/// Whether a process exists that has not exited.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

#[test]
fn endless_output_ends_when_its_reader_leaves() {
    let server = Program::Exec.launch().last(&["--", "yes"]).start();
    let mut peer = Peer::connect(&server.address());
    peer.expect("y\ny\n");
    drop(peer);
    expect_no_children(&server);
}

#[test]
fn a_program_that_exits_early_does_not_reset_a_sending_client() {
    let server = Program::Exec.launch().last(&["--", "head", "-n", "1"]).start();
    let mut peer = Peer::connect(&server.address());
    peer.send(format!("first\n{}", "x\n".repeat(1_000_000)));
    peer.finish();
    assert_eq!(peer.rest().expect("no reset"), b"first\n");
    expect_no_children(&server);
}

#[test]
fn a_client_above_the_limit_is_closed_and_logged() {
    let server = Program::Exec.launch().args("--max-children 1").start();
    let mut first = Peer::connect(&server.address());
    first.echo("hello\n");
    let mut second = Peer::connect(&server.address());
    second.expect_eof();
    server
        .stderr
        .wait_for(&format!("127.0.0.1:{}: 1 programs are running, limit 1 (--max-children)", second.local_port()));
    first.finish();
    first.expect_eof();
    expect_no_children(&server);
    Peer::connect(&server.address()).echo("a place is free\n");
}

#[test]
fn a_program_ends_at_its_timeout() {
    let server = script("--timeout 100ms", "echo started; exec sleep 1000");
    let mut peer = Peer::connect(&server.address());
    peer.expect("started\n");
    peer.expect_eof();
    server.stderr.wait_for(": program ended after 100ms (--timeout)");
    expect_no_children(&server);
}

#[test]
fn the_exit_status_is_logged() {
    let server = script("-v", "exit 3");
    Peer::connect(&server.address()).expect_eof();
    server.stderr.wait_for(" has exited (exit status: 3)");
}

#[test]
fn the_exit_status_is_known_even_if_the_parent_ignored_sigchld() {
    let launch = Launch::of("env").arg("--ignore-signal=CHLD").arg(Program::Exec.path()).args("-v");
    let server = launch.last(&["--", "sh", "-c", "exit 3"]).start();
    Peer::connect(&server.address()).expect_eof();
    server.stderr.wait_for(" has exited (exit status: 3)");
    expect_no_children(&server);
}

#[test]
fn standard_error_is_logged_within_bounds() {
    let server = script("", "printf 'a\\033[2Jb\\n' >&2; yes noise | head -c 3000000 >&2; echo done");
    let mut peer = Peer::connect(&server.address());
    peer.expect("done\n");
    peer.expect_eof();
    server.stderr.wait_for(" lines of standard error not logged");
    let text = server.stderr.text();
    assert!(text.contains(": a\u{FFFD}[2Jb\n"), "{text}");
    assert!(text.lines().count() < 300, "{} lines", text.lines().count());
}

#[test]
fn the_program_gets_its_arguments_and_the_address_of_the_client() {
    let words = ["--", "printf", "%s|", "-l", "--help", "a b", "$HOME", "*"];
    let server = Program::Exec.launch().last(&words).start();
    assert_eq!(Peer::connect(&server.address()).rest().expect("an orderly end"), b"-l|--help|a b|$HOME|*|");
    let server = script("", "echo $REMOTE_ADDR $REMOTE_PORT");
    let mut peer = Peer::connect(&server.address());
    peer.expect(format!("127.0.0.1 {}\n", peer.local_port()));
}

#[test]
fn the_program_has_the_limits_that_the_server_was_started_with() {
    let launch = Program::Exec.launch().after("ulimit -Sn 100");
    let server = launch.last(&["--", "sh", "-c", "read line; ulimit -Sn; ulimit -Hn"]).start();
    let mut peer = Peer::connect(&server.address());
    peer.send("after the start\n");
    assert_eq!(peer.line(), "100");
    assert_ne!(peer.line(), "100");
}

#[test]
fn an_inherited_socket_does_not_reach_the_program() {
    let at: SocketAddr = own_address().into();
    let listing = "ls -l /proc/self/fd | grep -c socket:; env | grep -c -e ^LISTEN_ -e ^NOTIFY_";
    let manager = Launch::of("systemd-socket-activate").args(&format!("-l {at}"));
    let server = manager.arg(Program::Exec.path()).last(&["--", "sh", "-c", listing]).spawn();
    server.stderr.wait_for("Listening on");
    assert_eq!(Peer::connect(&at.to_string()).rest().expect("an orderly end"), b"0\n0\n");
}

#[test]
fn a_lack_of_descriptors_is_logged_and_the_server_goes_on() {
    let server = Program::Exec.launch().after("ulimit -n 24").start();
    let peers: Vec<_> = (0..6).map(|_| Peer::connect(&server.address())).collect();
    server.stderr.wait_for("ulimit -n");
    let is_clean = |mut peer: Peer| {
        peer.finish();
        peer.rest().is_ok()
    };
    assert!(peers.into_iter().all(is_clean), "a client was reset");
    expect_no_children(&server);
    Peer::connect(&server.address()).echo("the server goes on\n");
}

#[test]
fn a_stop_lets_a_program_finish_its_answer() {
    let mut server = script("", "read line; echo begun; sleep 0.3; echo \"got $line\"");
    let mut peer = Peer::connect(&server.address());
    peer.send("hello\n");
    peer.expect("begun\n");
    server.ask(Stop::Terminate);
    peer.expect("got hello\n");
    peer.expect_eof();
    drop(peer);
    server.wait().expect_clean_within(TIMEOUT);
}

#[test]
fn a_program_that_ignores_sigterm_does_not_hold_up_a_stop() {
    let mut server = script("--drain 100ms", "trap '' TERM; echo $$; while :; do sleep 0.1; done");
    let mut peer = Peer::connect(&server.address());
    let pid = peer.line();
    server.ask(Stop::Terminate);
    server.wait().expect_clean_within(TIMEOUT);
    assert!(!is_alive(&pid));
    server.stderr.wait_for("killed: it did not exit within 5s after SIGTERM");
}

#[test]
fn a_second_signal_kills_a_program_that_ignores_the_first() {
    let mut server = script("", "trap '' TERM; echo $$; while :; do sleep 0.1; done");
    let mut peer = Peer::connect(&server.address());
    let pid = peer.line();
    let start = Instant::now();
    server.ask(Stop::Terminate);
    server.stderr.wait_for("stopping: SIGTERM");
    server.ask(Stop::Terminate);
    assert_eq!(server.wait_since(start).status.code(), Some(0));
    assert!(!is_alive(&pid));
}

#[test]
fn a_switchboard_runs_the_program_of_its_file() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("file.toml");
    let text = "[exec]\nlisten = '127.0.0.1:0'\ncommand = ['printf', '%s|', '-l', 'a b']\nmax-children = 2\n";
    std::fs::write(&path, text).expect("room");
    let server = Launch::of(env!("CARGO_BIN_EXE_switchboard")).arg("--config").arg(&path).spawn();
    assert_eq!(Peer::connect(&server.address()).rest().expect("an orderly end"), b"-l|a b|");
    expect_no_children(&server);
}

#[test]
fn a_program_that_cannot_run_is_one_line_at_the_start() {
    for (program, reason) in [("no-such-program", "No such file"), ("/etc/passwd", "Permission denied")] {
        let finished = Program::Exec.launch().last(&["--", program]).input(Input::Null).run();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let start = format!("exec-server: cannot run {program}: {reason}");
        assert!(finished.stderr.starts_with(&start) && finished.stderr.contains("PATH"), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
    let finished = Program::Exec.launch().last(&[]).input(Input::Null).run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("PROGRAM"), "{finished:?}");
}
