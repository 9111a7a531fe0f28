//! Pages of a simulated server, byte by byte, beside members at the line door.

mod law;
mod members;
mod model;
mod order;
mod resume;

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::framing::websocket::WebSocketOptions;
use crate::servers::chat::{ChatOptions, Record};
use crate::servers::doors::Doors;
use crate::servers::doors::tests::{frame, open};
use crate::servers::local_time::{LocalDate, LocalTime};
use crate::sim::{Sim, SimPeer};

/// The time of all events, in milliseconds since 1970, as long as the simulation stands still.
const AT: u64 = 946_728_000_000;

/// A simulated chat at both doors. Its rooms have a history for pages that come back.
struct Server {
    sim: Sim<Doors<Chat>>,
}

impl Server {
    fn new() -> Server {
        Server::with(ChatOptions { record: Some(record()), ..ChatOptions::default() })
    }

    fn with(options: ChatOptions) -> Server {
        let web = WebSocketOptions { max_message: longest_message(options.max_line), ..WebSocketOptions::default() };
        Server { sim: Sim::new(Doors::new(Chat::room(options), web)) }
    }

    /// A page that has sent these lines, and has read all that it was sent before the last one.
    fn page(&mut self, lines: &[&str]) -> SimPeer {
        let page = open(&mut self.sim);
        for line in lines {
            self.sim.received(page);
            self.say(page, line);
        }
        page
    }

    /// A member at the line door that has read its entrance.
    fn nc(&mut self, nick: &str) -> SimPeer {
        let nc = self.sim.connect();
        self.sim.send(nc, format!("{nick}\n").as_bytes());
        self.sim.received(nc);
        nc
    }

    fn say(&mut self, page: SimPeer, line: &str) {
        self.sim.send(page, &frame(0x81, line.as_bytes()));
        self.sim.run();
    }

    /// The connection of a peer is lost.
    fn reset(&mut self, peer: SimPeer) {
        self.sim.reset(peer);
        self.sim.run();
    }

    /// What a page is sent: each message, or `ping`, or `close CODE REASON`.
    fn sees(&mut self, page: SimPeer) -> Vec<String> {
        messages(&self.sim.received(page))
    }

    /// What a member at the line door is sent.
    fn reads(&mut self, nc: SimPeer) -> String {
        String::from_utf8(self.sim.received(nc)).expect("UTF-8")
    }
}

/// A record with a stopped clock.
fn record() -> Record {
    let date = LocalDate { year: 2000, month: 1, day: 1 };
    Record::new(move |_| LocalTime { date, hour: 12, minute: 0, second: 0, offset: 0 })
}

/// Takes the frames of a server apart.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while let [first, short, rest @ ..] = bytes {
        let (length, rest) = match short {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().expect("eight bytes")) as usize, &rest[8..]),
            &short => (usize::from(short), rest),
        };
        let (payload, after) = rest.split_at(length);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        messages.push(match first {
            0x81 => text(payload),
            0x88 => format!("close {} {}", u16::from_be_bytes([payload[0], payload[1]]), text(&payload[2..])),
            0x89 => "ping".to_owned(),
            other => panic!("a frame that begins with {other:#x}"),
        });
        bytes = after;
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    messages
}

