//! Daytime and time: what they say is the time, in the eyes of programs that are not ours: `date` and `rdate`.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use switchboard_harness::{Launch, Server, Stop, TIMEOUT, skipped};
use tempfile::TempDir;

/// How far an answer may be from our clock: rounded down to a second, and the machine may be busy.
const MOST: u64 = 2;

/// Seconds from the beginning of 1900 to that of 1970, as RFC 868 gives them.
const FROM_1900_TO_1970: u64 = 2_208_988_800;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs()
}

/// Fails unless the answer is no later than our clock, and at most [`MOST`] seconds earlier.
#[track_caller]
fn expect_now(seconds: u64, answer: &str) {
    let age = now().checked_sub(seconds);
    assert!(age.is_some_and(|age| age <= MOST), "{answer:?} is {seconds}, and now it is {}", now());
}

/// What `date` takes a text for, in seconds after 1970.
#[track_caller]
fn read_by_date(text: &str) -> u64 {
    let output = Command::new("date").args(["-d", text, "+%s"]).output().expect("date runs");
    assert!(output.status.success(), "date cannot read {text:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// Fails unless it is one line, with its CR and LF, in which `date` reads our time. Returns the line without its end.
#[track_caller]
fn expect_date(answer: &[u8]) -> String {
    let text = String::from_utf8(answer.to_vec()).expect("text");
    let line = text.strip_suffix("\r\n").unwrap_or_else(|| panic!("no CRLF at the end of {text:?}"));
    assert!(!line.contains(['\r', '\n']), "more than one line: {text:?}");
    expect_now(read_by_date(line), line);
    line.to_owned()
}

/// Fails unless it is our time in four bytes.
#[track_caller]
fn expect_seconds(answer: &[u8]) {
    let bytes: [u8; 4] = answer.try_into().unwrap_or_else(|_| panic!("not four bytes: {answer:?}"));
    // From 2036 on, the 136 years that began in 1900 are over.
    let wanted = (now() + FROM_1900_TO_1970) % (1 << 32);
    let age = wanted.wrapping_sub(u64::from(u32::from_be_bytes(bytes))) % (1 << 32);
    assert!(age <= MOST, "{bytes:?} is {age} seconds old");
}

/// A server at every kind of address, and the command lines that get its answer from each.
fn everywhere(program: Program) -> (Server, TempDir, Vec<Vec<String>>) {
    let place = TempDir::new().expect("room");
    let path = place.path().join("socket").display().to_string();
    let listen = program.launch().listen("127.0.0.1:0").listen("udp:127.0.0.1:0").listen(&format!("unix:{path}"));
    let server = listen.start();
    let addresses = server.addresses(3);
    let ports: Vec<_> = addresses.iter().filter_map(|address| address.rsplit(':').next()).collect();
    let words = [
        format!("nc -d 127.0.0.1 {}", ports[0]),
        format!("ncat --recv-only 127.0.0.1 {}", ports[0]),
        format!("nc -N 127.0.0.1 {}", ports[0]),
        format!("nc -u -w 1 127.0.0.1 {}", ports[1]),
        format!("nc -d -U {path}"),
        format!("ncat -U {path}"),
    ];
    let words = words.map(|line| line.split(' ').map(str::to_owned).collect());
    (server, place, words.into())
}

#[track_caller]
fn answer(words: &[String]) -> Vec<u8> {
    pass_through(&words.iter().map(String::as_str).collect::<Vec<_>>(), b"what time is it?\n")
}

#[test]
fn every_netcat_gets_a_date_that_date_reads_as_now() {
    let (server, _place, clients) = everywhere(Program::Daytime);
    for words in clients {
        expect_date(&answer(&words));
    }
    server.expect_manners();
}

#[test]
fn every_netcat_gets_the_seconds_since_1900() {
    let (server, _place, clients) = everywhere(Program::Time);
    for words in clients {
        expect_seconds(&answer(&words));
    }
    server.expect_manners();
}

#[test]
fn rdate_is_told_the_time() {
    let server = Program::Time.launch().listen("127.0.0.1:0").listen("udp:127.0.0.1:0").start();
    for (address, flags) in server.addresses(2).iter().zip([&["-p"][..], &["-p", "-u"]]) {
        let port = address.rsplit(':').next().expect("a port");
        let mut rdate = Command::new("rdate");
        rdate.args(flags).args(["-o", port, "127.0.0.1"]).env("TZ", "UTC").env("LC_ALL", "C");
        let output = rdate.output().expect("rdate is installed: see tests/run");
        assert!(output.status.success(), "{flags:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        expect_now(read_by_date(text.trim()), &text);
    }
}

#[test]
fn a_datagram_of_any_kind_has_one_answer() {
    for program in [Program::Daytime, Program::Time] {
        let server = program.launch().listen("udp:127.0.0.1:0").start();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        let address = server.address();
        for question in [&b""[..], b"?", &[b'x'; 9000]] {
            socket.send_to(question, address.trim_start_matches("udp:")).expect("a datagram is sent");
            let mut buffer = [0; 1000];
            let length = socket.recv(&mut buffer).expect("an answer");
            match program {
                Program::Time => expect_seconds(&buffer[..length]),
                _ => drop(expect_date(&buffer[..length])),
            }
        }
        socket.set_nonblocking(true).expect("a socket of ours");
        socket.recv(&mut [0; 1000]).expect_err("one answer for each datagram");
    }
}

#[test]
fn the_date_is_in_the_time_zone_of_the_environment_or_in_utc() {
    // Rules as POSIX has them need no database of time zones.
    let zone = "export TZ=EST5EDT,M3.2.0,M11.1.0";
    let there = Program::Daytime.launch().after(zone).start();
    let line = expect_date(&Peer::connect(&there.address()).rest().expect("an orderly end"));
    assert!(line.ends_with("-EST") || line.ends_with("-EDT"), "{line:?}");
    let utc = Program::Daytime.launch().after(zone).args("--utc").start();
    let line = expect_date(&Peer::connect(&utc.address()).rest().expect("an orderly end"));
    assert!(line.ends_with("-UTC"), "{line:?}");
}

#[test]
fn an_unknown_time_zone_is_utc_and_a_warning() {
    let server = Program::Daytime.launch().after("export TZ=Nowhere/Land").start();
    let line = expect_date(&Peer::connect(&server.address()).rest().expect("an orderly end"));
    assert!(line.ends_with("-UTC"), "{line:?}");
    assert_eq!(server.stderr.text().lines().count(), 1, "{}", server.stderr.text());
    server.stderr.wait_for("TZ=Nowhere/Land is not a time zone of this system, so times are in UTC");
}

/// A program under a clock that is set by an offset such as `+8000y`. `None`, and a word about it, without faketime(1).
fn shifted(offset: &str, program: Program) -> Option<Launch> {
    if Command::new("faketime").arg("--version").output().is_err() {
        skipped(&format!("a clock that is wrong by {offset}: faketime is not installed"));
        return None;
    }
    let args = ["--exclude-monotonic", "-f", offset, program.path()];
    Some(args.into_iter().fold(Launch::of("faketime"), switchboard_harness::Launch::arg).arg("-v"))
}

#[test]
fn no_clock_ends_a_server() {
    let place = TempDir::new().expect("room");
    for (offset, number) in [("+8000y", "1"), ("-100y", "2"), ("+200y", "3")] {
        let file = |name: &str| place.path().join(format!("{name}{number}"));
        for program in
            [Program::Echo, Program::Daytime, Program::Time, Program::Phonebook, Program::Bank, Program::Doctor]
        {
            let Some(mut launch) = shifted(offset, program) else { return };
            if matches!(program, Program::Phonebook | Program::Bank | Program::Doctor) {
                launch = launch.arg("--data").arg(file(program.path().rsplit('/').next().expect("a name")));
            }
            let mut server = launch.start();
            for _ in 0..2 {
                let mut peer = Peer::connect(&server.address());
                peer.send("OPEN ann 1234\nLOGIN ann 1234\nDEPOSIT 5\nHISTORY\nQUIT\n");
                peer.finish();
                let _ = peer.rest().expect("an orderly end");
            }
            // A signal would end faketime alone.
            assert_eq!(server.stop_by(Stop::Line).code, Some(0), "{offset} {program:?}");
            assert!(!server.stderr.all_text().contains("tv_sec"), "{offset}: {:?}", server.stderr.all_text());
            server.expect_manners();
        }
        let Some(launch) = shifted(offset, Program::Chat) else { return };
        let mut server = launch.args("--history 5 --log").arg(file("chat.log")).start();
        for nick in ["ann", "bob"] {
            let mut peer = Peer::connect(&server.address());
            peer.send(format!("{nick}\nhello\n/quit\n"));
            assert!(String::from_utf8_lossy(&peer.rest().expect("an orderly end")).contains("Good bye!"));
        }
        assert_eq!(server.stop_by(Stop::Line).code, Some(0), "{offset}");
        server.expect_manners();
    }
}

#[test]
fn the_format_and_the_farewell_are_as_chosen() {
    let server = Program::Daytime.launch().args("--format @%s --farewell").arg("Good bye, caller!").start();
    let text = String::from_utf8(Peer::connect(&server.address()).rest().expect("an orderly end")).expect("text");
    let date = text.strip_suffix("\r\nGood bye, caller!\r\n").unwrap_or_else(|| panic!("{text:?}"));
    expect_now(read_by_date(date), date);
}

#[test]
fn a_format_that_cannot_be_written_is_found_at_the_start() {
    for format in ["%", "%!", "%H:%M:%"] {
        let finished = Program::Daytime.launch().arg("--format").arg(format).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.contains("--format"), "{finished:?}");
    }
}

#[test]
fn unread_input_does_not_turn_the_answer_into_a_reset() {
    for program in [Program::Daytime, Program::Time, Program::Greeting] {
        let server = program.start();
        let mut peer = Peer::connect(&server.address());
        // Unread, this would turn a careless close into a reset that destroys the answer.
        peer.send(vec![b'x'; 1_000_000]);
        let answer = peer.rest().expect("no reset");
        match program {
            Program::Daytime => drop(expect_date(&answer)),
            Program::Time => expect_seconds(&answer),
            _ => assert_eq!(answer, b"Thank you for connecting\n"),
        }
    }
}
