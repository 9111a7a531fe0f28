//! Netstrings: a length in decimal digits, a colon, that number of bytes, and a comma.
//!
//! The format is that of D. J. Bernstein, [Netstrings](https://cr.yp.to/proto/netstrings.txt) (1997): no leading zeros,
//! and at most nine digits. Invariants: a netstring is passed on when its comma has arrived, not before; after an
//! unexpected byte, no further byte is read.

use std::io::{self, ErrorKind, Write};

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};
use crate::connection::framing_error::FramingError;

/// A framing by netstrings. A message is the bytes between the colon and the comma.
///
/// `0:,` is an empty message. Frame replies with [`write_netstring`]. [`MessageHandler::too_long`] is called when the
/// length of a message over the limit has arrived. Its default replies with a line of text, which is not a netstring:
/// override it.
///
/// Input that is not a netstring (no digit, a leading zero, a tenth digit, no comma at the end) is malformed.
/// It is reported by [`MessageHandler::framing_failed`], and the connection is closed. [`Framed`] lists what all
/// framings have in common.
///
/// ```
/// use switchboard::framing::{MessageHandler, Netstrings, write_netstring};
/// use switchboard::{Context, Ending, Origin, Sim};
///
/// /// Answers questions.
/// struct Oracle;
///
/// impl MessageHandler for Oracle {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///
///     fn message<'a>(&mut self, (): &mut (), question: &'a mut [u8], cx: &mut Context<'a>) {
///         let answer: &[u8] = if question.ends_with(b"?") { b"yes" } else { b"no" };
///         write_netstring(cx, answer).expect("a short answer");
///     }
///
///     fn too_long(&mut self, (): &mut (), limit: usize, cx: &mut Context<'_>) {
///         let notice = format!("at most {limit} bytes");
///         write_netstring(cx, notice.as_bytes()).expect("a short notice");
///     }
/// }
///
/// let mut sim = Sim::new(Netstrings::new(Oracle, 12));
/// let peer = sim.connect();
/// sim.send(peer, b"5:Rain?,12:Wind,\nsnow?!,13:Will it hail?,");
/// assert_eq!(sim.received(peer), b"3:yes,2:no,16:at most 12 bytes,");
/// sim.send(peer, b"Rain?\n");
/// assert_eq!(sim.received(peer), b"malformed input: expected a digit at offset 41, found 'R'\n");
/// assert_eq!(sim.ending(peer), Some(Ending::Eof));
/// ```
pub type Netstrings<H> = Framed<NetstringFramer, H>;

impl<H: MessageHandler> Netstrings<H> {
    /// Passes netstrings with at most `max_message` bytes between colon and comma to `inner`.
    ///
    /// A limit over 999,999,999 has no effect. [`Limits::inbox`](crate::Limits::inbox) must be at least the limit and
    /// 11 bytes, for nine digits, a colon and a comma.
    pub fn new(inner: H, max_message: usize) -> Self {
        Framed::with_framer(inner, NetstringFramer::new(max_message))
    }
}

/// Largest number of digits of a length.
const MOST_DIGITS: usize = 9;

