//! What happens in the room, and in which words it is told: to members, later to a newcomer, and to the log.
//!
//! Invariants: each form is exactly one line, and holds no character that [`sanitize`] replaces; what one member says to
//! another in private is no event, so it gets into no history and no log.

use std::io::Write;

use crate::connection::closed::Closed;
use crate::handler::sanitize::sanitize;
use crate::servers::text::fill;

use super::local_time::LocalTime;
use super::texts;

/// Something that happened. Nicknames are valid ones, and texts are clean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Join { nick: &'a str },
    Leave { nick: &'a str, why: &'a Closed },
    Rename { old: &'a str, nick: &'a str },
    Say { nick: &'a str, text: &'a str },
    Act { nick: &'a str, text: &'a str },
}

impl Event<'_> {
    /// Whether it is something that a member said or did: its author does not see it, and a newcomer does.
    pub(super) fn is_talk(&self) -> bool {
        matches!(self, Event::Say { .. } | Event::Act { .. })
    }

    /// Appends what members see of it.
    pub(super) fn show(&self, out: &mut Vec<u8>) {
        match *self {
            Event::Join { nick } => fill(out, texts::WELCOME, &[nick]),
            Event::Leave { nick, .. } => fill(out, texts::LEAVES, &[nick]),
            Event::Rename { old, nick } => fill(out, texts::RENAMED, &[old, nick]),
            Event::Say { nick, text } => fill(out, texts::LINE, &[nick, text]),
            Event::Act { nick, text } => fill(out, texts::ACTION, &[nick, text]),
        }
    }

    /// Appends its line of the log.
    pub(super) fn write(&self, at: LocalTime, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = match *self {
            Event::Join { nick } => writeln!(out, "{at} join {nick}"),
            Event::Leave { nick, why } => writeln!(out, "{at} leave {nick} {}", sanitize(why.to_string().as_bytes())),
            Event::Rename { old, nick } => writeln!(out, "{at} rename {old} {nick}"),
            Event::Say { nick, text } => writeln!(out, "{at} say {nick} {text}"),
            Event::Act { nick, text } => writeln!(out, "{at} act {nick} {text}"),
        };
    }
}
