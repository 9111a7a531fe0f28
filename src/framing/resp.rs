//! RESP, the protocol of Redis, in its versions 2 and 3.
//!
//! The format is that of the Redis serialization protocol specification,
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>. A message of this framing is one *element*: a
//! string, a number, or the header of an array, whose elements follow as messages of their own. So an array of any
//! length is used as it arrives, and no byte is parsed twice.
//!
//! Invariant: after an unexpected byte, no further byte is read. The parts of a streamed string (`$?`) or array (`*?`),
//! which no Redis sends, are malformed.

use memchr::memchr;

use super::framer::{Frame, Framer};
use crate::connection::framing_error::FramingError;

/// The framer of RESP, for [`Framed`](super::Framed) or [`Unread`](super::Unread). Each message is an element, which
/// [`Element::of`] reads.
///
/// A longer string than the limit is discarded as it arrives, and is reported as too long in the place of its element.
///
/// ```
/// use switchboard::framing::{Element, Framed, MessageHandler, RespFramer};
/// use switchboard::{Context, Origin, Sim};
///
/// /// Shows each element.
/// struct Show;
///
/// impl MessageHandler for Show {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///
///     fn message<'a>(&mut self, (): &mut (), message: &'a mut [u8], cx: &mut Context<'a>) {
///         match Element::of(message) {
///             Element::Array(count) => cx.reply(format!("{count}: ").as_bytes()),
///             Element::Bytes(bytes) => cx.reply(&[bytes, b" "].concat()),
///             other => cx.reply(format!("{other:?} ").as_bytes()),
///         }
///     }
/// }
///
/// let mut sim = Sim::new(Framed::with_framer(Show, RespFramer::new(1024)));
/// let peer = sim.connect();
/// sim.send(peer, b"*3\r\n$3\r\nGET\r\n$5\r\nhel");
/// sim.send(peer, b"lo\r\n:7\r\n");
/// assert_eq!(sim.received(peer), b"3: GET hello Integer(7) ");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RespFramer {
    max_string: usize,
}

/// The state of a [`RespFramer`] for one connection.
#[derive(Debug, Default)]
pub struct RespState {
    /// Bytes at the beginning of the unread input that are known to hold no line end.
    searched: usize,
    /// Remaining bytes to discard of a string that is too long, with its line end.
    discards: usize,
    /// Number of bytes of the stream used so far, for the offset in an error.
    offset: u64,
}

