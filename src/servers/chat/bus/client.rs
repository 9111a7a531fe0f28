//! The client of the broker, without I/O: elements of RESP and time in, bytes and [`Heard`] out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::token::Token;
use crate::framing::{Element, write_command};
use crate::handler::sanitize::sanitize;
use crate::servers::text::fold;

use super::ask::Ask;
use super::command::{Answer, CommandAnswer, Pending, Query};
use super::fault::Fault;
use super::heard::Heard;
use super::link::{Link, LinkState};
use super::reading::{Followed, Reading, ReadingAnswer};
use super::{LinkKind, ServerId};

/// The options of the client.
#[derive(Clone, Default)]
pub(crate) struct BusOptions {
    /// The user of the broker. `None`: its default user.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// The number of the database.
    pub(crate) database: u32,
    /// The name of the first room, which is always followed.
    pub(crate) first: String,
    /// The most rooms at a time, of all servers.
    pub(crate) max_rooms: Option<usize>,
    /// The most entries in the history of a snapshot.
    pub(crate) history: usize,
    /// Whether newcomers are refused during an outage.
    pub(crate) is_required: bool,
}

/// The client of the broker. The chat asks, and the link handler gives it elements and time, and takes bytes and
/// [steps](Step).
#[derive(Debug)]
pub(crate) struct Bus {
    pub(super) id: ServerId,
    pub(super) options: BusOptions,
    /// The folded name of the first room.
    pub(super) first: Arc<str>,
    pub(super) command: Link<CommandAnswer>,
    pub(super) reading: Link<ReadingAnswer>,
    pub(super) answer: Answer,
    pub(super) reader: Reading,
    /// The asks without an answer, oldest first, and the length of their arguments in bytes.
    pub(super) pending: VecDeque<Pending>,
    /// Those of them, at the end, that were not sent on this link.
    pub(super) unsent: usize,
    pub(super) pending_bytes: usize,
    /// The asks that were carried out lately, oldest first, with the times of their answers, and the length of their
    /// arguments in bytes.
    pub(super) kept: VecDeque<(Instant, Pending)>,
    pub(super) kept_bytes: usize,
    /// The hash by which the broker knows the script.
    pub(super) hash: String,
    /// The number of the last ask that changes something, and of the last one that was answered.
    q: u64,
    pub(super) answered: u64,
    pub(super) rooms: BTreeMap<Arc<str>, Followed>,
    generation: u64,
    /// The number of the last private message from each server.
    pub(super) told: HashMap<ServerId, u64>,
    /// When the beat was sent that is not answered yet, or when the next one will be.
    pub(super) beat_sent: Option<Instant>,
    pub(super) next_beat: Option<Instant>,
    /// Beats in a row that were answered in time, on this link.
    pub(super) accepted: u32,
    pub(super) epoch: Option<String>,
    /// When all rooms are loaded again, after the broker has lost its data.
    pub(super) renew_at: Option<Instant>,
    is_out: bool,
    pub(super) steps: VecDeque<Step>,
}

/// What the link handler does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Connect this link. [`Bus::opened`] or [`Bus::lost`] follows.
    Connect(LinkKind),
    /// Abort this link, also while it is being made, and log the reason. [`Bus::lost`] does not follow.
    Abort(LinkKind, Fault),
    /// Pass this on to the chat.
    Hear(Heard),
}

/// Servers need this time after the broker has lost data, to enter their members again.
pub(super) const RENEWAL: Duration = Duration::from_secs(5);

/// The most bytes of asks without an answer, and of asks that are kept.
pub(super) const MOST_PENDING: usize = 16 << 20;

impl Bus {
    /// Creates the client of a server. It wants to connect both links at once.
    pub(crate) fn new(id: ServerId, options: BusOptions, now: Instant) -> Self {
        let first: Arc<str> = fold(&options.first).into();
        let mut bus = Bus {
            id,
            first: Arc::clone(&first),
            options,
            command: Link::new(now),
            reading: Link::new(now),
            answer: Answer::default(),
            reader: Reading::default(),
            pending: VecDeque::new(),
            unsent: 0,
            pending_bytes: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            hash: String::new(),
            q: 0,
            answered: 0,
            rooms: BTreeMap::new(),
            generation: 0,
            told: HashMap::new(),
            beat_sent: None,
            next_beat: None,
            accepted: 0,
            epoch: None,
            renew_at: None,
            is_out: false,
            steps: VecDeque::new(),
        };
        bus.follow(&first);
        bus
    }

