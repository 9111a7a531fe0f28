//! Streams of frames that no test has thought of, and changed ones.

#![allow(clippy::format_push_string, reason = "a generator of tests need not be fast")]

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{in_pieces, steps};

/// A message in fragments with pings between them: what is sent, and what [`Show`] says about it.
#[derive(Clone, Debug)]
struct Valid {
    sent: Vec<u8>,
    shown: String,
}

fn valid() -> impl Strategy<Value = Valid> {
    let text = "[a-z\u{e9}\u{20ac}\u{1f600}]{0,12}".prop_map(String::into_bytes).prop_map(|bytes| (true, bytes));
    let binary = proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| (false, bytes));
    let cuts = proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 0..4);
    (prop_oneof![text, binary], cuts).prop_map(|((is_text, bytes), cuts)| {
        let mut ends: Vec<_> = cuts.iter().map(|(at, is_pinged)| (at.index(bytes.len() + 1), *is_pinged)).collect();
        ends.sort_unstable();
        let (mut sent, mut shown, mut start) = (Vec::new(), String::new(), 0);
        let mut opcode = if is_text { 1 } else { 2 };
        for (end, is_pinged) in ends {
            sent.extend(client_frame(opcode, &bytes[start..end]));
            (start, opcode) = (end, 0);
            if is_pinged {
                sent.extend(client_frame(PING, b"p"));
                shown += "pong p\n";
            }
        }
        sent.extend(client_frame(ENDS | opcode, &bytes[start..]));
        shown += &if is_text {
            format!("text <{}>\n", String::from_utf8_lossy(&bytes))
        } else {
            format!("text [{}]\n", bytes.escape_ascii())
        };
        Valid { sent, shown }
    })
}

/// The frames of these messages.
fn stream(messages: &[Valid]) -> Vec<u8> {
    let frames = messages.iter().flat_map(|message| message.sent.clone());
    frames.collect()
}

proptest! {
    #[test]
    fn valid_messages_are_understood(messages in proptest::collection::vec(valid(), 0..6), steps in steps()) {
        let sent = stream(&messages);
        let want: String = messages.iter().map(|message| &*message.shown).collect();
        let (received, ending) = whole(Opened, &sent);
        prop_assert_eq!(readable(&received), want.clone());
        let (in_pieces, ending_in_pieces) = in_pieces(Opened, &sent, &steps);
        prop_assert_eq!(readable(&in_pieces), want);
        prop_assert_eq!(ending_in_pieces, ending);
    }

    /// What a change of some bytes does depends neither on the way of the bytes nor on the speed of the reader.
    #[test]
    fn a_changed_stream_means_the_same_in_pieces(
        messages in proptest::collection::vec(valid(), 1..4),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 0..3_usize, any::<[u8; 2]>()), 1..4),
        steps in steps(),
    ) {
        let mut sent = stream(&messages);
        for (at, removed, added) in changes {
            let at = at.index(sent.len() + 1);
            let end = (at + removed).min(sent.len());
            sent.splice(at..end, added);
        }
        let (received, ending) = whole(Opened, &sent);
        let (in_pieces, ending_in_pieces) = in_pieces(Opened, &sent, &steps);
        prop_assert_eq!(readable(&in_pieces), readable(&received));
        prop_assert_eq!(ending_in_pieces, ending);
    }
}