/// An event that has happened while the simulation stands still. `rest` are its fields.
fn event(kind: &str, id: u64, rest: &str) -> String {
    format!(r#"{{"type":"{kind}","id":{id},"at":{AT}{rest}}}"#)
}

/// An entrance without its key.
fn entrance(room: &str, nick: &str, members: &str, rest: &str) -> String {
    let place = format!(r#""room":"{room}","nick":"{nick}","key":"KEY","max_line":4096"#);
    format!(r#"{{"type":"entrance",{place},"members":[{members}],{rest}}}"#)
}

/// What follows the members in the entrance of a page that has not resumed.
const FRESH: &str = r#""history":[],"is_resumed":false,"has_gap":false"#;

/// Takes the key and the id out of an entrance.
fn take_key(message: &str) -> (String, String) {
    let (before, rest) = message.split_once(r#""key":""#).unwrap_or_else(|| panic!("no key: {message}"));
    let (key, after) = rest.split_at(32);
    let after = after.trim_start_matches(r#"","id":"#).trim_start_matches(|c: char| c.is_ascii_digit());
    (key.to_owned(), format!(r#"{before}"key":"KEY"{after}"#))
}

fn notice(text: &str) -> String {
    format!(r#"{{"type":"notice","text":"{text}"}}"#)
}

#[test]
fn a_page_enters_talks_and_leaves() {
    let mut server = Server::new();
    let ann = server.page(&["ann"]);
    let (key, shown) = take_key(&server.sees(ann).concat());
    assert_eq!(shown, entrance("lobby", "ann", r#""ann""#, FRESH));
    assert!(key.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{key}");
    let bob = server.page(&["bob"]);
    assert_eq!(take_key(&server.sees(bob).concat()).1, entrance("lobby", "bob", r#""ann","bob""#, FRESH));
    assert_eq!(server.sees(ann), [event("join", 2, r#","nick":"bob""#)]);
    server.say(ann, "hello\n");
    server.say(bob, "/me waves");
    let talk = [event("say", 3, r#","nick":"ann","text":"hello""#), event("act", 4, r#","nick":"bob","text":"waves""#)];
    assert_eq!((&server.sees(ann)[..], &server.sees(bob)[..]), (&talk[..], &talk[..]));
    server.say(bob, "/nick rob");
    assert_eq!(server.sees(bob), [event("rename", 5, r#","nick":"bob","to":"rob""#)]);
    server.say(bob, "/quit");
    assert_eq!(server.sees(bob), [notice("Good bye!"), "close 1000 ".to_owned()]);
    server.sim.send(bob, &frame(0x88, b"\x03\xe8"));
    server.sim.hang_up(bob);
    assert_eq!(
        server.sees(ann),
        [event("rename", 5, r#","nick":"bob","to":"rob""#), event("leave", 6, r#","nick":"rob""#)]
    );
}

#[test]
fn both_doors_have_one_room() {
    let mut server = Server::new();
    let (ann, nc) = (server.page(&["ann"]), server.nc("nc"));
    server.sees(ann);
    server.say(ann, "hello");
    server.sim.send(nc, b"hi \"ann\" <b>\\\n/msg ANN psst\n");
    server.sim.run();
    assert_eq!(server.reads(nc), "ann: hello\n[to ann] psst\n");
    assert_eq!(
        server.sees(ann),
        [
            event("say", 3, r#","nick":"ann","text":"hello""#),
            event("say", 4, r#","nick":"nc","text":"hi \"ann\" <b>\\""#),
            event("tell", 5, r#","from":"nc","to":"ann","text":"psst""#),
        ]
    );
    server.say(ann, "/msg nc pong");
    assert_eq!(server.sees(ann), [event("tell", 6, r#","from":"ann","to":"nc","text":"pong""#)]);
    assert_eq!(server.reads(nc), "[ann] pong\n");
    server.say(ann, "/msg ann note");
    assert_eq!(server.sees(ann), [event("tell", 7, r#","from":"ann","to":"ann","text":"note""#)], "once");
    server.reset(ann);
    assert_eq!(server.reads(nc), "ann leaves the room!\n");
}

#[test]
fn refusals_leave_the_socket_open() {
    let mut server = Server::new();
    server.nc("ann");
    let page = server.page(&["Ann"]);
    let refused = |text: &str| format!(r#"{{"type":"refused","text":"{text}"}}"#);
    assert_eq!(server.sees(page), [refused("The nickname Ann is taken (please choose another one)")]);
    server.say(page, "<script>");
    assert!(server.sees(page)[0].starts_with(r#"{"type":"refused","text":"A nickname is 1 to 32 letters"#));
    server.say(page, "bob");
    assert_eq!(take_key(&server.sees(page).concat()).1, entrance("lobby", "bob", r#""ann","bob""#, FRESH));
    server.say(page, "/nick ann");
    assert_eq!(server.sees(page), [notice("The nickname ann is taken (please choose another one)")]);
}

#[test]
fn answers_have_the_words_of_the_line_door() {
    let mut server = Server::new();
    let ann = server.page(&["ann"]);
    server.sees(ann);
    for (line, answer) in [
        ("/who", "1 person is here: ann."),
        ("/msg bob x", "No member is called bob"),
        ("/meow", "There is no command /meow (type /help for a list)"),
        ("/me", "This command needs more: /me TEXT"),
        ("/history x", "Type /history, or /history N for the last N lines"),
        ("/resume 0 0", "There is no command /resume (type /help for a list)"),
    ] {
        server.say(ann, line);
        assert_eq!(server.sees(ann), [notice(answer)], "{line}");
    }
    server.say(ann, "/help");
    let help = server.sees(ann).concat();
    assert!(help.contains(r"list the people in the room\n/") && help.ends_with(r#"say /TEXT"}"#), "{help}");
    server.say(ann, "");
    server.say(ann, "one\ntwo\u{1b}[2J");
    assert_eq!(server.sees(ann), [event("say", 2, ",\"nick\":\"ann\",\"text\":\"one\u{fffd}two\u{fffd}[2J\"")]);
    server.say(ann, "/history 5");
    let history = server.sees(ann).concat();
    assert!(history.starts_with(r#"{"type":"history","events":[{"type":"join","id":1,"#), "{history}");
    assert!(history.contains(r#"{"type":"say","id":2,"#) && history.ends_with("]}"), "{history}");
}

#[test]
fn a_page_goes_to_another_room() {
    let mut server = Server::new();
    let (ann, bob) = (server.page(&["ann"]), server.page(&["/join garden", "bob"]));
    let key = take_key(&server.sees(ann).concat()).0;
    assert_eq!(take_key(&server.sees(bob).concat()).1, entrance("garden", "bob", r#""bob""#, FRESH));
    server.say(ann, "/join garden");
    let (same, shown) = take_key(&server.sees(ann).concat());
    assert_eq!((same, shown), (key, entrance("garden", "ann", r#""ann","bob""#, FRESH)));
    assert_eq!(server.sees(bob), [event("join", 4, r#","nick":"ann""#)]);
    server.say(ann, "/join lobby");
    assert_eq!(server.sees(bob), [event("part", 5, r#","nick":"ann""#)]);
    server.sees(ann);
    server.say(ann, "/join *");
    assert!(server.sees(ann).concat().contains(r#""type":"notice""#));
}

#[test]
fn a_page_whose_room_cannot_begin_enters_no_other() {
    let mut server = Server::with(ChatOptions { max_rooms: Some(1), ..ChatOptions::default() });
    let nc = server.nc("nc");
    let page = server.page(&["/join garden", "ann"]);
    let refused = r#"{"type":"refused","text":"There are too many rooms to begin garden (type /rooms for a list)"}"#;
    assert_eq!((server.sees(page), server.reads(nc)), (vec![refused.to_owned()], String::new()));
    server.say(page, "ann");
    assert_eq!(server.reads(nc), "Welcome ann to the room!\n", "it has sent another choice");
    let page = server.page(&["/join no room", "bob"]);
    let seen = server.sees(page);
    assert!(matches!(&seen[..], [text] if text.contains("The name of a room is 1 to 32")), "{seen:?}");
    assert_eq!(server.reads(nc), "");
}

#[test]
fn newcomers_are_shown_the_history() {
    let options = ChatOptions { record: Some(record().with_history(10, 1 << 20)), ..ChatOptions::default() };
    let mut server = Server::with(options);
    let nc = server.nc("nc");
    server.sim.send(nc, b"hello\n/me waits\n");
    server.sim.run();
    let page = server.page(&["ann"]);
    let said = [event("say", 2, r#","nick":"nc","text":"hello""#), event("act", 3, r#","nick":"nc","text":"waits""#)];
    let history = format!(r#""history":[{}],"is_resumed":false,"has_gap":false"#, said.join(","));
    assert_eq!(take_key(&server.sees(page).concat()).1, entrance("lobby", "ann", r#""ann","nc""#, &history));
}

#[test]
fn only_texts_up_to_the_longest_line_are_taken() {
    let mut server = Server::with(ChatOptions { max_line: 20, ..ChatOptions::default() });
    let (ann, bob, nc) = (server.page(&["ann"]), server.page(&["bob"]), server.nc("nc"));
    assert!(server.sees(ann)[0].contains(r#""max_line":20,"#));
    server.sim.send(ann, &frame(0x82, b"hello"));
    assert_eq!(server.sees(ann).last().map(String::as_str), Some("close 1003 only text"));
    server.say(bob, &"x".repeat(20));
    server.say(bob, &"x".repeat(21));
    assert!(server.sees(bob).last().is_some_and(|last| last.starts_with("close 1009 ")));
    assert_eq!(server.reads(nc), format!("ann leaves the room!\nbob: {}\nbob leaves the room!\n", "x".repeat(20)));
    let mut server = Server::with(ChatOptions { max_line: usize::MAX, ..ChatOptions::default() });
    let ann = server.page(&["ann"]);
    assert!(server.sees(ann).concat().contains(r#""max_line":null,"#));
}

#[test]
fn a_page_without_a_nickname_is_closed_in_time() {
    let mut server = Server::new();
    let (page, ann) = (server.page(&[]), server.page(&["ann"]));
    server.sees(ann);
    server.sim.advance(Duration::from_secs(29));
    assert_eq!(server.sees(page), [""; 0]);
    server.sim.advance(Duration::from_secs(1));
    assert_eq!(server.sees(page), [notice("You took too long to choose a nickname."), "close 1008 ".to_owned()]);
    assert_eq!((server.sees(ann), server.sim.ending(ann)), (vec!["ping".to_owned()], None));
}

#[test]
fn pages_over_the_rate_of_joins_wait() {
    let rate = crate::Rate { count: 1, per: Duration::from_secs(1), burst: 1 };
    let mut server = Server::with(ChatOptions { join_rate: Some(rate), ..ChatOptions::default() });
    let (ann, bob) = (server.page(&["ann"]), server.page(&["bob"]));
    server.say(bob, "hello");
    let wait = notice("Too many people join from your address at once. Please wait for your turn.");
    assert_eq!(server.sees(bob), [wait]);
    server.sim.advance(Duration::from_secs(1));
    let seen = server.sees(bob);
    assert_eq!(take_key(&seen[0]).1, entrance("lobby", "bob", r#""ann","bob""#, FRESH));
    assert!(seen[1].starts_with(r#"{"type":"say","id":3,"#), "{seen:?}");
    assert_eq!(server.sees(ann).len(), 3);
}

#[test]
fn a_fast_page_is_slowed_down() {
    let rate = crate::Rate { count: 1, per: Duration::from_secs(1), burst: 2 };
    let mut server = Server::with(ChatOptions { rate: Some(rate), ..ChatOptions::default() });
    let page = server.page(&["ann"]);
    server.sees(page);
    for _ in 0..4 {
        server.say(page, "x");
    }
    let mut seen = server.sees(page).len();
    assert!(seen < 4, "{seen} lines at once");
    while seen < 4 {
        server.sim.advance(Duration::from_secs(1));
        let more = server.sees(page).len();
        assert_eq!(more, 1, "one line a second");
        seen += more;
    }
}

#[test]
fn the_operator_removes_bans_and_speaks() {
    let mut server = Server::new();
    let (ann, bob) = (server.page(&["ann"]), server.page(&["bob"]));
    let key = take_key(&server.sees(ann)[0]).0;
    server.sees(bob);
    server.sim.console(b"say hello");
    let said = event("operator", 3, r#","text":"hello""#);
    assert_eq!((server.sees(ann), server.sees(bob)), (vec![said.clone()], vec![said]));
    server.sim.console(b"kick ann no adverts");
    let removed = notice("You were removed by the operator: no adverts");
    assert_eq!(server.sees(ann), [removed, "close 1008 no adverts".to_owned()]);
    let kick = event("kick", 4, r#","nick":"ann","reason":"no adverts""#);
    assert_eq!(server.sees(bob), [kick, event("leave", 5, r#","nick":"ann""#)]);
    let back = server.page(&[&format!("/resume {key} 0")]);
    assert_eq!(server.sees(back), [r#"{"type":"expired"}"#], "a key does not undo a kick");
    server.sim.console(b"ban ann");
    server.say(back, "ann");
    let banned = notice("The nickname ann is banned from this room.");
    assert_eq!(server.sees(back), [banned, "close 1008 ".to_owned()]);
    server.sim.console(b"ban 192.0.2.0/24");
    let peer = server.sim.connect_from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(server.reads(peer), "You are banned from this room.\n", "at the line door");
}

#[test]
fn a_stop_is_an_event_and_then_1001() {
    let mut server = Server::new();
    let (ann, newcomer) = (server.page(&["ann"]), server.page(&[]));
    server.sees(ann);
    server.sim.stop();
    assert_eq!(server.sees(ann), [event("stop", 2, ""), "close 1001 ".to_owned()]);
    assert_eq!(server.sees(newcomer), ["close 1001 "]);
}

#[test]
fn each_page_in_a_room_is_pinged() {
    let mut server = Server::new();
    let (ann, newcomer) = (server.page(&["ann"]), server.page(&[]));
    server.sees(ann);
    server.sim.advance(PING);
    server.sim.advance(PING);
    assert_eq!(server.sees(ann), ["ping", "ping"]);
    server.sim.send(ann, &frame(0x8a, b""));
    server.reset(ann);
    assert_eq!(server.sees(newcomer).len(), 2, "its time was over, and no ping");
    server.reset(newcomer);
    server.sim.advance(PING);
    assert_eq!(server.sim.timers(), 0, "no page is in a room");
}

#[test]
fn a_crowd_is_one_event_with_names() {
    let mut server = Server::with(ChatOptions { crowd: 1, record: Some(record()), ..ChatOptions::default() });
    let (ann, bob, cid) = (server.page(&["ann"]), server.page(&["bob"]), server.page(&["cid"]));
    server.reset(bob);
    server.sees(cid);
    server.sees(ann);
    server.sim.advance(Duration::from_secs(1));
    let seen = server.sees(cid).concat();
    assert!(seen.contains(r#","joins":2,"leaves":1,"joined":["cid"],"left":["bob"]}"#), "{seen}");
    server.say(cid, "/history 1");
    let past = server.sees(cid).concat();
    assert!(past.contains(r#","joins":2,"leaves":1,"joined":[],"left":[]}"#), "names would outgrow its limit: {past}");
}

#[test]
fn a_page_that_enters_amid_a_crowd_keeps_no_ghost() {
    let mut server = Server::with(ChatOptions { crowd: 1, record: Some(record()), ..ChatOptions::default() });
    let (_ann, bob, cid) = (server.page(&["ann"]), server.page(&["bob"]), server.page(&["cid"]));
    assert!(server.sees(cid).concat().contains(r#""members":["ann","bob","cid"]"#));
    server.reset(bob);
    server.sim.advance(Duration::from_secs(1));
    let seen = server.sees(cid).concat();
    assert!(seen.contains(r#""left":["bob"]"#), "bob is on its list: {seen}");
}

#[test]
fn the_page_is_served_with_its_files() {
    let mut server = Server::new();
    for (path, content_type) in [
        ("/", "text/html"),
        ("/chat.js", "text/javascript"),
        ("/chat.css", "text/css"),
        ("/shell.js", "text/javascript"),
        ("/shell.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let browser = server.sim.connect_at(crate::net::Door::Web);
        server.sim.send(browser, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let answer = server.reads(browser);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        assert!(answer.contains(&format!("Content-Type: {content_type}")), "{path}: {answer}");
        assert_eq!(server.sim.ending(browser), None);
    }
}
