mod arrivals;
mod model;
mod moderation;
mod rooms;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sanitize;
use crate::servers::chunking::{Step, play, steps, tight};
use crate::sim::{Ending, Sim, SimPeer};
use crate::state::limits::Limits;

/// A room of simulated peers.
pub(super) struct Room {
    pub(super) sim: Sim<Chat>,
}

impl Room {
    fn new() -> Room {
        Room::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Room {
        Room::with(ChatOptions::default(), limits)
    }

    pub(super) fn with(options: ChatOptions, limits: Limits) -> Room {
        Room { sim: Sim::with_limits(Chat::room(options), limits) }
    }

    /// A room in which any number of people join and leave at once, each with a notice.
    fn of_crowds() -> Room {
        let options = ChatOptions { join_rate: None, crowd: usize::MAX, ..ChatOptions::default() };
        Room::with(options, Limits::default())
    }

    /// Peers with these nicknames, who have read all that they were greeted with.
    fn of<const N: usize>(nicks: [&str; N]) -> (Room, [SimPeer; N]) {
        let mut room = Room::new();
        let peers = nicks.map(|nick| room.join(nick));
        for peer in peers {
            room.sees(peer);
        }
        (room, peers)
    }

    pub(super) fn join(&mut self, nick: &str) -> SimPeer {
        let peer = self.sim.connect();
        self.says(peer, nick);
        self.sim.run();
        peer
    }

    pub(super) fn says(&mut self, peer: SimPeer, line: &str) {
        self.sim.send(peer, format!("{line}\n").as_bytes());
    }

    pub(super) fn sees(&mut self, peer: SimPeer) -> String {
        String::from_utf8(self.sim.received(peer)).expect("the server sends UTF-8")
    }

    /// The number of feeds.
    fn feeds(&mut self) -> usize {
        self.sim.handler_mut().audiences.values().map(Audience::feeds).map(Iterator::count).sum()
    }

    fn persons(&mut self) -> usize {
        self.sim.handler_mut().persons()
    }
}

#[test]
fn three_people_talk() {
    let mut room = Room::new();
    let ann = room.sim.connect();
    assert_eq!(room.sees(ann), "Enter your nickname: ");
    room.says(ann, "ann");
    assert_eq!(room.sees(ann), "Welcome ann to the room!\n1 person is here.\n");
    let bob = room.join("bob\r");
    assert_eq!(room.sees(bob), "Enter your nickname: Welcome bob to the room!\n2 persons are here.\n");
    let eve = room.join("eve");
    assert_eq!(room.sees(eve), "Enter your nickname: Welcome eve to the room!\n3 persons are here.\n");
    assert_eq!(room.sees(ann), "Welcome bob to the room!\nWelcome eve to the room!\n");
    room.says(ann, "hello\r\n\r\n\nall");
    room.says(bob, "hi");
    assert_eq!(room.sees(ann), "bob: hi\n");
    assert_eq!(room.sees(bob), "Welcome eve to the room!\nann: hello\nann: all\n");
    assert_eq!(room.sees(eve), "ann: hello\nann: all\nbob: hi\n");
}

#[test]
fn a_leave_notice_is_seen_at_once_however_one_leaves() {
    let (mut room, [stays, quits, ends, breaks]) = Room::of(["stays", "quits", "ends", "breaks"]);
    room.says(quits, "/quit");
    assert_eq!(room.sees(stays), "quits leaves the room!\n");
    assert_eq!(room.sees(quits), "Good bye!\n");
    assert_eq!(room.sim.ending(quits), Some(Ending::Eof));
    room.sim.send(ends, b"last words");
    room.sim.shut_down(ends);
    assert_eq!(room.sees(stays), "ends: last words\nends leaves the room!\n");
    room.sim.reset(breaks);
    assert_eq!(room.sees(stays), "breaks leaves the room!\n");
    assert_eq!(room.persons(), 1);
}

#[test]
fn a_member_that_does_not_read_is_closed_and_its_leaving_seen() {
    let limits = Limits { feed_buffer: Some(1000), ..Limits::default() };
    let mut room = Room::with(ChatOptions { rate: None, ..ChatOptions::default() }, limits);
    let (ann, bob, stuck) = (room.join("ann"), room.join("bob"), room.join("stuck"));
    room.sees(bob);
    room.sim.stall(stuck);
    for _ in 0..100 {
        room.says(ann, "twenty bytes of text");
        room.sim.run();
    }
    let seen = room.sees(bob);
    assert_eq!(seen.matches("ann: twenty bytes of text\n").count(), 100);
    assert_eq!(seen.matches("stuck leaves the room!\n").count(), 1);
    assert_eq!(room.sim.ending(stuck), Some(Ending::Reset));
    assert_eq!(room.persons(), 2);
}

#[test]
fn a_bad_or_taken_nickname_is_refused_and_asked_again() {
    let (mut room, [ann]) = Room::of(["Ann"]);
    let bob = room.join("a b");
    let again = &[texts::BAD_NICK, texts::PROMPT].concat();
    assert_eq!(room.sees(bob), format!("Enter your nickname: {again}"));
    for bad in ["", "ann:", "* ann", "\x1b[31mbob", "/who"] {
        room.says(bob, bad);
        assert_eq!(&room.sees(bob), again);
    }
    for (taken, shown) in [("ann", "ann"), ("ＡＮＮ", "ANN")] {
        room.says(bob, taken);
        let reason = format!("The nickname {shown} is taken (please choose another one)\nEnter your nickname: ");
        assert_eq!(room.sees(bob), reason);
    }
    assert_eq!(room.sees(ann), "", "of all this the room hears nothing");
    room.says(bob, "bob");
    assert_eq!(room.sees(bob), "Welcome bob to the room!\n2 persons are here.\n");
}

#[test]
fn a_nickname_is_free_again_when_its_owner_has_left() {
    let (mut room, [ann, _bob]) = Room::of(["ann", "bob"]);
    room.sim.reset(ann);
    room.sim.run();
    let other = room.join("ANN");
    assert_eq!(room.sees(other), "Enter your nickname: Welcome ANN to the room!\n2 persons are here.\n");
}

#[test]
fn a_client_without_a_nickname_does_not_hear_the_room() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    let lurker = room.sim.connect();
    room.says(ann, "secret");
    assert_eq!(room.sees(bob), "ann: secret\n");
    assert_eq!(room.sees(lurker), "Enter your nickname: ");
    room.sim.shut_down(lurker);
    assert_eq!(room.sim.ending(lurker), Some(Ending::Eof));
    assert_eq!(room.sees(bob), "");
}

