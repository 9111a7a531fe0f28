//! The talk server: an operator at a terminal or behind a pipe, clients one after the other, and the queue.

use crate::support::data::{assert_same, lines};
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::terminal::Terminal;
use crate::support::tools::tool;
use rustix::process::Signal;
use std::fs::File;
use std::io::{Seek, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use switchboard_harness::{Input, Server, Stop, alone, let_pass, until, until_some};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const GREETING: &str = "Welcome to my chat room!\n";
const BYE: &str = "Good bye!\n";

/// A client whose turn it is.
#[track_caller]
fn guest(server: &Server) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.expect(GREETING);
    peer
}

/// A client that has to wait.
#[track_caller]
fn waiting(server: &Server, place: usize) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.expect(format!("You are number {place} in the queue.\n"));
    peer
}

/// Waits until the operator has been shown exactly this beside the address.
#[track_caller]
fn expect_shown(server: &Server, wanted: &str) {
    let wanted = format!("listening on {}\n{wanted}", server.address());
    until(&format!("{wanted:?}"), || {
        let shown = server.stdout.text();
        assert!(wanted.starts_with(&shown), "shown {shown:?}, wanted {wanted:?}");
        shown == wanted
    });
}

fn file_with(text: &str) -> Input {
    let mut file = tempfile::tempfile().expect("room for a file");
    file.write_all(text.as_bytes()).expect("room for a file");
    file.rewind().expect("a file has a start");
    Input::Open(file.into())
}

/// A server whose operator sits at a terminal that shows everything, over a path in `place`.
fn at_terminal(place: &TempDir) -> (Server, Terminal, String) {
    let address = format!("unix:{}", place.path().join("talk").display());
    let terminal = Terminal::open();
    let launch = Program::Talk.launch().listen(&address).input(Input::Terminal(terminal.slave()));
    let server = launch.redirected(">&0 2>&0").spawn();
    terminal.screen.wait_for("quit stops the server\r\n");
    (server, terminal, address)
}

#[test]
fn an_operator_talks_with_netcats_one_after_the_other() {
    let place = TempDir::new().expect("room");
    let (mut server, mut terminal, address) = at_terminal(&place);
    let path = address.trim_start_matches("unix:");
    let mut ann = tool(&["nc", "-N", "-U", path]);
    ann.stdout.shows(GREETING);
    terminal.screen.wait_for("talking to unix (0 waiting)\r\n");
    let mut bob = tool(&["ncat", "-U", path]);
    bob.stdout.shows("You are number 1 in the queue.\n");
    terminal.screen.wait_for("unix waits (1 waiting)\r\n");

    ann.say("hello\n");
    terminal.screen.wait_for("unix: hello\r\n");
    terminal.type_in("hello ann\n");
    ann.stdout.shows(&format!("{GREETING}hello ann\n"));
    terminal.type_in("q\n");
    ann.stdout.shows(&format!("{GREETING}hello ann\n{BYE}"));
    terminal.screen.wait_for("the talk with unix is over (1 waiting)\r\ntalking to unix (0 waiting)\r\n");
    bob.stdout.shows(&format!("You are number 1 in the queue.\n{GREETING}"));
    bob.say("my turn\nQ\n");
    terminal.screen.wait_for("unix: my turn\r\nthe talk with unix is over (0 waiting)\r\n");

    terminal.type_in("is anybody here?\n");
    terminal.screen.wait_for("no client is here: that was not sent (quit stops the server)\r\n");
    let eve = tool(&["nc", "-N", "-U", path]);
    eve.stdout.shows(GREETING);
    let asked = Instant::now();
    terminal.type_in("quit\n");
    server.wait_since(asked).expect_clean_within(SECOND);
    eve.stdout.shows(GREETING);
}