    /// The name of this server.
    pub(crate) fn id(&self) -> ServerId {
        self.id
    }

    /// Asks for a change. [`Heard::Acknowledged`] or [`Heard::Refused`] follows, in the order of the asks;
    /// [`Heard::Rooms`] after [`Ask::Rooms`]. `by` is the connection of the member, or a token of none.
    ///
    /// After [`Ask::Depart`], no effect.
    pub(crate) fn ask(&mut self, by: Token, ask: Ask<'_>) {
        if self.command.state == LinkState::Ended {
            return;
        }
        let q = if ask.is_change() { self.q + 1 } else { 0 };
        self.q = self.q.max(q);
        let (op, (words, body)) = ask.words(by, self.options.max_rooms);
        let what = ask.asked().map_or(Query::Rooms, Query::Change);
        self.send(Pending { by, what, q, op, words, body });
        if let Ask::Depart = ask {
            self.send_pending();
            // The answer to it is of no use, and neither is anything that follows.
            self.command.state = LinkState::Ended;
            self.reading.state = LinkState::Ended;
            self.next_beat = None;
            self.command.give_up = None;
            self.reading.give_up = None;
            self.renew_at = None;
        }
    }

    /// Begins to follow a room. Its [`Heard::Snapshot`] follows, and then its entries. No effect if it is followed.
    ///
    /// Called before the ask that enters it, so that the `join` is read back as an entry.
    pub(crate) fn follow(&mut self, room: &str) {
        let name: Arc<str> = fold(room).into();
        if !self.rooms.contains_key(&name) {
            self.generation += 1;
            self.rooms.insert(Arc::clone(&name), Followed::new(self.generation));
            self.load_room(name, self.generation);
        }
    }

    /// Ends to follow a room. No effect for the first room.
    pub(crate) fn unfollow(&mut self, room: &str) {
        let name = fold(room);
        if *name != *self.first {
            self.rooms.remove(&*name);
        }
    }

