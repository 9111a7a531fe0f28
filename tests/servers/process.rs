//! The server as a process: its threads, its idle time, and outputs that are closed or full.

use crate::support::peer::Peer;
use crate::support::server::{LINE_CLIENT, Program};
use rustix::process::Signal;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use switchboard_harness::{Launch, Process, Stop, TIMEOUT, alone, calmest, let_pass, until_some};
use tempfile::TempDir;

#[test]
fn one_thread_and_no_idle_time() {
    let _alone = alone();
    let servers = Program::TALKERS.map(Program::start);
    let peers = servers.each_ref().map(|server| {
        let mut peer = Peer::connect(&server.address());
        peer.send("hi\n");
        assert!(peer.hears_within(Duration::from_secs(5)));
        peer
    });
    let before = servers.each_ref().map(|server| server.cpu());
    let_pass(Duration::from_secs(1));
    for (server, before) in servers.iter().zip(before) {
        let used = server.cpu().saturating_sub(before);
        assert!(used <= Duration::from_millis(10), "{used:?} in an idle second");
    }
    for (server, program) in servers.iter().zip(Program::TALKERS) {
        // A data file has a worker, and the PINs of the bank have two.
        let wanted = match program {
            Program::Phonebook | Program::Doctor => 2,
            Program::Bank => 4,
            _ => 1,
        };
        assert_eq!(server.threads(), wanted, "{program:?}");
    }
    drop(peers);
}

/// The address of a listening socket that is known before it is printed.
fn unix_address(place: &TempDir) -> String {
    format!("unix:{}", place.path().join("socket").display())
}

#[track_caller]
fn connected(address: &str) -> Peer {
    until_some("the server", || Peer::attempt(address, |_| Ok(())).ok())
}

#[test]
fn closed_outputs_do_not_end_it() {
    for redirections in [">&-", "2>&-", ">&- 2>&-", "2>/dev/full"] {
        let place = TempDir::new().expect("room");
        let address = unix_address(&place);
        let mut server = Program::Echo.launch().args("-vv").listen(&address).redirected(redirections).spawn();
        for _ in 0..3 {
            connected(&address).echo("hello\n");
        }
        server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    }
}

#[test]
fn addresses_that_cannot_be_written_are_exit_code_1() {
    let finished = Program::Echo.launch().listen("127.0.0.1:0").redirected(">/dev/full").run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let wanted = "echo-server: cannot write \"listening on\" to standard output: No space left on device (os error \
                  28); redirect it to a file or /dev/null\n";
    assert_eq!(finished.stderr, wanted);
}