#[test]
fn a_terminal_shows_what_is_said_and_what_happens_in_order() {
    let place = TempDir::new().expect("room");
    let (mut server, mut terminal, address) = at_terminal(&place);
    let before = terminal.screen.text().len();
    // All that it does comes in as few turns as can be: its words may not come after the word of its end.
    server.signal(Signal::STOP);
    until("the server to stop", || server.process().state() == Some('T'));
    let peers = ["one", "two"].map(|name| {
        let mut peer = Peer::connect(&address);
        peer.send(format!("{name}\nand more\n"));
        peer.finish();
        peer
    });
    server.signal(Signal::CONT);
    terminal.screen.wait_for("unix: two\r\nunix: and more\r\nthe talk with unix is over (0 waiting)\r\n");
    let shown = terminal.screen.text().split_off(before).replace('\r', "");
    let over = "the talk with unix is over";
    assert!(shown.contains(&format!("unix: one\nunix: and more\n{over}")), "{shown}");
    assert_eq!(shown.matches(over).count(), 2);
    drop(peers);
    terminal.type_in("\x04");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_netcat_that_closes_its_side_first_is_heard() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("talk").display().to_string();
    let server = Program::Talk.launch().listen("127.0.0.1:0").listen(&format!("unix:{path}")).start();
    server.addresses(2);
    let port = server.port().to_string();
    for words in [
        &["nc", "-N", "127.0.0.1", &port][..],
        &["nc", "-N", "-U", &path],
        &["ncat", "127.0.0.1", &port],
        &["ncat", "-U", &path],
    ] {
        let mut tool = tool(words);
        tool.say("hi");
        tool.hang_up();
        assert!(tool.wait().status.success(), "{words:?}");
        assert_eq!(tool.stdout.all_text(), GREETING, "{words:?}");
    }
    until("four lines", || server.stdout.text().matches(": hi\n").count() == 4);
    let names = server.stdout.lines().split_off(2);
    assert!(names[0].starts_with("127.0.0.1:") && names[1] == "unix: hi", "{names:?}");
}

#[test]
fn the_queue_moves_on_and_each_client_is_told() {
    let mut server = Program::Talk.launch().args("--slow-turn off").start();
    let mut ann = guest(&server);
    let mut bob = waiting(&server, 1);
    let eve = waiting(&server, 2);
    let mut joe = waiting(&server, 3);
    let mut sue = waiting(&server, 4);
    eve.reset();
    joe.expect("You are number 2 in the queue.\n");
    sue.expect("You are number 3 in the queue.\n");
    sue.send("q\n");
    sue.expect(BYE);
    sue.expect_eof();
    server.say("q\n");
    ann.expect(BYE);
    ann.expect_eof();
    bob.expect(GREETING);
    joe.expect("You are number 1 in the queue.\n");
    server.say("hello bob\n");
    bob.expect("hello bob\n");
    bob.send("q\n");
    bob.expect(BYE);
    joe.expect(GREETING);
    joe.send("last\n");
    expect_shown(&server, &format!("127.0.0.1:{}: last\n", joe.local_port()));
    server.say("quit\n");
    assert_eq!(server.wait().code, Some(0));
    joe.expect_eof();
    let log = server.stderr.all_text();
    let told: Vec<_> = log.lines().collect();
    // The last line is the cause of the stop.
    assert_eq!(told.len(), 1 + 4 + 2 + 2 + 2 + 1, "{told:?}");
    let wanted = format!("127.0.0.1:{} has left the queue (2 waiting)", sue.local_port());
    assert!(told.contains(&wanted.as_str()), "{wanted:?} is missing: {told:?}");
}

