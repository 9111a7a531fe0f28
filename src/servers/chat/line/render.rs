//! Events as lines of text.

use crate::servers::chat::room::{Tally, What};
use crate::servers::text::fill;

use crate::servers::chat::texts;

/// Appends the line that members see of an event.
pub(crate) fn render(what: &What<&str>, out: &mut Vec<u8>) {
    match *what {
        What::Join { nick, .. } => fill(out, texts::WELCOME, &[nick]),
        What::Part { nick, .. } | What::Leave { nick, .. } => fill(out, texts::LEAVES, &[nick]),
        What::Rename { old, nick } => fill(out, texts::RENAMED, &[old, nick]),
        What::Say { nick, text } => fill(out, texts::LINE, &[nick, text]),
        What::Act { nick, text } => fill(out, texts::ACTION, &[nick, text]),
        What::Tell { from, text, .. } => fill(out, texts::PRIVATE, &[from, text]),
        What::Kick { nick, reason } => fill(out, texts::REMOVED, &[nick, &after_colon(reason)]),
        What::Operator { text } => fill(out, texts::OPERATOR, &[text]),
        What::Crowd(ref tally) => {
            let Tally { joined, left, .. } = **tally;
            let people = if joined == 1 { "1 person".to_owned() } else { format!("{joined} people") };
            fill(out, texts::CROWD, &[&people, &left.to_string()]);
        }
        What::Stop => out.extend_from_slice(texts::STOPPING.as_bytes()),
    }
}

/// A reason as the end of a text: empty, or after a colon.
pub(crate) fn after_colon(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
