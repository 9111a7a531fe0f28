//! The chat room: what its members see, what strangers cannot do to them, and what many of them at once cost.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::tool;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use switchboard_harness::{Server, Stop, allow_descriptors, alone, until};

const PROMPT: &str = "Enter your nickname: ";

/// Joins the room and reads all of the welcome.
#[track_caller]
pub(super) fn join(server: &Server, nickname: &str) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.expect(PROMPT);
    peer.send(format!("{nickname}\n"));
    peer.expect(format!("Welcome {nickname} to the room!\n"));
    let count = peer.line();
    assert!(is_count(&count), "{count:?}");
    peer
}

/// Whether a line tells a newcomer how many are in the room.
fn is_count(line: &str) -> bool {
    line == "1 person is here." || line.ends_with(" persons are here.")
}

#[test]
fn three_netcats_talk() {
    let mut server = Program::Chat.start();
    let port = server.port().to_string();
    let mut ann = tool(&["nc", "-N", "127.0.0.1", &port]);
    let mut bob = tool(&["ncat", "127.0.0.1", &port]);
    let mut eve = tool(&["nc", "-N", "127.0.0.1", &port]);

    ann.stdout.shows(PROMPT);
    ann.say("ann\n");
    let mut seen_by_ann = format!("{PROMPT}Welcome ann to the room!\n1 person is here.\n");
    ann.stdout.shows(&seen_by_ann);

    bob.say("bob\n");
    let mut seen_by_bob = format!("{PROMPT}Welcome bob to the room!\n2 persons are here.\n");
    bob.stdout.shows(&seen_by_bob);
    seen_by_ann += "Welcome bob to the room!\n";
    ann.stdout.shows(&seen_by_ann);

    eve.say("eve\n");
    let mut seen_by_eve = format!("{PROMPT}Welcome eve to the room!\n3 persons are here.\n");
    eve.stdout.shows(&seen_by_eve);
    ann.say("good morning\n");
    seen_by_bob += "Welcome eve to the room!\nann: good morning\n";
    seen_by_eve += "ann: good morning\n";
    bob.stdout.shows(&seen_by_bob);
    eve.stdout.shows(&seen_by_eve);

    bob.hang_up();
    assert!(bob.wait().status.success());
    seen_by_ann += "Welcome eve to the room!\nbob leaves the room!\n";
    seen_by_eve += "bob leaves the room!\n";
    ann.stdout.shows(&seen_by_ann);
    eve.stdout.shows(&seen_by_eve);

    eve.say("last words");
    eve.hang_up();
    assert!(eve.wait().status.success());
    ann.stdout.shows(&(seen_by_ann + "eve: last words\neve leaves the room!\n"));
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
    // OpenBSD's nc stays after the server's end until its own input ends, too.
    ann.hang_up();
    assert!(ann.wait().status.success());
}

#[test]
fn a_bad_or_taken_name_is_refused_with_a_reason_and_asked_again() {
    let server = Program::Chat.start();
    let _ann = join(&server, "ann");
    let mut peer = Peer::connect(&server.address());
    peer.expect(PROMPT);
    let too_long = "x".repeat(33);
    for bad in ["ann", "Ann", "ANN", "ａｎｎ", "", "ann: yes", "* ann", "a b", "a\u{202e}b", "\u{1b}[31m", &too_long]
    {
        peer.send(format!("{bad}\n"));
        let reason = peer.line();
        assert!(!reason.is_empty() && !reason.contains("Welcome"), "{bad:?}: {reason:?}");
        assert!(!reason.contains(['\u{1b}', '\u{202e}']), "{bad:?}: {reason:?}");
        peer.expect(PROMPT);
    }
    let longest = "x".repeat(32);
    peer.send(format!("{longest}\r\n"));
    peer.expect(format!("Welcome {longest} to the room!\n2 persons are here.\n"));
    join(&server, "A-b_c.9");
    join(&server, "žofie");
}

