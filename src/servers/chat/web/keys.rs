//! The keys of pages: how a page that has lost its connection comes back as the member it was.
//!
//! Invariants: a key names one visit, and cannot be guessed. The visit of an open connection is kept as long as that,
//! and of those that have ended, the last thousand are kept for ten minutes.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::connection::token::Token;
use crate::servers::chat::seats::Seat;

/// How long the visit of a page that has gone is kept. A page comes back within seconds, or after a train's tunnel.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The most visits that are kept of pages that have gone.
const MOST: usize = 1000;

/// A secret that only a page and the server know: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 16]);

/// The visits of pages, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    visits: HashMap<Key, Visit>,
    /// When visits have ended, oldest first. A page that came back is still in it.
    ended: VecDeque<(Instant, Key)>,
}

/// Where the page with a key is.
#[derive(Debug)]
enum Visit {
    Open(Token),
    Ended(Box<(Instant, Former)>),
}

/// The place of a member that has gone.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    pub(crate) seat: Seat,
    /// The name of its room, which may have ended.
    pub(crate) room: Arc<str>,
}

/// What a key opens.
#[derive(Debug)]
pub(crate) enum Found {
    /// The connection of the page seems to be open.
    Open(Token),
    Ended(Box<Former>),
}

impl Keys {
    /// Creates the key of a page that has entered for the first time.
    pub(crate) fn issue(&mut self, token: Token) -> Key {
        let mut bytes = [0; 16];
        // The kernel gives so few bytes at once (getrandom(2)).
        let filled = getrandom(&mut bytes, GetRandomFlags::empty());
        assert_eq!(filled, Ok(bytes.len()), "the kernel has random numbers");
        let key = Key(bytes);
        self.visits.insert(key, Visit::Open(token));
        key
    }

    /// What a key opens. `None` if it is unknown or too old.
    pub(crate) fn find(&self, key: Key, now: Instant) -> Option<Found> {
        match self.visits.get(&key)? {
            Visit::Open(token) => Some(Found::Open(*token)),
            Visit::Ended(ended) => {
                let (at, former) = &**ended;
                (now < *at + KEPT).then(|| Found::Ended(Box::new(former.clone())))
            }
        }
    }

    /// The page with this key is back.
    pub(crate) fn resume(&mut self, key: Key, token: Token) {
        self.visits.insert(key, Visit::Open(token));
    }

    /// The page with this key has gone.
    pub(crate) fn end(&mut self, key: Key, former: Former, now: Instant) {
        self.visits.insert(key, Visit::Ended(Box::new((now, former))));
        self.ended.push_back((now, key));
        while let Some(&(at, key)) = self.ended.front()
            && (self.ended.len() > MOST || now >= at + KEPT)
        {
            self.ended.pop_front();
            // A visit that was resumed, and has perhaps ended again, is another one.
            if matches!(self.visits.get(&key), Some(Visit::Ended(ended)) if ended.0 == at) {
                self.visits.remove(&key);
            }
        }
    }

    /// The page with this key may not come back.
    pub(crate) fn forget(&mut self, key: Key) {
        self.visits.remove(&key);
    }
}

impl Key {
    /// Parses 32 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Key> {
        let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_key)?;
        Some(Key(number.to_be_bytes()))
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A key is a secret, so no log has it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::chat::rendering::Rendering;
    use crate::servers::chat::room::RoomId;

    fn former() -> Former {
        let seat = Seat { nick: "ann".into(), room: RoomId::FIRST, since: 1, rendering: Rendering::Web };
        Former { seat, room: "lobby".into() }
    }

    fn is_kept(keys: &Keys, key: Key, now: Instant) -> bool {
        matches!(keys.find(key, now), Some(Found::Ended(former)) if *former.seat.nick == *"ann")
    }

    #[test]
    fn a_key_is_32_digits_that_none_can_guess() {
        let mut keys = Keys::default();
        let (one, other) = (keys.issue(Token::none()), keys.issue(Token::none()));
        assert_ne!(one, other);
        let text = one.to_string();
        assert_eq!((text.len(), Key::parse(&text), Key::parse(&text.to_uppercase())), (32, Some(one), Some(one)));
        for wrong in
            ["", &text[1..], &format!("{text}0"), &format!("+{}", &text[1..]), &"g".repeat(32), &"é".repeat(16)]
        {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{keys:?}").matches(&text).count(), 0);
    }

    #[test]
    fn a_visit_is_kept_for_ten_minutes_after_its_end() {
        let (mut keys, begin) = (Keys::default(), Instant::now());
        let key = keys.issue(Token::none());
        assert!(matches!(keys.find(key, begin + 2 * KEPT), Some(Found::Open(_))), "open for long");
        keys.end(key, former(), begin);
        assert!(is_kept(&keys, key, begin + KEPT / 2));
        assert!(!is_kept(&keys, key, begin + KEPT));
        keys.resume(key, Token::none());
        assert!(matches!(keys.find(key, begin + KEPT), Some(Found::Open(_))));
        keys.end(key, former(), begin + KEPT);
        assert!(is_kept(&keys, key, begin + KEPT + KEPT / 2), "the former end no longer counts");
        keys.forget(key);
        assert!(keys.find(key, begin + KEPT).is_none());
    }

    #[test]
    fn the_last_thousand_visits_are_kept() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let all: Vec<Key> = (0..=MOST).map(|_| keys.issue(Token::none())).collect();
        for &key in &all {
            keys.end(key, former(), now);
        }
        assert!(!is_kept(&keys, all[0], now) && is_kept(&keys, all[1], now) && is_kept(&keys, all[MOST], now));
        for _ in 0..3 * MOST {
            keys.resume(all[1], Token::none());
            keys.end(all[1], former(), now);
        }
        assert!(keys.ended.len() <= MOST && keys.visits.len() <= MOST, "{} {}", keys.ended.len(), keys.visits.len());
    }
}