/// An element: a value, or the header of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A simple string (`+`), or a double (`,`), boolean (`#`) or big number (`(`) as it is written.
    Text(&'a [u8]),
    /// An error (`-` or `!`).
    Error(&'a [u8]),
    /// An integer (`:`).
    Integer(i64),
    /// A string of any bytes (`$`), or a verbatim string (`=`) without its format.
    Bytes(&'a [u8]),
    /// No value (`_`, `$-1` and `*-1`).
    Null,
    /// The header of this number of elements (`*`), also of a set (`~`).
    Array(usize),
    /// The header of this number of pairs: a key, and its value (`%`).
    Map(usize),
    /// The header of this number of elements that belong to no answer (`>`). They come before or after an answer, never
    /// within one.
    Push(usize),
    /// The header of this number of pairs about the element after them (`|`).
    Attribute(usize),
}

impl<'a> Element<'a> {
    /// Reads a message of a [`RespFramer`].
    ///
    /// # Panics
    /// May panic for other bytes.
    #[must_use]
    pub fn of(message: &'a [u8]) -> Element<'a> {
        let (kind, rest) = (message[0], &message[1..]);
        match kind {
            b'$' | b'!' | b'=' => {
                let Some(end) = memchr(b'\n', rest) else { return Element::Null };
                match (kind, &rest[end + 1..]) {
                    (b'$', string) => Element::Bytes(string),
                    (b'=', string) => Element::Bytes(string.get(4..).unwrap_or_default()),
                    (_, string) => Element::Error(string),
                }
            }
            b'_' => Element::Null,
            b'-' => Element::Error(rest),
            b'+' | b',' | b'#' | b'(' => Element::Text(rest),
            b':' => number(rest).map_or(Element::Null, Element::Integer),
            _ => match (kind, number(rest).and_then(|count| usize::try_from(count).ok())) {
                (_, None) => Element::Null,
                (b'%', Some(pairs)) => Element::Map(pairs),
                (b'>', Some(count)) => Element::Push(count),
                (b'|', Some(pairs)) => Element::Attribute(pairs),
                (_, Some(count)) => Element::Array(count),
            },
        }
    }
}

impl RespFramer {
    /// Longest line, in bytes without its end: of a simple string or an error. The header of another element has less
    /// than [`LONGEST_NUMBER`].
    const LONGEST_LINE: usize = 64 * 1024;

    /// Creates a framer of elements with at most `max_string` bytes in a string.
    ///
    /// [`Limits::inbox`](crate::Limits::inbox) must be at least the limit and 24 bytes, and at least 64 KiB and 3 bytes
    /// for the longest error.
    #[must_use]
    pub fn new(max_string: usize) -> Self {
        RespFramer { max_string }
    }

    fn find(self, state: &mut RespState, input: &[u8]) -> Result<Frame, (usize, &'static str)> {
        let line = match input[0] {
            b'+' | b'-' | b',' | b'#' | b'(' => Line::Text,
            b'_' => Line::Empty,
            b':' => Line::Number,
            b'*' | b'~' | b'%' | b'>' | b'|' => Line::Count,
            b'$' | b'!' | b'=' => Line::Length,
            _ => return Err((0, "the type of an element")),
        };
        let longest = if line == Line::Text { Self::LONGEST_LINE } else { LONGEST_NUMBER };
        let Some(end) = line_end(&mut state.searched, longest, input)? else {
            return Ok(Frame::Partial { needed: None });
        };
        let length = match (line, number(&input[1..end])) {
            (Line::Length, Some(length @ 0..)) => Some(length),
            (Line::Text, _) | (Line::Number, Some(_)) | (Line::Count, Some(0..)) => None,
            (Line::Empty, _) if end == 1 => None,
            (_, Some(-1)) if matches!(input[0], b'$' | b'*') => None,
            _ => return Err((1, "a number")),
        };
        let Some(length) = length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)) else {
            return Ok(Frame::Message { body: 0..end, used: end + 2 });
        };
        let start = end + 2;
        if length > self.max_string {
            state.discards = length.saturating_add(2);
            return Ok(Frame::TooLong { limit: self.max_string, used: start });
        }
        let used = start + length + 2;
        match input.get(start + length..used) {
            None => Ok(Frame::Partial { needed: Some(used) }),
            Some(b"\r\n") => Ok(Frame::Message { body: 0..used - 2, used }),
            Some(_) => Err((start + length, LINE_END)),
        }
    }
}

/// What is on the line that begins with the type of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Text,
    Empty,
    Number,
    /// The number of elements that follow.
    Count,
    /// The length of a string that follows.
    Length,
}

/// Longest header with a number, in bytes: its type, and a sign and the digits of 2^63.
const LONGEST_NUMBER: usize = 21;

const LINE_END: &str = "a line end, CR LF";

impl Framer for RespFramer {
    type State = RespState;

    fn next(&self, state: &mut RespState, input: &mut [u8]) -> Frame {
        if state.discards > 0 {
            let used = input.len().min(state.discards);
            state.discards -= used;
            state.offset += used as u64;
            return Frame::Discard(used);
        }
        match self.find(state, input) {
            Ok(frame) => {
                if frame.used() > 0 {
                    state.searched = 0;
                }
                state.offset += frame.used() as u64;
                frame
            }
            Err((at, expected)) => {
                Frame::Failed(FramingError::Malformed { at: state.offset + at as u64, expected, found: input[at] })
            }
        }
    }
}

/// Finds the end of the first line, which begins no earlier than `searched`.
fn line_end(searched: &mut usize, longest: usize, input: &[u8]) -> Result<Option<usize>, (usize, &'static str)> {
    let end = memchr(b'\r', &input[*searched..]).map(|at| *searched + at);
    *searched = end.unwrap_or(input.len());
    match end {
        _ if *searched > longest => Err((longest, LINE_END)),
        Some(end) if end + 1 < input.len() && input[end + 1] != b'\n' => Err((end + 1, "LF after CR")),
        Some(end) if end + 1 < input.len() => Ok(Some(end)),
        _ => Ok(None),
    }
}