#[test]
fn a_nickname_begins_with_a_letter_and_bears_few_marks() {
    let server = Program::Chat.start();
    let mut peer = Peer::connect(&server.address());
    peer.expect(PROMPT);
    let tower = |mark: &str| format!("a{}", mark.repeat(31));
    for bad in ["\u{345}", "\u{E31}", "\u{301}", &tower("\u{345}"), &tower("\u{E31}"), "_ann", "-", "a\u{FE0F}"] {
        peer.send(format!("{bad}\n"));
        let reason =
            "A nickname is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)";
        assert_eq!(peer.line(), reason, "{bad:?}");
        peer.expect(PROMPT);
    }
    peer.send("ﬁn²\n");
    peer.expect("Welcome fin2 to the room!\n");
    join(&server, "น้อย");
}

#[test]
fn a_name_is_free_again_when_its_owner_has_left() {
    let server = Program::Chat.start();
    let mut ann = join(&server, "ann");
    for _ in 0..3 {
        let bob = join(&server, "bob");
        assert_eq!(ann.line(), "Welcome bob to the room!");
        drop(bob);
        assert_eq!(ann.line(), "bob leaves the room!");
    }
}

#[test]
fn nothing_that_could_steer_a_terminal_reaches_another_member() {
    let server = Program::Chat.launch().args("-v").start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    let evil = "\u{1b}]0;title\u{7}\u{1b}[31mred\u{9b}31m \u{7f}\u{8}\0 \u{202e}\u{2066}\u{2028}\u{2029}\u{85} end";
    bob.send(format!("{evil}\n"));
    ann.line();
    let line = ann.line();
    assert!(line.starts_with("bob: ") && line.ends_with(" end"), "{line:?}");
    assert!(line.contains("red") && line.contains("title"), "{line:?}");
    let steering = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    assert!(!line.contains(steering), "{line:?}");
    bob.send("a\ttab, žluť and 漢字 stay\n");
    assert_eq!(ann.line(), "bob: a\ttab, žluť and 漢字 stay");
    bob.send(b"\xff\xfe bytes that are no text\n");
    assert!(ann.line().ends_with("bytes that are no text"));
    assert!(!server.stderr.text().contains('\u{1b}'), "{:?}", server.stderr.text());
}

#[test]
fn a_line_is_a_line_however_it_is_split() {
    let server = Program::Chat.start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.line();
    for byte in "split into bytes\r\n".bytes() {
        bob.send([byte]);
    }
    assert_eq!(ann.line(), "bob: split into bytes");
    bob.send("two\r\nin one\n");
    assert_eq!(ann.line(), "bob: two");
    assert_eq!(ann.line(), "bob: in one");
}

#[test]
fn a_long_line_is_one_notice_and_the_room_goes_on() {
    let server = Program::Chat.start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.line();
    bob.send("x".repeat(1 << 20));
    bob.send("\nafter\n");
    let notice = bob.line();
    assert!(notice.contains("4096"), "{notice:?}");
    assert_eq!(ann.line(), "bob: after");
    ann.send("still here?\n");
    assert_eq!(bob.line(), "ann: still here?");
}

#[test]
fn commands_are_answered() {
    let server = Program::Chat.start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    let mut eve = join(&server, "eve");
    ann.line();
    ann.line();
    bob.line();
    ann.send("/who\n");
    ann.line_where(|line| ["ann", "bob", "eve"].iter().all(|name| line.contains(name)));
    ann.send("/msg bob a secret\n");
    assert!(bob.line().contains("a secret"));
    ann.send("//me is text\n");
    assert_eq!(eve.line(), "ann: /me is text", "a private message is private");
    assert_eq!(bob.line(), "ann: /me is text");
    ann.send("/me waves\n");
    let line = eve.line();
    assert!(line.contains("ann waves") && !line.starts_with("ann: "), "{line:?}");
    ann.send("/nick Anna\n");
    eve.line_where(|line| line.contains("Anna"));
    ann.send("hello\n");
    assert_eq!(eve.line(), "Anna: hello");
    eve.send("/help\n");
    eve.line_where(|line| line.contains("/quit"));
    eve.send("/nonsense\n");
    eve.line_where(|line| line.contains("/nonsense") || line.contains("/help"));
    eve.send("/quit\n");
    eve.rest().expect("an orderly end");
    ann.line_where(|line| line == "eve leaves the room!");
}