#[test]
fn outputs_whose_readers_have_gone_do_not_end_it() {
    let place = TempDir::new().expect("room");
    let address = unix_address(&place);
    let mut command = Command::new(Program::Echo.path());
    command.args(["-vv", "--listen", &address]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("our own binary");
    drop((child.stdout.take(), child.stderr.take()));
    for _ in 0..10 {
        connected(&address).echo("hello\n");
    }
    drop(child.stdin.take());
    let status = until_some("the end", || child.try_wait().expect("our own child"));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_full_pipe_of_diagnostics_delays_no_client() {
    let _alone = alone();
    let place = TempDir::new().expect("room");
    let address = unix_address(&place);
    let mut command = Command::new(Program::Echo.path());
    command.args(["-vv", "--listen", &address]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("our own binary");
    // Without a reader it is full after 64 KiB (pipe(7)).
    let unread = child.stderr.take();
    let wait = || {
        let start = Instant::now();
        connected(&address).echo("hello\n");
        start.elapsed()
    };
    let limit = Duration::from_millis(500);
    let slowest = calmest(limit, || (0..5000).map(|_| wait()).max().expect("a slowest"));
    assert!(slowest < limit, "a peer waited {slowest:?}");
    assert_ne!(Process(child.id()).state(), Some('Z'));
    drop(child.stdin.take());
    let status = until_some("the end", || child.try_wait().expect("our own child"));
    assert_eq!(status.code(), Some(0));
    drop(unread);
}

#[test]
fn standard_output_has_only_addresses() {
    for program in Program::ALL {
        let mut server = program.launch().args("-vv --stdin commands").start();
        Peer::connect(&server.address()).send("hi\n");
        server.say("help\nstats\nnonsense\n");
        server.stderr.wait_for("accepted");
        server.say("quit\n");
        assert_eq!(server.wait().code, Some(0));
        assert_eq!(server.stdout.all(), format!("listening on {}\n", server.address()).into_bytes());
        server.expect_manners();
    }
}

#[test]
fn the_figures_of_stats_are_true() {
    let flags = "--stdin commands --max-connections 2 --listen udp:127.0.0.1:0";
    let mut server = Program::Echo.launch().listen("127.0.0.1:0").args(flags).start();
    let datagrams = server.addresses(2)[1].trim_start_matches("udp:").to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a valid time-out");
    socket.send_to(b"123", &datagrams).expect("sent");
    assert_eq!(socket.recv(&mut [0; 9]).expect("an answer"), 3);
    let mut gone = Peer::connect(&server.address());
    gone.echo("12345");
    gone.finish();
    gone.expect_eof();
    let mut first = Peer::connect(&server.address());
    first.echo("1234567");
    let mut second = Peer::connect(&server.address());
    second.echo("1");
    Peer::connect(&server.address()).expect_eof();
    server.say("stats\n");
    server.stderr.wait_for("in the last ");
    let text = server.stderr.text();
    for line in [
        "connections  2 open, 3 accepted, 1 refused",
        "refused      1 by --max-connections, 0 by --max-per-host, 0 by --connect-rate, 0 by --allow and --deny",
        "bytes        16 received, 16 sent, 0 queued for clients, 0 kept for rooms",
        "messages     1 lines, frames and datagrams received, 0 datagrams without an answer",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line:?} is missing: {text}");
    }
    for rate in [
        "uptime       ",
        "per second   ",
        " connections, ",
        " bytes received, ",
        " bytes sent, ",
        " messages, in the last ",
    ] {
        assert!(text.contains(rate), "{rate:?} is missing: {text}");
    }
}

#[test]
fn comings_and_goings_are_told_when_asked_for() {
    let talkative = Program::Echo.launch().args("-v").start();
    let by_environment = Program::Echo.launch().after("export RUST_LOG=info").args("-q").start();
    let quiet = Program::Echo.launch().args("-q").start();
    for server in [&talkative, &by_environment, &quiet] {
        let mut peer = Peer::connect(&server.address());
        peer.echo("hello\n");
        peer.finish();
        peer.expect_eof();
    }
    talkative.stderr.wait_for("127.0.0.1:");
    by_environment.stderr.wait_for("127.0.0.1:");
    assert_eq!(quiet.stderr.text(), "");
}

#[test]
fn each_going_has_its_own_count_also_when_all_go_at_once() {
    let server = Program::Echo.launch().args("-v").start();
    let mut peers: Vec<_> = (0..5).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.echo("hello\n");
    }
    server.signal(Signal::STOP);
    drop(peers);
    server.signal(Signal::CONT);
    server.stderr.wait_for("(connections: 0)");
    let text = server.stderr.text();
    for count in 0..5 {
        assert_eq!(text.matches(&format!("done (connections: {count})")).count(), 1, "{count}: {text}");
    }
}

#[test]
fn help_and_version_are_results_and_not_errors() {
    for path in Program::ALL.map(Program::path).into_iter().chain([LINE_CLIENT]) {
        let help = Launch::of(path).args("--help").run();
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.stdout.to_lowercase().contains("example"), "{path} --help ends with examples");
        let version = Launch::of(path).args("--version").run();
        assert_eq!(version.code, Some(0), "{version:?}");
        assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{version:?}");
        let unknown = Launch::of(path).args("--no-such-flag").run();
        assert_eq!(unknown.code, Some(2), "{unknown:?}");
    }
}

#[test]
fn a_signal_logs_the_figures_at_every_level_of_the_log() {
    for flag in ["-q", "-vv"] {
        let mut server = Program::Echo.launch().args("--stdin ignore").args(flag).start();
        let mut peer = Peer::connect(&server.address());
        peer.echo("hello\n");
        server.signal(Signal::USR1);
        server.stderr.wait_for("bytes        6 received, 6 sent, 0 queued for clients, 0 kept for rooms\n");
        server.stderr.wait_for("per second   ");
        peer.echo("still here\n");
        assert!(server.is_running());
    }
}

#[test]
fn a_second_v_shows_what_arrives_and_leaves() {
    let server = Program::Echo.launch().args("-vv").listen("127.0.0.1:0").listen("udp:127.0.0.1:0").start();
    let addresses = server.addresses(2);
    let mut peer = Peer::connect(&addresses[0]);
    let from = format!("127.0.0.1:{}", peer.local_port());
    peer.echo("hello \x1b[31m\r\n");
    for way in ["received from", "sent to"] {
        server.stderr.wait_for(&format!("data {way} {from}, 13 bytes: hello \\x1b[31m\\r\\n\n"));
    }
    peer.echo("x".repeat(200));
    server.stderr.wait_for(&format!("data received from {from}, 200 bytes: {}...\n", "x".repeat(64)));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let from = socket.local_addr().expect("bound");
    socket.send_to(b"hi", addresses[1].trim_start_matches("udp:")).expect("sent");
    for way in ["received from", "sent to"] {
        server.stderr.wait_for(&format!("data {way} udp:{from}, 2 bytes: hi\n"));
    }

    let quiet = Program::Echo.launch().args("-v").start();
    let mut peer = Peer::connect(&quiet.address());
    peer.echo("secret\n");
    peer.finish();
    quiet.stderr.wait_for("closed: done");
    assert!(!quiet.stderr.text().contains("secret"));
}
