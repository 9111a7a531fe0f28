//! Entries of the stream of a room: what has happened in it, in the order on which all servers agree.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::framing::Element;

use super::ServerId;
use super::cursor::Place;

/// What has happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The time of the broker, in milliseconds: all servers show the same.
    pub(crate) at: SystemTime,
    pub(crate) by: Author,
    pub(crate) what: Happened,
}

/// The connection that an entry or a member belongs to, among all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Author {
    pub(crate) server: ServerId,
    /// The bits of its [`Token`](crate::Token) at that server. 0 if the entry is of no member.
    pub(crate) connection: u64,
}

/// The kinds of entries. Nicknames are as they are shown, and texts are sanitized by the server that has asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A member enters the room.
    Join { nick: String },
    /// A member goes to another room.
    Part { nick: String, to: String },
    /// A member leaves its server. The cause is for the log.
    Leave { nick: String, cause: String },
    /// A member has another nickname.
    Rename { old: String, nick: String },
    /// A member says something.
    Say { nick: String, text: String },
    /// A member does something.
    Act { nick: String, text: String },
    /// The operator of its server removes a member. Its `Leave` follows. The reason may be empty.
    Kick { nick: String, reason: String },
    /// A line of the operator of a server.
    Operator { text: String },
    /// These members leave: their server has stopped, or is dead.
    Gone { nicks: Vec<String> },
}

/// The id of an entry: a time in milliseconds, and a number within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64, u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, number) = text.split_once('-').ok_or(())?;
        Ok(Id(time.parse().map_err(drop)?, number.parse().map_err(drop)?))
    }
}

/// An entry as it is read.
#[derive(Debug, Default)]
pub(super) struct EntryReader {
    id: Id,
    field: u8,
    n: u64,
    q: u64,
    server: Option<ServerId>,
    connection: u64,
    kind: String,
    a: String,
    b: String,
}

/// An entry with its place in the stream. `entry` is `None` if this server does not understand it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) id: Id,
    pub(super) n: u64,
    pub(super) q: u64,
    pub(super) entry: Option<Entry>,
}

impl EntryReader {
    /// The depth of an entry, both in the answer of XREAD and in that of the op `open`.
    pub(super) const DEPTH: usize = 2;

    /// Takes an element of an entry: its header, its id, or a field. Returns the entry if it is complete.
    pub(super) fn take(&mut self, element: &Element<'_>, place: Place) -> Option<Read> {
        let text = match *element {
            Element::Bytes(bytes) | Element::Text(bytes) => String::from_utf8_lossy(bytes),
            _ => "".into(),
        };
        match (place.depth - Self::DEPTH, place.at) {
            (0, _) => *self = EntryReader::default(),
            (1, 0) => self.id = text.parse().unwrap_or_default(),
            (2, at) if at % 2 == 0 => self.field = if let [field] = *text.as_bytes() { field } else { 0 },
            (2, _) => match self.field {
                b'n' => self.n = text.parse().unwrap_or_default(),
                b'q' => self.q = text.parse().unwrap_or_default(),
                b's' => self.server = text.parse().ok(),
                b'c' => self.connection = text.parse().unwrap_or_default(),
                b'k' => self.kind = text.into_owned(),
                b'a' => self.a = text.into_owned(),
                b'b' => self.b = text.into_owned(),
                _ => {}
            },
            _ => {}
        }
        (place.depth_after <= Self::DEPTH).then(|| self.finish())
    }

    fn finish(&mut self) -> Read {
        let read = std::mem::take(self);
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(read.id.0);
        let by = read.server.map(|server| Author { server, connection: read.connection });
        let (a, b) = (read.a, read.b);
        let what = match &*read.kind {
            "join" => Some(Happened::Join { nick: a }),
            "part" => Some(Happened::Part { nick: a, to: b }),
            "leave" => Some(Happened::Leave { nick: a, cause: b }),
            "rename" => Some(Happened::Rename { old: a, nick: b }),
            "say" => Some(Happened::Say { nick: a, text: b }),
            "act" => Some(Happened::Act { nick: a, text: b }),
            "kick" => Some(Happened::Kick { nick: a, reason: b }),
            "operator" => Some(Happened::Operator { text: b }),
            "gone" => Some(Happened::Gone { nicks: b.split(' ').map(str::to_owned).collect() }),
            _ => None,
        };
        let entry = by.zip(what).map(|(by, what)| Entry { at, by, what });
        Read { id: read.id, n: read.n, q: read.q, entry }
    }
}