#[test]
fn a_web_request_at_the_prompt_closes_with_one_line() {
    for line in ["GET / HTTP/1.1\r\nHost: here\r\n\r", "POST /x HTTP/1.0", "Host: here"] {
        let (mut room, [ann]) = Room::of(["ann"]);
        let browser = room.join(line);
        assert_eq!(room.sees(browser), "Enter your nickname: This is a chat server and does not speak HTTP.\n");
        room.sim.shut_down(browser);
        assert_eq!(room.sim.ending(browser), Some(Ending::Eof));
        assert_eq!(room.sees(ann), "");
        room.says(ann, "GET / HTTP/1.1");
        assert_eq!(room.sim.ending(ann), None, "a member may say this");
    }
}

#[test]
fn a_client_without_a_name_quits_silently() {
    let (mut room, [ann]) = Room::of(["ann"]);
    let shy = room.join("/quit");
    assert_eq!(room.sees(shy), "Enter your nickname: Good bye!\n");
    assert_eq!(room.sees(ann), "");
}

#[test]
fn a_long_line_gets_one_notice_and_is_not_sent() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    let fits = "x".repeat(4096);
    room.says(ann, &fits);
    assert_eq!(room.sees(bob), format!("ann: {fits}\n"));
    for _ in 0..50 {
        room.sim.send(ann, fits.as_bytes());
        room.sim.run();
    }
    room.says(ann, "\nstill here");
    assert_eq!(room.sees(ann), "Your line is over 4096 bytes and was not sent.\n");
    assert_eq!(room.sees(bob), "ann: still here\n");
}

