//! Chat: one room whose members have nicknames and read what the others say.
//!
//! Invariants: a connection follows the room's feed exactly while it has a nickname. A nickname belongs to one open
//! session. What a member types reaches others, and the log, only through [`sanitize`] and after a mark that begins no
//! other text (see `texts`). A line costs one append to the feed, whatever the number of members, and allocates only if
//! a record is kept. What joining and leaving costs the others is limited twice: by host (`turnstile`) and in all
//! (`crowd`).

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::ChatServer;

mod bans;
mod chat_log;
mod command;
mod crowd;
mod event;
mod history;
mod nickname;
mod operator;
mod record;
mod texts;
mod turnstile;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::feeds::FeedId;
use crate::connection::origin::{Origin, Peer};
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::framing::{Lines, MessageHandler};
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::state::rate::{Bucket, Rate};
use crate::workers::Done;

use crate::servers::text::{counted, fill, fold, refuse_http, reply};
use bans::Bans;
use command::Command;
use crowd::Crowd;
use event::Event;
use turnstile::{Place, Turnstile};

pub use chat_log::ChatLog;
pub use record::Record;

/// The options of a chat server.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChatOptions {
    /// The longest line, in bytes, without its end. A longer line gets a notice and is not sent.
    pub max_line: usize,
    /// How often a member may send a line. A faster member is not read for a while; no line is lost.
    pub rate: Option<Rate>,
    /// How often newcomers of one host may join. For IPv6, a host is a /64; all peers of Unix sockets are one host. A
    /// newcomer above the rate waits.
    pub join_rate: Option<Rate>,
    /// How many joins and leaves of one second have a notice of their own. Above that, members receive one line with
    /// the numbers.
    pub crowd: usize,
    /// How long a newcomer may take to choose a nickname.
    pub handshake: Option<Duration>,
    /// The record of the room. `None`: nothing is kept.
    pub record: Option<Record>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        let per = Duration::from_secs(1);
        ChatOptions {
            max_line: 4096,
            // Faster than a person types. The burst is for pasted text.
            rate: Some(Rate { count: 5, per, burst: 100 }),
            // The burst is for a class behind one address that arrives together.
            join_rate: Some(Rate { count: 2, per, burst: 200 }),
            // About as many lines as can be read in a second.
            crowd: 20,
            handshake: Some(Duration::from_secs(30)),
            record: None,
        }
    }
}

/// A chat room; the handler that [`Chat::room`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Chat, ChatOptions};
///
/// let mut sim = Sim::new(Chat::room(ChatOptions::default()));
/// let ann = sim.connect();
/// assert_eq!(sim.received(ann), b"Enter your nickname: ");
/// sim.send(ann, b"ann\n");
/// assert_eq!(sim.received(ann), b"Welcome ann to the room!\n1 person is here.\n");
/// ```
#[derive(Debug)]
pub struct Chat {
    room: Option<FeedId>,
    /// The members, by folded nickname.
    members: HashMap<Arc<str>, Member>,
    rate: Option<Rate>,
    turnstile: Turnstile,
    crowd: Crowd,
    handshake: Option<Duration>,
    record: Option<Record>,
    bans: Bans,
    is_stopping: bool,
    /// A buffer for the text being sent, kept for reuse.
    text: Vec<u8>,
}

/// A connection with a nickname.
#[derive(Debug)]
struct Member {
    token: Token,
    nick: Arc<str>,
}

/// The state of a connection.
#[derive(Debug)]
pub struct ChatSession {
    token: Token,
    peer: Peer,
    /// The nickname as shown. `None` until one is chosen.
    nick: Option<Arc<str>>,
    /// Fires if no nickname is chosen in time.
    handshake_timer: Option<TimerId>,
    /// A newcomer has chosen a nickname, and waits for its turn to join.
    waiting: Option<Box<Waiting>>,
    /// Number of events of the record before it has joined.
    since: u64,
    /// How much of the rate is used.
    bucket: Bucket,
}

/// A newcomer over the rate of joins.
#[derive(Debug)]
struct Waiting {
    place: Place,
    nick: Arc<str>,
}

