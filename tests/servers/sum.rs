//! The sum server: what its clients send, what it prints, and a round that a client leaves.

use crate::support::peer::Peer;
use crate::support::server::{Program, expect_only_the_stop};
use crate::support::tools::tool;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use switchboard_harness::{Server, Stop, alone, until};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);

/// Waits until the server has printed these totals, and no others.
#[track_caller]
fn expect_totals(server: &Server, wanted: &[&str]) {
    until(&format!("the totals {wanted:?}"), || server.stdout.lines().len() > wanted.len());
    let lines = server.stdout.lines();
    let (address, totals) = lines.split_first().expect("an address");
    assert!(address.starts_with("listening on "), "{address:?}");
    assert_eq!(totals, wanted);
}

/// A client that has sent this, and is known to have been read.
#[track_caller]
fn client(server: &Server, line: &str) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.send(format!("?\n{line}\n"));
    assert!(peer.line().starts_with("That is not an integer"));
    peer
}

#[test]
fn a_netcat_and_another_one_are_added() {
    let server = Program::Sum.start();
    let port = server.port().to_string();
    let mut ann = tool(&["nc", "-N", "127.0.0.1", &port]);
    let mut bob = tool(&["ncat", "127.0.0.1", &port]);
    ann.say("-30\n");
    bob.say(" +72 \r\n");
    expect_totals(&server, &["42"]);
    // Both were closed; what they are told is nothing.
    for tool in [&mut ann, &mut bob] {
        tool.hang_up();
        assert!(tool.wait().status.success());
        assert_eq!(tool.stdout.all(), b"");
    }
}

#[test]
fn a_half_closed_client_counts_and_gets_the_total() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("sum.sock").display().to_string();
    let unix = format!("unix:{path}");
    let server = Program::Sum.launch().args("--clients 4 --reply --listen 127.0.0.1:0").listen(&unix).start();
    server.addresses(2);
    let port = server.port().to_string();
    let mut tools = [
        tool(&["nc", "-N", "127.0.0.1", &port]),
        tool(&["nc", "-N", "-U", &path]),
        tool(&["ncat", "127.0.0.1", &port]),
        tool(&["ncat", "-U", &path]),
    ];
    for (tool, text) in tools.iter_mut().zip(["1\n", "20", "300\r\n", "4000"]) {
        tool.say(text);
        tool.hang_up();
    }
    for tool in &mut tools {
        assert!(tool.wait().status.success());
        assert_eq!(tool.stdout.all(), b"4321\n");
    }
    until("the total", || server.stdout.lines()[2..] == ["4321"]);
}

#[test]
fn rounds_go_on_until_it_is_stopped() {
    let mut server = Program::Sum.launch().args("--reply --slow-turn off").start();
    for round in 0..50 {
        let (mut ann, mut bob) = (Peer::connect(&server.address()), Peer::connect(&server.address()));
        ann.send(format!("{round}\n"));
        bob.send("1000\n");
        for peer in [&mut ann, &mut bob] {
            assert_eq!(peer.line(), (round + 1000).to_string());
            peer.expect_eof();
        }
    }
    let mut early = client(&server, "7");
    server.stop_by(Stop::Line).expect_clean_within(SECOND);
    early.expect_eof();
    let totals: Vec<_> = (1000..1050).map(|total| total.to_string()).collect();
    let printed = server.stdout.all_text();
    assert_eq!(printed.lines().skip(1).collect::<Vec<_>>(), totals, "a round that is not full has no total");
    expect_only_the_stop(&server);
}

#[test]
fn with_one_round_it_prints_the_total_and_ends() {
    let mut server = Program::Sum.launch().args("--rounds 1 --reply --stdin ignore").start();
    let (mut ann, mut bob) = (Peer::connect(&server.address()), Peer::connect(&server.address()));
    ann.send("40\n");
    bob.send("2\n");
    for peer in [&mut ann, &mut bob] {
        assert_eq!(peer.line(), "42");
        peer.expect_eof();
    }
    server.wait().expect_clean_within(SECOND);
    let told = server.stderr.all_text();
    assert!(told.ends_with(" stopping: the last round is over\n"), "{told:?}");
    let printed = server.stdout.all_text();
    assert_eq!(printed.lines().skip(1).collect::<Vec<_>>(), ["42"]);
    assert_eq!(Program::Sum.launch().args("--rounds 0").run().code, Some(2));
}

#[test]
fn a_number_goes_with_its_client() {
    let server = Program::Sum.launch().args("--clients 3 --reply -v").start();
    for _ in 0..10 {
        client(&server, "1000000").reset();
    }
    until("all to be gone", || server.stderr.text().matches(" closed: ").count() == 10);
    let mut peers = [client(&server, "1"), client(&server, "2"), client(&server, "3")];
    for peer in &mut peers {
        assert_eq!(peer.line(), "6");
    }
    expect_totals(&server, &["6"]);
}

