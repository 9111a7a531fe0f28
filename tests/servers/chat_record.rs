//! What the chat server keeps: the history for those who come late, and the log, whatever becomes of its file.

use super::chat::join;
use crate::support::peer::Peer;
use crate::support::server::{Program, expect_only_the_stop};
use crate::support::terminal::Terminal;
use crate::support::tools::tool;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use switchboard_harness::{Input, Launch, Stop, until};
use tempfile::TempDir;

const PROMPT: &str = "Enter your nickname: ";

/// A path for a log in an empty directory.
fn place() -> (TempDir, PathBuf) {
    let place = TempDir::new().expect("room for a directory");
    let path = place.path().join("room.log");
    (place, path)
}

/// A busy machine makes turns slow, and the tests look at what is said on standard error.
fn logging_to(path: &Path) -> Launch {
    Program::Chat.launch().args("--slow-turn off --log").arg(path.to_str().expect("a path in UTF-8"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The lines of a log without their times.
fn events(path: &Path) -> Vec<String> {
    let text = text(path);
    text.lines().map(|line| line.split_once(' ').expect("a time comes first").1.to_owned()).collect()
}

#[test]
fn a_third_netcat_sees_what_two_have_said() {
    let mut server = Program::Chat.launch().args("--history 3").after("export TZ=IST-5:30").start();
    let port = server.port().to_string();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.line();
    ann.send("this is too long ago\nhello\n");
    assert_eq!(bob.line(), "ann: this is too long ago");
    assert_eq!(bob.line(), "ann: hello");
    bob.send("/msg ann secret\nhi, ann\n/me waves\n");
    ann.line_where(|line| line == "* bob waves");
    let mut eve = tool(&["nc", "-N", "127.0.0.1", &port]);
    eve.stdout.shows(PROMPT);
    eve.say("eve\n");
    eve.stdout.wait_for("3 persons are here.\n");
    ann.send("now\n");
    eve.stdout.wait_for("ann: now\n");
    let shown = eve.stdout.text();
    let lines: Vec<_> = shown.strip_prefix(PROMPT).expect("asked first").lines().collect();
    let (past, rest) = lines.split_at(3);
    assert_eq!(rest, ["Welcome eve to the room!", "3 persons are here.", "ann: now"]);
    // Minutes of the day in that zone: the line was said no more than a minute or so ago.
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let now = (seconds / 60 + 330) % 1440;
    for (line, wanted) in past.iter().zip(["ann: hello", "bob: hi, ann", "* bob waves"]) {
        let (time, said) = line.split_once(' ').expect("a time comes first");
        // A test that runs at midnight there sees a date, too.
        let (time, said) = said.split_once(' ').filter(|_| time.len() == 10).unwrap_or((time, said));
        assert_eq!(said, wanted);
        let (hour, minute) = time.split_once(':').expect("hours and minutes");
        let minutes: u64 = hour.parse::<u64>().expect("hours") * 60 + minute.parse::<u64>().expect("minutes");
        assert!((now + 1440 - minutes) % 1440 <= 2, "{time} is not about {}:{}", now / 60, now % 60);
    }
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
}

#[test]
fn a_newcomer_that_reads_late_misses_nothing() {
    let server = Program::Chat.launch().args("--history 100000 --send-buffer 16384 --rate off").start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    let said = |number: usize| format!("ann: {number} {}", "x".repeat(500));
    let say = |ann: &mut Peer, bob: &mut Peer, numbers: std::ops::Range<usize>| {
        for number in numbers {
            ann.send(format!("{}\n", &said(number)["ann: ".len()..]));
            assert_eq!(bob.line(), said(number));
        }
    };
    say(&mut ann, &mut bob, 0..1000);
    let mut late = Peer::connect_narrow(&server.address(), 4096);
    late.send("late\n");
    bob.line_where(|line| line == "Welcome late to the room!");
    say(&mut ann, &mut bob, 1000..1500);
    let mut seen = vec![late.line()];
    while seen.last().expect("one") != &said(1499) {
        seen.push(late.line());
    }
    let welcome = seen.iter().position(|line| line == "Welcome late to the room!").expect("welcomed");
    seen[0] = seen[0].replace(PROMPT, "");
    assert!((450..500).contains(&welcome), "{welcome} lines are shown of a quarter of a mebibyte");
    for (line, number) in seen[..welcome].iter().zip(1000 - welcome..) {
        assert!(line.ends_with(&format!(" {}", said(number))), "{line:?} is not line {number}");
    }
    assert_eq!(seen[welcome + 1], "3 persons are here.");
    assert_eq!(seen[welcome + 2..], (1000..1500).map(said).collect::<Vec<_>>());
}

#[test]
fn the_log_has_everything_in_order_when_the_server_has_stopped() {
    let (_place, path) = place();
    let start = SystemTime::now() - Duration::from_secs(1);
    let mut server = logging_to(&path).args("--rate off").after("export TZ=IST-5:30").start();
    let mut ann = join(&server, "ann");
    let bob = join(&server, "bob");
    ann.line();
    let talk = |mut peer: Peer, nick: &'static str| {
        std::thread::spawn(move || {
            for number in 0..2000 {
                peer.send(format!("{nick} {number}\n"));
            }
            peer
        })
    };
    let (to_ann, to_bob) = (ann.twin(), bob.twin());
    let talks = [talk(to_ann, "ann"), talk(to_bob, "bob")];
    let (mut ann, mut bob) = (ann, bob);
    ann.line_where(|line| line == "bob: bob 1999");
    bob.line_where(|line| line == "ann: ann 1999");
    let _open: Vec<_> = talks.map(|talk| talk.join().expect("the server reads")).into_iter().collect();
    ann.send("/nick Ann\n/msg bob secret\n/quit\n");
    bob.line_where(|line| line == "Ann leaves the room!");
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(2));
    expect_only_the_stop(&server);

    let events = events(&path);
    for nick in ["ann", "bob"] {
        let begin = format!("say {nick} {nick} ");
        let said: Vec<_> = events.iter().filter_map(|event| event.strip_prefix(&begin)).collect();
        assert_eq!(said, (0..2000).map(|number| number.to_string()).collect::<Vec<_>>());
    }
    let others: Vec<_> = events.iter().filter(|event| !event.starts_with("say ")).collect();
    assert_eq!(others, ["join ann", "join bob", "rename ann Ann", "leave Ann done", "stop"]);
    let end = SystemTime::now() + Duration::from_secs(1);
    for line in text(&path).lines() {
        let (time, _) = line.split_once(' ').expect("a time comes first");
        assert!(time.ends_with("+05:30"), "{line:?}");
        let time: SystemTime = time.parse::<jiff::Timestamp>().expect("a time of RFC 3339").into();
        assert!((start..end).contains(&time), "{line:?}");
    }
}

#[test]
fn nothing_in_the_log_can_steer_a_terminal_or_forge_a_line() {
    let (_place, path) = place();
    let mut server = logging_to(&path).start();
    let mut ann = join(&server, "ann");
    ann.send(
        b"\x1b]0;title\x07\x1b[31m\x9b\xe2\x80\xae\xe2\x80\xa8 \xff\r\
          2026-11-21T14:03:07+01:00 say bob forged\n/me \x08\tend\n",
    );
    ann.send("/quit\n");
    ann.line_where(|line| line == "Good bye!");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
    let events = events(&path);
    assert_eq!(events.len(), 5, "{events:?}");
    assert!(events[1].starts_with("say ann ") && events[1].ends_with(" say bob forged"), "{events:?}");
    assert_eq!(events[2], "act ann \u{fffd}\tend");
    let steers = |c: char| c.is_control() && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}');
    assert!(events.iter().all(|event| !event.contains(steers)), "{events:?}");
}