#[test]
fn what_is_typed_in_the_queue_is_shown_in_the_turn() {
    let mut server = Program::Talk.start();
    let _ann = guest(&server);
    let mut bob = waiting(&server, 1);
    bob.send("one\ntwo\n");
    bob.expect("It is not your turn yet. What you type is kept until then.\n");
    let mut eve = waiting(&server, 2);
    eve.send("three");
    eve.finish();
    eve.expect("It is not your turn yet. What you type is kept until then.\n");
    // A client that ends its side without a word does not wait for a turn.
    let mut joe = waiting(&server, 3);
    joe.finish();
    joe.expect_eof();
    server.say("q\n");
    bob.expect(GREETING);
    let [bob_says, eve_says] = [&bob, &eve].map(|peer| format!("127.0.0.1:{}: ", peer.local_port()));
    expect_shown(&server, &format!("{bob_says}one\n{bob_says}two\n"));
    bob.send("q\n");
    expect_shown(&server, &format!("{bob_says}one\n{bob_says}two\n{eve_says}three\n"));
    let rest = eve.rest().expect("an orderly end");
    assert!(rest.ends_with(GREETING.as_bytes()));
}

#[test]
fn without_an_operator_it_says_so_and_does_not_listen() {
    let word = "there is no operator at standard input";
    for input in [Input::Null, Input::Closed, file_with("")] {
        let finished = Program::Talk.launch().listen("127.0.0.1:0").input(input).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
        assert!(finished.stderr.contains(word) && finished.stderr.lines().count() == 1, "{finished:?}");
    }
    let directory = Input::Open(File::open("/").expect("a directory").into());
    let finished = Program::Talk.launch().listen("127.0.0.1:0").input(directory).run();
    assert!(finished.code == Some(1) && finished.stderr.contains(word), "{finished:?}");
    for mode in ["stop", "ignore"] {
        let finished = Program::Talk.launch().args("--stdin").arg(mode).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.contains(&format!("--stdin {mode}: ")), "{finished:?}");
    }
}

#[test]
fn every_way_to_stop_ends_the_talk_and_the_queue_in_good_order() {
    for stop in [Stop::EndOfPipe, Stop::Terminate, Stop::Interrupt] {
        let mut server = Program::Talk.launch().args("--stdin commands").start();
        let (mut ann, mut bob) = (guest(&server), waiting(&server, 1));
        server.stop_by(stop).expect_clean_within(SECOND);
        ann.expect_eof();
        bob.expect_eof();
        server.expect_manners();
    }
    let mut server = Program::Talk.start();
    let mut ann = guest(&server);
    server.say("enough\n\nquit now\n");
    ann.expect("enough\n\nquit now\n");
    let asked = Instant::now();
    server.say("last words\nquit\n");
    server.wait_since(asked).expect_clean_within(SECOND);
    ann.expect("last words\n");
    ann.expect_eof();
}

#[test]
fn lines_of_a_file_wait_for_the_next_guest() {
    let mut server = Program::Talk.launch().input(file_with("one\ntwo\nq\nthree\nq\nq\nfour")).start();
    let mut ann = guest(&server);
    ann.expect(format!("one\ntwo\n{BYE}"));
    ann.expect_eof();
    let mut bob = guest(&server);
    bob.expect(format!("three\n{BYE}"));
    bob.expect_eof();
    let mut eve = guest(&server);
    eve.expect("four\n");
    eve.expect_eof();
    assert_eq!(server.wait().code, Some(0), "the end of the file stops it");
    assert_eq!(server.stderr.all_text().matches("that is kept for the next one").count(), 3);
}

