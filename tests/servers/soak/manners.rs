//! How clients behave, polite and otherwise: one function a manner, from its connection to its end.
//!
//! Invariants: a polite client knows every byte that it must get, and fails on another; a client that stays for longer
//! leaves when the hall closes. A manner is paced by what it waits for and by [`Visit::pause`], so that all together
//! are light.

use super::hall::Visit;
use super::member::Member;
use crate::support::peer::Peer;
use std::io::ErrorKind;
use std::net::{Shutdown, UdpSocket};
use std::time::{Duration, Instant};
use switchboard_harness::TIMEOUT;

/// What a client may be like.
pub(super) struct Manner {
    pub(super) name: &'static str,
    /// How often it is chosen, compared with the others.
    pub(super) weight: u64,
    pub(super) act: fn(&mut Visit<'_>),
}

const fn manner(name: &'static str, weight: u64, act: fn(&mut Visit<'_>)) -> Manner {
    Manner { name, weight, act }
}

pub(super) const MANNERS: &[Manner] = &[
    manner("talks to an echo", 8, talk),
    manner("asks an echo by lines", 5, ask_by_lines),
    manner("keeps a phone book", 7, keep_a_book),
    manner("adds numbers", 6, add),
    manner("chats", 9, chat),
    manner("closes its side, then reads", 7, close_then_read),
    manner("reads slowly", 5, read_slowly),
    manner("sends byte by byte", 5, send_byte_by_byte),
    manner("sends datagrams", 4, send_datagrams),
    manner("sends lines that are too long", 5, send_long_lines),
    manner("sends anything", 7, send_anything),
    manner("is silent until it is closed", 4, be_silent),
    manner("never chooses a nickname", 2, be_nameless),
    manner("never reads in the chat", 3, never_read_in_the_chat),
    manner("never reads what is made for it", 2, never_read_the_text),
    manner("resets", 9, reset),
    manner("vanishes", 10, vanish),
];

/// Every number for the sums is one of the first thousand multiples of this prime.
pub(super) const UNIT: i64 = 1_000_003;
const MOST_UNITS: i64 = 1000;

/// `idle-timeout` of the service `quiet`.
pub(super) const IDLE: Duration = Duration::from_secs(2);

