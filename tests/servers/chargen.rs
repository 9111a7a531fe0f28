//! Chargen: as much text as a client reads, little of it in memory, and no delay for the others.

use crate::support::data::assert_same;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::io::Read;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use switchboard_harness::{Server, Stop, TIMEOUT, alone, calmest, until};
use tempfile::TempDir;

const FIRST_LINE: &str = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg";

/// The longest that a client waits for its first line beside others.
const PROMPT: Duration = Duration::from_millis(500);

/// The bytes after which the pattern repeats: 95 lines of 72 characters, CR and LF.
const ROUND: usize = 95 * 74;

/// The first bytes of the text, built as RFC 864 describes it.
fn text(length: usize) -> Vec<u8> {
    let ring: Vec<u8> = (b' '..=b'~').collect();
    let line = |number: usize| (number..number + 72).map(|at| ring[at % 95]).chain(*b"\r\n").collect::<Vec<_>>();
    (0..).flat_map(line).take(length).collect()
}

/// Reads and forgets, as fast as it comes, until told that it is over.
fn drink(peer: &Peer, is_over: &AtomicBool) {
    let deadline = Instant::now() + 3 * TIMEOUT;
    let mut buffer = vec![0; 65_536];
    while !is_over.load(Ordering::Relaxed) {
        let length = peer.socket().read(&mut buffer).expect("there is always more");
        assert!(length > 0, "the server has ended the text");
        assert!(Instant::now() < deadline, "the test has forgotten its reader");
    }
}

/// The bytes that the server has queued now, by its own account.
#[track_caller]
fn queued(server: &mut Server) -> usize {
    const LABEL: &str = " queued for clients";
    let before = server.stderr.text().matches(LABEL).count();
    server.say("stats\n");
    until("the figures", || server.stderr.text().matches(LABEL).count() > before);
    let text = server.stderr.text();
    let (figures, _) = text.rsplit_once(LABEL).expect("just seen");
    figures.rsplit(' ').next().and_then(|figure| figure.parse().ok()).expect("a figure")
}

/// Connects, and returns how long the first line took.
#[track_caller]
fn first_line(address: &str) -> Duration {
    let start = Instant::now();
    assert_eq!(Peer::connect(address).line(), FIRST_LINE);
    start.elapsed()
}

/// How long the slowest of fifty clients waits for its first line.
fn slowest_first_line(address: &str) -> Duration {
    calmest(PROMPT, || (0..50).map(|_| first_line(address)).max().expect("a slowest"))
}

#[test]
fn every_netcat_has_its_first_lines_also_without_input() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("socket").display().to_string();
    let server = Program::Chargen.launch().listen("127.0.0.1:0").listen(&format!("unix:{path}")).start();
    let port = server.port();
    for client in [
        format!("nc 127.0.0.1 {port} < /dev/null"),
        format!("nc -N 127.0.0.1 {port} < /dev/null"),
        format!("nc -d 127.0.0.1 {port}"),
        format!("ncat 127.0.0.1 {port} < /dev/null"),
        format!("printf 'ignored\\n' | nc -N 127.0.0.1 {port}"),
        format!("nc -N -U {path} < /dev/null"),
    ] {
        // A client that does not end by itself is ended.
        let words = format!("timeout 20 bash -c \"{client}\" 2> /dev/null | head -n 200");
        assert_same(&pass_through(&["bash", "-c", &words], b""), &text(200 * 74));
    }
    server.expect_manners();
}

#[test]
fn what_a_reader_gets_is_the_pattern_however_much_it_is() {
    let server = Program::Chargen.start();
    let mut peer = Peer::connect(&server.address());
    assert_eq!(peer.line(), FIRST_LINE);
    let text = text(10_000_000);
    peer.expect(&text[74..]);
}