#[test]
fn a_slow_client_loses_nothing_of_a_long_speech() {
    let mut server = Program::Talk.launch().args("--max-queue 64KiB --send-buffer 16384").start();
    let mut ann = Peer::connect_narrow(&server.address(), 4096);
    ann.expect(GREETING);
    let speech = lines(60_000, 100);
    let (taken, mut input) = (Arc::new(AtomicUsize::new(0)), server.take_input());
    let feeder = {
        let (speech, taken) = (speech.clone(), taken.clone());
        thread::spawn(move || {
            for piece in speech.as_bytes().chunks(4096) {
                input.write_all(piece).expect("it reads its input");
                taken.fetch_add(piece.len(), Ordering::Relaxed);
            }
        })
    };
    let mut before = 0;
    until("the server to read no further", || {
        let_pass(Duration::from_millis(300));
        let now = taken.load(Ordering::Relaxed);
        std::mem::replace(&mut before, now) == now && now > 0
    });
    assert!(before < 1 << 20, "{before} bytes were taken for a client that reads none");
    let heard = ann.rest().expect("an orderly end");
    feeder.join().expect("all was read");
    assert_same(&heard, speech.as_bytes());
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_guest_that_is_silent_for_too_long_makes_room() {
    let mut server = Program::Talk.launch().args("--idle-timeout 2s").start();
    let mut ann = guest(&server);
    let mut bob = waiting(&server, 1);
    for _ in 0..6 {
        // Bytes that are kept are bytes, so the one who waits is not idle.
        bob.send("patience\n");
        let_pass(Duration::from_millis(400));
    }
    ann.expect_eof();
    bob.line_where(|line| line == GREETING.trim_end());
    server.stderr.wait_for("is over: idle for 2s (1 waiting)");
    server.say("quit\n");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn an_operator_that_does_not_read_delays_only_the_guest() {
    let _alone = alone();
    let place = TempDir::new().expect("room");
    let address = format!("unix:{}", place.path().join("talk").display());
    let mut command = Command::new(Program::Talk.path());
    command.args(["--listen", &address]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("our own binary");
    let mut ann = until_some("the server", || Peer::attempt(&address, |_| Ok(())).ok());
    ann.expect(GREETING);
    let sent = ann.send_until_refused(b"hello\n", 4 << 20);
    assert!(sent > 64 << 10, "{sent}");
    let mut bob = Peer::connect(&address);
    bob.expect("You are number 1 in the queue.\n");
    let mut input = child.stdin.take().expect("piped above");
    input.write_all(b"q\n").expect("it reads its input");
    ann.expect(BYE);
    bob.expect(GREETING);
    // Its output has no reader any more: there is nothing left to do for it.
    drop(child.stdout.take());
    let status = until_some("the end", || child.try_wait().expect("our own child"));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_terminal_of_the_operator_cannot_be_steered() {
    let server = Program::Talk.start();
    let mut ann = guest(&server);
    ann.send("\u{1b}]0;title\u{7}\u{9b}31m \u{202e}\u{2028}\u{85}\r end\n");
    ann.send(b"\xff\xfe\n");
    until("both lines", || server.stdout.lines().len() == 3);
    let shown = server.stdout.text();
    assert!(shown.contains("]0;title") && shown.contains(" end\n"), "{shown:?}");
    let steering = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}');
    assert!(!shown.contains(steering), "{shown:?}");
}

#[test]
fn a_long_line_and_a_web_page_are_answered_and_not_shown() {
    let server = Program::Talk.launch().args("--max-line 20").start();
    let mut ann = guest(&server);
    ann.send("x".repeat(1 << 20));
    ann.send("\nshort\n");
    ann.expect("Your line is over 20 bytes and was not sent.\n");
    expect_shown(&server, &format!("127.0.0.1:{}: short\n", ann.local_port()));
    let mut browser = waiting(&server, 1);
    browser.send("POST / HTTP/1.1\r\nHost: here\r\n\r\nhello\n");
    browser.expect("This is a chat server and does not speak HTTP.\n");
    browser.expect_eof();
}

#[test]
fn five_hundred_departures_at_once_are_one_message() {
    let _alone = alone();
    let mut server = Program::Talk.start();
    let mut ann = guest(&server);
    let crowd: Vec<_> = (1..=500).map(|place| waiting(&server, place)).collect();
    let mut last = waiting(&server, 501);
    server.signal(Signal::STOP);
    until("the server to stop", || server.process().state() == Some('T'));
    crowd.into_iter().for_each(Peer::reset);
    server.signal(Signal::CONT);
    last.expect("You are number 1 in the queue.\n");
    server.say("q\n");
    ann.expect(BYE);
    last.expect(GREETING);
}
