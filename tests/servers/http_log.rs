//! The access log of `http-server`: complete at a stop, followed by no loss when it is rotated, and never in the way.

use super::http::curl;
use crate::support::peer::Peer;
use crate::support::server::Program;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use switchboard_harness::{Input, Launch, Server, Stop, until};
use tempfile::TempDir;

const REQUEST: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// A directory with the file `a`, beside which a log has room.
fn place() -> TempDir {
    let place = TempDir::new().expect("room");
    fs::create_dir(place.path().join("site")).expect("room");
    fs::write(place.path().join("site/a"), "the file a\n").expect("room");
    place
}

fn logging_to(log: &str, place: &TempDir) -> Launch {
    Program::Http.launch().arg(place.path().join("site")).args("--slow-turn off --access-log").arg(log)
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Asks for the file `a` by another path each time.
fn ask(server: &Server, numbers: std::ops::Range<usize>) {
    let mut peer = Peer::connect(&server.address());
    for number in numbers {
        peer.send(format!("GET /a?{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        peer.line_where(|line| line == "the file a");
    }
}

#[test]
fn each_answer_of_curl_is_a_line() {
    let place = place();
    let log = place.path().join("access.log");
    let socket = place.path().join("socket").display().to_string();
    let launch = logging_to(&log.display().to_string(), &place).after("export TZ=IST-5:30");
    let server = launch.listen("127.0.0.1:0").listen(&format!("unix:{socket}")).start();
    let agent = ["-A", "a \"browser\"", "-e", "http://other/"];
    curl(&server, &agent, "/a");
    curl(&server, &["--unix-socket", &socket, "-A", ""], "/b");
    let mut peer = Peer::connect(&server.address());
    peer.send("GET /\r\n");
    peer.rest().expect("an orderly end");
    until("three lines", || lines(&log).len() == 3);
    let parts = |line: &String| {
        let (host, rest) = line.split_once(" [").expect("a time");
        (host.to_owned(), rest.split_once("] ").expect("its end").1.to_owned())
    };
    let found: Vec<_> = lines(&log).iter().map(parts).collect();
    let want = [
        ("127.0.0.1 - -", r#""GET /a HTTP/1.1" 200 11 "http://other/" "a \"browser\"""#),
        ("unix: - -", r#""GET /b HTTP/1.1" 404 14 "-" "-""#),
        ("127.0.0.1 - -", r#""GET /" 400 63 "-" "-""#),
    ];
    assert_eq!(found, want.map(|(host, rest)| (host.to_owned(), rest.to_owned())));
    assert!(lines(&log).iter().all(|line| line.contains(" +0530] ")), "{:?}", lines(&log));
    server.expect_manners();
}

#[test]
fn no_line_is_lost_at_a_stop_or_when_the_log_is_rotated() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    let log = at("access.log");
    let mut server = logging_to(&log.display().to_string(), &place).input(Input::Null).start();
    // A line that is not written before the file has moved belongs to the next file.
    let has_300 = || log.exists() && lines(&log).len() == 300;
    ask(&server, 0..300);
    until("300 lines", has_300);
    fs::rename(&log, at("first")).expect("it is there");
    ask(&server, 300..600);
    until("300 lines in a new file", has_300);
    fs::rename(&log, at("second")).expect("it is there");
    server.signal(Signal::HUP);
    until("another file", || log.exists());
    ask(&server, 600..900);
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(5));
    let all = ["first", "second", "access.log"].map(|name| lines(&at(name)));
    assert!(all.iter().all(|lines| lines.len() > 200), "{:?}", all.each_ref().map(Vec::len));
    let number = |line: &String| line.split_once("GET /a?")?.1.split_once(' ')?.0.parse::<usize>().ok();
    let numbers = all.concat().iter().map(|line| number(line).expect("a number")).collect::<Vec<_>>();
    assert_eq!(numbers, (0..900).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_is_one_warning_and_the_server_goes_on() {
    let place = place();
    let mut server = logging_to("/dev/full", &place).start();
    ask(&server, 0..100);
    server.stderr.wait_for("cannot write to /dev/full: No space left on device");
    ask(&server, 100..200);
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
    let told = server.stderr.all_text();
    assert_eq!(told.matches("cannot write to").count(), 1, "{told}");
    assert!(told.ends_with(" 200 lines not written to /dev/full\n"), "{told}");
}

#[test]
fn a_dash_logs_to_standard_error_and_waits_for_no_reader() {
    let place = place();
    let mut server = logging_to("-", &place).start();
    ask(&server, 0..10);
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
    assert_eq!(server.stderr.all_text().matches(" \"GET /a?").count(), 10);
    // A pipe that nothing reads.
    let (_unread, writer) = std::io::pipe().expect("a pipe");
    let path = format!("2>/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&writer));
    let mut server = logging_to("-", &place).args("--drain 100ms").redirected(&path).start();
    ask(&server, 0..2000);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn the_client_behind_a_proxy_is_the_one_that_is_logged() {
    let place = place();
    let log = place.path().join("access.log");
    let launch = logging_to(&log.display().to_string(), &place).args("--proxy-protocol 127.0.0.1/32");
    let server = launch.start();
    let mut peer = Peer::connect(&server.address());
    peer.send(format!("PROXY TCP4 192.0.2.1 192.0.2.99 56324 80\r\n{REQUEST}"));
    peer.line_where(|line| line == "the file a");
    until("a line", || lines(&log).iter().any(|line| line.starts_with("192.0.2.1 - - [")));
}

#[test]
fn answers_of_scripts_are_logged_too() {
    let place = place();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("site/cgi-bin")).expect("room");
    let head = "echo Content-Type: text/plain; echo; ";
    for (name, text) in [
        ("hello", format!("{head} echo hello")),
        ("fails", "exit 1".to_owned()),
        ("nph-raw", "printf 'HTTP/1.1 404 No\\r\\n\\r\\n'".to_owned()),
        ("floods", format!("{head} exec yes")),
        ("sleeps", "exec sleep 1000".to_owned()),
    ] {
        let path = at("site/cgi-bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("room");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("own");
    }
    let log = at("log");
    let server = logging_to(&log.display().to_string(), &place).arg("--cgi").start();
    let mut wants = Vec::new();
    for (name, want) in [("hello", "200 6 "), ("fails", "500 "), ("nph-raw", "404 19 ")] {
        curl(&server, &[], &format!("/cgi-bin/{name}"));
        wants.push(format!("\"GET /cgi-bin/{name} HTTP/1.1\" {want}"));
    }
    for name in ["floods", "sleeps"] {
        let mut peer = Peer::connect_narrow(&server.address(), 4096);
        peer.send(format!("GET /cgi-bin/{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
        if name == "floods" {
            peer.line_where(|line| line == "y");
        } else {
            until("the script", || server.process().children().is_ok_and(|children| !children.is_empty()));
        }
        peer.reset();
        wants.push(format!("\"GET /cgi-bin/{name} HTTP/1.1\" {}", if name == "floods" { "200 " } else { "- 0 " }));
        until("the line", || lines(&log).len() == wants.len());
    }
    for (line, want) in lines(&log).iter().zip(&wants) {
        assert!(line.contains(want.as_str()), "{line} is not {want}");
    }
    assert!(!lines(&log)[3].contains(" 200 0 "), "{:?}", lines(&log));
}

#[test]
fn a_log_that_cannot_be_opened_ends_the_start() {
    let finished = logging_to("/nowhere/log", &place()).run();
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
    let want = "cannot log to /nowhere/log: No such file or directory (os error 2); give --access-log a file that can \
                be written to";
    assert!(finished.stderr.contains(want), "{finished:?}");
}