#[test]
fn clients_that_read_nothing_cost_bounded_memory_and_no_time() {
    let _alone = alone();
    let server = Program::Chargen.start();
    assert_eq!(Peer::connect(&server.address()).line(), FIRST_LINE);
    let before = server.resident();
    let count = 20;
    let stuck: Vec<_> = (0..count).map(|_| Peer::connect_narrow(&server.address(), 4096)).collect();
    let slowest = slowest_first_line(&server.address());
    assert!(slowest < PROMPT, "a client waited {slowest:?}");
    let used = server.cpu_during(Duration::from_secs(1));
    assert!(used <= Duration::from_millis(10), "{used:?} in a second without a reader");
    let growth = server.peak_resident().saturating_sub(before);
    // A quarter of --max-queue each, in a buffer that has grown by doubling; and what a write takes.
    assert!(growth < count * (512 << 10) + (2 << 20), "grown by {growth} bytes");
    drop(stuck);
}

#[test]
fn what_is_made_in_advance_has_the_limit_that_is_asked_for() {
    for (flags, most) in [("", 256 << 10), ("--max-queue 64KiB", 16 << 10), ("--max-queue 1KiB", 256)] {
        let mut server = Program::Chargen.launch().args("--stdin commands").args(flags).start();
        let mut stuck = Peer::connect_narrow(&server.address(), 4096);
        assert_eq!(stuck.line(), FIRST_LINE);
        until("the queue to be full", || queued(&mut server) > 0);
        let queued = queued(&mut server);
        assert!(queued <= most + ROUND, "{queued} bytes with {flags:?}");
    }
}

#[test]
fn fast_readers_do_not_delay_later_clients() {
    let _alone = alone();
    let server = Program::Chargen.start();
    let address = server.address();
    let is_over = AtomicBool::new(false);
    let slowest = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| drink(&Peer::connect(&address), &is_over));
        }
        let slowest = slowest_first_line(&address);
        is_over.store(true, Ordering::Relaxed);
        slowest
    });
    assert!(slowest < PROMPT, "a client waited {slowest:?}");
}

#[test]
fn what_a_reader_sends_is_thrown_away() {
    for flags in ["", "--max-queue 1KiB"] {
        let mut server = Program::Chargen.launch().args("--stdin commands").args(flags).start();
        let reader = Peer::connect(&server.address());
        let mut writer = reader.twin();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| drink(&reader, &is_over));
            writer.send(vec![b'x'; 5_000_000]);
            until("all of it to be read", || {
                server.say("stats\n");
                server.stderr.text().contains("bytes        5000000 received,")
            });
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_half_closed_client_reads_on_until_it_closes() {
    let mut server = Program::Chargen.launch().args("--stdin commands").start();
    let mut peer = Peer::connect(&server.address());
    peer.finish();
    peer.expect(text(3_000_000));
    drop(peer);
    until("the end of the connection", || {
        server.say("stats\n");
        server.stderr.text().contains("connections  0 open,")
    });
}

#[test]
fn a_stop_ends_the_text_with_a_whole_line() {
    let mut server = Program::Chargen.start();
    let mut peer = Peer::connect(&server.address());
    assert_eq!(peer.line(), FIRST_LINE);
    server.ask(Stop::Line);
    let rest = peer.rest().expect("no reset");
    assert_same(&rest, &text(74 + rest.len())[74..]);
    assert!(rest.ends_with(b"\r\n"), "{} bytes", rest.len());
    drop(peer);
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_client_that_reads_is_not_idle() {
    let server = Program::Chargen.launch().args("-v --idle-timeout 700ms").start();
    let stuck = Peer::connect_narrow(&server.address(), 4096);
    let reader = Peer::connect(&server.address());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| drink(&reader, &is_over));
        server.stderr.wait_for(&format!("127.0.0.1:{} closed: idle", stuck.local_port()));
        is_over.store(true, Ordering::Relaxed);
    });
    let text = server.stderr.text();
    assert!(!text.contains(&format!("127.0.0.1:{} closed", reader.local_port())), "{text}");
}

#[test]
fn a_datagram_has_six_lines() {
    let server = Program::Chargen.launch().listen("udp:127.0.0.1:0").start();
    let port = server.port().to_string();
    assert_same(&pass_through(&["nc", "-u", "-w", "1", "127.0.0.1", &port], b"?"), &text(6 * 74));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    for question in [&b""[..], &[b'x'; 9000]] {
        socket.send_to(question, ("127.0.0.1", server.port())).expect("a datagram is sent");
        let mut buffer = [0; 1000];
        let length = socket.recv(&mut buffer).expect("an answer");
        assert_same(&buffer[..length], &text(6 * 74));
    }
}