#[test]
fn a_nickname_that_is_far_too_long_is_asked_for_again() {
    let mut room = Room::new();
    let shy = room.sim.connect();
    room.says(shy, &"x".repeat(5000));
    let prompt = "Enter your nickname: ";
    assert_eq!(room.sees(shy), format!("{prompt}Your line is over 4096 bytes and was not sent.\n{prompt}"));
}

#[test]
fn what_could_deceive_is_replaced_before_anybody_sees_it() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    room.says(ann, "\x1b[2J\tgrün \u{202E}x\u{2028}bob: y\rz");
    assert_eq!(room.sees(bob), "ann: \u{FFFD}[2J\tgrün \u{FFFD}x\u{FFFD}bob: y\u{FFFD}z\n");
    room.sim.send(ann, b"/me \xff\x9b\n/msg bob \x07\n");
    assert_eq!(room.sees(bob), "* ann \u{FFFD}\u{FFFD}\n[ann] \u{FFFD}\n");
    room.says(ann, "/\x1b[2J");
    assert!(!room.sees(ann).contains('\x1b'), "answers are clean too");
}

#[test]
fn commands_are_answered() {
    let (mut room, [ann, bob]) = Room::of(["ann", "Bob"]);
    room.says(ann, "/who");
    assert_eq!(room.sees(ann), "2 persons are here: ann, Bob.\n");
    room.says(ann, "/me waves");
    assert_eq!(room.sees(bob), "* ann waves\n");
    assert_eq!(room.sees(ann), "", "the author has seen what was typed");
    room.says(ann, "/help");
    assert_eq!(room.sees(ann), texts::HELP);
    room.says(ann, "/dance\n/\n/nick\n//help");
    assert_eq!(
        room.sees(ann),
        "There is no command /dance (type /help for a list)\n\
         There is no command / (type /help for a list)\n\
         This command needs more: /nick NICK\n"
    );
    assert_eq!(room.sees(bob), "ann: /help\n");
}

#[test]
fn a_private_message_reaches_one_person() {
    let (mut room, [ann, bob, eve]) = Room::of(["ann", "bob", "eve"]);
    room.says(eve, "before");
    room.sim.run();
    room.says(ann, "/msg BOB  it's  me");
    room.says(eve, "after");
    assert_eq!(room.sees(bob), "eve: before\n[ann] it's  me\neve: after\n");
    assert_eq!(room.sees(ann), "eve: before\n[to bob] it's  me\neve: after\n");
    assert_eq!(room.sees(eve), "");
    room.says(ann, "/msg nobody hi");
    assert_eq!(room.sees(ann), "No member is called nobody\n");
    room.says(ann, "/msg ann note");
    assert_eq!(room.sees(ann), "[to ann] note\n[ann] note\n");
}

#[test]
fn a_new_nickname_is_announced_and_the_old_one_free() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    room.says(ann, "/nick Anna");
    for peer in [ann, bob] {
        assert_eq!(room.sees(peer), "ann is now known as Anna.\n");
    }
    room.says(ann, "/nick ANNA\n/nick bob\n/nick a:b");
    assert_eq!(
        room.sees(ann),
        "Anna is now known as ANNA.\n\
         The nickname bob is taken (please choose another one)\n\
         A nickname is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n"
    );
    room.says(bob, "/nick ann\n/who");
    assert_eq!(
        room.sees(bob),
        "Anna is now known as ANNA.\nbob is now known as ann.\n2 persons are here: ann, ANNA.\n"
    );
    room.sim.reset(ann);
    assert_eq!(room.sees(bob), "ANNA leaves the room!\n");
}

#[test]
fn five_hundred_join_at_once_and_all_are_welcomed() {
    let mut room = Room::of_crowds();
    let peers: Vec<_> = (0..500).map(|_| room.sim.connect()).collect();
    for (index, &peer) in peers.iter().enumerate() {
        room.says(peer, &format!("n{index}"));
    }
    for (index, &peer) in peers.iter().enumerate() {
        let seen = room.sees(peer);
        let count = if index == 0 { "1 person is".to_owned() } else { format!("{} persons are", index + 1) };
        assert!(seen.contains(&format!("Welcome n{index} to the room!\n{count} here.\n")), "{seen}");
        assert_eq!(seen.matches("Welcome ").count(), 500 - index);
    }
}