#[test]
fn a_web_page_that_posts_to_us_is_sent_away() {
    let server = Program::Chat.start();
    for request in
        ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nann\nhello\n"]
    {
        let mut peer = Peer::connect(&server.address());
        peer.expect(PROMPT);
        peer.send(request);
        let answer = String::from_utf8(peer.rest().expect("an orderly end")).expect("text");
        assert_eq!(answer.lines().count(), 1, "{answer:?}");
    }
}

/// The 99th percentile of 300 messages from one member to another.
fn delay(from: &mut Peer, to: &mut Peer) -> Duration {
    let mut delays: Vec<_> = (0..300)
        .map(|number| {
            let start = Instant::now();
            from.send(format!("message {number}\n"));
            to.line_where(|line| line.ends_with(&format!(": message {number}")));
            start.elapsed()
        })
        .collect();
    delays.sort();
    delays[297]
}

#[test]
fn a_stuck_member_delays_no_other_and_is_closed_with_a_reason() {
    let _alone = alone();
    let server = Program::Chat.launch().args("--room-buffer 262144 --send-buffer 16384 --rate off").start();
    let (mut ann, mut bob) = (join(&server, "ann"), join(&server, "bob"));
    ann.line();
    let before = delay(&mut ann, &mut bob);
    let mut stuck = Peer::connect_narrow(&server.address(), 4096);
    stuck.send("stuck\n");
    ann.line_where(|line| line == "Welcome stuck to the room!");
    let text = "x".repeat(1000);
    let mut during = Duration::ZERO;
    for _ in 0..5 {
        for _ in 0..100 {
            ann.send(format!("{text}\n"));
            bob.line_where(|line| line.ends_with(&text));
        }
        during = during.max(delay(&mut ann, &mut bob));
    }
    assert!(during < before * 5 + Duration::from_millis(20), "before {before:?}, during {during:?}");
    ann.line_where(|line| line == "stuck leaves the room!");
    let port = stuck.local_port().to_string();
    let is_reason = |line: &str| line.contains(&port) && line.contains("behind the room, limit 262144 (--room-buffer)");
    until("the reason in the log", || server.stderr.lines().iter().any(|line| is_reason(line)));
}

/// Connects `count` members who all give their names at once.
fn burst(server: &Server, count: usize) -> Vec<Peer> {
    let mut peers: Vec<_> = (0..count).map(|_| Peer::connect(&server.address())).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.send(format!("member{number}\n"));
    }
    peers
}

#[test]
fn five_hundred_newcomers_in_one_burst_are_all_welcomed() {
    let _alone = alone();
    allow_descriptors(2000, u64::MAX).expect("a limit that is high enough");
    let server = Program::Chat.launch().args("--join-rate off").start();
    let mut ann = join(&server, "ann");
    let mut peers = burst(&server, 500);
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.expect(PROMPT);
        peer.line_where(|line| line == format!("Welcome member{number} to the room!"));
        peer.line_where(is_count);
    }
    let mut seen = Arrivals::default();
    seen.watch(&mut ann, |seen| seen.joined == 500);
    assert!(seen.crowds >= 1 && seen.single < 500, "{seen:?}");
}

/// What a member sees of joins and leaves.
#[derive(Debug, Default)]
struct Arrivals {
    joined: u64,
    left: u64,
    /// Notices of one join or leave.
    single: u64,
    /// Lines that stand for a crowd.
    crowds: u64,
}

