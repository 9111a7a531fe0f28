//! The bus: one chat on several servers, which agree on an order through a broker, a Redis.
//!
//! ```text
//!  Chat --ask--> Bus --command link--> the script: checks the owner of a nickname,
//!                 ^                                appends an entry to the stream of a room
//!                 |                                                    |
//!  Chat <--Heard--+--reading link---- the entries of the followed rooms, in order
//! ```
//!
//! Invariants: a server shows only what it has read back, so all servers show a room in the same order. An ask is kept
//! until its answer has arrived, and is sent again on each new command link; the broker carries it out once. The state
//! of a room is a function of its stream.
//!
//! [`Bus`] does no I/O and reads no clock: elements of RESP and time in, bytes and [`Heard`] out. The keys of the
//! broker and the fields of an entry are described in `script.lua`.

mod args;
mod ask;
mod client;
mod command;
mod cursor;
mod entry;
mod fault;
mod handler;
mod heard;
mod link;
mod probe;
mod reading;
mod url;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use rustix::rand::{GetRandomFlags, getrandom};

pub(crate) use args::BusArgs;
pub(crate) use ask::{Ask, Asked};
pub(crate) use client::{Bus, BusOptions, Step};
pub(crate) use entry::{Author, Entry, Happened};
pub(crate) use fault::Fault;
pub(crate) use handler::{HearsBus, OnBus};
#[cfg(test)]
pub(crate) use heard::Present;
pub(crate) use heard::{Heard, Reason, Snapshot};
use probe::probe;
pub(crate) use url::BusUrl;

/// All that is changed at the broker.
const SCRIPT: &str = include_str!("script.lua");

/// One of the two outbound connections to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// Carries asks and their answers, in order, and private messages from other servers.
    Command,
    /// Carries the entries of the followed rooms.
    Reading,
}

impl LinkKind {
    pub(crate) const ALL: [LinkKind; 2] = [LinkKind::Command, LinkKind::Reading];
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkKind::Command => "command link",
            LinkKind::Reading => "reading link",
        })
    }
}

/// Names a server from its start to its end: random, so that a server that starts again is another one. On the wire, it
/// is 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerId(pub(crate) NonZeroU64);

impl ServerId {
    /// A name that no other server has.
    pub(crate) fn random() -> ServerId {
        let mut bytes = [0; 8];
        // The kernel gives so few bytes at once (getrandom(2)).
        let filled = getrandom(&mut bytes, GetRandomFlags::empty());
        assert_eq!(filled, Ok(bytes.len()), "the kernel has random numbers");
        ServerId(NonZeroU64::new(u64::from_ne_bytes(bytes)).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ServerId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = u64::from_str_radix(text, 16).ok().and_then(NonZeroU64::new);
        number.map(ServerId).ok_or(())
    }
}

#[cfg(test)]
impl Bus {
    /// Takes the asks that are not answered, which are answered by no broker then.
    pub(crate) fn take_asked(&mut self) -> Vec<(crate::connection::token::Token, Asked)> {
        self.unsent = 0;
        let asked = self.pending.drain(..).filter_map(|pending| match pending.what {
            command::Query::Change(asked) => Some((pending.by, asked)),
            _ => None,
        });
        asked.collect()
    }
}

#[cfg(all(test, feature = "web"))]
mod tests;
