//! `--log-format json`: whatever happens, each line on standard error is one object of JSON.

use crate::support::peer::Peer;
use crate::support::server::Program;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use switchboard_harness::{Capture, Finished, Launch, Stop, TIMEOUT, until};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");

/// A record, as level, target and message.
type Record = (String, String, String);

/// The records of a text, each of which is a line.
#[track_caller]
fn records(text: &str) -> Vec<Record> {
    assert!(text.is_empty() || text.ends_with('\n'), "a line without its end: {text:?}");
    text.lines().map(record).collect()
}

#[track_caller]
fn record(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {line}"));
    let field = |name: &str| object[name].as_str().unwrap_or_else(|| panic!("{name}: {line}")).to_owned();
    assert_eq!(object.len(), 4, "{line}");
    let time = field("time");
    assert!(time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{line}");
    assert!(["error", "warn", "info", "debug"].contains(&&*field("level")), "{line}");
    assert!(field("target").starts_with("switchboard"), "{line}");
    (field("level"), field("target"), field("message"))
}

/// Whether a record of this level has this part in its message.
fn has(records: &[Record], level: &str, part: &str) -> bool {
    records.iter().any(|(at, _, message)| at == level && message.contains(part))
}

#[track_caller]
fn expect_failure(finished: &Finished, code: i32, part: &str) {
    let records = records(&finished.stderr);
    assert_eq!((finished.code, records.len()), (Some(code), 1), "{finished:?}");
    assert!(has(&records, "error", part), "{part}: {finished:?}");
}

#[test]
fn peers_and_operators_are_told_of_in_records() {
    let mut server = Program::Chat.launch().args("-vv --stdin commands --log-format json").start();
    let mut peer = Peer::connect(&server.address());
    peer.expect("Enter your nickname: ");
    peer.send("ann\n");
    peer.send("\"\\\u{7f}\u{1b}[2J\u{2028}\u{202e}é\t\n");
    peer.send(b"\xff\xfe\x00\r\n");
    let mut browser = Peer::connect(&server.address());
    browser.expect("Enter your nickname: ");
    browser.send("GET / HTTP/1.1\r\nHost: \"x\\\r\n\r\n");
    browser.expect("This is a chat server and does not speak HTTP.\n");
    browser.expect_eof();
    server.say("stats\nwho\nnonsense \"\\\x07\n");
    server.stderr.wait_for("unknown command");
    server.signal(Signal::USR1);
    server.signal(Signal::HUP);
    peer.reset();
    server.stderr.wait_for("SIGHUP");
    server.say("quit\n");
    server.wait().expect_clean_within(TIMEOUT);
    let records = records(&server.stderr.all_text());
    for (level, part) in [
        ("info", "connected"),
        ("debug", "ann"),
        ("info", "uptime"),
        ("info", "unknown command \\\"nonsense"),
        ("info", "stopping: quit at standard input"),
    ] {
        assert!(has(&records, level, &part.replace('\\', "")), "{level} {part}: {records:#?}");
    }
}

#[test]
fn a_quiet_server_still_answers_its_operator() {
    let config = TempDir::new().expect("room for a directory");
    let file = config.path().join("f.toml");
    fs::write(&file, "log-format = 'json'\nquiet = true\nstdin = 'commands'\n").expect("room for a file");
    let mut server = Program::Echo.launch().arg("--config").arg(&file).start();
    server.say("stats\n");
    server.stderr.wait_for("uptime");
    server.say("quit\n");
    server.wait().expect_clean_within(TIMEOUT);
    assert!(has(&records(&server.stderr.all_text()), "info", "connections  0 open"));
}

/// The pipe is full while the server is under load. What is lost is counted, in a record, too.
#[test]
fn a_log_that_is_not_read_stays_whole() {
    let mut command = Command::new(Program::Echo.path());
    command.args(["-l", "127.0.0.1:0", "-vv", "--stdin", "ignore", "--log-format", "json"]);
    let mut server = Ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program"));
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("an address");
    let mut peer = Peer::connect(line.trim().trim_start_matches("listening on "));
    for _ in 0..1000 {
        peer.echo("\"\\ \u{7}\n");
    }
    let log = Capture::of(server.0.stderr.take().expect("a pipe"));
    until("the lost lines to be counted", || {
        peer.echo("again\n");
        log.text().contains(" log lines dropped\"")
    });
    server.0.kill().expect("it runs");
    let text = log.all_text();
    let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
    assert!(has(&records(whole), "warn", " log lines dropped"));
}

/// Ends the process when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_access_log_on_standard_error_is_of_records() {
    let place = TempDir::new().expect("room for a directory");
    fs::write(place.path().join("a"), "the file a\n").expect("room for a file");
    let config = place.path().join("f.toml");
    let text = format!(
        "log-format = 'json'\n[http]\nlisten = '127.0.0.1:0'\ndirectory = '{}'\naccess-log = '-'\n",
        place.path().display()
    );
    fs::write(&config, text).expect("room for a file");
    let alone = Program::Http.launch().arg(place.path()).args("--access-log - --log-format json").start();
    let hosted = Launch::of(SWITCHBOARD).arg("--config").arg(&config).spawn();
    for mut server in [alone, hosted] {
        let mut peer = Peer::connect(&server.address());
        peer.send("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: a \"browser\" \\\x7f\r\nConnection: close\r\n\r\n");
        peer.rest().expect("an answer and the end");
        server.stderr.wait_for("GET /a");
        server.stop_by(Stop::Terminate);
        let records = records(&server.stderr.all_text());
        assert!(records.iter().any(|(_, target, line)| target == "switchboard::access" && line.contains("\"GET /a ")));
    }
}