    /// Whether both links work, and the state of each room is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.command.is_up() && self.reading.is_up() && self.rooms.values().all(|room| room.awaits.is_none())
    }

    /// Whether there is an outage.
    pub(crate) fn is_out(&self) -> bool {
        self.is_out
    }

    /// Whether newcomers are refused now.
    pub(crate) fn refuses_newcomers(&self) -> bool {
        self.is_out && self.options.is_required
    }

    /// Whether the asks without an answer are over their limit in bytes. Sessions that ask are held meanwhile.
    pub(crate) fn is_full(&self) -> bool {
        self.pending_bytes > MOST_PENDING
    }

    /// Returns the next step, if there is one. Called until it returns `None` after each call of another method.
    pub(crate) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// The time of the next [`tick`](Self::tick).
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let outage = Some(self.fine_until()).filter(|_| !self.is_out && !self.has_ended());
        let links = [self.command.deadline(), self.reading.deadline(), self.next_beat, self.renew_at, outage];
        links.into_iter().flatten().min()
    }

    /// Whether asks wait for [`send_pending`](Self::send_pending).
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent > 0 && self.command.is_up()
    }

    /// The bytes to be sent on a link. The link handler takes them after each callback.
    pub(crate) fn output(&mut self, link: LinkKind) -> &mut Vec<u8> {
        match link {
            LinkKind::Command => &mut self.command.output,
            LinkKind::Reading => &mut self.reading.output,
        }
    }

    /// A link is connected.
    pub(crate) fn opened(&mut self, link: LinkKind, now: Instant) {
        match (link, self.has_ended()) {
            (_, true) => {}
            (LinkKind::Command, _) => self.set_up_command(now),
            (LinkKind::Reading, _) => self.set_up_reading(now),
        }
    }

    /// Takes an element that has arrived on a link.
    pub(crate) fn receive(&mut self, link: LinkKind, element: &Element<'_>, now: Instant) {
        if self.has_ended() {
            return;
        }
        let cursor = match link {
            LinkKind::Command => &mut self.command.cursor,
            LinkKind::Reading => &mut self.reading.cursor,
        };
        match (cursor.take(element), element) {
            (None, _) => self.give_up(link, Fault::Unexpected, now),
            (Some(_), Element::Error(error)) => {
                self.give_up(link, Fault::Refused(sanitize(error).into_owned()), now);
            }
            (Some(place), _) => match link {
                LinkKind::Command => self.receive_command(element, place, now),
                LinkKind::Reading => self.receive_reading(element, place, now),
            },
        }
    }

    /// A link is lost, or could not be connected.
    pub(crate) fn lost(&mut self, link: LinkKind, now: Instant) {
        if self.has_ended() {
            return;
        }
        match link {
            LinkKind::Command => {
                self.command.fail(now);
                (self.beat_sent, self.next_beat, self.accepted) = (None, None, 0);
            }
            LinkKind::Reading => self.reading.fail(now),
        }
    }

    /// The broker has lost data. The chat enters its members again, and so do other servers.
    pub(super) fn forget(&mut self, now: Instant) {
        self.renew_at = Some(now + RENEWAL);
        self.steps.push_back(Step::Hear(Heard::Forgotten));
    }

    /// Aborts a link because of a fault.
    pub(crate) fn give_up(&mut self, link: LinkKind, fault: Fault, now: Instant) {
        self.lost(link, now);
        self.steps.push_back(Step::Abort(link, fault));
    }

    fn has_ended(&self) -> bool {
        self.command.state == LinkState::Ended
    }

    fn fine_until(&self) -> Instant {
        self.command.fine_until.min(self.reading.fine_until)
    }

    /// Does what is due. Called at the start and at [`next_deadline`](Self::next_deadline), after all that has arrived
    /// before: a server that was suspended has its answers first.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.has_ended() {
            return;
        }
        for link in LinkKind::ALL {
            let (state, give_up) = match link {
                LinkKind::Command => (self.command.state, self.command.give_up),
                LinkKind::Reading => (self.reading.state, self.reading.give_up),
            };
            match state {
                LinkState::Down { retry } if retry <= now => {
                    match link {
                        LinkKind::Command => self.command.connect(now),
                        LinkKind::Reading => self.reading.connect(now),
                    }
                    self.steps.push_back(Step::Connect(link));
                }
                _ if give_up.is_some_and(|at| at <= now) => self.give_up(link, Fault::Silent, now),
                _ => {}
            }
        }
        if self.next_beat.is_some_and(|at| at <= now) {
            self.beat(now);
        }
        if self.renew_at.take_if(|at| *at <= now).is_some() {
            self.renew();
        }
        let is_out = self.fine_until() <= now;
        if is_out != std::mem::replace(&mut self.is_out, is_out) {
            self.steps.push_back(Step::Hear(if is_out { Heard::OutageBegan } else { Heard::OutageEnded }));
        }
    }
}

impl BusOptions {
    /// Appends the commands that begin each link. Returns their number.
    pub(super) fn write_login(&self, out: &mut Vec<u8>) -> usize {
        let user = self.user.as_deref().unwrap_or("default");
        let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
        if let Some(password) = &self.password {
            hello.extend([&b"AUTH"[..], user.as_bytes(), password.as_bytes()]);
        }
        hello.extend([&b"SETNAME"[..], b"switchboard"]);
        write_command(out, &hello);
        if self.database == 0 {
            return 1;
        }
        write_command(out, &[b"SELECT", self.database.to_string().as_bytes()]);
        2
    }
}

/// Shows no password.
impl std::fmt::Debug for BusOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BusOptions { user, database, first, .. } = self;
        f.debug_struct("BusOptions")
            .field("user", user)
            .field("database", database)
            .field("first", first)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