/// Writes `message` as a netstring to a [`Context`](crate::Context) or to the socket of a client.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if `message` has more than 999,999,999 bytes; nothing was written. Otherwise the errors
/// of `out`, of which a context has none.
pub fn write_netstring(out: &mut (impl Write + ?Sized), message: &[u8]) -> io::Result<()> {
    if message.len() > LONGEST {
        let text =
            format!("a message of {} bytes is too long for a netstring, which has at most {LONGEST}", message.len());
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    write!(out, "{}:", message.len())?;
    out.write_all(message)?;
    out.write_all(b",")
}

/// Longest message, in bytes: 999,999,999.
const LONGEST: usize = 10_usize.pow(MOST_DIGITS as u32) - 1;

/// The framer of [`Netstrings`].
#[derive(Clone, Copy, Debug)]
pub struct NetstringFramer {
    max_message: usize,
}

/// The state of a [`NetstringFramer`] for one connection.
#[derive(Debug, Default)]
pub struct NetstringState {
    /// Remaining bytes to discard of a netstring that is too long, including its comma.
    discards: usize,
    /// Number of bytes of the stream used so far, for the offset in an error.
    offset: u64,
}

/// An unexpected byte: its offset in the input, and the text for what was expected.
type Unexpected = (usize, &'static str);

impl Framer for NetstringFramer {
    type State = NetstringState;

    #[inline]
    fn next(&self, state: &mut NetstringState, input: &mut [u8]) -> Frame {
        let found = if state.discards > 0 { discard(&mut state.discards, input) } else { self.find(state, input) };
        match found {
            Ok(frame) => {
                state.offset += frame.used() as u64;
                frame
            }
            Err((at, expected)) => {
                Frame::Failed(FramingError::Malformed { at: state.offset + at as u64, expected, found: input[at] })
            }
        }
    }
}

impl NetstringFramer {
    /// Creates a framer of netstrings with at most `max_message` bytes between colon and comma.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        NetstringFramer { max_message }
    }

    fn find(self, state: &mut NetstringState, input: &[u8]) -> Result<Frame, Unexpected> {
        let Some((length, start)) = read_length(input)? else {
            return Ok(Frame::Partial { needed: None });
        };
        if length > self.max_message {
            state.discards = length + 1;
            return Ok(Frame::TooLong { limit: self.max_message, used: start });
        }
        let end = start + length;
        match input.get(end) {
            None => Ok(Frame::Partial { needed: Some(end + 1) }),
            Some(b',') => Ok(Frame::Message { body: start..end, used: end + 1 }),
            Some(_) => Err((end, COMMA)),
        }
    }
}

const COMMA: &str = "','";

/// Reads the length at the beginning of `input`. Returns the length and the number of bytes of its digits and colon, or
/// `None` if the colon has not arrived.
fn read_length(input: &[u8]) -> Result<Option<(usize, usize)>, Unexpected> {
    let mut length = 0;
    for (at, &byte) in input.iter().enumerate() {
        match byte {
            b':' if at > 0 => return Ok(Some((length, at + 1))),
            _ if at > 0 && input[0] == b'0' => return Err((at, "':' after a leading 0")),
            _ if at == MOST_DIGITS => return Err((at, "':' after nine digits")),
            b'0'..=b'9' => length = length * 10 + usize::from(byte - b'0'),
            _ => return Err((at, if at == 0 { "a digit" } else { "a digit or ':'" })),
        }
    }
    Ok(None)
}

/// Discards the bytes of a netstring that is too long. Its last byte must be a comma.
fn discard(discards: &mut usize, input: &[u8]) -> Result<Frame, Unexpected> {
    let used = match *discards {
        1 if input[0] != b',' => return Err((0, COMMA)),
        1 => 1,
        more => input.len().min(more - 1),
    };
    *discards -= used;
    Ok(Frame::Discard(used))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::tests::{Show, encoded, pending, shown, shown_by};
    use crate::servers::chunking::{in_pieces, steps, whole};
    use crate::sim::{Sim, assert_chunking_law};
    use crate::state::limits::Limits;

    fn framed() -> Netstrings<Show> {
        Netstrings::new(Show, 12)
    }

    #[test]
    fn netstrings_are_shown_without_what_is_around_them() {
        let input = b"12:hello world!,0:,3:,1:,1:\n,";
        assert_eq!(shown(framed(), input), r"<hello world!><><,1:><\n>.");
        assert_chunking_law(framed, input);
    }

    #[test]
    fn a_netstring_may_be_as_long_as_the_limit_and_no_longer() {
        let messages = ["hello world!", "hello, world!", "", "x", "the last one is long, too"];
        let input = encoded(&messages, write_netstring);
        assert_eq!(shown(framed(), &input), "<hello world!>!12<><x>!12.");
        assert_chunking_law(framed, &input);
        assert_eq!(shown(Netstrings::new(Show, 0), b"0:,1:x,0:,"), "<>!0<>.");
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place_and_ends_the_session() {
        let cases = [
            ("x", "a digit at offset 0, found 'x'"),
            (":,", "a digit at offset 0, found ':'"),
            (" 1:a,", "a digit at offset 0, found ' '"),
            ("-1:a,", "a digit at offset 0, found '-'"),
            ("1x", "a digit or ':' at offset 1, found 'x'"),
            ("1\n", r"a digit or ':' at offset 1, found '\n'"),
            ("00:,", "':' after a leading 0 at offset 1, found '0'"),
            ("01:a,", "':' after a leading 0 at offset 1, found '1'"),
            ("0x,", "':' after a leading 0 at offset 1, found 'x'"),
            ("0:x", "',' at offset 2, found 'x'"),
            ("1:ab", "',' at offset 3, found 'b'"),
            ("1:a\n", r"',' at offset 3, found '\n'"),
            ("1234567890:", "':' after nine digits at offset 9, found '0'"),
            ("99999999999999999999999999", "':' after nine digits at offset 9, found '9'"),
            ("123456789x", "':' after nine digits at offset 9, found 'x'"),
        ];
        for (input, want) in cases {
            assert_eq!(shown(framed(), input.as_bytes()), format!("{{malformed input: expected {want}}}"));
            let later = format!("2:ok,{input}1:a,more of this");
            let reply = shown(framed(), later.as_bytes());
            assert!(reply.starts_with("<ok>{malformed input: expected "), "{reply}");
            assert!(!reply.contains("<a>"), "{reply}");
            assert_chunking_law(framed, later.as_bytes());
        }
    }

    #[test]
    fn the_offset_counts_all_that_came_before() {
        assert!(shown(framed(), b"0:,13:hello, world!,3:abc,?").contains("at offset 26, found '?'"));
        assert!(shown(framed(), b"13:hello, world!.").contains("',' at offset 16, found '.'"));
    }

    #[test]
    fn the_comma_of_a_netstring_that_is_too_long_has_to_be_there() {
        let input = b"1:a,13:hello, world!;1:b,";
        let want = "<a>!12{malformed input: expected ',' at offset 20, found ';'}";
        assert_eq!(shown(framed(), input), want);
        assert_chunking_law(framed, input);
    }

    #[test]
    fn by_default_the_peer_receives_the_error_as_a_line() {
        struct Silent;
        impl MessageHandler for Silent {
            type Session = ();
            fn open(&mut self, _: &crate::Origin, _: &mut crate::Context<'_>) {}
            fn message<'a>(&mut self, (): &mut (), _: &'a mut [u8], _: &mut crate::Context<'a>) {}
        }
        let reply = shown(Netstrings::new(Silent, 12), b"5:hello,GET / HTTP/1.1\r\n");
        assert_eq!(reply, "malformed input: expected a digit at offset 8, found 'G'\n");
        assert_eq!(shown(Netstrings::new(Silent, 12), b"5:hello,5:cut"), "");
    }

    #[test]
    fn an_incomplete_netstring_is_reported_and_not_passed_on() {
        let cases = [
            ("1:a,1", "<a>{the input ended within a message, after 1 bytes of it}."),
            ("1:a,10", "<a>{the input ended within a message, after 2 bytes of it}."),
            ("1:a,10:", "<a>{the input ended within a message, after 3 of its 14 bytes}."),
            ("1:a,10:abcdefghij", "<a>{the input ended within a message, after 13 of its 14 bytes}."),
            // `too_long` has reported these messages already.
            ("1:a,13:", "<a>!12."),
            ("1:a,13:hello, world!", "<a>!12."),
        ];
        for (input, want) in cases {
            assert_eq!(shown(framed(), input.as_bytes()), want);
            assert_chunking_law(framed, input.as_bytes());
        }
    }

    /// The inbox has room for 24 bytes, so keeping more would end the connection.
    #[test]
    fn a_long_netstring_takes_no_memory_and_the_next_is_found() {
        const BODY: usize = 3 << 20;
        let limits = Limits { inbox: 24, ..Limits::default() };
        let mut sim = Sim::with_limits(framed(), limits);
        let peer = sim.connect();
        for announced in [BODY, LONGEST] {
            sim.send(peer, format!("{announced}:").as_bytes());
            for piece in vec![b'9'; BODY].chunks(100_000) {
                sim.send(peer, piece);
                assert_eq!(sim.unread(peer), 0);
            }
            sim.send(peer, b",2:hi,");
        }
        // The second one goes on for almost a gigabyte.
        assert_eq!(shown_by(&mut sim, peer), "!12<hi>!12");
        assert_eq!(sim.ending(peer), None);
    }

    #[test]
    fn what_is_written_is_a_netstring_or_nothing() {
        let written = encoded(&["hello world!", "", "\0,"], write_netstring);
        assert_eq!(written, b"12:hello world!,0:,2:\0,,");
        // These bytes are never touched, so they take no memory.
        write_netstring(&mut io::sink(), &vec![0; LONGEST]).expect("the longest message");
        let mut out = Vec::new();
        let error = write_netstring(&mut out, &vec![0; LONGEST + 1]).expect_err("one byte too many");
        assert_eq!((error.kind(), out), (ErrorKind::InvalidInput, Vec::new()));
        let text = "a message of 1000000000 bytes is too long for a netstring, which has at most 999999999";
        assert_eq!(error.to_string(), text);
    }

    /// What is pending for a complete input, found in another way: by cutting it at its first colon.
    fn reference(input: &[u8]) -> String {
        let Some(colon) = input.iter().position(|&byte| byte == b':') else {
            return if input.is_empty() { String::new() } else { "?".to_string() };
        };
        let digits = std::str::from_utf8(&input[..colon]).unwrap_or_default();
        let length = digits.parse::<usize>().ok().filter(|length| length.to_string() == digits && digits.len() < 10);
        let Some(length) = length else { return "?".to_string() };
        let after = &input[colon + 1..];
        let is_long = length > 12;
        match after.get(length) {
            Some(b',') => {
                let this = if is_long { "!12".to_string() } else { format!("<{}>", after[..length].escape_ascii()) };
                this + &reference(&after[length + 1..])
            }
            None if is_long => "!12".to_string(),
            _ if is_long => "!12?".to_string(),
            _ => "?".to_string(),
        }
    }

    /// What was shown, with each error as a question mark.
    fn outline(shown: &str) -> String {
        let text = shown.trim_end_matches('.');
        text.split_once('{').map_or(text.to_string(), |(before, _)| format!("{before}?"))
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_shown(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..16), 0..9),
            steps in steps(),
        ) {
            let input = encoded(&messages, write_netstring);
            let want = pending(&messages, 12);
            prop_assert_eq!(whole(framed(), &input), want.clone());
            prop_assert_eq!(in_pieces(framed(), &input, &steps), want);
        }

        #[test]
        fn whatever_comes_is_understood_as_the_note_says(
            input in "([0-2]{0,2}:[a,]{0,3},?|3:abc,|0:,|14:fourteen bytes,){0,6}"
        ) {
            prop_assert_eq!(outline(&shown(framed(), input.as_bytes())), reference(input.as_bytes()));
        }

        #[test]
        fn no_split_pause_or_slow_reader_changes_what_is_shown(input in "[0-2:,a]{0,60}", steps in steps()) {
            let input = input.as_bytes();
            prop_assert_eq!(in_pieces(framed(), input, &steps), whole(framed(), input));
        }
    }
}
