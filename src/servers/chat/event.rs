//! Events of the room, and their form for members and for the log.
//!
//! Invariants: each form is exactly one line without any character that [`sanitize`] replaces. A private message is not
//! an event, so it appears in no history and in no log.

use std::io::Write;

use crate::connection::closed::Closed;
use crate::handler::sanitize::sanitize;
use crate::servers::text::fill;

use super::crowd::Tally;
use super::texts;
use crate::servers::local_time::LocalTime;

/// An event of the room. Its nicknames are valid, and its texts are sanitized.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Join {
        nick: &'a str,
    },
    Leave {
        nick: &'a str,
        why: &'a Closed,
    },
    Rename {
        old: &'a str,
        nick: &'a str,
    },
    Say {
        nick: &'a str,
        text: &'a str,
    },
    Act {
        nick: &'a str,
        text: &'a str,
    },
    /// The reason is empty, or follows a colon.
    Kick {
        nick: &'a str,
        reason: &'a str,
    },
    Operator {
        text: &'a str,
    },
    Crowd(Tally),
    Stop,
}

impl Event<'_> {
    /// Whether a member said or did something.
    pub(super) fn is_talk(&self) -> bool {
        matches!(self, Event::Say { .. } | Event::Act { .. })
    }

    /// Appends the form that members see.
    pub(super) fn show(&self, out: &mut Vec<u8>) {
        match *self {
            Event::Join { nick } => fill(out, texts::WELCOME, &[nick]),
            Event::Leave { nick, .. } => fill(out, texts::LEAVES, &[nick]),
            Event::Rename { old, nick } => fill(out, texts::RENAMED, &[old, nick]),
            Event::Say { nick, text } => fill(out, texts::LINE, &[nick, text]),
            Event::Act { nick, text } => fill(out, texts::ACTION, &[nick, text]),
            Event::Kick { nick, reason } => fill(out, texts::REMOVED, &[nick, reason]),
            Event::Operator { text } => fill(out, texts::OPERATOR, &[text]),
            Event::Crowd(Tally { joined, left }) => {
                let people = if joined == 1 { "1 person".to_owned() } else { format!("{joined} people") };
                fill(out, texts::CROWD, &[&people, &left.to_string()]);
            }
            Event::Stop => out.extend_from_slice(texts::STOPPING.as_bytes()),
        }
    }

    /// Appends the form for the log.
    pub(super) fn write(&self, at: LocalTime, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = match *self {
            Event::Join { nick } => writeln!(out, "{at} join {nick}"),
            Event::Leave { nick, why } => writeln!(out, "{at} leave {nick} {}", sanitize(why.to_string().as_bytes())),
            Event::Rename { old, nick } => writeln!(out, "{at} rename {old} {nick}"),
            Event::Say { nick, text } => writeln!(out, "{at} say {nick} {text}"),
            Event::Act { nick, text } => writeln!(out, "{at} act {nick} {text}"),
            Event::Kick { nick, reason } => writeln!(out, "{at} kick {nick}{}", reason.trim_start_matches(':')),
            Event::Operator { text } => writeln!(out, "{at} operator {text}"),
            Event::Crowd(Tally { joined, left }) => writeln!(out, "{at} crowd {joined} {left}"),
            Event::Stop => writeln!(out, "{at} stop"),
        };
    }
}
