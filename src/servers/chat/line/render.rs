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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::token::Token;
    use crate::servers::chat::room::Home;

    #[test]
    fn each_event_is_one_line() {
        let (nick, home) = ("ann", Home::Here(Token::none()));
        let crowd = |joined, left| What::Crowd(Tally { joined, left, ..Tally::default() }.into());
        for (what, line) in [
            (What::Join { nick, room: "rust", home }, "Welcome ann to the room!"),
            (What::Part { nick, to: "rust" }, "ann leaves the room!"),
            (What::Leave { nick, cause: "connection reset" }, "ann leaves the room!"),
            (What::Rename { old: "bob", nick }, "bob is now known as ann."),
            (What::Say { nick, text: "{text} {" }, "ann: {text} {"),
            (What::Act { nick, text: "waves" }, "* ann waves"),
            (What::Tell { from: nick, to: "bob", text: "psst" }, "[ann] psst"),
            (What::Kick { nick, reason: "" }, "ann was removed by the operator"),
            (What::Kick { nick, reason: "no adverts" }, "ann was removed by the operator: no adverts"),
            (What::Operator { text: "we close" }, "*** Operator: we close"),
            (crowd(1, 0), "1 person joined, 0 left"),
            (crowd(0, 2), "0 people joined, 2 left"),
            (What::Stop, "The server is stopping."),
        ] {
            let mut out = b"before".to_vec();
            render(&what, &mut out);
            assert_eq!(String::from_utf8(out), Ok(format!("before{line}\n")), "{what:?}");
        }
    }
}
