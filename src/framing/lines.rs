//! Lines: messages that end in LF or CRLF.
//!
//! Invariant: the wrapped handler sees each line once, whole, without its end, however the stream was split; a line over
//! the limit is never held in memory and never shown. The framer keeps an offset, not bytes: what is unread stays in the
//! connection's inbox, and no byte is searched twice.

use memchr::memchr;

use crate::address::Address;
use crate::context::Context;
use crate::handler::{Closed, Handler, Origin, Source};
use crate::timer::TimerId;
use crate::workers::Done;

/// Shows the handler within one line at a call of [`Handler::data`], without its LF or CRLF.
///
/// The wrapped handler uses the whole line: what it returns from `data` is not looked at. A last line without an end is a
/// line when the peer ends its side. A line longer than the limit is discarded up to its end; [`Handler::too_long`] is called
/// once for it.
///
/// ```
/// use switchboard::framing::Lines;
/// use switchboard::{Context, Handler, Origin, Sim};
///
/// struct Length;
///
/// impl Handler for Length {
///     type Session = ();
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///     fn data<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) -> usize {
///         cx.reply(format!("{}\n", line.len()).as_bytes());
///         line.len()
///     }
/// }
///
/// let mut sim = Sim::new(Lines::new(Length, 10));
/// let peer = sim.connect();
/// sim.send(peer, b"four\r\n\nfar too long for this\nlast");
/// sim.shut_down(peer);
/// assert_eq!(sim.received(peer), b"4\n0\nline too long: the limit is 10 bytes\n4\n");
/// ```
#[derive(Debug)]
pub struct Lines<H> {
    inner: H,
    max_line: usize,
}

/// What [`Lines`] keeps for a connection: the inner session and how far it has looked.
#[derive(Debug)]
pub struct LineSession<S> {
    inner: S,
    /// Unread bytes that are known to hold no line end.
    scanned: usize,
    /// Within a line that is too long.
    discards: bool,
}

impl<H: Handler> Lines<H> {
    /// Lines of at most `max_line` bytes, their ends not counted. [`Limits::inbox`](crate::Limits::inbox) must be larger.
    pub fn new(inner: H, max_line: usize) -> Self {
        Lines { inner, max_line }
    }

    /// The wrapped handler.
    pub fn get_ref(&self) -> &H {
        &self.inner
    }
}

impl<H: Handler> Handler for Lines<H> {
    type Session = LineSession<H::Session>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        LineSession { inner: self.inner.open(origin, cx), scanned: 0, discards: false }
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let total = input.len();
        let mut rest = input;
        while cx.may_continue() {
            let Some(end) = memchr(b'\n', &rest[session.scanned..]).map(|at| session.scanned + at) else {
                return total - self.keep(session, rest, cx);
            };
            let (line, after) = rest.split_at_mut(end + 1);
            rest = after;
            session.scanned = 0;
            let length = end - usize::from(end > 0 && line[end - 1] == b'\r');
            if std::mem::take(&mut session.discards) {
                continue;
            }
            if length > self.max_line {
                self.inner.too_long(&mut session.inner, self.max_line, cx);
            } else {
                self.inner.data(&mut session.inner, &mut line[..length], cx);
            }
        }
        total - rest.len()
    }

    fn too_long(&mut self, session: &mut Self::Session, limit: usize, cx: &mut Context<'_>) {
        self.inner.too_long(&mut session.inner, limit, cx);
    }

    fn eof(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        self.inner.eof(&mut session.inner, cx);
    }

    fn drained(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        self.inner.drained(&mut session.inner, cx);
    }

    fn timeout(&mut self, session: &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
        self.inner.timeout(&mut session.inner, timer, cx);
    }

    fn done(&mut self, session: &mut Self::Session, done: Done, cx: &mut Context<'_>) {
        self.inner.done(&mut session.inner, done, cx);
    }

    fn closed(&mut self, session: Self::Session, why: &Closed, cx: &mut Context<'_>) {
        self.inner.closed(session.inner, why, cx);
    }

    fn datagram<'a>(&mut self, source: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        self.inner.datagram(source, input, cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.inner.console(line, cx);
    }

    fn console_end(&mut self, cx: &mut Context<'_>) {
        self.inner.console_end(cx);
    }

    fn alarm(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.inner.alarm(timer, cx);
    }

    fn finished(&mut self, done: Done, cx: &mut Context<'_>) {
        self.inner.finished(done, cx);
    }

    fn connect_failed(&mut self, to: &Address, error: &std::io::Error, cx: &mut Context<'_>) {
        self.inner.connect_failed(to, error, cx);
    }
}

impl<H: Handler> Lines<H> {
    /// No line end in what is left: keeps the beginning of a line, up to the limit. Returns how many bytes stay unread.
    fn keep<'a>(&mut self, session: &mut LineSession<H::Session>, rest: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        session.scanned = 0;
        if session.discards {
            return 0;
        }
        // One byte more may be the CR of a line that just fits.
        let longest = self.max_line.saturating_add(usize::from(rest.last() == Some(&b'\r')));
        if rest.len() > longest {
            session.discards = true;
            self.inner.too_long(&mut session.inner, self.max_line, cx);
            return 0;
        }
        if cx.is_eof() && !rest.is_empty() {
            // A CR at the very end is half of a line end that was cut off.
            let length = rest.len() - usize::from(rest.last() == Some(&b'\r'));
            self.inner.data(&mut session.inner, &mut rest[..length], cx);
            return 0;
        }
        session.scanned = rest.len();
        rest.len()
    }
}
