//! The reading link: the entries of the followed rooms, by XREAD.
//!
//! Invariants: the entries of a room are heard in order, each once. While a snapshot of a room is awaited, its entries
//! are not read, so none is heard that the snapshot has already, and none is skipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::framing::{Element, write_command};

use super::client::{Bus, Step};
use super::cursor::Place;
use super::entry::{EntryReader, Id, Read};
use super::fault::Fault;
use super::heard::{Heard, Reason, Snapshot};
use super::link::{GRACE, LinkState};
use super::{LinkKind, ServerId};

/// A room that this server follows.
#[derive(Debug)]
pub(super) struct Followed {
    /// Tells a snapshot that was asked for before the room was followed again.
    pub(super) generation: u64,
    /// Why a snapshot is awaited. `None`: the room is read.
    pub(super) awaits: Option<Reason>,
    /// The last entry that was read, and its number.
    pub(super) last: Id,
    pub(super) n: u64,
    /// A snapshot for which entries before it are still to be read.
    pub(super) ahead: Option<Ahead>,
    /// The last numbered ask of each server whose entry was read.
    seen: HashMap<ServerId, u64>,
}

/// A snapshot with its place in the stream.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) last: Id,
    pub(super) n: u64,
    pub(super) snapshot: Snapshot,
}

/// What the reading link reads now.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The last entry of the stream that wakes this server.
    wake: Id,
    /// The stream whose entries are read.
    source: Source,
    entry: EntryReader,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    Other,
    Wake,
    Room(Arc<str>),
}

/// An answer that the reading link expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadingAnswer {
    SetUp,
    Entries,
}

/// How long XREAD waits for an entry. Its answer without one shows that the broker is there.
const WAIT: Duration = Duration::from_secs(1);

/// A reading link that is silent for so long is given up.
const LONGEST_SILENCE: Duration = Duration::from_secs(6);

/// The most entries of a room in one answer.
const MOST_ENTRIES: &str = "1024";

impl Followed {
    pub(super) fn new(generation: u64) -> Self {
        Followed {
            generation,
            awaits: Some(Reason::Followed),
            last: Id::default(),
            n: 0,
            ahead: None,
            seen: HashMap::new(),
        }
    }

    /// Takes the snapshot that was awaited. Returns it unless entries before it are still to be read.
    pub(super) fn load(&mut self, ahead: Ahead) -> Option<Snapshot> {
        let reason = self.awaits.take()?;
        if reason == Reason::Renewed && ahead.last > self.last {
            self.ahead = Some(ahead);
            return None;
        }
        (self.last, self.n, self.ahead) = (ahead.last, ahead.n, None);
        Some(ahead.snapshot)
    }

    /// Whether the change of an entry is new. After the broker has lost its data, an ask can be carried out again.
    fn is_new(&mut self, read: &Read) -> bool {
        let Some(entry) = read.entry.as_ref().filter(|_| read.q > 0) else { return true };
        let seen = self.seen.entry(entry.by.server).or_default();
        let is_new = read.q > *seen;
        *seen = read.q.max(*seen);
        is_new
    }
}

impl Bus {
    /// Begins the set-up of the reading link, and reads.
    pub(super) fn set_up_reading(&mut self, now: Instant) {
        let count = self.options.write_login(&mut self.reading.output);
        self.reading.open(now + LONGEST_SILENCE);
        self.reading.expected.extend(vec![ReadingAnswer::SetUp; count]);
        self.read_on();
        // So that the first answer, which shows that the link works, does not wait for an entry.
        if self.command.is_up() {
            self.wake();
        }
    }

    /// Asks for the next entries of all rooms that are read.
    fn read_on(&mut self) {
        let wake = (format!("switchboard:wake:{}", self.id), self.reader.wake);
        let rooms = self.rooms.iter().filter(|(_, room)| room.awaits.is_none());
        let rooms = rooms.map(|(name, room)| (format!("switchboard:room:{name}"), room.last));
        let (keys, ids): (Vec<_>, Vec<_>) =
            std::iter::once(wake).chain(rooms).map(|(key, id)| (key, id.to_string())).unzip();
        let wait = WAIT.as_millis().to_string();
        let mut words: Vec<&[u8]> =
            vec![b"XREAD", b"COUNT", MOST_ENTRIES.as_bytes(), b"BLOCK", wait.as_bytes(), b"STREAMS"];
        words.extend(keys.iter().chain(&ids).map(String::as_bytes));
        write_command(&mut self.reading.output, &words);
        self.reading.expected.push_back(ReadingAnswer::Entries);
    }

    /// Takes an element of the reading link.
    pub(super) fn receive_reading(&mut self, element: &Element<'_>, place: Place, now: Instant) {
        self.reading.give_up = Some(now + LONGEST_SILENCE);
        match self.reading.expected.front() {
            Some(ReadingAnswer::Entries) => {
                self.reading.fine_until = now + WAIT + GRACE;
                self.read_entry(element, place, now);
            }
            Some(ReadingAnswer::SetUp) => {}
            None => return self.give_up(LinkKind::Reading, Fault::Unexpected, now),
        }
        if place.depth_after == 0 && self.reading.expected.pop_front() == Some(ReadingAnswer::Entries) {
            self.reading.state = LinkState::Up;
            self.reading.calm();
            self.read_on();
        }
    }

    /// Takes an element of the answer to XREAD: a map from each stream to an array of entries.
    fn read_entry(&mut self, element: &Element<'_>, place: Place, now: Instant) {
        match (place.depth, element) {
            (1, Element::Bytes(key)) => self.reader.source = self.source(key),
            (0 | 1, _) => {}
            _ => {
                if let Some(read) = self.reader.entry.take(element, place) {
                    self.hear_entry(read, now);
                }
            }
        }
    }

    fn source(&self, key: &[u8]) -> Source {
        let key = String::from_utf8_lossy(key);
        let name = key.strip_prefix("switchboard:room:").and_then(|name| self.rooms.get_key_value(name));
        match name {
            Some((name, _)) => Source::Room(Arc::clone(name)),
            None if key.starts_with("switchboard:wake:") => Source::Wake,
            None => Source::Other,
        }
    }

    fn hear_entry(&mut self, read: Read, now: Instant) {
        let name = match &self.reader.source {
            Source::Other => return,
            Source::Wake => return self.reader.wake = read.id,
            Source::Room(name) => Arc::clone(name),
        };
        // An answer to an XREAD that was sent before the room was loaded again.
        let Some(room) = self.rooms.get_mut(&name) else { return };
        if room.awaits.is_some() || read.id <= room.last {
            return;
        }
        if read.n > room.n + 1 {
            room.awaits = Some(Reason::Missed);
            let generation = room.generation;
            return self.load_room(name, generation);
        }
        // A crash or a failover of the broker: its last entries are lost, and it counts from an earlier one.
        let is_again = read.n <= room.n;
        let is_new = room.is_new(&read);
        (room.last, room.n) = (read.id, read.n);
        let ahead = room.ahead.take_if(|ahead| ahead.last <= read.id);
        if let Some(entry) = read.entry.filter(|_| is_new) {
            self.steps.push_back(Step::Hear(Heard::Entry { room: name, entry }));
        }
        // The first sign is enough: other rooms may show it, too.
        if is_again && self.renew_at.is_none() {
            self.forget(now);
        }
        if let Some(ahead) = ahead {
            self.steps.push_back(Step::Hear(Heard::Snapshot(ahead.snapshot)));
        }
    }
}