#[test]
fn a_full_disk_is_one_warning_with_figures_and_the_chat_goes_on() {
    let mut server = logging_to(Path::new("/dev/full")).args("--history 10").start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.line();
    for number in 0..100 {
        ann.send(format!("{number}\n"));
        assert_eq!(bob.line(), format!("ann: {number}"));
    }
    server.stderr.wait_for("cannot write to /dev/full: No space left on device");
    drop(ann);
    bob.line_where(|line| line == "ann leaves the room!");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let told = server.stderr.all_text();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[0].contains("make room on its disk") && lines[0].ends_with(" waiting"), "{told}");
    // Two joined, a hundred lines were said, one left, and the server stopped.
    assert!(lines[1].ends_with(" stopping: a line at standard input"), "{told}");
    assert!(lines[2].ends_with(" 104 lines not written to /dev/full"), "{told}");
}

#[test]
fn a_stalled_log_delays_no_member_and_misses_nothing() {
    // A terminal takes a few thousand bytes, and then none until it is read.
    let terminal = Terminal::open();
    let path = terminal.path();
    terminal.hold_output();
    let mut server = logging_to(&path).start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.line();
    for number in 0..200 {
        ann.send(format!("{number} {}\n", "x".repeat(100)));
        bob.line();
    }
    server.stderr.wait_for("cannot write to /dev/pts/");
    terminal.release_output();
    until("all that was said", || terminal.screen.text().contains("say ann 199 "));
    let shown = terminal.screen.text();
    let said: Vec<_> = shown.lines().filter_map(|line| line.split(" say ann ").nth(1)).collect();
    assert_eq!(said.len(), 200);
    for (number, said) in said.iter().enumerate() {
        assert!(said.starts_with(&format!("{number} ")), "{said:?} is not line {number}");
    }
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
}

