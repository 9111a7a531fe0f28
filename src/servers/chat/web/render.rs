//! Events and answers as messages for pages: JSON objects, in text frames.
//!
//! Invariant: a string of JSON can hold any text, so the words of a member cannot be mistaken for those of another
//! member or of the server. A page that shows strings as text need not know what may be in them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::framing::websocket::append_text_frame;
use crate::servers::chat::room::{Event, What};

/// A message that answers this page alone.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Answer<'a> {
    /// The page is in a room.
    Entrance {
        room: &'a str,
        nick: &'a str,
        key: String,
        /// The id of the event with which it has entered.
        id: u64,
        max_line: Option<usize>,
        members: Vec<&'a str>,
        history: Vec<Shown<'a>>,
        is_resumed: bool,
        has_gap: bool,
    },
    /// What `/history` has asked for.
    History { events: Vec<Shown<'a>> },
    /// Any other answer to a line.
    Notice { text: &'a str },
    /// The nickname or the room is refused. The page asks for another one.
    Refused { text: &'a str },
    /// The key of `/resume` is unknown. The page sends its nickname.
    Expired,
}

/// An event as pages see it.
#[derive(Debug)]
pub(crate) struct Shown<'a>(pub(crate) Event<'a>);

/// Appends the message of an event.
pub(crate) fn render(event: &Event<'_>, out: &mut Vec<u8>) {
    append(&Shown(event.clone()), out);
}

/// Appends a message.
pub(crate) fn append(message: &impl Serialize, out: &mut Vec<u8>) {
    append_text_frame(out, |out| {
        // Neither a vector nor any of the messages fails.
        serde_json::to_writer(out, message).expect("a message is written to memory");
    });
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shown(Event { id, at, what, .. }) = self;
        let (kind, texts): (&str, &[(&str, &str)]) = match *what {
            What::Join { nick, .. } => ("join", &[("nick", nick)]),
            What::Part { nick, .. } => ("part", &[("nick", nick)]),
            What::Leave { nick, .. } => ("leave", &[("nick", nick)]),
            What::Rename { old, nick } => ("rename", &[("nick", old), ("to", nick)]),
            What::Say { nick, text } => ("say", &[("nick", nick), ("text", text)]),
            What::Act { nick, text } => ("act", &[("nick", nick), ("text", text)]),
            What::Tell { from, to, text } => ("tell", &[("from", from), ("to", to), ("text", text)]),
            What::Kick { nick, reason } => ("kick", &[("nick", nick), ("reason", reason)]),
            What::Operator { text } => ("operator", &[("text", text)]),
            What::Crowd(_) => ("crowd", &[]),
            What::Stop => ("stop", &[]),
        };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("type", kind)?;
        object.serialize_entry("id", id)?;
        object.serialize_entry("at", &milliseconds(*at))?;
        for (name, text) in texts {
            object.serialize_entry(name, text)?;
        }
        if let What::Crowd(tally) = what {
            object.serialize_entry("joins", &tally.joined)?;
            object.serialize_entry("leaves", &tally.left)?;
            object.serialize_entry("joined", &nicks(&tally.newcomers))?;
            object.serialize_entry("left", &nicks(&tally.leavers))?;
        }
        object.end()
    }
}

fn nicks(of: &[std::sync::Arc<str>]) -> Vec<&str> {
    of.iter().map(|nick| &**nick).collect()
}

/// The time since 1970, as `Date` of JavaScript takes it.
fn milliseconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
