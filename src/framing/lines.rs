//! Lines: messages that end in LF or CRLF.
//!
//! Invariant: a line over the limit is never kept in memory and never passed on. No byte is searched twice.

use std::ops::Range;

use memchr::memchr;

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};

/// A framing by lines. A message is a line without its LF or CRLF.
///
/// A last line without a line end is a message, so no input is malformed or incomplete. A line over the limit is
/// discarded up to its line end. [`Framed`] lists what all framings have in common.
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
    /// [`Limits::inbox`](crate::Limits::inbox) must be at least `max_line` and two bytes for CR and LF.
    pub fn new(inner: H, max_line: usize) -> Self {
        Framed::with_framer(inner, LineFramer::new(max_line))
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
    /// Unread bytes that are known to hold no LF.
    scanned: usize,
    /// The input is within a line that is too long.
    is_discarding: bool,
}

impl Framer for LineFramer {
    type State = LineState;

    #[inline]
    fn next(&self, state: &mut LineState, input: &[u8]) -> Frame {
        let Some(end) = memchr(b'\n', &input[state.scanned..]).map(|at| state.scanned + at) else {
            return self.keep(state, input);
        };
        state.scanned = 0;
        let used = end + 1;
        if std::mem::take(&mut state.is_discarding) {
            return Frame::Discard(used);
        }
        let length = without_cr(&input[..end]);
        if length > self.max_line {
            Frame::TooLong { limit: self.max_line, used }
        } else {
            Frame::Message { body: 0..length, used }
        }
    }

    /// A CR at the end of input is half of a line end, so it does not belong to the line.
    fn last(&self, rest: &[u8]) -> Option<Range<usize>> {
        Some(0..without_cr(rest))
    }
}

impl LineFramer {
    /// Creates a framer of lines of at most `max_line` bytes, without their line ends.
    pub(crate) fn new(max_line: usize) -> Self {
        LineFramer { max_line }
    }

    /// Keeps the beginning of a line, which has no LF yet, up to the limit.
    fn keep(self, state: &mut LineState, rest: &[u8]) -> Frame {
        state.scanned = 0;
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

/// Returns the length of a line, in bytes, without a CR at its end.
fn without_cr(line: &[u8]) -> usize {
    line.len() - usize::from(line.last() == Some(&b'\r'))
}