#[test]
fn fifteen_hundred_vanish_at_once_and_the_room_goes_on() {
    let mut room = Room::of_crowds();
    let [ann, bob] = ["ann", "bob"].map(|nick| room.join(nick));
    let crowd: Vec<_> = (0..1500).map(|index| room.join(&format!("n{index}"))).collect();
    room.sees(ann);
    room.sees(bob);
    for peer in crowd {
        room.sim.reset(peer);
    }
    let seen = room.sees(ann);
    assert_eq!(seen.lines().count(), 1500);
    assert!(seen.lines().all(|line| line.ends_with(" leaves the room!")));
    room.says(bob, "still here");
    assert_eq!(room.sees(ann), "bob: still here\n");
    assert_eq!(room.persons(), 2);
}

#[test]
fn a_server_that_stops_says_so_and_announces_no_departures() {
    let (mut room, peers) = Room::of(["ann", "bob", "eve"]);
    let newcomer = room.sim.connect();
    room.says(peers[0], "last words");
    room.says(newcomer, "late");
    room.sim.stop();
    assert_eq!(room.sees(peers[0]), "Welcome late to the room!\nThe server is stopping.\n");
    for peer in &peers[1..] {
        assert_eq!(room.sees(*peer), "ann: last words\nWelcome late to the room!\nThe server is stopping.\n");
    }
    room.sim.shut_down(newcomer);
    for peer in peers {
        assert_eq!(room.sim.ending(peer), Some(Ending::Eof));
        room.sim.shut_down(peer);
    }
    assert!(room.sim.is_stopped());
    assert_eq!(room.persons(), 0);
}

#[test]
fn paused_lines_are_said_after_the_notice_of_a_stop() {
    let rate = Rate { count: 1, per: Duration::from_secs(1), burst: 2 };
    let mut room = Room::with(ChatOptions { rate: Some(rate), ..ChatOptions::default() }, Limits::default());
    let (ann, fast) = (room.join("ann"), room.join("fast"));
    room.sees(ann);
    room.says(fast, "one\ntwo\nthree");
    assert_eq!(room.sees(ann), "fast: one\n");
    let late = room.sim.connect();
    room.sim.stop();
    assert_eq!(room.sees(ann), "The server is stopping.\n");
    assert!(room.sees(fast).ends_with("2 persons are here.\nThe server is stopping.\n"));
    assert_eq!(room.sees(late), "Enter your nickname: ");
}

#[test]
fn nothing_is_left_behind_by_former_members() {
    let (mut room, [ann]) = Room::of(["ann"]);
    for round in 0..100 {
        let guest = room.join("guest");
        room.says(guest, &format!("/nick g{round}"));
        room.sim.shut_down(guest);
        room.sim.advance(Duration::from_secs(2));
    }
    assert_eq!((room.persons(), room.sim.stats().connections, room.sim.timers()), (1, 1, 0));
    assert!(room.sees(ann).ends_with("g99 leaves the room!\n"));
}

/// What a member may try: text, commands, noise.
pub(super) fn talk() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..12),
        "(/(me|msg bob|msg mal|nick|who|help|dance|)|//|bob:|\\*|\\[bob\\])[ a-z:]{0,9}".prop_map(String::into_bytes),
        Just(b"x".repeat(5000)),
    ];
    proptest::collection::vec((line, prop_oneof![Just("\n"), Just("\r\n")]), 0..10)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.into()].concat()).collect())
}

/// What the talker and a listener see when the talker sends `script` in these steps.
fn transcript(script: &[u8], steps: &[Step], limits: Limits) -> (Vec<u8>, Vec<u8>) {
    let mut room = Room::with_limits(limits);
    let bob = room.join("bob");
    let talker = room.sim.connect();
    let mut seen = play(&mut room.sim, talker, script, steps);
    room.sim.shut_down(talker);
    seen.extend(room.sim.received(talker));
    (seen, room.sim.received(bob))
}