impl Chat {
    /// Creates an empty room whose members send lines.
    #[must_use]
    pub fn room(options: ChatOptions) -> Lines<Chat> {
        let ChatOptions { max_line, rate, join_rate, crowd, handshake, record } = options;
        let chat = Chat {
            room: None,
            members: HashMap::new(),
            rate,
            turnstile: Turnstile::new(join_rate),
            crowd: Crowd::new(crowd),
            handshake,
            record,
            bans: Bans::default(),
            is_stopping: false,
            text: Vec::new(),
        };
        Lines::new(chat, max_line)
    }

    /// Returns the number of members in the room.
    #[must_use]
    pub fn persons(&self) -> usize {
        self.members.len()
    }
}

impl MessageHandler for Chat {
    type Session = ChatSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> ChatSession {
        if self.bans.has_host_of(origin.peer, cx.now()) {
            reply(texts::BANNED, &[], cx);
            cx.close();
        }
        reply(texts::PROMPT, &[], cx);
        ChatSession {
            token: origin.token,
            peer: origin.peer,
            nick: None,
            handshake_timer: self.handshake.map(|time| cx.set_timer(time)),
            waiting: None,
            since: 0,
            bucket: Bucket::default(),
        }
    }

    fn message<'a>(&mut self, session: &mut ChatSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        match &session.nick {
            None => self.enter(session, line, cx),
            Some(nick) => match Command::parse(&sanitize(line)) {
                Command::Say(text) => self.announce(&Event::Say { nick, text }, cx),
                Command::Act(text) => self.announce(&Event::Act { nick, text }, cx),
                Command::Message { nick: to, text } => self.send_private(nick, to, text, cx),
                Command::Rename(new) => self.rename(session, new, cx),
                Command::Who => self.list(cx),
                Command::History(count) => self.show_history(count, session.since, cx),
                Command::Help => reply(texts::HELP, &[], cx),
                Command::Quit => quit(cx),
                Command::Nothing => {}
                Command::Incomplete(usage) => reply(texts::USAGE, &[usage], cx),
                Command::Unknown(command) => reply(texts::UNKNOWN, &[command], cx),
            },
        }
        self.slow_down(session, cx);
    }

    fn too_long(&mut self, session: &mut ChatSession, limit: usize, cx: &mut Context<'_>) {
        reply(texts::TOO_LONG, &[&limit.to_string()], cx);
        if session.nick.is_none() {
            reply(texts::PROMPT, &[], cx);
        }
        self.slow_down(session, cx);
    }

    fn timer(&mut self, session: &mut ChatSession, _: TimerId, cx: &mut Context<'_>) {
        if let Some(Waiting { place, nick }) = session.waiting.take().map(|waiting| *waiting) {
            match self.turnstile.turn(place, session.peer, cx) {
                Some(place) => session.waiting = Some(Box::new(Waiting { place, nick })),
                None => self.end_wait(session, &nick, cx),
            }
        } else if session.nick.is_none() {
            reply(texts::TOO_LATE, &[], cx);
            cx.close();
        }
    }

    fn kicked(&mut self, session: &mut ChatSession, reason: &str, cx: &mut Context<'_>) {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        reply(texts::KICKED, &[&reason], cx);
        if let Some(nick) = session.nick.take() {
            // What the others see of it is not for this member.
            cx.unfollow();
            self.leave(&nick, &Closed::ByOperator, Some(&Event::Kick { nick: &nick, reason: &reason }), cx);
        }
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.obey(line, cx);
    }

    fn closed(&mut self, mut session: ChatSession, why: &Closed, cx: &mut Context<'_>) {
        // An armed timer would outlive a peer that connects and vanishes.
        session.stop_handshake(cx);
        if let Some(waiting) = &session.waiting {
            self.turnstile.leave(waiting.place, session.peer, cx);
        }
        if let Some(nick) = session.nick {
            self.leave(&nick, why, None, cx);
        }
    }

    fn reload(&mut self, cx: &mut Context<'_>) {
        if let Some(record) = &mut self.record {
            record.reload(cx);
        }
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.is_stopping = true;
        if let Some(tally) = self.crowd.stop(cx) {
            self.announce(&Event::Crowd(tally), cx);
        }
        self.announce(&Event::Stop, cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        if let Some(record) = &mut self.record {
            record.service_done(done, cx);
        }
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if let Some(tally) = self.crowd.end_second(timer, cx) {
            self.announce(&Event::Crowd(tally), cx);
        }
        if let Some(record) = &mut self.record {
            record.service_timer(timer, cx);
        }
    }
}