#[test]
fn what_a_child_says_is_in_records() {
    let flags = Program::Exec.launch().args("--log-format json");
    let mut server = flags.last(&["--", "sh", "-c", "printf 'a \"b\" \\\\ \\033[1m\\n\\377' >&2"]).start();
    Peer::connect(&server.address()).expect_eof();
    server.stderr.wait_for("a \\\"b\\\"");
    server.stop_by(Stop::Terminate);
    assert!(has(&records(&server.stderr.all_text()), "warn", "a \"b\" \\ \u{FFFD}[1m"));
}

#[test]
fn a_failed_start_is_a_record() {
    let taken = Program::Echo.start();
    let launch = || Launch::of(Program::Echo.path()).args("--log-format json --listen");
    expect_failure(&launch().arg(taken.address()).run(), 1, "another program has this port");
    expect_failure(&launch().args("127.0.0.1:0 --max-line 5").run(), 2, "--max-line needs ");
    let talk = Launch::of(SWITCHBOARD).args("talk=127.0.0.1:0 --log-format json").run();
    expect_failure(&talk, 2, "use --stdin commands");
}

#[test]
fn mistakes_on_the_command_line_and_in_the_file_are_records() {
    expect_failure(&Launch::of(Program::Echo.path()).args("--lissen 5 --log-format json").run(), 2, "'--listen'");
    expect_failure(
        &Launch::of(Program::Echo.path()).args("--log-format=json --backlog x").run(),
        2,
        "invalid value 'x'",
    );
    expect_failure(&Launch::of(SWITCHBOARD).args("--log-format json ecko=0").run(), 2, "unknown server \"ecko\"");
    expect_failure(&Launch::of(SWITCHBOARD).args("--log-format json").run(), 2, "required arguments were not provided");

    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("f.toml");
    fs::write(&file, "lissen = 5\nbacklog = 'x'\n").expect("room for a file");
    let finished = Launch::of(Program::Echo.path()).args("--log-format json --config").arg(&file).run();
    let records = records(&finished.stderr);
    assert_eq!((finished.code, records.len()), (Some(2), 2), "{finished:?}");
    assert!(
        has(&records, "error", "f.toml:1:1: lissen") && has(&records, "error", "f.toml:2:11: backlog"),
        "{records:?}"
    );

    let help = Launch::of(Program::Echo.path()).args("--help --log-format json").run();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("Usage: echo-server"), "{help:?}");
}
