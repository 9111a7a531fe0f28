//! Several services in one process: each is what its own program would be.

use crate::support::peer::Peer;
use crate::support::tools::pass_through;
use std::fs;
use std::time::{Duration, Instant};
use switchboard_harness::{Input, Launch, Server, Stop, until};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");

/// Starts it with these words, and returns the addresses of its `count` sockets, in order.
fn start(words: &str, count: usize) -> (Server, Vec<String>) {
    let server = Launch::of(SWITCHBOARD).args(words).spawn();
    let addresses = server.addresses(count);
    (server, addresses)
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("an address has a port")
}

#[test]
fn each_service_answers_as_its_own_program_does() {
    let (mut server, at) = start("echo=127.0.0.1:0 uppercase=127.0.0.1:0 chat=127.0.0.1:0", 3);
    for netcat in [["nc", "-N"].as_slice(), &["ncat"]] {
        let ask = |address: &str, line: &str| {
            let words = [netcat, &["127.0.0.1", port(address)]].concat();
            String::from_utf8(pass_through(&words, line.as_bytes())).expect("text")
        };
        assert_eq!(ask(&at[0], "hello\n"), "hello\n");
        assert_eq!(ask(&at[1], "hello\n"), "HELLO\n");
        let chat = ask(&at[2], "ann\n/who\n/quit\n");
        assert!(chat.starts_with("Enter your nickname: Welcome ann") && chat.ends_with("Good bye!\n"), "{chat}");
    }
    server.expect_manners();
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
}

#[test]
fn a_file_gives_each_service_limits_of_its_own() {
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("services.toml");
    let text = "[small]\nserver = 'echo'\nlisten = '127.0.0.1:0'\nmax-connections = 1\nreply-prefix = 'small: '\n\
                [large]\nserver = 'echo'\nlisten = '127.0.0.1:0'\n";
    fs::write(&file, text).expect("room for a file");
    let (server, at) = start(&format!("--config {}", file.display()), 2);
    let mut first = Peer::connect(&at[0]);
    first.send("hello\n");
    first.expect("small: hello\n");
    let mut others: Vec<Peer> = (0..10).map(|_| Peer::connect(&at[1])).collect();
    for peer in &mut others {
        peer.echo("room for all");
    }
    Peer::connect(&at[0]).expect_eof();
    first.send("still here\n");
    first.expect("small: still here\n");
    server.stderr.wait_for("refused: full (--max-connections)");
}

#[test]
fn the_operator_asks_all_or_one() {
    let (mut server, at) = start("echo=127.0.0.1:0 chat=127.0.0.1:0 --stdin commands", 2);
    Peer::connect(&at[1]).expect("Enter your nickname: ");
    let mut peer = Peer::connect(&at[0]);
    peer.echo("here");
    server.say("stats\n");
    until("the figures of both", || server.stderr.text().contains("echo: connections 1\nchat: connections "));
    server.say("chat\n");
    server.stderr.wait_for("usage: chat LINE, which gives LINE to the service chat\n");
    server.say("chat nonsense\n");
    until("an answer of the chat", || server.stderr.text().contains("unknown command \"nonsense\""));
    server.say("quit\n");
    server.wait().expect_clean_within(Duration::from_secs(2));
}