/// A service that answers each byte, and what it makes of them.
type Mirror = (&'static str, fn(&mut [u8]));
const MIRRORS: [Mirror; 2] = [("echo", |_| ()), ("uppercase", <[u8]>::make_ascii_uppercase)];

const STREAMS: [&str; 10] =
    ["echo", "uppercase", "chargen", "discard", "chat", "sum", "phonebook", "parrot", "quiet", "stuck"];

fn talk(visit: &mut Visit<'_>) {
    let (service, change) = visit.one_of(&MIRRORS);
    let mut peer = visit.connect(service);
    for _ in 0..visit.between(3, 30) {
        let length = visit.between(1, 8192);
        let mut bytes = visit.gibberish(length);
        peer.send(&bytes);
        change(&mut bytes);
        visit.expect(&mut peer, bytes);
        if !visit.pause(300) {
            break;
        }
    }
    peer.finish();
    peer.expect_eof();
}

fn ask_by_lines(visit: &mut Visit<'_>) {
    let mut peer = visit.connect("parrot");
    for _ in 0..visit.between(3, 15) {
        // Several questions at once get their answers in order.
        let lines: Vec<_> = (0..visit.between(1, 20)).map(|at| visit.letters(at * 10)).collect();
        peer.send(lines.join("\r\n") + "\r\n");
        visit.expect(&mut peer, format!("> {}\n", lines.join("\n> ")));
        if !visit.pause(400) {
            break;
        }
    }
    peer.finish();
    peer.expect_eof();
}

/// Leaves the book as it was.
fn keep_a_book(visit: &mut Visit<'_>) {
    let mut peer = visit.connect("phonebook");
    let word = visit.letters(12);
    let name = format!("P{} {word}", visit.serial);
    for round in 0..visit.between(1, 4) {
        let (first, second) = (format!("555-{round}"), format!("+44 {} ext 2", visit.random.below(1 << 30)));
        let script = [
            (format!("FIND \"{name}\""), format!("Not found: \"{name}\"")),
            (format!("ADD \"{name}\" {first}"), format!("Added: \"{name}\" \"{first}\"")),
            (format!("ADD \"{name}\" 1"), format!("Exists: \"{name}\" \"{first}\"")),
            (format!("CHANGE \"{name}\" \"{second}\""), format!("Changed: \"{name}\" \"{second}\" (was \"{first}\")")),
            (format!("LIST \"{name}\""), format!("\"{name}\" \"{second}\"\nTotal: 1")),
            (format!("REMOVE \"{name}\""), format!("Removed: \"{name}\" \"{second}\"")),
        ];
        for (question, answer) in script {
            peer.send(format!("{question}\n"));
            visit.expect(&mut peer, format!("{answer}\n"));
            visit.pause(200);
        }
    }
    peer.send("QUIT\n");
    visit.expect_last(&mut peer, "Good bye!\n");
}

fn add(visit: &mut Visit<'_>) {
    let mut peer = visit.connect("sum");
    let number = UNIT * visit.between(1, MOST_UNITS as u64).cast_signed();
    peer.send(format!("+00{number}\n"));
    hear_total(visit, peer, number);
}

/// The partner may be anybody who adds, and may take its time.
#[track_caller]
fn hear_total(visit: &Visit<'_>, mut peer: Peer, number: i64) {
    if !hears_while_open(visit, &mut peer) {
        // A client that merely closes is still counted and waited for.
        return peer.reset();
    }
    let line = peer.line();
    let others = line.parse::<i64>().map(|total| total - number);
    let is_right = others.is_ok_and(|other| other % UNIT == 0 && (1..=MOST_UNITS).contains(&(other / UNIT)));
    assert!(is_right, "{number} and another number are no {line:?}");
    visit.checked(line.len() + 1);
    peer.expect_eof();
}

fn chat(visit: &mut Visit<'_>) {
    let mut member = Member::join(visit);
    for _ in 0..visit.between(2, 8) {
        match visit.between(0, 9) {
            0..=4 => {
                let length = visit.between(1, 200);
                member.say(visit, length);
            }
            5..=6 => member.whisper(visit),
            // A pasted text.
            7 => (0..visit.between(2, 12)).for_each(|_| member.say(visit, 1500)),
            8 => member.ask_who(visit),
            _ => {}
        }
        let time = Duration::from_millis(visit.between(300, 1500));
        member.listen(visit, time);
    }
    member.ask_who(visit);
    match visit.between(0, 9) {
        0..=4 => member.quit(visit),
        5..=6 => member.hang_up(visit),
        7..=8 => member.peer.reset(),
        _ => drop(member),
    }
}

/// What any netcat with a file does. No more than the server takes from a client that does not read.
fn close_then_read(visit: &mut Visit<'_>) {
    let length = visit.between(1, 150_000);
    let mut bytes = visit.gibberish(length);
    if visit.between(0, 3) == 0 {
        let mut peer = visit.connect("discard");
        peer.send(&bytes);
        peer.finish();
        return peer.expect_eof();
    }
    let (service, change) = visit.one_of(&MIRRORS);
    let mut peer = visit.connect(service);
    peer.send(&bytes);
    peer.finish();
    change(&mut bytes);
    visit.pause(200);
    visit.expect_last(&mut peer, bytes);
}

/// Slowly, but it reads: it gets every byte.
fn read_slowly(visit: &mut Visit<'_>) {
    if visit.between(0, 1) == 0 {
        let mut peer = visit.connect_narrow("chargen", 8192);
        let mut at = 0;
        for _ in 0..visit.between(10, 60) {
            let length = visit.between(500, 4000) as usize;
            visit.expect(&mut peer, pattern(at, length));
            at += length;
            if !visit.pause(100) {
                break;
            }
        }
        return;
    }
    let mut peer = visit.connect_narrow("echo", 8192);
    let length = visit.between(20_000, 100_000);
    let bytes = visit.gibberish(length);
    peer.send(&bytes);
    peer.finish();
    for step in bytes.chunks(4000) {
        visit.expect(&mut peer, step);
        visit.pause(100);
    }
    peer.expect_eof();
}

/// The bytes of the text of RFC 864 from `start` on.
fn pattern(start: usize, length: usize) -> Vec<u8> {
    let byte = |at: usize| match (at / 74, at % 74) {
        (_, 72) => b'\r',
        (_, 73) => b'\n',
        (line, column) => b' ' + ((line + column) % 95) as u8,
    };
    (start..start + length).map(byte).collect()
}

fn send_byte_by_byte(visit: &mut Visit<'_>) {
    let (word, units) = (visit.letters(20), visit.between(1, MOST_UNITS as u64));
    let number = UNIT * units.cast_signed();
    let service = visit.one_of(&["echo", "uppercase", "parrot", "phonebook", "sum"]);
    let (line, answer) = match service {
        "echo" => (format!("{word}\n"), format!("{word}\n")),
        "uppercase" => (format!("{word}\n"), format!("{}\n", word.to_uppercase())),
        "parrot" => (format!("{word}\r\n"), format!("> {word}\n")),
        "phonebook" => (format!("FIND {word}\n"), format!("Not found: \"{word}\"\n")),
        _ => (format!("{number}\n"), String::new()),
    };
    let mut peer = visit.connect(service);
    for byte in line.as_bytes() {
        peer.send([*byte]);
        visit.pause(8);
    }
    if service == "sum" {
        return hear_total(visit, peer, number);
    }
    visit.expect(&mut peer, answer);
    peer.finish();
    peer.expect_eof();
}

/// Datagrams may be lost, but not changed. What is asked again may be answered twice.
fn send_datagrams(visit: &mut Visit<'_>) {
    let service = visit.one_of(&["udp:echo", "udp:uppercase", "udp:chargen"]);
    visit.hall.note(|tally| tally.connections += 1);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(&visit.hall.address(service)[4..]).expect("an address of this host");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let mut known = Vec::new();
    for number in 0..visit.between(1, 20) {
        let letters = visit.letters(500);
        let question = format!("{} {number} {letters}", visit.serial);
        known.push(match service {
            "udp:echo" => question.clone().into_bytes(),
            "udp:uppercase" => question.to_uppercase().into_bytes(),
            _ => pattern(0, 6 * 74),
        });
        let is_answered = (0..5).any(|_| {
            // Refused: an answer to what an earlier socket on this port has asked has met no socket.
            let sent = socket.send(question.as_bytes());
            sent.is_ok() && hears_answer(visit, &socket, &known)
        });
        assert!(is_answered, "{service} has answered none of five datagrams");
        if !visit.pause(150) {
            return;
        }
    }
}

/// True when the answer to the last question has come. Fails for one that answers none of them.
#[track_caller]
fn hears_answer(visit: &Visit<'_>, socket: &UdpSocket, known: &[Vec<u8>]) -> bool {
    let mut buffer = [0; 1024];
    while let Ok(length) = socket.recv(&mut buffer) {
        let answer = buffer[..length].to_vec();
        assert!(known.contains(&answer), "no answer to anything: {:?}", String::from_utf8_lossy(&answer));
        visit.checked(length);
        if known.last() == Some(&answer) {
            return true;
        }
    }
    false
}

/// Each gets its notice, and the next line is served as usual.
fn send_long_lines(visit: &mut Visit<'_>) {
    let long = format!("{}\n", "x".repeat(visit.between(4097, 20_000) as usize));
    if visit.between(0, 3) == 0 {
        let mut member = Member::join(visit);
        send_in_pieces(visit, &mut member.peer, &long);
        member.wait_for(visit, |line| line == "Your line is over 4096 bytes and was not sent.");
        member.say(visit, 20);
        member.ask_who(visit);
        return member.quit(visit);
    }
    let (service, notice, question, answer) = visit.one_of(&[
        ("parrot", "line too long: the limit is 4096 bytes\n", "hello\n", "> hello\n"),
        ("phonebook", "Bad line: it is over 4096 bytes\n", "FIND nobody\n", "Not found: \"nobody\"\n"),
        ("sum", "Your line is over 4096 bytes: send a shorter one.\n", "?\n", NO_INTEGER),
    ]);
    let mut peer = visit.connect(service);
    for _ in 0..visit.between(1, 5) {
        send_in_pieces(visit, &mut peer, &long);
        visit.expect(&mut peer, notice);
        peer.send(question);
        visit.expect(&mut peer, answer);
        visit.pause(200);
    }
    peer.finish();
    peer.expect_eof();
}

const NO_INTEGER: &str = "That is not an integer: send digits, such as 42 or -7.\n";

fn send_in_pieces(visit: &mut Visit<'_>, peer: &mut Peer, text: &str) {
    for piece in text.as_bytes().chunks(3000) {
        peer.send(piece);
        visit.pause(20);
    }
}

/// Random bytes, in the chat often as a member. It may be sent away at any time, and does not care for answers.
fn send_anything(visit: &mut Visit<'_>) {
    let service = visit.one_of(&STREAMS);
    let peer = visit.connect_narrow(service, 16_384);
    peer.socket().set_write_timeout(Some(Duration::from_millis(200))).expect("a time-out");
    let mut greeting = Vec::new();
    if service == "chat" && visit.between(0, 3) > 0 {
        greeting = format!("r{}\n", visit.serial).into_bytes();
    }
    let length = visit.between(1, 4000);
    let mut bytes = [greeting, visit.gibberish(length)].concat();
    for _ in 0..visit.between(1, 6) {
        if peer.socket().send(&bytes).is_err() || !visit.pause(400) {
            break;
        }
        let length = visit.between(1, 4000);
        bytes = visit.gibberish(length);
    }
    match visit.between(0, 2) {
        0 => peer.reset(),
        // Fails if the server has closed already.
        1 => drop(peer.socket().shutdown(Shutdown::Write)),
        _ => drop(peer),
    }
}

fn be_silent(visit: &mut Visit<'_>) {
    let mut peer = visit.connect("quiet");
    let spoken = Instant::now();
    peer.send("hello\n");
    visit.expect(&mut peer, "hello\n");
    if hears_while_open(visit, &mut peer) {
        peer.expect_eof();
        let silent = spoken.elapsed();
        // The server's clock stands still within a turn.
        assert!(silent + Duration::from_millis(200) > IDLE, "closed after {silent:?}");
        visit.hall.note(|tally| tally.timed_out += 1);
    }
}

fn be_nameless(visit: &mut Visit<'_>) {
    let mut peer = visit.connect("chat");
    visit.expect(&mut peer, "Enter your nickname: ");
    peer.send("no name\n");
    let refusal =
        "A nickname is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n";
    visit.expect(&mut peer, format!("{refusal}Enter your nickname: "));
    if hears_while_open(visit, &mut peer) {
        visit.expect_last(&mut peer, "You took too long to choose a nickname.\n");
        visit.hall.note(|tally| tally.timed_out += 1);
    }
}

/// A member that takes nothing of what the others say, until the room has no more timeout with it.
fn never_read_in_the_chat(visit: &mut Visit<'_>) {
    let mut peer = visit.connect_narrow("chat", 4096);
    visit.expect(&mut peer, "Enter your nickname: ");
    peer.send(format!("s{}\n", visit.serial));
    stay_until_dropped(visit, &peer);
}

/// Is closed for being idle, does not take what it is still owed, and is dropped for that. Few have the time to see it.
fn never_read_the_text(visit: &mut Visit<'_>) {
    let peer = visit.connect_narrow("stuck", 4096);
    if visit.between(0, 3) > 0 {
        visit.pause(8000);
    } else {
        stay_until_dropped(visit, &peer);
    }
}

/// Sends empty lines, which mean nothing, until that fails: to who is no longer there, the kernel answers with a reset.
fn stay_until_dropped(visit: &mut Visit<'_>, peer: &Peer) {
    while visit.pause(1000) {
        match peer.socket().send(b"\n") {
            Ok(_) => {}
            Err(error) if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) => {
                return visit.hall.note(|tally| tally.dropped += 1);
            }
            Err(error) => panic!("neither taken nor dropped: {error}"),
        }
    }
}

/// At any moment: with or without something sent, with or without answers unread.
fn reset(visit: &mut Visit<'_>) {
    let service = visit.one_of(&STREAMS);
    let mut peer = visit.connect_narrow(service, 16_384);
    if visit.between(0, 3) > 0 {
        let word = visit.letters(3000);
        peer.send(if service == "chat" { format!("r{}\n{word}\n", visit.serial) } else { format!("{word}\n") });
        visit.pause(200);
    }
    peer.reset();
}

fn vanish(visit: &mut Visit<'_>) {
    let service = visit.one_of(&STREAMS);
    drop(visit.connect_narrow(service, 16_384));
}

/// Waits until something comes, which may be the end; false if the hall closes before.
fn hears_while_open(visit: &Visit<'_>, peer: &mut Peer) -> bool {
    let end = Instant::now() + 3 * TIMEOUT;
    while visit.hall.is_open() {
        if peer.hears_within(Duration::from_millis(500)) {
            return true;
        }
        assert!(Instant::now() < end, "nothing has come, and no end");
    }
    false
}