/// Reads a number in decimal digits, after at most one sign.
fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Appends a command: an array of strings.
///
/// ```
/// let mut out = Vec::new();
/// switchboard::framing::write_command(&mut out, &[b"GET", b"room"]);
/// assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$4\r\nroom\r\n");
/// ```
pub fn write_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    write_header(out, b'*', words.len());
    for word in words {
        write_bytes(out, word);
    }
}

/// Appends a string.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the header of an array or of a string.
pub(crate) fn write_header(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    out.extend_from_slice(number.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::Framed;
    use crate::framing::tests::{Show, shown};
    use crate::servers::chunking::{in_pieces, steps, whole};
    use crate::sim::{Ending, Sim, assert_chunking_law};
    use crate::state::limits::Limits;

    fn framed() -> Framed<RespFramer, Show> {
        Framed::with_framer(Show, RespFramer::new(12))
    }

    /// The only element in `input`.
    fn element(input: &[u8]) -> String {
        let mut input = input.to_vec();
        let frame = RespFramer::new(100).next(&mut RespState::default(), &mut input);
        let Frame::Message { body, used } = frame else { panic!("{frame:?}") };
        assert_eq!(used, input.len());
        match Element::of(&input[body]) {
            Element::Text(text) => format!("text {}", text.escape_ascii()),
            Element::Error(text) => format!("error {}", text.escape_ascii()),
            Element::Bytes(bytes) => format!("bytes {}", bytes.escape_ascii()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_type_of_both_versions_is_an_element() {
        for (input, want) in [
            ("+OK\r\n", "text OK"),
            ("+\r\n", "text "),
            (",1.5e3\r\n", "text 1.5e3"),
            ("#t\r\n", "text t"),
            ("(3492890328409238509324850943850943825024385\r\n", "text 3492890328409238509324850943850943825024385"),
            ("-ERR unknown\r\n", "error ERR unknown"),
            ("!8\r\nERR a\r\nb\r\n", r"error ERR a\r\nb"),
            (":-7\r\n", "Integer(-7)"),
            (":9223372036854775807\r\n", "Integer(9223372036854775807)"),
            ("$5\r\nhello\r\n", "bytes hello"),
            ("$0\r\n\r\n", "bytes "),
            ("$2\r\n\r\n\r\n", r"bytes \r\n"),
            ("=7\r\ntxt:abc\r\n", "bytes abc"),
            ("=2\r\ntx\r\n", "bytes "),
            ("$-1\r\n", "Null"),
            ("*-1\r\n", "Null"),
            ("_\r\n", "Null"),
            ("*0\r\n", "Array(0)"),
            ("*1000000\r\n", "Array(1000000)"),
            ("~2\r\n", "Array(2)"),
            ("%2\r\n", "Map(2)"),
            (">3\r\n", "Push(3)"),
            ("|1\r\n", "Attribute(1)"),
        ] {
            assert_eq!(element(input.as_bytes()), want, "{input}");
        }
    }

    #[test]
    fn elements_of_nested_arrays_follow_one_another() {
        let input = b"*2\r\n%1\r\n$3\r\nkey\r\n*1\r\n:1\r\n+OK\r\n";
        assert_eq!(shown(framed(), input), r"<*2><%1><$3\r\nkey><*1><:1><+OK>.");
        assert_chunking_law(framed, input);
    }

    #[test]
    fn a_string_over_the_limit_takes_no_memory() {
        let input = b"*2\r\n$13\r\nhello, world!\r\n$12\r\nhello world!\r\n";
        assert_eq!(shown(framed(), input), r"<*2>!12<$12\r\nhello world!>.");
        assert_chunking_law(framed, input);
        let mut sim = Sim::with_limits(framed(), Limits { inbox: 64, ..Limits::default() });
        let peer = sim.connect();
        sim.send(peer, b"$3000000\r\n");
        for piece in vec![b'$'; 3_000_000].chunks(100_000) {
            sim.send(peer, piece);
            assert_eq!(sim.unread(peer), 0);
        }
        sim.send(peer, b"\r\n:1\r\n");
        assert_eq!((sim.received(peer), sim.ending(peer)), (b"!12<:1>".to_vec(), None));
    }

    #[test]
    fn what_is_no_element_is_told_with_its_place() {
        for (input, want) in [
            ("HTTP/1.1 400 Bad Request\r\n", "the type of an element at offset 4, found 'H'"),
            ("\r\n", r"the type of an element at offset 4, found '\r'"),
            (":\r\n", r"a number at offset 5, found '\r'"),
            (":1x\r\n", "a number at offset 5, found '1'"),
            (":9223372036854775808\r\n", "a number at offset 5, found '9'"),
            ("$-2\r\n", "a number at offset 5, found '-'"),
            ("*-2\r\n", "a number at offset 5, found '-'"),
            ("%-1\r\n", "a number at offset 5, found '-'"),
            ("$?\r\n", "a number at offset 5, found '?'"),
            ("*?\r\n", "a number at offset 5, found '?'"),
            ("_0\r\n", "a number at offset 5, found '0'"),
            ("$1\rx", "LF after CR at offset 7, found 'x'"),
            ("+a\r\r\n", r"LF after CR at offset 7, found '\r'"),
            ("$1\r\nab\r\n", "a line end, CR LF at offset 9, found 'b'"),
            (":0000000000000000000001\r\n", "a line end, CR LF at offset 25, found '0'"),
        ] {
            let input = format!(":1\r\n{input}");
            assert_eq!(shown(framed(), input.as_bytes()), format!("<:1>{{malformed input: expected {want}}}"));
            assert_chunking_law(framed, input.as_bytes());
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_at_the_limit() {
        let line = [&b"-"[..], &vec![b'x'; RespFramer::LONGEST_LINE]].concat();
        let limits = Limits { inbox: 1 << 20, ..Limits::default() };
        let mut sim = Sim::with_limits(framed(), limits);
        let peer = sim.connect();
        sim.send(peer, &line[..RespFramer::LONGEST_LINE]);
        sim.send(peer, b"\r\n");
        assert!(sim.received(peer).len() > RespFramer::LONGEST_LINE);
        sim.send(peer, &line);
        let told = String::from_utf8(sim.received(peer)).expect("text");
        assert_eq!(told, "{malformed input: expected a line end, CR LF at offset 131074, found 'x'}");
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }

    #[test]
    fn an_incomplete_element_is_reported() {
        for (input, want) in [
            ("+O", "after 2 bytes of it"),
            ("+OK\r", "after 4 bytes of it"),
            ("$1", "after 2 bytes of it"),
            ("$5\r\nhel", "after 7 of its 11 bytes"),
            ("$5\r\nhello\r", "after 10 of its 11 bytes"),
        ] {
            let input = format!("*9\r\n{input}");
            let want = format!("<*9>{{the input ended within a message, {want}}}.");
            assert_eq!(shown(framed(), input.as_bytes()), want);
            assert_chunking_law(framed, input.as_bytes());
        }
    }

    /// Each search begins where the last one has ended.
    #[test]
    fn no_byte_of_a_line_is_searched_twice() {
        let (mut state, mut input) = (RespState::default(), b"+".to_vec());
        for length in 1..100 {
            assert_eq!(RespFramer::new(12).next(&mut state, &mut input), Frame::Partial { needed: None });
            assert_eq!(state.searched, length);
            input.push(b'x');
        }
    }

    proptest! {
        #[test]
        fn commands_are_read_back(
            words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..13), 0..5),
            steps in steps(),
        ) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let mut input = Vec::new();
            write_command(&mut input, &words);
            let strings = words.iter().map(|word| format!(r"<${}\r\n{}>", word.len(), word.escape_ascii()));
            let want = format!("<*{}>{}.", words.len(), strings.collect::<String>());
            let want = (want.into_bytes(), Some(Ending::Eof));
            prop_assert_eq!(whole(framed(), &input), want.clone());
            prop_assert_eq!(in_pieces(framed(), &input, &steps), want);
        }

        #[test]
        fn no_split_pause_or_slow_reader_changes_an_element(
            input in r"([-+:$*%_=!][-?0-9a]{0,2}\r\n|[-+:$*_0-9\r\na]|\$2\r\nab\r\n){0,12}",
            steps in steps(),
        ) {
            let input = input.as_bytes();
            prop_assert_eq!(in_pieces(framed(), input, &steps), whole(framed(), input));
        }
    }
}