impl Chat {
    /// Handles a line of a connection without a nickname.
    fn enter(&mut self, session: &mut ChatSession, line: &[u8], cx: &mut Context<'_>) {
        if refuse_http(line, texts::NO_HTTP, cx) {
            return;
        }
        if line == b"/quit" {
            return quit(cx);
        }
        if self.is_stopping {
            reply(texts::STOPPING, &[], cx);
            return cx.close();
        }
        let Some(nick) = self.check(session, line, cx) else {
            return reply(texts::PROMPT, &[], cx);
        };
        session.stop_handshake(cx);
        match self.turnstile.enter(session.token, session.peer, cx) {
            Some(place) => {
                reply(texts::WAIT, &[], cx);
                cx.hold_input();
                session.waiting = Some(Box::new(Waiting { place, nick }));
            }
            None => self.join(session, nick, cx),
        }
    }

    /// Lets a newcomer join that has waited, unless its nickname was taken meanwhile.
    fn end_wait(&mut self, session: &mut ChatSession, nick: &str, cx: &mut Context<'_>) {
        cx.release_input();
        if let Some(nick) = self.check(session, nick.as_bytes(), cx) {
            return self.join(session, nick, cx);
        }
        reply(texts::PROMPT, &[], cx);
        session.handshake_timer = self.handshake.map(|time| cx.set_timer(time));
    }

    /// Makes a newcomer a member.
    fn join(&mut self, session: &mut ChatSession, nick: Arc<str>, cx: &mut Context<'_>) {
        self.seat(session, &nick);
        let persons = self.members.len();
        cx.set_name(Arc::clone(&nick));
        log::info!("{} joins the room ({})", cx.peer(), counted(persons, "person"));
        let room = *self.room.get_or_insert_with(|| cx.create_feed());
        // The history ends where the feed begins, so no line is missing or shown twice.
        if let Some(record) = &self.record {
            record.replay(cx);
        }
        cx.follow(room);
        session.since = self.record.as_ref().map_or(0, Record::count);
        let event = Event::Join { nick: &nick };
        if self.crowd.note(true, cx) {
            self.announce(&event, cx);
        } else {
            self.show(&event, cx);
            cx.reply(&self.text);
        }
        match persons {
            1 => reply(texts::COUNT_ALONE, &[], cx),
            _ => reply(texts::COUNT, &[&persons.to_string()], cx),
        }
        session.nick = Some(nick);
    }

    /// Ends the membership of a nickname. The event `first` has its notice before that of the leave.
    fn leave(&mut self, nick: &str, why: &Closed, first: Option<&Event<'_>>, cx: &mut Context<'_>) {
        self.members.remove(&*fold(nick));
        log::info!("{} leaves the room: {why} ({})", cx.peer(), counted(self.members.len(), "person"));
        // After the notice of the stop, the end of each member is no event of its own.
        if !matches!(why, Closed::Stopping) && self.crowd.note(false, cx) {
            for event in first.into_iter().chain([&Event::Leave { nick, why }]) {
                self.announce(event, cx);
            }
        }
    }

    /// Pauses the input of a member that sends faster than the rate.
    fn slow_down(&self, session: &mut ChatSession, cx: &mut Context<'_>) {
        if let Some(rate) = &self.rate {
            cx.pause_input(session.bucket.take(rate, cx.now()));
        }
    }

    /// Returns the requested nickname as it is shown, or replies with the reason for a refusal. A banned newcomer is
    /// closed.
    fn check(&self, session: &ChatSession, request: &[u8], cx: &mut Context<'_>) -> Option<Arc<str>> {
        let Some(nick) = nickname::parse(request).map(Arc::<str>::from) else {
            reply(texts::BAD_NICK, &[], cx);
            return None;
        };
        let bans = [
            (self.bans.has_host_of(session.peer, cx.now()), texts::BANNED, &[][..]),
            (self.bans.has_nick(&nick, cx.now()), texts::BANNED_NICK, &[&*nick][..]),
        ];
        if let Some((_, text, values)) = bans.into_iter().find(|(is_banned, ..)| *is_banned) {
            reply(text, values, cx);
            if session.nick.is_none() {
                cx.close();
            }
            return None;
        }
        if self.members.get(&*fold(&nick)).is_some_and(|member| member.token != session.token) {
            reply(texts::TAKEN_NICK, &[&nick], cx);
            return None;
        }
        Some(nick)
    }