impl Arrivals {
    /// Reads notices until they are enough.
    #[track_caller]
    fn watch(&mut self, member: &mut Peer, is_enough: impl Fn(&Arrivals) -> bool) {
        while !is_enough(self) {
            let line = member.line();
            if let Some((joined, left)) = crowd(&line) {
                (self.joined, self.left, self.crowds) = (self.joined + joined, self.left + left, self.crowds + 1);
            } else {
                let (joins, leaves) = (line.starts_with("Welcome "), line.ends_with(" leaves the room!"));
                assert!(joins || leaves, "{line:?}");
                self.joined += u64::from(joins);
                self.left += u64::from(leaves);
                self.single += 1;
            }
        }
    }
}

/// The numbers of a line such as `12 people joined, 9 left`.
fn crowd(line: &str) -> Option<(u64, u64)> {
    let (joined, left) = line.strip_suffix(" left")?.split_once(" joined, ")?;
    Some((joined.split(' ').next()?.parse().ok()?, left.parse().ok()?))
}

#[test]
fn a_flood_of_joins_is_one_line_a_second_for_a_member() {
    let _alone = alone();
    let server = Program::Chat.launch().args("--join-rate off").start();
    let mut ann = join(&server, "ann");
    let start = Instant::now();
    let address = server.address();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let address = &address;
            scope.spawn(move || {
                for number in 0..250 {
                    let mut peer = Peer::connect(address);
                    peer.send(format!("flood-{thread}-{number}\n/quit\n"));
                    peer.rest().expect("an orderly end");
                }
            });
        }
    });
    let mut seen = Arrivals::default();
    seen.watch(&mut ann, |seen| (seen.joined, seen.left) == (1000, 1000));
    // Each second that begins without a crowd has up to 20 notices; then it may have ended between two joins.
    let seconds = start.elapsed().as_secs() + 2;
    assert!(seen.single + seen.crowds <= 21 * seconds, "{seen:?} in {seconds} s");
    let mut bob = join(&server, "bob");
    bob.send("/quit\n");
    bob.line_where(|line| line == "Good bye!");
}

#[test]
fn newcomers_over_the_rate_wait_at_the_prompt() {
    let server = Program::Chat.launch().args("--join-rate 1/100ms").start();
    let mut peers = burst(&server, 100);
    for peer in &mut peers {
        peer.line_where(is_count);
    }
    let mut late: Vec<Peer> = (0..3).map(|_| Peer::connect(&server.address())).collect();
    for (number, peer) in late.iter_mut().enumerate() {
        peer.send(format!("late{number}\nhello from {number}\n"));
        peer.expect(PROMPT);
        peer.expect("Too many people join from your address at once. Please wait for your turn.\n");
    }
    for (number, peer) in late.iter_mut().enumerate() {
        peer.line_where(|line| line == format!("Welcome late{number} to the room!"));
        peers[0].line_where(|line| line == format!("late{number}: hello from {number}"));
    }
}

#[test]
fn a_newcomer_that_resets_while_it_waits_holds_no_place() {
    let server = Program::Chat.launch().args("-v --join-rate 1/1h").start();
    for peer in &mut burst(&server, 100) {
        peer.line_where(is_count);
    }
    let mut late = Peer::connect(&server.address());
    late.send("late\n");
    late.expect(PROMPT);
    late.expect("Too many people join from your address at once. Please wait for your turn.\n");
    let port = late.local_port();
    late.reset();
    server.stderr.wait_for(&format!("127.0.0.1:{port} closed: "));
}

