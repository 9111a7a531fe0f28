//! Lines: messages that end in LF or CRLF.
//!
//! Invariant: a line is shown without its end; a line over the limit is never held in memory and never shown. No byte
//! is searched twice.

use std::ops::Range;

use memchr::memchr;

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};

/// Shows the handler within one line at a call of [`MessageHandler::message`], without its LF or CRLF.
///
/// A last line without an end is a line when the peer ends its side, so no input is malformed or cut off. A line longer
/// than the limit is discarded up to its end; [`MessageHandler::too_long`] is called once for it. What else holds is
/// said of [`Framed`].
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
    /// Lines of at most `max_line` bytes, their ends not counted. [`Limits::inbox`](crate::Limits::inbox) must not be
    /// smaller than that and two bytes: CR and LF.
    pub fn new(inner: H, max_line: usize) -> Self {
        Framed::with_framer(inner, LineFramer::new(max_line))
    }
}

/// Finds lines: what [`Lines`] is made with.
#[derive(Clone, Copy, Debug)]
pub struct LineFramer {
    max_line: usize,
}

/// What is kept of the input of a connection by lines.
#[derive(Debug, Default)]
pub struct LineState {
    /// Unread bytes that are known to hold no line end.
    scanned: usize,
    /// Within a line that is too long.
    discards: bool,
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
        if std::mem::take(&mut state.discards) {
            return Frame::Discard(used);
        }
        let length = without_cr(&input[..end]);
        if length > self.max_line {
            Frame::TooLong { limit: self.max_line, used }
        } else {
            Frame::Message { body: 0..length, used }
        }
    }

    /// A CR at the very end is half of a line end that was cut off.
    fn last(&self, rest: &[u8]) -> Option<Range<usize>> {
        Some(0..without_cr(rest))
    }
}

impl LineFramer {
    /// A framer of lines of at most `max_line` bytes, without their ends.
    pub(crate) fn new(max_line: usize) -> Self {
        LineFramer { max_line }
    }

    /// No line end in what is left: keeps the beginning of a line, up to the limit.
    fn keep(self, state: &mut LineState, rest: &[u8]) -> Frame {
        state.scanned = 0;
        if state.discards {
            return Frame::Discard(rest.len());
        }
        // One byte more may be the CR of a line that just fits.
        if without_cr(rest) > self.max_line {
            state.discards = true;
            return Frame::TooLong { limit: self.max_line, used: rest.len() };
        }
        state.scanned = rest.len();
        Frame::Partial { needed: None }
    }
}

/// How long a line is without a CR at its end.
fn without_cr(line: &[u8]) -> usize {
    line.len() - usize::from(line.last() == Some(&b'\r'))
}
