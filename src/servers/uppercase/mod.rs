//! Uppercase: input is sent back in capitals.
//!
//! Invariant: the answer does not depend on how the input was split. The handler has no state: an incomplete UTF-8
//! sequence stays in the inbox until its rest arrives. Languages are not considered: a Turkish `i` becomes `I`.

#[cfg(feature = "cli")]
mod args;
#[cfg(feature = "web")]
mod web;

#[cfg(feature = "cli")]
pub use args::UppercaseServer;

use crate::connection::origin::{Origin, Source};
use crate::handler::Handler;
use crate::handler::context::Context;

/// Sends everything back in capitals, over connections and in datagrams.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::Uppercase;
///
/// let mut sim = Sim::new(Uppercase::unicode());
/// let peer = sim.connect();
/// sim.send(peer, "straße".as_bytes());
/// assert_eq!(sim.received(peer), b"STRASSE");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Uppercase {
    alphabet: Alphabet,
}

#[derive(Clone, Copy, Debug)]
enum Alphabet {
    Ascii,
    Unicode,
}

impl Uppercase {
    /// Maps `a` to `z` to capitals. Every other byte is unchanged, and so is the length.
    #[must_use]
    pub fn ascii() -> Uppercase {
        Uppercase { alphabet: Alphabet::Ascii }
    }

    /// Maps every character to its capital by the Unicode standard (`ß` becomes `SS`). Bytes that are not UTF-8 are
    /// unchanged. An incomplete character is answered when it is complete, or when the peer ends its side.
    #[must_use]
    pub fn unicode() -> Uppercase {
        Uppercase { alphabet: Alphabet::Unicode }
    }

    /// Answers the input and returns how many bytes of it were used.
    ///
    /// [`Context::is_writable`] is not checked: an answer is at most three times as long as its input, so the reactor's
    /// own check between callbacks bounds the queue.
    fn answer<'a>(self, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        if matches!(self.alphabet, Alphabet::Unicode) && !input.is_ascii() {
            return answer_unicode(input, cx);
        }
        input.make_ascii_uppercase();
        cx.reply_input(input);
        input.len()
    }
}

impl Handler for Uppercase {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.answer(input, cx)
    }

    fn datagram<'a>(&mut self, _: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        // The context reports the end of input, so an incomplete character is answered too.
        self.answer(input, cx);
    }
}

fn answer_unicode(input: &[u8], cx: &mut Context<'_>) -> usize {
    let mut used = 0;
    for chunk in input.utf8_chunks() {
        reply_capitals(chunk.valid(), cx);
        used += chunk.valid().len();
        let invalid = chunk.invalid();
        let is_last = used + invalid.len() == input.len();
        if is_last && is_incomplete(invalid) && !cx.is_eof() {
            break;
        }
        cx.reply(invalid);
        used += invalid.len();
    }
    used
}

fn reply_capitals(text: &str, cx: &mut Context<'_>) {
    let mut encoded = [0; 4];
    for capital in text.chars().flat_map(char::to_uppercase) {
        cx.reply(capital.encode_utf8(&mut encoded).as_bytes());
    }
}

/// Whether more bytes could complete a character.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;
    use std::net::SocketAddr;

    use super::*;
    use crate::servers::chunking::{Step, in_pieces, steps, whole};
    use crate::sim::{Ending, Sim};

    /// What the Unicode server owes for a complete input, found character by character.
    fn reference(input: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        let mut at = 0;
        while at < input.len() {
            let found = (1..=4).find_map(|length| std::str::from_utf8(input.get(at..at + length)?).ok());
            match found {
                Some(character) => answer.extend(character.to_uppercase().bytes()),
                None => answer.push(input[at]),
            }
            at += found.map_or(1, str::len);
        }
        answer
    }

    /// Text, noise, and text that is broken in places.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<String>().prop_map(String::into_bytes),
            "[a-zßéŉﬁǆςı😀]{0,8}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..6),
            Just(vec![0xF0, 0x9F, 0x98]),
            Just(vec![0xE2, 0x82]),
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn ascii_letters_become_capitals_and_nothing_else_changes() {
        let mut sim = Sim::new(Uppercase::ascii());
        let peer = sim.connect();
        let all: Vec<u8> = (0..=255).collect();
        sim.send(peer, &all);
        assert_eq!(sim.received(peer), all.to_ascii_uppercase());
        sim.send(peer, "ß\r\n".as_bytes());
        assert_eq!(sim.received(peer), "ß\r\n".as_bytes());
    }

    #[test]
    fn unicode_maps_one_letter_to_several() {
        let mut sim = Sim::new(Uppercase::unicode());
        let peer = sim.connect();
        sim.send(peer, "Maß, ﬁn, ŉ, éa, привет\n".as_bytes());
        assert_eq!(sim.received(peer), "MASS, FIN, ʼN, ÉA, ПРИВЕТ\n".as_bytes());
    }

    #[test]
    fn an_incomplete_character_waits_for_its_rest() {
        let mut sim = Sim::new(Uppercase::unicode());
        let peer = sim.connect();
        sim.send(peer, b"a\xc3");
        assert_eq!(sim.received(peer), b"A");
        sim.send(peer, b"\xa9b");
        assert_eq!(sim.received(peer), "ÉB".as_bytes());
    }

    #[test]
    fn an_incomplete_character_at_the_end_comes_back_unchanged() {
        let mut sim = Sim::new(Uppercase::unicode());
        let peer = sim.connect();
        sim.send(peer, b"a\xf0\x9f\x98");
        assert_eq!(sim.received(peer), b"A");
        sim.shut_down(peer);
        assert_eq!(sim.received(peer), b"\xf0\x9f\x98");
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }

    #[test]
    fn a_datagram_that_ends_within_a_character_is_answered_whole() {
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
        let mut unicode = Sim::new(Uppercase::unicode());
        assert_eq!(unicode.datagram(from, b"\xc3\xa9x\xc3"), Some(b"\xc3\x89X\xc3".to_vec()));
        let mut ascii = Sim::new(Uppercase::ascii());
        assert_eq!(ascii.datagram(from, b"Hello"), Some(b"HELLO".to_vec()));
    }

    #[test]
    fn eof_at_every_byte_answers_all_before_it() {
        let script = "aß\u{1F600}\u{FB01}".as_bytes();
        for end in 0..=script.len() {
            let expected = (reference(&script[..end]), Some(Ending::Eof));
            assert_eq!(whole(Uppercase::unicode(), &script[..end]), expected);
            let bytewise = vec![Step::Look(1); end];
            assert_eq!(in_pieces(Uppercase::unicode(), &script[..end], &bytewise), expected);
        }
    }

    proptest! {
        #[test]
        fn no_split_pause_or_slow_reader_changes_the_answer(input in input(), steps in steps()) {
            let expected = (reference(&input), Some(Ending::Eof));
            prop_assert_eq!(whole(Uppercase::unicode(), &input), expected.clone());
            prop_assert_eq!(in_pieces(Uppercase::unicode(), &input, &steps), expected);
            let expected = (input.to_ascii_uppercase(), Some(Ending::Eof));
            prop_assert_eq!(in_pieces(Uppercase::ascii(), &input, &steps), expected);
        }

        #[test]
        fn text_becomes_what_the_standard_library_makes_of_it(text: String) {
            let expected: String = text.chars().flat_map(char::to_uppercase).collect();
            prop_assert_eq!(whole(Uppercase::unicode(), text.as_bytes()).0, expected.into_bytes());
        }
    }
}
