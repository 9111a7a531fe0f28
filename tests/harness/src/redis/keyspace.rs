//! The keys of a database, their values, and the times at which they expire.

use std::collections::{BTreeMap, BTreeSet};

use super::reply::Reply;
use super::stream::Stream;

/// A value. Its kind never changes.
#[derive(Clone, Debug)]
pub(super) enum Value {
    String(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Stream(Stream),
}

/// A kind of value that is empty until something is added.
pub(super) trait Kind: Default {
    /// Makes it a value.
    fn wrap(self) -> Value;

    /// Returns the value if it is of this kind.
    fn of(value: &Value) -> Option<&Self>;

    /// Returns the value if it is of this kind, for a change.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;

    /// Whether the key ends with the last part of the value.
    fn is_over(&self) -> bool;
}

macro_rules! kind {
    ($type:ty, $variant:ident, $is_over:expr) => {
        impl Kind for $type {
            fn wrap(self) -> Value {
                Value::$variant(self)
            }

            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }

            fn is_over(&self) -> bool {
                $is_over(self)
            }
        }
    };
}

kind!(Vec<u8>, String, |_: &Vec<u8>| false);
kind!(BTreeMap<Vec<u8>, Vec<u8>>, Hash, BTreeMap::is_empty);
kind!(BTreeSet<Vec<u8>>, Set, BTreeSet::is_empty);
// An empty stream stays, with the id of its last entry.
kind!(Stream, Stream, |_: &Stream| false);

#[derive(Clone, Debug)]
struct Slot {
    value: Value,
    /// In milliseconds, as the clock of the broker.
    expires: Option<u64>,
}

/// The keys of one database.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyspace {
    slots: BTreeMap<Vec<u8>, Slot>,
    /// No key expires before this time.
    earliest: Option<u64>,
}

impl Keyspace {
    /// Removes the keys whose time was over before `now`. Redis does so when a key is used.
    pub(super) fn expire(&mut self, now: u64) {
        if self.earliest.is_some_and(|at| at < now) {
            self.slots.retain(|_, slot| slot.expires.is_none_or(|at| now <= at));
            self.earliest = self.slots.values().filter_map(|slot| slot.expires).min();
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.slots.keys()
    }

    /// The kind of the value of a key, for example `hash`.
    pub(super) fn kind(&self, key: &[u8]) -> Option<&'static str> {
        self.slots.get(key).map(|slot| match slot.value {
            Value::String(_) => "string",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::Stream(_) => "stream",
        })
    }

    /// Returns a value, if there is one. One of another kind is an error.
    pub(super) fn get<T: Kind>(&self, key: &[u8]) -> Result<Option<&T>, Reply> {
        self.slots.get(key).map(|slot| T::of(&slot.value).ok_or_else(wrong_type)).transpose()
    }

    /// Changes a value, which begins empty. It is removed if nothing of it is left.
    pub(super) fn change<T: Kind, R>(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> R) -> Result<R, Reply> {
        let empty = || Slot { value: T::default().wrap(), expires: None };
        let slot = self.slots.entry(key.to_vec()).or_insert_with(empty);
        let value = T::of_mut(&mut slot.value).ok_or_else(wrong_type)?;
        let result = change(value);
        if value.is_over() {
            self.slots.remove(key);
        }
        Ok(result)
    }

    /// Sets a text in place of any other value. It never expires.
    pub(super) fn set(&mut self, key: &[u8], value: Vec<u8>) {
        self.slots.insert(key.to_vec(), Slot { value: Value::String(value), expires: None });
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        self.slots.remove(key).is_some()
    }

    /// The time at which a key expires. `None` without the key, `Some(None)` if it never does.
    #[expect(clippy::option_option, reason = "a key that never expires is not a missing one")]
    pub(super) fn expiry(&self, key: &[u8]) -> Option<Option<u64>> {
        self.slots.get(key).map(|slot| slot.expires)
    }

    /// Sets the time at which a key expires.
    pub(super) fn set_expiry(&mut self, key: &[u8], at: Option<u64>) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.expires = at;
            self.earliest = self.earliest.into_iter().chain(at).min();
        }
    }
}

fn wrong_type() -> Reply {
    Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
}
