//! `http-server` as a server: the limits, the operator, the stop and the other services of the family.

use super::http::curl;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use rustix::process::Signal;
use std::fs;
use std::time::Duration;
use switchboard_harness::{Launch, Stop, until};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");
const REQUEST: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
/// The size of the file `large`: more than the sockets take.
const LARGE: usize = 16 << 20;

fn place() -> TempDir {
    let place = TempDir::new().expect("room");
    fs::write(place.path().join("a"), "the file a\n").expect("room");
    fs::write(place.path().join("large"), vec![b'x'; LARGE]).expect("room");
    place
}

fn launch(place: &TempDir) -> Launch {
    Program::Http.launch().arg(place.path()).args("--slow-turn off")
}

#[track_caller]
fn ask(peer: &mut Peer) {
    peer.send(REQUEST);
    peer.line_where(|line| line == "the file a");
}

#[test]
fn limits_of_connections_apply() {
    let place = place();
    for (flag, told) in [
        ("--max-connections 1", "refused: full (--max-connections)"),
        ("--max-per-host 1", "(--max-per-host)"),
        ("--connect-rate 1/1h", "(--connect-rate)"),
        ("--deny 127.0.0.0/8", "(--allow, --deny)"),
    ] {
        let server = launch(&place).args(flag).start();
        let mut inside: Vec<_> =
            (0..if flag.contains("rate") { 10 } else { 1 }).map(|_| Peer::connect(&server.address())).collect();
        if !flag.contains("deny") {
            inside.iter_mut().for_each(ask);
        }
        assert!(Peer::connect(&server.address()).rest().is_ok_and(|rest| rest.is_empty()), "{flag}");
        until("the reason", || server.stderr.text().contains("refused"));
        assert!(server.stderr.text().contains(told), "{flag}: {}", server.stderr.text());
    }
}

#[test]
fn an_idle_connection_ends_by_the_limit_of_the_family_too() {
    let place = place();
    let server = launch(&place).args("-v --idle-timeout 200ms --keep-alive off").start();
    let mut peer = Peer::connect(&server.address());
    ask(&mut peer);
    peer.expect_eof();
    server.stderr.wait_for("closed: idle for 200ms");
}

#[test]
fn the_operator_sees_and_ends_connections() {
    let place = place();
    let mut server = launch(&place).args("--stdin commands").start();
    let mut peer = Peer::connect(&server.address());
    ask(&mut peer);
    ask(&mut peer);
    server.say("who\n");
    let row = format!("     1  http     -         127.0.0.1:{} ", peer.local_port());
    server.stderr.wait_for(&row);
    server.say("stats\n");
    server.stderr.wait_for("messages     2 lines, frames and datagrams received");
    server.say("kick 1 enough\n");
    peer.expect_eof();
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(5));
}

#[test]
fn a_stop_lets_a_download_end_and_a_second_signal_does_not() {
    let place = place();
    for signals in [1, 2] {
        let mut server = launch(&place).args("--drain 1m").start();
        let mut peer = Peer::connect_narrow(&server.address(), 65_536);
        peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.line_where(str::is_empty);
        server.signal(Signal::TERM);
        server.stderr.wait_for("stopping: SIGTERM");
        if signals == 2 {
            server.signal(Signal::TERM);
            assert_eq!(server.wait().code, Some(0));
        }
        let rest = peer.rest();
        let is_whole = rest.as_ref().is_ok_and(|rest| rest.len() == LARGE);
        assert_eq!(is_whole, signals == 1, "{:?}", rest.map(|rest| rest.len()));
        assert_eq!(server.wait().code, Some(0));
    }
}

#[test]
fn curl_gets_all_of_a_file_from_a_server_that_stops() {
    let place = place();
    let server = launch(&place).args("--drain 1m").start();
    let process = server.process();
    let stopped = std::thread::spawn({
        let path = place.path().join("copy");
        move || {
            until("a part of the file", || fs::metadata(&path).is_ok_and(|found| found.len() > 0));
            process.signal(Signal::TERM).expect("it runs");
        }
    });
    let copy = place.path().join("copy").display().to_string();
    curl(&server, &["--limit-rate", "16M", "-N", "-o", &copy], "/large");
    stopped.join().expect("the signal was sent");
    assert_eq!(fs::metadata(&copy).expect("a copy").len(), LARGE as u64);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn pipelined_answers_are_whole_at_a_stop() {
    let place = place();
    let mut server = launch(&place).start();
    let mut peer = Peer::connect(&server.address());
    ask(&mut peer);
    peer.send(REQUEST.repeat(1000));
    peer.line_where(|line| line == "the file a");
    server.signal(Signal::TERM);
    let rest = String::from_utf8(peer.rest().expect("an orderly end")).expect("a text");
    assert!(rest.is_empty() || rest.ends_with("\r\n\r\nthe file a\n"), "{:?}", &rest[rest.len().saturating_sub(300)..]);
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn bodies_that_a_file_has_no_use_for_are_refused() {
    let place = place();
    let server = launch(&place).start();
    let body = place.path().join("body").display().to_string();
    fs::write(&body, vec![b'x'; 300_000]).expect("room");
    for words in [&["-d", "a=b"][..], &["-F", "a=b"], &["-T", &body], &["--data-binary", &format!("@{body}")]] {
        let status = [words, &["-o", "/dev/null", "-w", "%{http_code}"]].concat();
        assert_eq!(String::from_utf8_lossy(&curl(&server, &status, "/a")), "405", "{words:?}");
    }
    server.expect_manners();
}

#[test]
fn two_services_of_switchboard_have_keys_and_logs_of_their_own() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    for name in ["one", "two"] {
        fs::create_dir(at(name)).expect("room");
        fs::write(at(name).join("a"), format!("the file a of {name}\n")).expect("room");
    }
    let table = |name: &str, keys: &str| {
        let (directory, log) = (at(name), at(&format!("{name}.log")));
        format!(
            "[{name}]\nserver = 'http'\ndirectory = '{}'\nlisten = '127.0.0.1:0'\naccess-log = '{}'\n{keys}\n",
            directory.display(),
            log.display()
        )
    };
    let file = at("services.toml");
    fs::write(&file, table("one", "no-listing = true") + &table("two", "header = 'X-Two: 2'\nkeep-alive = 'off'"))
        .expect("room");
    let mut server = Launch::of(SWITCHBOARD).args(&format!("--config {}", file.display())).spawn();
    let addresses = server.addresses(2);
    for (address, name) in addresses.iter().zip(["one", "two"]) {
        let mut peer = Peer::connect(address);
        peer.send(REQUEST);
        let head = peer.line_where(|line| line.starts_with("X-Two") || line.is_empty());
        assert_eq!(head == "X-Two: 2", name == "two");
        peer.line_where(|line| line == format!("the file a of {name}"));
    }
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
    for name in ["one", "two"] {
        let log = fs::read_to_string(at(&format!("{name}.log"))).expect("a log");
        assert_eq!((log.lines().count(), log.contains("\"GET /a HTTP/1.1\" 200 18 ")), (1, true), "{log}");
    }

    let server = Launch::of(SWITCHBOARD).args("http=127.0.0.1:0 echo=127.0.0.1:0").spawn();
    let address = server.addresses(2).remove(0);
    let listing = pass_through(&["curl", "-s", &format!("http://{address}/")], b"");
    assert!(String::from_utf8_lossy(&listing).contains("Cargo.toml"), "the directory of the tests");
}
