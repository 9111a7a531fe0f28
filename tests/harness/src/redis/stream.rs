//! A stream: entries in the order of their ids.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;

use super::reply::Reply;

/// The id of an entry: a time in milliseconds, and a number within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) ms: u64,
    pub(super) number: u64,
}

impl Id {
    pub(super) const MAX: Id = Id { ms: u64::MAX, number: u64::MAX };

    /// Reads an id. One without a number gets `number`.
    pub(super) fn parse(text: &[u8], number: u64) -> Option<Id> {
        let text = str::from_utf8(text).ok()?;
        let (ms, number) = match text.split_once('-') {
            Some((ms, number)) => (ms, number.parse().ok()?),
            None => (text, number),
        };
        Some(Id { ms: ms.parse().ok()?, number })
    }

    /// The next possible id.
    pub(super) fn next(self) -> Id {
        match self.number.checked_add(1) {
            Some(number) => Id { number, ..self },
            None => Id { ms: self.ms + 1, number: 0 },
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

/// An id, and fields and values in turn.
type Entry = (Id, Vec<Vec<u8>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    entries: VecDeque<Entry>,
    /// The id of the last entry that was added, also if it was removed.
    pub(super) last: Id,
}

impl Stream {
    /// Adds an entry at this time, and returns its id. If the clock is behind the last id, the id follows that.
    pub(super) fn add(&mut self, now: u64, fields: Vec<Vec<u8>>) -> Id {
        let id = Id { ms: now, number: 0 }.max(self.last.next());
        self.last = id;
        self.entries.push_back((id, fields));
        id
    }

    /// Removes the oldest entries until at most `length` are left. Returns their number. Redis removes whole blocks of
    /// entries if it is asked with `~`; this removes each.
    pub(super) fn trim(&mut self, length: usize) -> usize {
        let count = self.entries.len().saturating_sub(length);
        self.entries.drain(..count);
        count
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries between two ids, oldest first.
    pub(super) fn range(&self, ids: RangeInclusive<Id>) -> impl DoubleEndedIterator<Item = Reply> {
        let begin = self.entries.partition_point(|(id, _)| id < ids.start());
        let end = self.entries.partition_point(|(id, _)| id <= ids.end()).max(begin);
        self.entries
            .range(begin..end)
            .map(|(id, fields)| Reply::Array(vec![Reply::text(id.to_string()), Reply::bulks(fields.iter().cloned())]))
    }

    /// The entries after an id.
    pub(super) fn after(&self, id: Id) -> impl DoubleEndedIterator<Item = Reply> {
        self.range(id.next()..=Id::MAX)
    }
}
