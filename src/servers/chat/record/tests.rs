mod events;

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::connection::ids::ServiceId;
use crate::handler::services::Services;
use crate::sanitize;
use crate::servers::LocalDate;
use crate::servers::chat::tests::{Room, talk};
use crate::servers::chat::{Chat, ChatOptions};
use crate::servers::chunking::{Step, play, steps, tight};
use crate::servers::{Echo, text};
use crate::sim::{Ending, Sim, assert_chunking_law};
use crate::state::limits::Limits;
use crate::state::service::ServiceOptions;

const SECOND: Duration = Duration::from_secs(1);

/// A simulation begins at noon of 1 January 2000; within that month, the date is easily told.
fn clock(at: SystemTime) -> LocalTime {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let (days, seconds) = (seconds / 86_400 - 10_957, seconds % 86_400);
    let date = LocalDate { year: 2000, month: 1, day: days as u8 + 1 };
    let [hour, minute, second] = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(|part| part as u8);
    LocalTime { date, hour, minute, second, offset: 60 }
}

/// What a file would be: it can be slow (by `Sim::hold_jobs`), full, or take a little at a time.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Sheet>>);

#[derive(Default)]
struct Sheet {
    text: Vec<u8>,
    /// No more than this fits on it.
    room: Option<usize>,
    attempts: usize,
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").text.clone()).expect("the log is UTF-8")
    }

    fn holds(&self, bytes: impl Into<Option<usize>>) {
        self.0.lock().expect("no panic").room = bytes.into();
    }

    fn attempts(&self) -> usize {
        self.0.lock().expect("no panic").attempts
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sheet = self.0.lock().expect("no panic");
        sheet.attempts += 1;
        let room = sheet.room.unwrap_or(usize::MAX).saturating_sub(sheet.text.len());
        if room == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        let count = bytes.len().min(room);
        sheet.text.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn with_history(lines: usize) -> ChatOptions {
    let record = Record::new(clock).with_history(lines, Limits::default().high_mark());
    ChatOptions { record: Some(record), rate: None, join_rate: None, ..ChatOptions::default() }
}

fn with_log(paper: &Paper) -> ChatOptions {
    let record = Record::new(clock).with_log(ChatLog::new("room.log", paper.clone()));
    ChatOptions { record: Some(record), rate: None, ..ChatOptions::default() }
}

/// A room with a log, and the log.
fn logged_room() -> (Room, Paper) {
    let paper = Paper::default();
    (Room::with(with_log(&paper), Limits::default()), paper)
}

#[test]
fn a_newcomer_is_shown_the_last_lines_with_their_times() {
    let mut room = Room::with(with_history(3), Limits::default());
    let ann = room.join("ann");
    assert_eq!(room.sees(ann), "Enter your nickname: Welcome ann to the room!\n1 person is here.\n");
    room.says(ann, "far too early\nearly");
    room.sim.advance(61 * SECOND);
    let bob = room.join("bob");
    assert_eq!(
        room.sees(bob),
        "Enter your nickname: 12:00 ann: far too early\n12:00 ann: early\n\
         Welcome bob to the room!\n2 persons are here.\n"
    );
    room.says(bob, "/msg ann secret\n/nick rob\nhello\n/me waves\n\x1b[2J");
    room.sim.run();
    room.says(ann, "/quit");
    room.sim.run();
    let eve = room.join("eve");
    let past = "12:00 ann: early\n12:01 rob: hello\n12:01 * rob waves\n12:01 rob: \u{FFFD}[2J\n";
    let past = &past[past.find('\n').expect("lines") + 1..];
    assert_eq!(room.sees(eve), format!("Enter your nickname: {past}Welcome eve to the room!\n2 persons are here.\n"));
}

#[test]
fn history_of_another_day_shows_its_date() {
    let mut room = Room::with(with_history(10), Limits::default());
    let ann = room.join("12");
    room.says(ann, "00 bob: I am no line of the past");
    room.sim.advance(13 * 3600 * SECOND);
    room.says(ann, "late\n/quit");
    room.sim.advance(24 * 3600 * SECOND);
    let bob = room.join("bob");
    room.says(bob, "good morning");
    room.sim.run();
    room.sees(bob);
    let eve = room.join("eve");
    assert_eq!(
        room.sees(eve),
        "Enter your nickname: 2000-01-01 12:00 12: 00 bob: I am no line of the past\n2000-01-02 01:00 12: late\n\
         01:00 bob: good morning\nWelcome eve to the room!\n2 persons are here.\n"
    );
}

/// Line `number` of about this many bytes.
fn long(number: usize, bytes: usize) -> String {
    format!("{number} {}", "x".repeat(bytes))
}

#[test]
fn a_long_history_is_cut_to_the_queue_limit() {
    let limits = Limits { feed_buffer: Some(64 << 20), ..Limits::default() };
    let high = limits.high_mark();
    let mut room = Room::with(with_history(1_000_000), limits);
    let ann = room.join("ann");
    for number in 0..2_500 {
        room.says(ann, &long(number, 4000));
        room.sim.run();
    }
    let bob = room.sim.connect();
    room.sim.run();
    room.sim.stall(bob);
    room.says(bob, "bob\n/me is here\n/who");
    let queued = room.sim.stats().queued;
    assert!((high - 4100..high + 100).contains(&queued), "{queued} bytes are queued, {high} may be");
    for number in 2_500..2_600 {
        room.says(ann, &long(number, 4000));
        room.sim.run();
    }
    assert!(room.sim.stats().queued <= queued, "what others say is kept once for all");
    // It reads a little at a time from now on.
    let last = format!("ann: {}\n", long(2_599, 4000));
    let mut seen = String::new();
    while !seen.ends_with(&last) {
        room.sim.allow(bob, 10_000);
        let more = room.sees(bob);
        assert!(!more.is_empty(), "it stopped after {} bytes", seen.len());
        seen += &more;
    }
    let prompt = "Enter your nickname: ";
    let lines: Vec<_> = seen.strip_prefix(prompt).expect("asked first").lines().collect();
    let welcome = lines.iter().position(|line| *line == "Welcome bob to the room!").expect("welcomed");
    assert_eq!(welcome, high / ("2000-01-01 12:00 ann: \n".len() + long(2499, 4000).len()), "as many lines as fit");
    for (number, line) in (2_500 - welcome..2_500).zip(&lines) {
        assert_eq!(**line, format!("12:00 ann: {}", long(number, 4000)));
    }
    assert_eq!(lines[welcome + 1..welcome + 3], ["2 persons are here.", "2 persons are here: ann, bob."]);
    for (number, line) in (2_500..2_600).zip(&lines[welcome + 3..]) {
        assert_eq!(**line, format!("ann: {}", long(number, 4000)));
    }
    assert_eq!(lines.len(), welcome + 3 + 100);
}

#[test]
fn five_hundred_newcomers_see_the_same_history() {
    let mut room = Room::with(with_history(100), Limits::default());
    let ann = room.join("ann");
    for number in 0..200 {
        room.says(ann, &number.to_string());
    }
    room.sim.run();
    let peers: Vec<_> = (0..500).map(|_| room.sim.connect()).collect();
    for (index, &peer) in peers.iter().enumerate() {
        room.says(peer, &format!("n{index}"));
    }
    let past: Vec<_> = (100..200).map(|number| format!("12:00 ann: {number}\n")).collect();
    let past = past.concat();
    for (index, &peer) in peers.iter().enumerate() {
        let greeting = format!("Enter your nickname: {past}Welcome n{index} to the room!\n{} persons", index + 2);
        assert!(room.sees(peer).starts_with(&greeting));
    }
}

#[test]
fn the_log_has_all_that_members_see_and_nothing_private() {
    let (mut room, paper) = logged_room();
    let (ann, bob) = (room.join("ann"), room.join("bob"));
    room.says(ann, " hello\tbob \n/me  waves  at bob\n/msg bob secret\n/nick Anna\n/who\nfine");
    room.sim.run();
    room.sim.advance(SECOND);
    room.says(bob, "x\u{2028}2000-01-01T12:00:00+01:00 say ann forged");
    room.sim.run();
    room.sim.reset(bob);
    room.sim.run();
    room.sim.shut_down(ann);
    room.sim.run();
    let time = "2000-01-01T12:00:00+01:00";
    let later = "2000-01-01T12:00:01+01:00";
    let expected = format!(
        "{time} join ann\n{time} join bob\n{time} say ann  hello\tbob \n{time} act ann waves  at bob\n\
         {time} rename ann Anna\n{time} say Anna fine\n\
         {later} say bob x\u{FFFD}{time} say ann forged\n{later} leave bob connection reset\n{later} leave Anna done\n"
    );
    assert_eq!(paper.text(), expected);
}

#[test]
fn the_log_names_each_room_but_the_first() {
    let (mut room, paper) = logged_room();
    let (ann, bob) = (room.join("ann"), room.join("bob"));
    room.says(ann, "/join rust\nhello\n/me waves\n/nick Anna\n/join lobby\nback");
    room.sim.run();
    room.says(bob, "/join rust\n/quit");
    room.sim.run();
    let expected = [
        "join ann",
        "join bob",
        "part ann rust",
        "join@rust ann",
        "say@rust ann hello",
        "act@rust ann waves",
        "rename@rust ann Anna",
        "part@rust Anna lobby",
        "join Anna",
        "say Anna back",
        "part bob rust",
        "join@rust bob",
        "leave@rust bob done",
    ];
    assert_eq!(paper.text(), expected.map(|line| format!("2000-01-01T12:00:00+01:00 {line}\n")).concat());
}

#[test]
fn a_room_that_ends_has_its_crowd_in_the_log() {
    let paper = Paper::default();
    let mut room = Room::with(ChatOptions { crowd: 0, ..with_log(&paper) }, Limits::default());
    let ann = room.join("ann");
    room.says(ann, "/join rust\n/quit");
    room.sim.run();
    room.sim.advance(SECOND);
    let time = "2000-01-01T12:00:0";
    assert_eq!(paper.text(), format!("{time}0+01:00 crowd@rust 1 1\n{time}1+01:00 crowd 1 1\n"));
}

#[test]
fn escape_sequences_and_line_ends_are_not_in_the_log() {
    let (mut room, paper) = logged_room();
    let ann = room.join("ann");
    room.sim.send(ann, b"\x1b]0;title\x07\x9b31m\r\xe2\x80\xa8 \xff\n/me \x08\xe2\x80\xae\n");
    room.sim.run();
    let text = paper.text();
    assert_eq!(text.lines().count(), 3);
    assert!(text.contains(" say ann \u{FFFD}]0;title\u{FFFD}\u{FFFD}31m\u{FFFD}\u{FFFD} \u{FFFD}\n"), "{text:?}");
    assert!(text.lines().all(|line| sanitize(line.as_bytes()) == line));
}

#[test]
fn a_slow_disk_delays_only_the_stop() {
    let (mut room, paper) = logged_room();
    room.sim.hold_jobs();
    let (ann, bob) = (room.join("ann"), room.join("bob"));
    room.sees(bob);
    for number in 0..100 {
        room.says(ann, &number.to_string());
        assert_eq!(room.sees(bob), format!("ann: {number}\n"));
    }
    assert_eq!(paper.text(), "");
    room.sim.stop();
    for peer in [ann, bob] {
        assert_eq!(room.sim.ending(peer), Some(Ending::Eof));
        room.sim.shut_down(peer);
    }
    assert!(!room.sim.is_stopped());
    room.sim.release_jobs();
    assert!(room.sim.is_stopped());
    let text = paper.text();
    let said: Vec<_> = text.lines().filter_map(|line| line.split_once(" say ann ")).map(|(_, said)| said).collect();
    assert_eq!(said, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(text.ends_with(" stop\n"), "{text}");
    assert_eq!((text.lines().count(), paper.attempts()), (103, 2), "all that waits is one batch");
}

#[test]
fn a_full_disk_is_retried_without_loss_or_repetition() {
    let (mut room, paper) = logged_room();
    let ann = room.join("ann");
    room.sim.run();
    let before = paper.text().len();
    // In the middle of a line.
    paper.holds(before + 10);
    for number in 0..50 {
        room.says(ann, &format!("line {number}"));
        room.sim.run();
    }
    let attempts = paper.attempts();
    room.sim.advance(10 * SECOND);
    assert_eq!(paper.attempts(), attempts + 10, "once a second, whatever is said meanwhile");
    assert_eq!((paper.text().len(), room.sim.timers()), (before + 10, 1));
    paper.holds(None);
    room.sim.advance(SECOND);
    let time = "2000-01-01T12:00:00+01:00";
    let said: Vec<_> = (0..50).map(|number| format!("{time} say ann line {number}\n")).collect();
    assert_eq!(paper.text(), format!("{time} join ann\n{}", said.concat()));
    assert_eq!(room.sim.timers(), 0);
    room.says(ann, "after");
    room.sim.run();
    assert!(paper.text().ends_with("2000-01-01T12:00:11+01:00 say ann after\n"));
}

#[test]
fn what_finds_no_room_is_counted_where_it_is_missing() {
    let (mut room, paper) = logged_room();
    let ann = room.join("ann");
    room.sim.hold_jobs();
    // One is out, a mebibyte waits, and the rest is lost.
    for number in 0..600 {
        room.says(ann, &long(number, 4000));
        room.sim.run();
    }
    room.says(ann, "short enough, but behind a loss");
    room.sim.run();
    room.sim.release_jobs();
    room.sim.advance(SECOND);
    room.says(ann, "after");
    room.sim.run();
    let text = paper.text();
    let lines: Vec<_> = text.lines().collect();
    let lost = lines.iter().position(|line| line.contains(" lost ")).expect("it is said");
    let fits = (1 << 20) / ("2000-01-01T12:00:00+01:00 say ann \n".len() + long(100, 4000).len());
    assert!((fits..fits + 3).contains(&(lost - 1)), "{lost} lines were written, about {fits} fit");
    assert_eq!(lines[0], "2000-01-01T12:00:00+01:00 join ann");
    for (number, line) in lines[1..lost].iter().enumerate() {
        assert_eq!(**line, format!("2000-01-01T12:00:00+01:00 say ann {}", long(number, 4000)));
    }
    let missing = 601 - (lost - 1);
    assert_eq!(lines[lost], format!("2000-01-01T12:00:00+01:00 lost {missing} events"));
    assert_eq!(lines[lost + 1..], ["2000-01-01T12:00:01+01:00 say ann after"]);
}

#[test]
fn a_line_that_is_longer_than_all_that_may_wait_is_written() {
    let paper = Paper::default();
    let limits = Limits { inbox: 4 << 20, ..Limits::default() };
    let mut room = Room::with(ChatOptions { max_line: 4 << 20, ..with_log(&paper) }, limits);
    let ann = room.join("ann");
    room.says(ann, &long(1, 3 << 20));
    room.says(ann, &long(2, 3 << 20));
    room.sim.run();
    assert!(paper.text().ends_with(&format!("{}\n", long(2, 3 << 20))) && !paper.text().contains(" lost "));
}

#[test]
fn a_stop_is_not_held_up_by_a_full_disk_but_tries_it_once_more() {
    for has_room in [false, true] {
        let (mut room, paper) = logged_room();
        paper.holds(1);
        let ann = room.join("ann");
        room.sim.run();
        room.sim.shut_down(ann);
        room.join("bob");
        paper.holds(if has_room { None } else { Some(1) });
        room.sim.stop();
        assert!(room.sim.is_stopped());
        assert_eq!(paper.text().ends_with(" stop\n"), has_room);
        assert_eq!(paper.text().lines().count(), if has_room { 4 } else { 1 });
    }
}

#[test]
fn among_several_services_the_log_is_that_of_its_room() {
    let paper = Paper::default();
    let mut sim = Sim::new(Services::new());
    let chat = sim.add_service(ServiceOptions::default());
    sim.handler_mut().add(ServiceId::DEFAULT, "echo", Echo::bytes());
    sim.handler_mut().add(chat, "chat", Chat::room(with_log(&paper)));
    paper.holds(3);
    let (other, ann) = (sim.connect(), sim.connect_to(chat));
    sim.send(ann, b"ann\nhello\n");
    sim.run();
    paper.holds(None);
    sim.advance(2 * SECOND);
    sim.shut_down(ann);
    sim.shut_down(other);
    sim.run();
    let expected = ["join ann", "say ann hello", "leave ann done"];
    for (line, expected) in paper.text().lines().zip(expected) {
        assert!(line.ends_with(expected), "{line}");
    }
    assert_eq!(paper.text().lines().count(), 3);
}

/// A room with a history and a log, in which time stands still.
fn recorded(paper: &Paper) -> ChatOptions {
    let noon = clock(SystemTime::UNIX_EPOCH + Duration::from_secs(946_728_000));
    let record = Record::new(move |_| noon).with_history(20, 4096);
    ChatOptions {
        record: Some(record.with_log(ChatLog::new("room.log", paper.clone()))),
        rate: None,
        ..ChatOptions::default()
    }
}

#[test]
fn the_chunking_law_holds_with_a_history_and_a_log() {
    let script = b"mal\r\nhi\n/me waves\n/nick m\xc3\xbc\n//who\n/who\nbye\n/quit\nnot said\n";
    assert_chunking_law(|| Chat::room(recorded(&Paper::default())), script);
}

/// What the talker, a listener and one who comes later see, and the log, when the talker sends `script` in these steps.
fn transcript(script: &[u8], steps: &[Step], (limits, held): (Limits, bool)) -> (Vec<u8>, String, String, String) {
    let paper = Paper::default();
    let mut room = Room::with(recorded(&paper), limits);
    if held {
        room.sim.hold_jobs();
    }
    let bob = room.join("bob");
    let talker = room.sim.connect();
    let mut seen = play(&mut room.sim, talker, script, steps);
    room.sim.shut_down(talker);
    seen.extend(room.sim.received(talker));
    let later = room.join("later");
    let (heard, shown) = (room.sees(bob), room.sees(later));
    room.sim.release_jobs();
    room.sim.run();
    (seen, heard, shown, paper.text())
}

/// An event as a script would read it from a line of the log: time, word, nickname, and the rest.
fn parse(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let (word, rest) = rest.split_once(' ')?;
    let (nick, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((time, word, nick, rest))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn splits_and_slowness_change_neither_the_view_nor_the_log(talk in talk(), steps in steps(), held: bool) {
        let script = [b"mal\n", &talk[..]].concat();
        let limits = Limits { max_queue: Some(16_384), queue_time: None, ..tight() };
        let expected = transcript(&script, &[], (Limits::default(), false));
        prop_assert_eq!(transcript(&script, &steps, (limits, held)), expected);
    }

    #[test]
    fn the_log_can_be_read_back_and_is_what_was_seen(talk in talk()) {
        let script = [b"mal\n", &talk[..]].concat();
        let (_, heard, shown, log) = transcript(&script, &[], (Limits::default(), true));
        let mut seen = Vec::new();
        let mut past = Vec::new();
        for line in log.lines() {
            prop_assert_eq!(sanitize(line.as_bytes()), line);
            let Some((time, word, nick, rest)) = parse(line) else { panic!("{line:?}") };
            prop_assert_eq!(time, "2000-01-01T12:00:00+01:00");
            let text: &[&str] = &[nick, rest];
            match word {
                "join" => text::fill(&mut seen, "Welcome {} to the room!\n", &[nick]),
                "leave" => text::fill(&mut seen, "{} leaves the room!\n", &[nick]),
                "rename" => text::fill(&mut seen, "{} is now known as {}.\n", text),
                "say" => text::fill(&mut seen, "{}: {}\n", text),
                "act" => text::fill(&mut seen, "* {} {}\n", text),
                other => panic!("{other:?} is no event"),
            }
            match word {
                "say" => past.push(format!("12:00 {nick}: {rest}\n")),
                "act" => past.push(format!("12:00 * {nick} {rest}\n")),
                _ => {}
            }
        }
        let heard = heard.replace("Enter your nickname: ", "").replace("1 person is here.\n", "");
        let private = heard.lines().filter(|line| !line.starts_with('['));
        let heard: String = private.flat_map(|line| [line, "\n"]).collect();
        prop_assert_eq!(String::from_utf8(seen), Ok(heard));
        let past = past.concat();
        let shown = shown.strip_prefix("Enter your nickname: ").and_then(|shown| shown.split_once("Welcome later"));
        let Some((shown, _)) = shown else { panic!("{shown:?}") };
        prop_assert!(past.ends_with(shown), "{shown:?} is no end of {past:?}");
    }
}