#[test]
fn fifteen_hundred_vanish_at_once_and_the_room_goes_on() {
    let _alone = alone();
    allow_descriptors(3000, u64::MAX).expect("a limit that is high enough");
    let server = Program::Chat.launch().args("--join-rate off").start();
    let (mut ann, mut bob) = (join(&server, "ann"), join(&server, "bob"));
    let mut peers = burst(&server, 1500);
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.expect(PROMPT);
        peer.line_where(|line| line == format!("Welcome member{number} to the room!"));
    }
    peers.into_iter().for_each(Peer::reset);
    assert_eq!(ann.line(), "Welcome bob to the room!");
    for member in [&mut ann, &mut bob] {
        Arrivals::default().watch(member, |seen| (seen.joined, seen.left) == (1500, 1500));
    }
    ann.send("anyone left?\n");
    assert_eq!(bob.line(), "ann: anyone left?");
}

#[test]
fn two_hundred_talkers_with_short_lines_cost_little_memory() {
    let _alone = alone();
    let server = Program::Chat.launch().args("--send-buffer 16384 --rate off --join-rate off").start();
    let mut peers = burst(&server, 200);
    for peer in &mut peers {
        peer.line_where(is_count);
    }
    let before = server.resident();
    let mut words = "x\n".repeat(32_768).into_bytes();
    words.truncate(65_536);
    for peer in &peers {
        // What the kernel takes at once: the room reads all of it in very few turns.
        peer.socket().set_nonblocking(true).expect("a socket of ours");
        let _ = peer.socket().send(&words);
    }
    let mut ann = Peer::connect(&server.address());
    ann.send("ann\n");
    until("the room to answer", || ann.hears_within(Duration::from_millis(10)));
    drop(peers);
    ann.line_where(is_count);
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 8 << 20, "grown by {growth} bytes");
}

#[test]
fn a_leave_notice_needs_no_further_event() {
    let server = Program::Chat.start();
    let mut ann = join(&server, "ann");
    join(&server, "bob").reset();
    assert_eq!(ann.line(), "Welcome bob to the room!");
    assert_eq!(ann.line(), "bob leaves the room!");
}

#[test]
fn a_flood_is_read_slowly_and_the_room_hears_all_of_it() {
    let server = Program::Chat.launch().args("--rate 5/100ms").start();
    let [mut ann, mut bob] = ["ann", "bob"].map(|nick| {
        let mut peer = Peer::connect(&server.address());
        peer.send(format!("{nick}\n"));
        peer.line_where(is_count);
        peer
    });
    let start = Instant::now();
    let flood: Vec<String> = (0..150).map(|number| format!("line {number}\n")).collect();
    ann.send(flood.concat());
    for number in 0..150 {
        assert_eq!(bob.line(), format!("ann: line {number}"));
    }
    // The burst of 100 is free, and its first line was the nickname; the others come fifty a second.
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_client_without_a_nickname_is_closed_with_a_reason() {
    let server = Program::Chat.launch().args("--handshake-timeout 200ms").start();
    let mut slow = Peer::connect(&server.address());
    assert_eq!(slow.rest().expect("an orderly end"), b"Enter your nickname: You took too long to choose a nickname.\n");
}

#[test]
fn a_shared_port_is_rejected_with_the_reason() {
    let reason = "the kernel would split the room over the processes; run one chat server on each address, \
                  or share the rooms with --bus";
    let finished = Program::Chat.launch().args("-l 127.0.0.1:0 --reuse-port").run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.starts_with(&format!("error: --reuse-port: {reason}\n")), "{finished:?}");
    assert_eq!(finished.stdout, "");
}

#[test]
fn members_are_told_that_the_server_stops() {
    let mut server = Program::Chat.start();
    let mut ann = join(&server, "ann");
    let mut bob = join(&server, "bob");
    ann.line();
    bob.send("last words\n");
    assert_eq!(ann.line(), "bob: last words");
    server.signal(Signal::TERM);
    for mut member in [ann, bob] {
        assert_eq!(member.rest().expect("an orderly end"), b"The server is stopping.\n");
    }
    server.wait().expect_clean_within(Duration::from_secs(2));
}
