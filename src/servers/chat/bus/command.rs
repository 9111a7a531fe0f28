//! The command link: asks, and their answers in the same order.
//!
//! Invariants: the pending asks are in the order in which they were asked, and on each link all of them are sent in
//! this order. An answer belongs to the first of what is expected.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::token::Token;
use crate::framing::Element;
use crate::framing::resp::{write_bytes, write_command, write_header};
use crate::servers::chat::room::Refusal;

use super::ask::Asked;
use super::client::{Bus, MOST_PENDING, RENEWAL, Step};
use super::cursor::Place;
use super::entry::{Author, EntryReader, Id};
use super::fault::Fault;
use super::heard::{Heard, Present, Reason, Snapshot};
use super::link::{GRACE, LinkState};
use super::reading::Ahead;
use super::{LinkKind, SCRIPT, ServerId};

/// An ask without an answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) by: Token,
    pub(super) what: Query,
    /// Its number, or 0 if it changes nothing.
    pub(super) q: u64,
    pub(super) op: &'static str,
    /// The arguments of the op: their number, and their encoding.
    pub(super) words: usize,
    pub(super) body: Vec<u8>,
}

/// What was asked.
#[derive(Debug)]
pub(super) enum Query {
    Change(Asked),
    /// A change that was carried out. The broker may have lost it.
    Again,
    Rooms,
    Open {
        room: Arc<str>,
        generation: u64,
    },
}

/// An answer that the command link expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandAnswer {
    /// To HELLO or SELECT.
    Login,
    /// The hash of the script.
    Script,
    /// Confirms that the channel of private messages is heard. Not an answer, but a push in the place of one.
    Subscribed,
    Beat,
    /// That of the first pending ask.
    Pending,
    /// Those of the first pending asks, which are lines.
    Lines(usize),
    /// To XADD, which wakes the reading link.
    Woken,
}

/// What the command link hears now, as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The texts of a short answer, or of a push.
    texts: Vec<String>,
    is_push: bool,
    opened: Opened,
    /// The position in the answer of the op `open`.
    part: usize,
    entry: EntryReader,
}

/// What the op `open` answers.
#[derive(Debug, Default)]
struct Opened {
    n: u64,
    last: Id,
    members: Vec<Present>,
    /// Newest first.
    entries: Vec<super::entry::Entry>,
}

/// Time between beats. The lease of the script is three times as long.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// A command link is given up if a beat is not answered for so long.
const LONGEST_BEAT: Duration = Duration::from_secs(5);

/// How long an ask is kept that was carried out. With `appendfsync everysec`, Redis puts writing off for at most 2 s.
const KEPT: Duration = Duration::from_secs(3);

/// The most lines in one call of the script: the broker serves nothing else meanwhile.
const MOST_LINES: usize = 256;

/// More texts have only the lists of rooms.
const MOST_TEXTS: usize = 100_000;

impl Bus {
    /// Begins the set-up of the command link. What follows needs the hash of the script.
    pub(super) fn set_up_command(&mut self, now: Instant) {
        let count = self.options.write_login(&mut self.command.output);
        self.command.open(now + LONGEST_BEAT);
        self.command.expected.extend(vec![CommandAnswer::Login; count]);
        write_command(&mut self.command.output, &[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()]);
        self.command.expected.push_back(CommandAnswer::Script);
    }

    /// Completes the set-up, and sends all pending asks.
    fn begin_asking(&mut self, hash: &str, now: Instant) {
        hash.clone_into(&mut self.hash);
        self.command.state = LinkState::Up;
        let channel = format!("switchboard:tell:{}", self.id);
        write_command(&mut self.command.output, &[b"SUBSCRIBE", channel.as_bytes()]);
        self.command.expected.push_back(CommandAnswer::Subscribed);
        self.ask_again();
        self.beat(now);
        self.unsent = self.pending.len();
        self.send_pending();
        // A room that was loaded meanwhile may be missing in the present XREAD.
        self.wake();
    }

    /// Adds an ask, which [`send_pending`](Self::send_pending) sends.
    pub(super) fn send(&mut self, pending: Pending) {
        self.pending_bytes += pending.body.len();
        self.pending.push_back(pending);
        self.unsent += 1;
    }