    /// Gives a nickname to a connection. A former one remains taken.
    fn seat(&mut self, session: &ChatSession, nick: &Arc<str>) {
        let folded = fold(nick);
        // Most nicknames equal their folded form and share one allocation with it.
        let key = if *folded == **nick { Arc::clone(nick) } else { folded.into() };
        self.members.insert(key, Member { token: session.token, nick: Arc::clone(nick) });
    }

    fn rename(&mut self, session: &mut ChatSession, request: &str, cx: &mut Context<'_>) {
        let Some(new) = self.check(session, request.as_bytes(), cx) else { return };
        self.seat(session, &new);
        let Some(old) = session.nick.replace(Arc::clone(&new)) else { return };
        let former = fold(&old);
        if former != fold(&new) {
            self.members.remove(&*former);
        }
        log::info!("{} is now known as {new}", cx.peer());
        cx.set_name(Arc::clone(&new));
        self.announce(&Event::Rename { old: &old, nick: &new }, cx);
    }

    /// Handles `/who`. The order of names ignores case.
    fn list(&self, cx: &mut Context<'_>) {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_unstable_by_key(|(folded, _)| *folded);
        let nicks: Vec<_> = members.iter().map(|(_, member)| &*member.nick).collect();
        match nicks[..] {
            [nick] => reply(texts::WHO_ALONE, &[nick], cx),
            _ => reply(texts::WHO, &[&nicks.len().to_string(), &nicks.join(", ")], cx),
        }
    }

    /// Handles `/msg`. The sender receives a copy.
    fn send_private(&mut self, from: &str, to: &str, text: &str, cx: &mut Context<'_>) {
        let Some(member) = self.members.get(&*fold(to)) else {
            return reply(texts::UNKNOWN_NICK, &[to], cx);
        };
        reply(texts::PRIVATE_SENT, &[&member.nick, text], cx);
        let token = member.token;
        self.start_line(cx);
        fill(&mut self.text, texts::PRIVATE, &[from, text]);
        cx.send(token, &self.text);
    }

    /// Sends an event to all members, or to all others if a member has typed its words, and records it.
    fn announce(&mut self, event: &Event<'_>, cx: &mut Context<'_>) {
        let start = self.show(event, cx);
        match self.room {
            Some(room) if event.is_talk() => cx.publish_others(room, &self.text),
            Some(room) => cx.publish(room, &self.text),
            None => {}
        }
        if let Some(record) = &mut self.record {
            record.add(event, &self.text[start..], cx);
        }
    }

    /// Makes `text` the line that members see of an event. Returns where it begins, after the time.
    fn show(&mut self, event: &Event<'_>, cx: &Context<'_>) -> usize {
        self.start_line(cx);
        let start = self.text.len();
        event.show(&mut self.text);
        start
    }

    /// Clears `text`, and begins it with the time if the room has timestamps.
    fn start_line(&mut self, cx: &Context<'_>) {
        self.text.clear();
        if let Some(record) = &self.record {
            self.text.extend_from_slice(record.stamp(cx).as_bytes());
        }
    }

    /// Handles `/history`.
    fn show_history(&self, count: Option<usize>, since: u64, cx: &mut Context<'_>) {
        match (&self.record, count) {
            (_, None) => reply(texts::HISTORY_USAGE, &[], cx),
            (None, _) => reply(texts::NO_HISTORY, &[], cx),
            (Some(record), Some(count)) => record.replay_events(count, since, cx),
        }
    }
}

impl ChatSession {
    fn stop_handshake(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.handshake_timer.take() {
            cx.cancel_timer(timer);
        }
    }
}

fn quit(cx: &mut Context<'_>) {
    reply(texts::BYE, &[], cx);
    cx.close();
}

#[cfg(test)]
mod tests;