#[test]
fn the_end_of_input_at_every_byte_is_the_end_of_a_line() {
    let script = b"mal\r\nhi\n/me waves\n/nick m\xc3\xbc\n/quit\n";
    for end in 0..=script.len() {
        let expected = transcript(&script[..end], &[], Limits::default());
        assert_eq!(transcript(&script[..end], &vec![Step::Look(1); end], Limits::default()), expected, "at {end}");
        let has_name = end > 0;
        assert_eq!(expected.1.ends_with(b" leaves the room!\n"), has_name, "at {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_split_pause_or_slow_reader_changes_what_is_seen(talk in talk(), steps in steps()) {
        let script = [b"mal\n", &talk[..]].concat();
        let limits = Limits { max_queue: Some(4096), queue_time: None, ..tight() };
        prop_assert_eq!(transcript(&script, &steps, limits), transcript(&script, &[], Limits::default()));
    }

    #[test]
    fn a_member_cannot_speak_as_another_or_as_the_server(talk in talk()) {
        let mut room = Room::new();
        let (bob, mal) = (room.join("bob"), room.join("mal"));
        room.sees(bob);
        room.sim.send(mal, &talk);
        let seen = room.sees(bob);
        let mut nick = String::from("mal");
        for line in seen.lines() {
            if let Some(new) = line.strip_prefix(&format!("{nick} is now known as ")) {
                nick = new.trim_end_matches('.').to_string();
                continue;
            }
            let begins = [format!("{nick}: "), format!("* {nick} "), format!("[{nick}] ")];
            prop_assert!(begins.iter().any(|begin| line.starts_with(begin)), "{line:?}");
            prop_assert_eq!(sanitize(line.as_bytes()), line);
        }
    }
}

#[test]
fn a_member_over_the_rate_is_read_slowly_and_loses_nothing() {
    let rate = Rate { count: 10, per: Duration::from_secs(1), burst: 5 };
    let mut sim = Sim::new(Chat::room(ChatOptions { rate: Some(rate), ..ChatOptions::default() }));
    let [fast, hears] = [(); 2].map(|()| sim.connect());
    sim.send(hears, b"hears\n");
    sim.run();
    sim.send(fast, b"fast\n");
    sim.received(hears);
    for number in 0..20 {
        sim.send(fast, format!("{number}\n").as_bytes());
    }
    let said = |sim: &mut Sim<_>| String::from_utf8(sim.received(hears)).expect("text");
    assert_eq!(said(&mut sim), "fast: 0\nfast: 1\nfast: 2\nfast: 3\n", "the nickname was the first line of the burst");
    for number in 4..20 {
        sim.advance(Duration::from_millis(99));
        assert_eq!(said(&mut sim), "");
        sim.advance(Duration::from_millis(1));
        assert_eq!(said(&mut sim), format!("fast: {number}\n"));
    }
    sim.advance(Duration::from_secs(60));
    assert_eq!((sim.ending(fast), sim.timers()), (None, 0));
}

#[test]
fn a_newcomer_that_leaves_takes_its_timer_along() {
    let mut sim = Sim::new(Chat::room(ChatOptions::default()));
    for round in 0..100 {
        let peer = sim.connect();
        if round % 2 == 0 {
            sim.reset(peer);
        } else {
            sim.shut_down(peer);
        }
    }
    assert_eq!(sim.stats().connections, 0);
    assert_eq!(sim.timers(), 0);
}

#[test]
fn only_a_newcomer_has_a_handshake_timeout() {
    let time = Duration::from_secs(30);
    let mut sim = Sim::new(Chat::room(ChatOptions { handshake: Some(time), ..ChatOptions::default() }));
    let [slow, member] = [(); 2].map(|()| sim.connect());
    sim.send(member, b"ann\n");
    sim.send(slow, b"bad name\n");
    sim.received(slow);
    sim.advance(time.saturating_sub(Duration::from_millis(1)));
    assert_eq!(sim.ending(slow), None);
    sim.advance(Duration::from_millis(1));
    assert_eq!(sim.received(slow), texts::TOO_LATE.as_bytes());
    assert!(sim.ending(slow).is_some());
    sim.advance(10 * time);
    assert_eq!((sim.ending(member), sim.timers()), (None, 0));
}