    /// Writes the asks that were added, if the link is up. Lines that follow one another are one call of the script,
    /// which is less work for the broker than one for each.
    pub(crate) fn send_pending(&mut self) {
        while self.command.is_up() && self.unsent > 0 {
            let unsent = self.pending.range(self.pending.len() - self.unsent..);
            let first = &self.pending[self.pending.len() - self.unsent];
            let numbered = unsent.clone().take(MOST_LINES).zip(first.q..);
            let lines = numbered.take_while(|(ask, q)| ask.is_line() && ask.q == *q).count();
            let asks = unsent.take(lines.max(1));
            let words = asks.clone().map(|ask| ask.words + usize::from(lines > 0)).sum();
            let op = if lines > 0 { "lines" } else { first.op };
            let out = &mut self.command.output;
            write_script(out, &self.hash, (op, self.id, first.q), words);
            for ask in asks {
                if lines > 0 {
                    write_bytes(out, ask.op.as_bytes());
                }
                out.extend_from_slice(&ask.body);
            }
            self.unsent -= lines.max(1);
            self.command.expected.push_back(match lines {
                0 => CommandAnswer::Pending,
                lines => CommandAnswer::Lines(lines),
            });
        }
    }

    /// Keeps an ask that was carried out. A Redis that is killed may have answered before it has written to its file,
    /// so the next link begins with these asks. If the broker has them, it changes nothing.
    fn keep(&mut self, ask: Pending, now: Instant) {
        self.kept_bytes += ask.body.len();
        self.kept.push_back((now, Pending { what: Query::Again, ..ask }));
        self.forget_kept(now);
    }

    fn forget_kept(&mut self, now: Instant) {
        while let Some((at, ask)) = self.kept.front()
            && (now >= *at + KEPT || self.kept_bytes > MOST_PENDING)
        {
            self.kept_bytes -= ask.body.len();
            self.kept.pop_front();
        }
    }

    fn ask_again(&mut self) {
        self.pending_bytes += std::mem::take(&mut self.kept_bytes);
        for (_, ask) in self.kept.drain(..).rev() {
            self.pending.push_front(ask);
        }
    }

    /// Asks for a snapshot of a room.
    pub(super) fn load_room(&mut self, room: Arc<str>, generation: u64) {
        let history = self.options.history.to_string();
        let (words, body) = arguments(&[&room, &history]);
        self.send(Pending { by: Token::none(), what: Query::Open { room, generation }, q: 0, op: "open", words, body });
    }

    /// Renews the lease.
    pub(super) fn beat(&mut self, now: Instant) {
        self.forget_kept(now);
        // The broker need not know what it is asked again.
        let answered = match self.pending.front() {
            Some(Pending { what: Query::Again, q, .. }) => q - 1,
            _ => self.answered,
        };
        let (accepted, answered) = (self.accepted.to_string(), answered.to_string());
        let (first, folded) = (&self.options.first, &self.first);
        let (words, body) = arguments(&[&accepted, first, folded, &answered]);
        write_script(&mut self.command.output, &self.hash, ("beat", self.id, 0), words);
        self.command.output.extend_from_slice(&body);
        self.command.expected.push_back(CommandAnswer::Beat);
        self.beat_sent = Some(now);
        self.next_beat = None;
        self.command.give_up = Some(now + LONGEST_BEAT);
    }

    /// Ends the wait of the reading link, so that it reads further rooms.
    pub(super) fn wake(&mut self) {
        let key = format!("switchboard:wake:{}", self.id);
        let words: [&[u8]; 7] = [b"XADD", key.as_bytes(), b"MAXLEN", b"1", b"*", b"w", b"1"];
        write_command(&mut self.command.output, &words);
        self.command.expected.push_back(CommandAnswer::Woken);
    }

    /// Takes an element of the command link.
    pub(super) fn receive_command(&mut self, element: &Element<'_>, place: Place, now: Instant) {
        if place.depth == 0 {
            self.answer.texts.clear();
            self.answer.is_push = matches!(element, Element::Push(_));
        }
        let is_open = !self.answer.is_push
            && self.command.expected.front() == Some(&CommandAnswer::Pending)
            && matches!(self.pending.front(), Some(Pending { what: Query::Open { .. }, .. }));
        if is_open {
            self.answer.take_opened(element, place);
        } else {
            self.answer.take_text(element);
        }
        if place.depth_after > 0 {
            return;
        }
        if self.answer.is_push { self.hear_push(now) } else { self.hear_answer(now) }
    }