#[test]
fn a_log_that_was_moved_away_or_emptied_goes_on_in_its_place() {
    let (place, path) = place();
    let server = logging_to(&path).start();
    let mut ann = join(&server, "ann");
    let mut say = |line: &str| {
        ann.send(format!("{line}\n"));
        until("a line of the log", || text(&path).contains(line));
    };
    say("one");
    let old = place.path().join("room.log.1");
    fs::rename(&path, &old).expect("ours");
    say("two");
    assert_eq!(
        (events(&old), events(&path)),
        (vec!["join ann".into(), "say ann one".into()], vec!["say ann two".into()])
    );
    fs::File::create(&path).expect("ours");
    say("three");
    assert_eq!(events(&path), ["say ann three"], "no hole of zeros is left by copytruncate");
}

#[test]
fn a_log_that_was_moved_is_made_anew_without_an_event() {
    let (place, path) = place();
    let server = logging_to(&path).input(Input::Null).start();
    let mut ann = join(&server, "ann");
    until("a line of the log", || !events(&path).is_empty());
    for (number, is_signalled) in [(1, false), (2, true)] {
        let old = place.path().join(format!("room.log.{number}"));
        fs::rename(&path, &old).expect("ours");
        if is_signalled {
            server.signal(Signal::HUP);
        }
        until("a new log", || path.exists());
    }
    ann.send("hello\n");
    until("a line of the log", || !events(&path).is_empty());
    assert_eq!(events(&path), ["say ann hello"]);
}

#[test]
fn a_server_that_is_started_again_appends() {
    let (_place, path) = place();
    for nick in ["ann", "bob"] {
        let mut server = logging_to(&path).start();
        let _peer = join(&server, nick);
        server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    }
    assert_eq!(events(&path), ["join ann", "stop", "join bob", "stop"]);
}

#[test]
fn an_unusable_log_is_one_line_and_exit_code_1() {
    let (place, path) = place();
    let pipe = place.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is installed");
    assert!(made.success());
    let start = Instant::now();
    for (path, wanted) in [
        (place.path(), "it is a directory"),
        (&pipe, "it is a pipe"),
        (&path.join("below"), "No such file or directory"),
    ] {
        let finished = logging_to(path).args("-l 127.0.0.1:0").run();
        assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
        let begin = format!("chat-server: cannot log to {}: {wanted}", path.display());
        assert!(finished.stderr.starts_with(&begin) && finished.stderr.contains("give --log a file"), "{finished:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(10), "a pipe without a reader is not waited for");
}

#[test]
fn a_wrong_number_is_usage_and_a_wrong_time_zone_is_told() {
    for wrong in ["0", "-1", "many", "1.5"] {
        let finished = Program::Chat.launch().arg(format!("--history={wrong}")).run();
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("a number of at least 1, or off"), "{finished:?}");
    }
    let server = Program::Chat.launch().args("--history 5").after("export TZ=Nowhere/Here").start();
    server.stderr.wait_for("TZ=Nowhere/Here is not a time zone of this system, so times are in UTC");
}

#[test]
fn without_history_and_log_there_is_no_thread() {
    let server = Program::Chat.launch().after("export TZ=Nowhere/Here").args("--history off").start();
    let _ann = join(&server, "ann");
    assert_eq!(server.threads(), 1);
}

#[test]
fn a_second_signal_does_not_wait_for_the_log() {
    let mut server = logging_to(Path::new("/dev/full")).start();
    let _ann = join(&server, "ann");
    server.signal(Signal::TERM);
    server.signal(Signal::TERM);
    server.wait().expect_clean_within(Duration::from_secs(2));
}

#[test]
fn members_ask_for_the_history_and_see_the_times() {
    let server = Program::Chat.launch().args("--timestamps").after("export TZ=UTC").start();
    let [mut ann, mut bob] = ["ann", "bob"].map(|nick| {
        let mut peer = Peer::connect(&server.address());
        peer.send(format!("{nick}\n"));
        peer.line_where(|line| line.ends_with(" here."));
        peer
    });
    bob.send("hello\n/quit\n");
    ann.line_where(|line| line.ends_with(" bob leaves the room!"));
    ann.send("/history 3\n");
    for wanted in ["Welcome bob to the room!", "bob: hello", "bob leaves the room!"] {
        let line = ann.line();
        let (time, shown) = line.split_once(' ').expect("a time comes first");
        assert_eq!((time.len(), shown), ("12:00".len(), wanted));
    }
}
