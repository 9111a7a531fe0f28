//! Lines: messages that end in LF, CRLF or CR NUL.
//!
//! Invariant: a line over the limit is never kept in memory and never passed on. No byte is searched for a line end
//! twice.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};

/// A framing by lines. A message is a line without its LF, CRLF or CR NUL.
///
/// A last line without a line end is a message, so no input is malformed or incomplete. A line over the limit is
/// discarded up to its line end. [`Framed`] lists what all framings have in common.
///
/// Lines are text that people type, so what their clients add is removed:
///
/// - a byte order mark of UTF-8 before the first line, if the limit is at least its three bytes;
/// - the commands of Telnet (RFC 854), with the options that they negotiate. There is no answer to them. A doubled byte
///   255 is one byte 255. UTF-8 has no such byte, and before a byte below 240 it is left alone.
///
/// The removed commands count for the limit of their line. For messages of any bytes, take another framing.
///
/// ```
/// use switchboard::framing::{Lines, MessageHandler};
/// use switchboard::{Context, Origin, Sim};
///
/// struct Length;
///
/// impl MessageHandler for Length {
///     type Session = ();
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///     fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
///         cx.reply(format!("{}\n", line.len()).as_bytes());
///     }
/// }
///
/// let mut sim = Sim::new(Lines::new(Length, 10));
/// let peer = sim.connect();
/// sim.send(peer, b"four\r\n\nfar too long for this\nlast");
/// sim.shut_down(peer);
/// assert_eq!(sim.received(peer), b"4\n0\nline too long: the limit is 10 bytes\n4\n");
/// ```
pub type Lines<H> = Framed<LineFramer, H>;

impl<H: MessageHandler> Lines<H> {
    /// Passes lines of at most `max_line` bytes, without their line ends, to `inner`.
    ///
    /// [`Limits::inbox`](crate::Limits::inbox) must be at least `max_line` and two bytes for the line end.
    pub fn new(inner: H, max_line: usize) -> Self {
        Framed::with_framer(inner, LineFramer::new(max_line))
    }

    /// Returns the longest line, in bytes, without its line end.
    pub fn max_line(&self) -> usize {
        self.framer.max_line
    }
}

/// The framer of [`Lines`].
#[derive(Clone, Copy, Debug)]
pub struct LineFramer {
    max_line: usize,
}

/// The state of a [`LineFramer`] for one connection.
#[derive(Debug, Default)]
pub struct LineState {
    /// Unread bytes that are known to hold no line end.
    scanned: usize,
    /// The first line has begun. A byte order mark is a part of the text from now on.
    has_begun: bool,
    /// The input is within a line that is too long.
    is_discarding: bool,
    /// The last byte that was discarded is a CR. With a NUL, it is a line end.
    is_after_cr: bool,
}

/// The byte order mark in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

// The commands of Telnet, RFC 854: after IAC, the bytes from SE on are commands. SB begins a subnegotiation, which ends
// with IAC SE. WILL, WON'T, DO and DON'T are the last ones before IAC, and an option follows each.
const IAC: u8 = 255;
const DONT: u8 = 254;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

impl Framer for LineFramer {
    type State = LineState;

    #[inline]
    fn next(&self, state: &mut LineState, input: &mut [u8]) -> Frame {
        if !state.has_begun
            && let Some(frame) = self.skip_mark(state, input)
        {
            return frame;
        }
        let Some((line, used)) = find_end(state, input) else {
            return self.keep(state, input);
        };
        state.scanned = 0;
        state.is_after_cr = false;
        if std::mem::take(&mut state.is_discarding) {
            Frame::Discard(used)
        } else if line > self.max_line {
            Frame::TooLong { limit: self.max_line, used }
        } else {
            Frame::Message { body: 0..line, used }
        }
    }

    #[inline]
    fn clean(&self, line: &mut [u8]) -> usize {
        match memchr(IAC, line) {
            None => line.len(),
            Some(first) => first + remove_telnet(&mut line[first..]),
        }
    }

    /// A CR at the end of input is half of a line end, so it does not belong to the line.
    fn last(&self, rest: &[u8]) -> Option<Range<usize>> {
        Some(0..without_cr(rest))
    }
}

impl LineFramer {
    /// Creates a framer of lines of at most `max_line` bytes, without their line ends.
    #[must_use]
    pub fn new(max_line: usize) -> Self {
        LineFramer { max_line }
    }

    /// Discards a byte order mark before the first line, or waits for its rest.
    fn skip_mark(self, state: &mut LineState, input: &[u8]) -> Option<Frame> {
        let may_have_mark = self.max_line >= BYTE_ORDER_MARK.len();
        if may_have_mark && input.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(input) {
            return Some(Frame::Partial { needed: None });
        }
        state.has_begun = true;
        let has_mark = may_have_mark && input.starts_with(BYTE_ORDER_MARK);
        has_mark.then_some(Frame::Discard(BYTE_ORDER_MARK.len()))
    }