    fn hear_push(&mut self, now: Instant) {
        let texts = std::mem::take(&mut self.answer.texts);
        match &texts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["subscribe", ..] if self.command.expected.front() == Some(&CommandAnswer::Subscribed) => {
                self.command.expected.pop_front();
            }
            ["message", _, message] => self.hear_message(message),
            _ => self.give_up(LinkKind::Command, Fault::Unexpected, now),
        }
    }

    /// Handles a private message: the server and the number of the ask, the sender, the connection and the nickname of
    /// the receiver, and the text.
    fn hear_message(&mut self, message: &str) {
        let parts: Vec<&str> = message.splitn(6, ' ').collect();
        let [server, q, from, to, nick, text] = parts[..] else { return };
        let (Ok(server), Ok(q), Ok(to)) = (server.parse::<ServerId>(), q.parse(), to.parse()) else { return };
        let seen = self.told.entry(server).or_default();
        if q > *seen {
            *seen = q;
            let (from, nick, text) = (from.to_owned(), nick.to_owned(), text.to_owned());
            self.steps.push_back(Step::Hear(Heard::Told { from, to: Token::from_bits(to), nick, text }));
        }
    }

    fn hear_answer(&mut self, now: Instant) {
        let texts = std::mem::take(&mut self.answer.texts);
        let first = texts.first().map_or("", String::as_str);
        match self.command.expected.pop_front() {
            Some(CommandAnswer::Login | CommandAnswer::Woken) => {}
            Some(CommandAnswer::Script) => self.begin_asking(first, now),
            Some(CommandAnswer::Beat) => {
                self.hear_beat(first, now);
                // While this server was taken for gone, its rooms may have ended and begun anew.
                if texts.get(1).is_some_and(|was_gone| was_gone == "1") {
                    self.renew_at.get_or_insert(now + RENEWAL);
                }
            }
            Some(CommandAnswer::Pending) => self.hear_pending(&texts, now),
            // Each has its answer, or all have one.
            Some(CommandAnswer::Lines(count)) => {
                let has_each = texts.len() == count;
                for at in 0..count {
                    // An unknown answer ends the link.
                    if self.command.is_up() {
                        self.hear_pending(if has_each { &texts[at..=at] } else { &texts }, now);
                    }
                }
            }
            Some(CommandAnswer::Subscribed) | None => {
                self.give_up(LinkKind::Command, Fault::Unexpected, now);
            }
        }
    }

    fn hear_beat(&mut self, epoch: &str, now: Instant) {
        let Some(sent) = self.beat_sent.take() else { return };
        self.accepted = if now - sent <= GRACE { self.accepted + 1 } else { 0 };
        if self.accepted > 1 {
            self.command.calm();
        }
        let next = (sent + BEAT).max(now);
        self.next_beat = Some(next);
        self.command.fine_until = next + GRACE;
        self.command.give_up = None;
        let former = self.epoch.replace(epoch.to_owned());
        if former.is_some_and(|former| former != epoch) {
            self.forget(now);
        }
    }

    /// Loads all rooms again.
    pub(super) fn renew(&mut self) {
        let rooms = self.rooms.iter_mut().filter(|(_, room)| room.awaits.is_none());
        let rooms: Vec<_> = rooms
            .map(|(name, room)| {
                room.awaits = Some(Reason::Renewed);
                (Arc::clone(name), room.generation)
            })
            .collect();
        for (name, generation) in rooms {
            self.load_room(name, generation);
        }
    }

    fn hear_pending(&mut self, texts: &[String], now: Instant) {
        let answer = texts.first().map_or("", String::as_str);
        let is_known = matches!(answer, "ok" | "taken" | "rooms" | "unknown");
        let expects_one = self.pending.front().is_some_and(|pending| pending.q > 0);
        if expects_one && !is_known {
            // The ask stays, and is sent again.
            return self.give_up(LinkKind::Command, Fault::Unexpected, now);
        }
        let Some(mut pending) = self.pending.pop_front() else { return };
        let by = pending.by;
        self.pending_bytes -= pending.body.len();
        self.answered = self.answered.max(pending.q);
        let what = std::mem::replace(&mut pending.what, Query::Again);
        if pending.q > 0 && answer == "ok" {
            self.keep(pending, now);
        }
        match what {
            Query::Again => {}
            Query::Open { room, generation } => self.load(room, generation),
            Query::Rooms => {
                let rooms = texts.chunks_exact(2);
                let rooms = rooms.map(|pair| (pair[0].clone(), pair[1].parse().unwrap_or(0))).collect();
                self.steps.push_back(Step::Hear(Heard::Rooms { by, rooms }));
            }
            Query::Change(mut asked) => {
                let refusal = match answer {
                    "taken" => Some(Refusal::TakenNick),
                    "rooms" => Some(Refusal::TooManyRooms),
                    "unknown" => Some(Refusal::UnknownNick),
                    _ => None,
                };
                if let (Asked::Tell { to, .. }, [_, nick]) = (&mut asked, texts) {
                    *to = nick.as_str().into();
                }
                self.steps.push_back(Step::Hear(match refusal {
                    Some(refusal) => Heard::Refused { by, asked, refusal },
                    None => Heard::Acknowledged { by, asked },
                }));
            }
        }
    }

    /// Handles the answer of the op `open`.
    fn load(&mut self, room: Arc<str>, generation: u64) {
        let Opened { n, last, members, mut entries } = std::mem::take(&mut self.answer.opened);
        let Some(followed) = self.rooms.get_mut(&room).filter(|room| room.generation == generation) else { return };
        let Some(reason) = followed.awaits else { return };
        entries.reverse();
        let snapshot = Snapshot { room, reason, members, history: entries };
        if let Some(snapshot) = followed.load(Ahead { last, n, snapshot }) {
            self.steps.push_back(Step::Hear(Heard::Snapshot(snapshot)));
        }
        self.wake();
    }
}

