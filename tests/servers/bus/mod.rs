//! Rooms on several chat servers, which share them through a real Redis.
//!
//! What is compared is what members hear: each line once, each author's lines as they were typed, and one order for
//! all.

mod cut;
mod deaths;
mod doors;
mod log;
mod order;
mod page;
mod start;
mod wipe;

use crate::support::server::Program;
use crate::support::tools::tool;
use std::time::Duration;
use switchboard_harness::{Launch, RedisServer, Server, within};

/// The time for what follows an outage, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The address of a Redis for `--bus`.
fn url(redis: &RedisServer) -> String {
    format!("redis://{}", redis.address())
}

/// A chat on a bus. The limits that slow members down are off.
fn chat(bus: &str) -> Launch {
    Program::Chat.launch().arg("--bus").arg(bus).args("--rate off --join-rate off --slow-turn off")
}

/// Starts chats on one bus, each with the blank-separated words of `args`.
#[track_caller]
fn chats<const N: usize>(redis: &RedisServer, args: &str) -> [Server; N] {
    std::array::from_fn(|_| chat(&url(redis)).args(args).start())
}

/// A member with a real netcat.
struct Member {
    nick: String,
    netcat: Server,
}

impl Member {
    /// Enters the room of a server.
    #[track_caller]
    fn enter(server: &Server, nick: &str) -> Self {
        let mut member = Self::at_the_prompt(server, nick);
        member.say(nick);
        member.hears(" here.\n");
        member
    }

    /// Connects, and reads the prompt.
    #[track_caller]
    fn at_the_prompt(server: &Server, nick: &str) -> Self {
        let address = server.address();
        let (host, port) = address.rsplit_once(':').expect("a port");
        let netcat = tool(&["nc", host, port]);
        netcat.stdout.wait_for("Enter your nickname: ");
        Self { nick: nick.to_owned(), netcat }
    }

    /// Types a line, or several.
    #[track_caller]
    fn say(&mut self, lines: &str) {
        self.netcat.say(format!("{lines}\n"));
    }

    /// Types the lines `FIRST of NICK` and so on.
    #[track_caller]
    fn count(&mut self, numbers: std::ops::Range<usize>) {
        let lines: Vec<String> = numbers.map(|number| format!("{number} of {}", self.nick)).collect();
        self.say(&lines.join("\n"));
    }

    /// Waits until the netcat has shown a text.
    #[track_caller]
    fn hears(&self, text: &str) {
        let found = within(PATIENCE, || self.netcat.stdout.text().contains(text).then_some(()));
        assert!(found.is_some(), "{} waits for {text:?}: {}", self.nick, self.tail());
    }

    /// The number of lines that the netcat has shown, of which the last one may be incomplete.
    fn heard(&self) -> usize {
        self.netcat.stdout.lines().len()
    }

    /// Waits until the netcat has shown this many lines.
    #[track_caller]
    fn hears_lines(&self, count: usize) {
        let found = within(PATIENCE, || (self.heard() >= count).then_some(()));
        assert!(found.is_some(), "{} has {} of {count} lines: {}", self.nick, self.heard(), self.tail());
    }

    /// The counted lines of all authors, in the order in which they were shown.
    fn counted(&self) -> Vec<String> {
        self.netcat.stdout.lines().into_iter().filter(|line| line.contains(": ") && line.contains(" of ")).collect()
    }

    /// How often the netcat has shown a line.
    fn times(&self, line: &str) -> usize {
        self.netcat.stdout.lines().iter().filter(|shown| *shown == line).count()
    }

    fn tail(&self) -> String {
        let text = self.netcat.stdout.text();
        text.chars().skip(text.chars().count().saturating_sub(1000)).collect()
    }
}

/// Waits until every member has heard `count` lines of each of the authors, except its own. Fails if one is missing,
/// doubled, or in another order than elsewhere.
#[track_caller]
fn expect_one_order(members: &[&Member], authors: &[&str], count: usize) {
    let whole = members.iter().max_by_key(|member| others(authors, member).len()).expect("members");
    assert_eq!(others(authors, whole).len(), authors.len(), "one member has to hear all authors");
    let mut order = Vec::new();
    for member in std::iter::once(whole).chain(members) {
        let others = others(authors, member);
        let wanted = others.len() * count;
        let is_complete = within(PATIENCE, || (member.counted().len() >= wanted).then_some(()));
        let heard = member.counted();
        assert!(is_complete.is_some(), "{} has heard {} of {wanted}: {}", member.nick, heard.len(), member.tail());
        for author in &others {
            let lines = heard.iter().filter(|line| line.starts_with(&format!("{author}: ")));
            let all = (0..count).map(|number| format!("{author}: {number} of {author}"));
            assert!(lines.eq(all.collect::<Vec<_>>().iter()), "{} has not each line of {author} once", member.nick);
        }
        if order.is_empty() {
            order.clone_from(&heard);
        }
        let own = format!("{}: ", member.nick);
        let here: Vec<&String> = order.iter().filter(|line| !line.starts_with(&own)).collect();
        let place = heard.iter().zip(&here).position(|(one, other)| one != *other);
        assert!(place.is_none() && heard.len() == here.len(), "{} has another order at {place:?}", member.nick);
    }
}

/// The authors that a member hears: all but itself.
fn others<'a>(authors: &[&'a str], member: &Member) -> Vec<&'a str> {
    authors.iter().copied().filter(|author| *author != member.nick).collect()
}

/// Fails if a server has panicked, or a member was told to have left.
#[track_caller]
fn expect_peace(servers: &[Server], members: &[&Member]) {
    servers.iter().for_each(Server::expect_manners);
    for member in members {
        let text = member.netcat.stdout.text();
        assert!(!text.contains(" leaves the room!"), "{}: {text}", member.nick);
    }
}