#[test]
fn an_idle_client_leaves_its_round() {
    let server = Program::Sum.launch().args("--idle-timeout 2s").start();
    client(&server, "1000").expect_eof();
    let (mut ann, mut bob) = (client(&server, "1"), client(&server, "2"));
    ann.expect_eof();
    bob.expect_eof();
    expect_totals(&server, &["3"]);
}

#[test]
fn a_second_number_is_not_taken() {
    let server = Program::Sum.launch().args("--reply").start();
    let mut ann = Peer::connect(&server.address());
    ann.send("1\n5\n");
    ann.expect("You have already sent your number.\n");
    let mut bob = client(&server, "2");
    assert_eq!((ann.line(), bob.line()), ("3".into(), "3".into()));
}

#[test]
fn garbage_of_every_kind_gets_a_line_and_another_try() {
    let server = Program::Sum.start();
    let mut peer = Peer::connect(&server.address());
    let long = "1".repeat(4097);
    for garbage in ["", "x", "0x1f", "1.0", "1e9", "1_0", "٣", "−5", "1 2", "\u{1b}[2J", "\0", &long] {
        peer.send(format!("{garbage}\n"));
        let answer = peer.line();
        assert!(
            answer.starts_with("That is not an integer") || answer.contains("4096 bytes"),
            "{garbage:?}: {answer:?}"
        );
    }
    peer.send(b"\xff\xfe\n");
    assert!(peer.line().starts_with("That is not an integer"));
    let longest = "9".repeat(4096);
    peer.send(format!("{longest}\n"));
    client(&server, &format!("-{}", "9".repeat(4095)));
    expect_totals(&server, &[&format!("9{}", "0".repeat(4095))]);
}

#[test]
fn a_web_page_adds_nothing() {
    let server = Program::Sum.launch().args("--clients 1").start();
    let mut browser = Peer::connect(&server.address());
    browser.send("POST / HTTP/1.1\r\nHost: here\r\n\r\n5\n");
    browser.expect("This is a sum server and does not speak HTTP.\n");
    browser.expect_eof();
    client(&server, "6");
    expect_totals(&server, &["6"]);
}

#[test]
fn endless_digits_delay_no_other_client() {
    let _alone = alone();
    let server = Program::Sum.launch().args("--max-line off --clients 1").start();
    let mut long = Peer::connect(&server.address());
    long.send("7".repeat(8 << 20));
    let start = Instant::now();
    long.send("\n");
    client(&server, "5");
    expect_totals(&server, &["5"]);
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    long.expect("Your integer has over 16384 digits: send a shorter one.\n");
}

#[test]
fn a_round_that_cannot_be_full_is_a_usage_error() {
    for (args, word) in [
        ("--clients 3 --max-connections 2", "--max-connections 2"),
        ("--clients 0", "--clients"),
        ("--clients x", "--clients"),
        ("--clients", "--clients"),
        ("--clients 99999999999999999999999", "--clients"),
        ("--listen udp:127.0.0.1:0", "udp:"),
    ] {
        let finished = Program::Sum.launch().args(args).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{args}: {finished:?}");
        assert!(finished.stderr.contains(word), "{args}: {finished:?}");
    }
    let mut server = Program::Sum.launch().args("--clients 2 --max-connections 2").start();
    server.stop_by(Stop::Line).expect_clean_within(SECOND);
}

#[test]
fn the_end_of_the_reader_of_totals_ends_the_server() {
    let mut command = Command::new(Program::Sum.path());
    command.args(["--clients", "1", "--listen", "127.0.0.1:0"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("our own binary");
    let mut lines = BufReader::new(child.stdout.take().expect("piped above"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("an address");
    let address = line.trim_end().trim_start_matches("listening on ").to_owned();
    Peer::connect(&address).send("5\n");
    line.clear();
    lines.read_line(&mut line).expect("a total");
    assert_eq!(line, "5\n");
    drop(lines);
    Peer::connect(&address).send("6\n");
    let mut status = None;
    until("the end of the server", || {
        status = child.try_wait().expect("our own child");
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn a_total_that_cannot_be_written_is_a_failure() {
    let place = TempDir::new().expect("room");
    let address = format!("unix:{}", place.path().join("socket").display());
    // The address fits into the file, and the total does not.
    let output = format!(">'{}'", place.path().join("output").display());
    let launch = Program::Sum.launch().args("--clients 1").listen(&address).after("ulimit -f 1").redirected(&output);
    let mut server = launch.spawn();
    until("the server", || {
        Peer::attempt(&address, |_| Ok(())).is_ok_and(|mut peer| {
            peer.send(format!("{}\n", "5".repeat(2000)));
            true
        })
    });
    assert_eq!(server.wait().code, Some(1));
    let text = server.stderr.all_text();
    assert!(text.contains("standard output") && text.lines().count() == 1, "{text:?}");
}
