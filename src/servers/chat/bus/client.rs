//! The client of the broker, without I/O: elements of RESP and time in, bytes and [`Heard`] out.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use crate::connection::token::Token;
use crate::servers::text::fold;

use super::ask::{Ask, Asked};
use super::heard::Heard;
use super::{LinkKind, ServerId};

/// The options of the client.
#[derive(Clone, Debug, Default)]
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
    id: ServerId,
    options: BusOptions,
    asks: VecDeque<(Token, Asked)>,
    rooms: BTreeSet<Box<str>>,
    steps: VecDeque<Step>,
    is_out: bool,
}

/// What the link handler does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Connect this link. [`Bus::opened`] or [`Bus::lost`] follows.
    Connect(LinkKind),
    /// Abort this link because of a fault, which is logged. [`Bus::lost`] follows.
    Abort(LinkKind, String),
    /// Pass this on to the chat.
    Hear(Heard),
}

const MOST_ASKS: usize = 100_000;

impl Bus {
    /// Creates the client of a server. It wants to connect both links at once.
    pub(crate) fn new(id: ServerId, options: BusOptions, _now: Instant) -> Self {
        let rooms = BTreeSet::from([fold(&options.first)]);
        let steps = LinkKind::ALL.map(Step::Connect).into();
        Bus { id, options, asks: VecDeque::new(), rooms, steps, is_out: false }
    }

    /// The name of this server.
    pub(crate) fn id(&self) -> ServerId {
        self.id
    }

    /// Asks for a change. [`Heard::Acknowledged`] or [`Heard::Refused`] follows, in the order of the asks;
    /// [`Heard::Rooms`] after [`Ask::Rooms`]. `by` is the connection of the member, or a token of none.
    pub(crate) fn ask(&mut self, by: Token, ask: Ask<'_>) {
        let _ = ask;
        self.asks.push_back((by, Asked::Say));
    }

    /// Begins to follow a room. Its [`Heard::Snapshot`] follows, and then its entries. No effect if it is followed.
    ///
    /// Called before the ask that enters it, so that the `join` is read back as an entry.
    pub(crate) fn follow(&mut self, room: &str) {
        self.rooms.insert(fold(room));
    }

    /// Ends to follow a room. No effect for the first room.
    pub(crate) fn unfollow(&mut self, room: &str) {
        if *fold(room) != *fold(&self.options.first) {
            self.rooms.remove(&fold(room));
        }
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
        self.asks.len() > MOST_ASKS
    }

    /// Returns the next step, if there is one now. Called until it returns `None` after each call of another method,
    /// and at [`next_deadline`](Self::next_deadline).
    pub(crate) fn poll(&mut self, _now: Instant) -> Option<Step> {
        self.steps.pop_front()
    }
}