#[test]
fn an_operator_can_talk_beside_other_services() {
    let words = "talk=127.0.0.1:0 sum=127.0.0.1:0 echo=127.0.0.1:0 --stdin commands";
    let (mut server, at) = start(words, 3);
    // From a pipe, too: what waited for a client of this service would keep the others' commands waiting.
    server.say("talk is anybody here?\n");
    server.stderr.wait_for("no client is here: that was not sent");
    let mut ann = Peer::connect(&at[0]);
    ann.expect("Welcome to my chat room!\n");
    let mut rest: Vec<Peer> = (1..=2).map(|_| Peer::connect(&at[0])).collect();
    for (peer, place) in rest.iter_mut().zip(1..) {
        peer.expect(format!("You are number {place} in the queue.\n"));
    }
    server.say("talk hello  ann\ntalk q\n");
    ann.expect("hello  ann\nGood bye!\n");
    rest[0].expect("Welcome to my chat room!\n");
    rest[1].expect("You are number 1 in the queue.\n");
    for number in ["40\n", "2\n"] {
        Peer::connect(&at[1]).send(number);
    }
    until("a total", || server.stdout.lines().get(3).is_some_and(|line| line == "42"));
    Peer::connect(&at[2]).echo("served");
    server.say("quit\n");
    server.wait().expect_clean_within(Duration::from_secs(2));
}

#[test]
fn a_service_that_needs_an_operator_asks_for_one() {
    let finished = Launch::of(SWITCHBOARD).args("echo=127.0.0.1:0 talk=127.0.0.1:0").run();
    assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.contains("use --stdin commands"), "{finished:?}");
    let launch = Launch::of(SWITCHBOARD).args("echo=127.0.0.1:0 talk=127.0.0.1:0 --stdin commands");
    let finished = launch.input(Input::Null).run();
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
    assert!(finished.stderr.contains("no operator at standard input"), "{finished:?}");
}

#[test]
fn when_one_address_cannot_be_had_nothing_is_served() {
    let (_taken, at) = start("echo=127.0.0.1:0", 1);
    let finished = Launch::of(SWITCHBOARD).args(&format!("uppercase=127.0.0.1:0 echo={}", at[0])).run();
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
    assert!(finished.stderr.starts_with(&format!("switchboard: cannot listen on {}", at[0])), "{finished:?}");
}

/// The 99th percentile of `trips` round trips.
fn p99(peer: &mut Peer, trips: usize) -> Duration {
    let mut times: Vec<Duration> = (0..trips)
        .map(|_| {
            let start = Instant::now();
            peer.echo("how long does this take?\n");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[trips * 99 / 100]
}

#[test]
fn a_phone_book_with_a_stalled_disk_delays_no_echo() {
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("services.toml");
    let book = place.path().join("book.db");
    let text =
        format!("[echo]\nlisten = '127.0.0.1:0'\n[phonebook]\nlisten = '127.0.0.1:0'\ndata = '{}'\n", book.display());
    fs::write(&file, text).expect("room for a file");
    let (_server, at) = start(&format!("--config {}", file.display()), 2);
    let mut echo = Peer::connect(&at[0]);
    let quiet = p99(&mut echo, 1000);

    // Another program in the middle of a transaction: SQLite waits for it, as for a disk that does not answer.
    let other = rusqlite::Connection::open(&book).expect("the file is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let mut clients: Vec<Peer> = (0..200).map(|_| Peer::newcomer(&at[1])).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("ADD name{number} {number}\n"));
    }
    let stalled = p99(&mut echo, 1000);
    other.execute_batch("ROLLBACK").expect("it was begun");
    for client in &mut clients {
        let answer = client.line();
        assert!(answer.starts_with("Added: ") || answer.starts_with("Failed: "), "{answer}");
    }
    println!("p99 of echo: {quiet:?} quiet, {stalled:?} while the disk of the phone book stalls");
    // A wait for the disk would be two seconds, that of one commit some milliseconds.
    let bound = (3 * quiet).max(Duration::from_millis(10));
    assert!(stalled <= bound, "p99 {stalled:?}, quiet {quiet:?}");
}

#[test]
fn a_chat_service_rejects_a_shared_port() {
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("services.toml");
    fs::write(&file, "[den]\nserver = 'chat'\nlisten = '127.0.0.1:0'\nreuse-port = true\n").expect("room for a file");
    let finished = Launch::of(SWITCHBOARD).args(&format!("--config {}", file.display())).run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("services.toml:4:1: [den]: --reuse-port: "), "{finished:?}");
}
