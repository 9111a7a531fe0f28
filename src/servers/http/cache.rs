//! The versions of files that were served last, and the scripts that were run, so that most requests look for nothing.
//!
//! Invariant: the bytes, the open files and the entries are bounded. What was checked longer than [`FRESH`] ago is not
//! used before it was checked again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::cgi::ScriptFile;
use super::encodings::Encodings;
use super::file::{Content, Version};

/// How long what was found counts as the present.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// The most entries.
const MAX_ENTRIES: usize = 4096;

/// The most files that are kept open.
const MAX_OPEN: usize = 256;

/// The share of the descriptors of the process that files which are kept open take at most: a quarter.
const OPEN_SHARE: u64 = 4;

/// What was found, by path and accepted encodings.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<Arc<str>, Entry>,
    /// The keys of all entries. The first one is the next to go, unless it was used since it became the first.
    order: VecDeque<Arc<str>>,
    bytes: usize,
    open: usize,
    max_bytes: usize,
    max_open: usize,
    /// The key of a look-up, kept for its memory.
    key: String,
}

/// What is known of a path.
#[derive(Clone, Debug)]
pub(super) enum Known {
    File(Arc<Version>),
    Script(Arc<ScriptFile>),
}

#[derive(Debug)]
struct Entry {
    known: Known,
    /// Until when it counts as the present.
    fresh_until: Instant,
    was_used: bool,
}

impl Cache {
    /// Keeps at most `max_bytes` bytes of small files.
    pub(super) fn new(max_bytes: usize) -> Self {
        let (entries, order) = (HashMap::new(), VecDeque::new());
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let max_open = usize::try_from(descriptors / OPEN_SHARE).unwrap_or(MAX_OPEN).min(MAX_OPEN);
        Cache { entries, order, bytes: 0, open: 0, max_bytes, max_open, key: String::new() }
    }

    /// Returns what is at a path of a target, and whether that is fresh.
    pub(super) fn get(&mut self, path: &str, accepted: Encodings, now: Instant) -> Option<(&Known, bool)> {
        set_key(&mut self.key, path, accepted);
        let entry = self.entries.get_mut(&*self.key)?;
        entry.was_used = true;
        Some((&entry.known, now < entry.fresh_until))
    }

    /// Stores what was found at a path.
    pub(super) fn put(&mut self, path: &str, accepted: Encodings, known: Known, now: Instant) {
        set_key(&mut self.key, path, accepted);
        let (bytes, open) = cost(&self.key, &known);
        if bytes > self.max_bytes {
            return self.remove(path, accepted);
        }
        let entry = Entry { known, fresh_until: now + FRESH, was_used: false };
        if let Some(old) = self.entries.get_mut(&*self.key) {
            let (old_bytes, old_open) = cost(&self.key, &old.known);
            (self.bytes, self.open) = (self.bytes - old_bytes, self.open - old_open);
            *old = Entry { was_used: true, ..entry };
        } else {
            let key: Arc<str> = Arc::from(&*self.key);
            self.order.push_back(Arc::clone(&key));
            self.entries.insert(key, entry);
        }
        (self.bytes, self.open) = (self.bytes + bytes, self.open + open);
        self.evict();
    }

    /// Forgets what was at a path.
    pub(super) fn remove(&mut self, path: &str, accepted: Encodings) {
        set_key(&mut self.key, path, accepted);
        if let Some(entry) = self.entries.remove(&*self.key) {
            let (bytes, open) = cost(&self.key, &entry.known);
            (self.bytes, self.open) = (self.bytes - bytes, self.open - open);
            self.order.retain(|key| **key != *self.key);
        }
    }

    /// Forgets all files that are kept open. Returns whether there were any.
    pub(super) fn close_files(&mut self) -> bool {
        let open = std::mem::take(&mut self.open);
        if open > 0 {
            self.entries.retain(|key, entry| cost(key, &entry.known).1 == 0);
            self.order.retain(|key| self.entries.contains_key(key));
            self.bytes = self.entries.iter().map(|(key, entry)| cost(key, &entry.known).0).sum();
        }
        open > 0
    }

    /// The bytes, open files and entries of the cache.
    #[cfg(test)]
    pub(super) fn usage(&self) -> (usize, usize, usize) {
        (self.bytes, self.open, self.entries.len())
    }

    /// Removes entries until all bounds hold: those first that were not used for long.
    fn evict(&mut self) {
        while self.bytes > self.max_bytes || self.open > self.max_open || self.entries.len() > MAX_ENTRIES {
            let Some(key) = self.order.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if std::mem::take(&mut entry.was_used) {
                self.order.push_back(key);
                continue;
            }
            let (bytes, open) = cost(&key, &entry.known);
            (self.bytes, self.open) = (self.bytes - bytes, self.open - open);
            self.entries.remove(&key);
        }
    }
}

fn set_key(key: &mut String, path: &str, accepted: Encodings) {
    key.clear();
    key.push(char::from(b'0' + accepted.bits()));
    key.push_str(path);
}

/// What an entry costs: bytes, with its key and a kibibyte for headers, and open files.
fn cost(key: &str, known: &Known) -> (usize, usize) {
    let own = key.len() + 1024;
    match known {
        Known::File(version) => match &version.content {
            Content::Bytes(bytes) => (own + bytes.len(), 0),
            Content::Open(_) => (own, 1),
        },
        // Its paths are as long as the key, or shorter.
        Known::Script(_) => (own + 2 * key.len(), 0),
    }
}