impl Answer {
    fn take_text(&mut self, element: &Element<'_>) {
        let text = match *element {
            Element::Bytes(bytes) | Element::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Element::Integer(number) => number.to_string(),
            _ => return,
        };
        if self.texts.len() < MOST_TEXTS {
            self.texts.push(text);
        }
    }

    /// Takes an element of the answer to `open`: the number and the id of the last entry, the members, and entries.
    fn take_opened(&mut self, element: &Element<'_>, place: Place) {
        match (place.depth, *element) {
            (0, _) => self.opened = Opened::default(),
            (1, element) => {
                self.part = place.at;
                match (place.at, element) {
                    (0, Element::Integer(n)) => self.opened.n = n.unsigned_abs(),
                    (1, Element::Bytes(id)) => {
                        self.opened.last = String::from_utf8_lossy(id).parse().unwrap_or_default();
                    }
                    _ => {}
                }
            }
            (2, Element::Bytes(member)) if self.part == 2 => self.opened.members.extend(present(member)),
            _ if self.part == 3 => {
                let read = self.entry.take(element, place);
                self.opened.entries.extend(read.and_then(|read| read.entry));
            }
            _ => {}
        }
    }
}

/// Reads a member of a room: its server, its connection and its nickname.
fn present(member: &[u8]) -> Option<Present> {
    let member = std::str::from_utf8(member).ok()?;
    let mut parts = member.splitn(3, ' ');
    let (server, connection, nick) = (parts.next()?, parts.next()?, parts.next()?);
    let home = Author { server: server.parse().ok()?, connection: connection.parse().ok()? };
    Some(Present { nick: nick.to_owned(), home })
}

impl Pending {
    /// Whether members see it as a line.
    fn is_line(&self) -> bool {
        matches!(self.op, "say" | "act")
    }
}

/// The arguments of an op: their number, and their encoding.
pub(super) fn arguments(words: &[&str]) -> (usize, Vec<u8>) {
    let mut body = Vec::with_capacity(words.iter().map(|word| word.len() + 8).sum());
    for word in words {
        write_bytes(&mut body, word.as_bytes());
    }
    (words.len(), body)
}

/// Appends the beginning of a call of the script, which names no keys. `words` arguments of the op follow.
fn write_script(out: &mut Vec<u8>, hash: &str, (op, server, q): (&str, ServerId, u64), words: usize) {
    write_header(out, b'*', words + 6);
    for word in ["EVALSHA", hash, "0", op, &server.to_string(), &q.to_string()] {
        write_bytes(out, word.as_bytes());
    }
}