    /// Keeps the beginning of a line, which has no line end yet, up to the limit.
    fn keep(self, state: &mut LineState, rest: &[u8]) -> Frame {
        state.scanned = 0;
        state.is_after_cr = rest.last() == Some(&b'\r');
        if state.is_discarding {
            return Frame::Discard(rest.len());
        }
        // A CR at the end may belong to the line end, so it does not count.
        if without_cr(rest) > self.max_line {
            state.is_discarding = true;
            return Frame::TooLong { limit: self.max_line, used: rest.len() };
        }
        state.scanned = rest.len();
        Frame::Partial { needed: None }
    }
}

/// Finds the first line end. Returns the length of the line without it, and with it.
#[inline]
fn find_end(state: &LineState, input: &[u8]) -> Option<(usize, usize)> {
    let mut from = state.scanned;
    loop {
        let at = from + memchr2(b'\n', b'\0', &input[from..])?;
        let line = without_cr(&input[..at]);
        // A NUL is a line end only after a CR, which may have been discarded.
        if input[at] == b'\n' || line < at || (at == 0 && state.is_after_cr) {
            return Some((line, at + 1));
        }
        from = at + 1;
    }
}

/// Returns the length of a line, in bytes, without a CR at its end.
fn without_cr(line: &[u8]) -> usize {
    line.len() - usize::from(line.last() == Some(&b'\r'))
}

/// Removes the commands of Telnet, and returns the length of the rest.
#[cold]
fn remove_telnet(line: &mut [u8]) -> usize {
    let (mut read, mut kept) = (0, 0);
    loop {
        let (used, text) = match &line[read..] {
            [] => return kept,
            [IAC, IAC, ..] => (2, Some(IAC)),
            [IAC, SB, rest @ ..] => (2 + subnegotiation(rest), None),
            [IAC, WILL..=DONT, _, ..] => (3, None),
            [IAC, SE..=DONT, ..] => (2, None),
            [byte, ..] => (1, Some(*byte)),
        };
        if let Some(byte) = text {
            line[kept] = byte;
            kept += 1;
        }
        read += used;
    }
}

/// The length of a subnegotiation with the IAC SE at its end. Without one, it is the rest of the line.
fn subnegotiation(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|pair| pair == [IAC, SE]).map_or(bytes.len(), |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Show, shown};
    use super::*;
    use crate::sim::assert_chunking_law;

    /// The lines of an input, also if it arrives in pieces.
    fn lines(input: &[u8]) -> String {
        assert_chunking_law(|| Lines::new(Show, 20), input);
        shown(Lines::new(Show, 20), input)
    }

    #[test]
    fn a_line_ends_in_lf_crlf_or_cr_nul() {
        assert_eq!(lines(b"a\nb\r\nc\r\0d"), "<a><b><c><d>.");
        assert_eq!(lines(b"\r\0\r\r\0\0\na\0b\n"), r"<><\r><\x00><a\x00b>.");
        assert_eq!(lines(b"a line that is too long\r\0b\r\0"), "!20<b>.");
    }

    #[test]
    fn a_byte_order_mark_before_the_first_line_is_dropped() {
        assert_eq!(lines(b"\xEF\xBB\xBFann\n\xEF\xBB\xBFann\n"), r"<ann><\xef\xbb\xbfann>.");
        assert_eq!(lines(b"\xEF\xBB\xBF\n"), "<>.");
        assert_eq!(lines(b"\xEF\xBB\xBF"), ".");
        assert_eq!(lines(b"\xEF\xBB"), r"<\xef\xbb>.");
        assert_eq!(lines(b"\xEF\xBBx\n"), r"<\xef\xbbx>.");
        for limit in 0..4 {
            assert_chunking_law(|| Lines::new(Show, limit), b"\xEF\xBB\xBF\xEF\xBB\n\xEF");
        }
    }

    #[test]
    fn commands_of_telnet_are_dropped() {
        assert_eq!(lines(b"\xFF\xFD\x03\xFF\xFB\x18ann\r\n"), "<ann>.", "IAC DO, IAC WILL");
        assert_eq!(lines(b"a\xFF\xF4b\xFF\xFD\x06\n"), "<ab>.", "IAC IP, IAC DO TIMING-MARK");
        assert_eq!(lines(b"a\xFF\xFA\x1F\0P\0\x18\xFF\xF0b\n"), "<ab>.", "IAC SB NAWS 80 24 IAC SE");
        assert_eq!(lines(b"a\xFF\xFAno end\nb\xFF\xFB\n"), "<a><b>.");
    }

    #[test]
    fn a_byte_255_that_is_text_stays() {
        assert_eq!(lines(b"\xFFe \xFF\xFF\xF4 \xFF\n"), r"<\xffe \xff\xf4 \xff>.");
    }
}
