//! Standard input as an event source of the loop: the lines of an operator, without a thread.
//!
//! Invariants: reading never blocks, never stops the process (SIGTTIN), and never changes the flags of descriptor 0.
//! Memory is bounded by the longest line and the size of one read.
//!
//! | standard input | here |
//! |---|---|
//! | terminal | reopened as non-blocking; read only while the process is in the foreground |
//! | pipe, FIFO | reopened as non-blocking |
//! | socket | as a pipe; one without a peer, such as a listener, is no operator |
//! | file | read in bounded steps; an empty file is no operator |
//! | `/dev/null`, closed, directory, a device that epoll refuses | no operator |
//!
//! Deliberately not here: the meaning of a line, and the reaction to the end of input.

pub(crate) mod descriptor;
pub(crate) mod job_control;
pub(crate) mod output;

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use mio::{Interest, Registry, Token};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

use crate::console::descriptor::{Descriptor, Kind, is_unpollable};
use crate::console::job_control::is_in_background;
use crate::framing::{Frame, Framer, LineFramer, LineState};

/// Bytes read in one turn of the loop, so that a long file of commands does not starve the connections.
const BUDGET: usize = 64 * 1024;

/// Bytes of one read. Linux: a terminal in line mode holds a line of 4095 bytes and its newline.
const CHUNK: usize = 4096;

/// Interval at which a background process checks its terminal, because the shell's `fg` causes no event.
const BACKGROUND_RETRY: Duration = Duration::from_millis(500);

/// One input of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input<'a> {
    /// A line, without its LF or CRLF. The last line may have had neither.
    Line(&'a [u8]),
    /// A line over the limit, which was discarded.
    TooLong,
    /// The end of input: Ctrl-D, or a closed pipe. Comes once, as the last input.
    End,
    /// The terminal has closed, so the operator has left. Comes once, as the last input, in place of `End`.
    HangUp,
}

/// Standard input, registered with the loop. It is edge-triggered, as every source of the loop is:
///
/// 1. After any event under its token, call [`Console::wake`].
/// 2. While [`Console::is_ready`], call [`Console::next_input`] until it returns `None`. Stopping earlier loses
///    nothing: the console stays ready.
/// 3. If it is ready after `None`, the budget of the turn is spent: poll without waiting, then continue with step 2.
/// 4. If [`Console::retry_after`] returns a time, call [`Console::wake`] after that time.
///
/// Dropping it deregisters it.
#[derive(Debug)]
pub(crate) struct Console {
    descriptor: Descriptor,
    kind: Kind,
    lines: LineBuffer,
    phase: InputPhase,
    /// The last read did not return `WouldBlock`.
    is_ready: bool,
    /// Input waits at the terminal, and the process is in the background, where it must not read.
    waits_for_foreground: bool,
    budget: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputPhase {
    Open,
    /// The end of input was read and not yet returned.
    Ending,
    /// The terminal has closed, and this was not yet returned.
    HangingUp,
    Ended,
}

impl Console {
    /// Opens standard input. `max_line` is the longest line in bytes, without LF or CRLF. Returns `None` if there is no
    /// operator.
    ///
    /// # Errors
    ///
    /// If no descriptor or memory is left to register it.
    pub(crate) fn open(registry: &Registry, token: Token, max_line: usize) -> io::Result<Option<Self>> {
        Self::from_fd(rustix::stdio::stdin(), registry, token, max_line)
    }

    /// Opens any descriptor as [`Console::open`] opens standard input. The caller keeps `fd`, unchanged, and may close
    /// it.
    ///
    /// # Errors
    ///
    /// If `fd` is closed, or no descriptor or memory is left to register it.
    pub(crate) fn from_fd(
        fd: BorrowedFd<'_>,
        registry: &Registry,
        token: Token,
        max_line: usize,
    ) -> io::Result<Option<Self>> {
        let kind = Kind::of(fd)?;
        if let Some(what) = unreadable(fd, kind)? {
            if kind != Kind::Null {
                log::warn!("standard input {what}: no operator");
            }
            return Ok(None);
        }
        let mut descriptor = Descriptor::open(fd, OFlags::RDONLY)?;
        if kind != Kind::File {
            match descriptor.register(registry, token, Interest::READABLE) {
                Err(error) if is_unpollable(&error) => {
                    log::warn!("standard input is a device that epoll does not support: no operator");
                    return Ok(None);
                }
                result => result?,
            }
        }
        let mut console = Self::new(descriptor, kind, max_line);
        // An empty file is no operator. Other kinds cannot be checked for emptiness without waiting.
        if kind == Kind::File && console.fill() && console.phase == InputPhase::Ending {
            return Ok(None);
        }
        Ok(Some(console))
    }

    fn new(descriptor: Descriptor, kind: Kind, max_line: usize) -> Self {
        Self {
            descriptor,
            kind,
            lines: LineBuffer::new(max_line),
            phase: InputPhase::Open,
            // Linux: a FIFO that was reopened after its last writer left is at its end, but epoll reports no event.
            is_ready: true,
            waits_for_foreground: false,
            budget: BUDGET,
        }
    }

    /// Adds the beginning of a line that another process has read.
    #[cfg(feature = "cli")]
    pub(crate) fn resume(&mut self, begun: &[u8]) {
        self.lines.push(begun);
    }

    /// The line that has begun and has no end yet.
    #[cfg(feature = "cli")]
    pub(crate) fn begun(&self) -> &[u8] {
        &self.lines.bytes[self.lines.start..]
    }

    /// Marks the console as ready: after an event, or after the time of [`Console::retry_after`].
    pub(crate) fn wake(&mut self) {
        self.is_ready = self.phase != InputPhase::Ended;
    }

    /// Whether [`Console::next_input`] may return an input without another event.
    #[must_use]
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The time after which to call [`Console::wake`]. `Some` only while input waits at the terminal and the process is
    /// in the background: the return to the foreground causes no event.
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.waits_for_foreground.then_some(BACKGROUND_RETRY)
    }

    /// Returns the next input, or `None`. After `None`, [`Console::is_ready`] is false if there is no more input for
    /// now, and true if the budget of this turn is spent.
    ///
    /// May be called without an event. Reads at most 64 KiB between two `None`.
    pub(crate) fn next_input(&mut self) -> Option<Input<'_>> {
        loop {
            match self.lines.take() {
                Some(Piece::Line(range)) => return Some(Input::Line(&self.lines.bytes[range])),
                Some(Piece::TooLong) => return Some(Input::TooLong),
                None => {}
            }
            match self.phase {
                InputPhase::Open => {
                    if !self.fill() {
                        return None;
                    }
                }
                InputPhase::Ending => return Some(self.end(Input::End)),
                InputPhase::HangingUp => return Some(self.end(Input::HangUp)),
                InputPhase::Ended => return None,
            }
        }
    }

    /// Reads once. Returns whether bytes or the end of input have arrived.
    fn fill(&mut self) -> bool {
        if self.budget == 0 {
            self.budget = BUDGET;
            self.is_ready = true;
            return false;
        }
        if self.is_in_background() {
            self.waits_for_foreground = self.descriptor.is_readable();
            return self.sleep();
        }
        self.waits_for_foreground = false;
        let mut chunk = [0; CHUNK];
        let size = self.budget.min(CHUNK);
        match self.descriptor.read(&mut chunk[..size]) {
            Ok(0) => self.finish(),
            Ok(count) => {
                self.budget -= count;
                self.lines.push(&chunk[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.sleep(),
            // The process went to the background after the check.
            Err(_) if self.is_in_background() => {
                self.waits_for_foreground = true;
                return self.sleep();
            }
            // Retrying does not help.
            Err(error) => {
                log::debug!("standard input: {error}: treated as the end of input");
                self.finish();
            }
        }
        true
    }

    /// Waits for the next event. Returns false, as [`Console::fill`] then does.
    fn sleep(&mut self) -> bool {
        self.budget = BUDGET;
        self.is_ready = false;
        false
    }

    /// Notes the end of input. Linux: a terminal that has closed is at its end, or returns EIO, as after Ctrl-D.
    fn finish(&mut self) {
        self.lines.finish();
        let has_closed = self.kind == Kind::Terminal && self.descriptor.has_hung_up();
        self.phase = if has_closed { InputPhase::HangingUp } else { InputPhase::Ending };
        self.is_ready = true;
    }

    fn end(&mut self, end: Input<'static>) -> Input<'static> {
        self.descriptor.deregister();
        self.phase = InputPhase::Ended;
        self.is_ready = false;
        end
    }

    /// Whether a read would stop the process (SIGTTIN), or fail.
    fn is_in_background(&self) -> bool {
        self.kind == Kind::Terminal && is_in_background(&self.descriptor)
    }
}

/// Returns the reason why an operator cannot use `fd`, or `None` if `fd` is usable.
fn unreadable(fd: BorrowedFd<'_>, kind: Kind) -> io::Result<Option<&'static str>> {
    Ok(match kind {
        Kind::Null => Some("is /dev/null"),
        Kind::Directory => Some("is a directory"),
        Kind::Socket if rustix::net::getpeername(fd).err() == Some(Errno::NOTCONN) => {
            Some("is a socket without a peer")
        }
        _ if fcntl_getfl(fd)? & OFlags::RWMODE == OFlags::WRONLY => Some("is open for writing only"),
        _ => None,
    })
}

/// The bytes that were read and not yet returned as lines.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// The bytes before this offset were returned or discarded.
    start: usize,
    max_line: usize,
    framer: LineFramer,
    state: LineState,
    /// The end of input was read, so the remaining bytes are the last line.
    is_finished: bool,
}

/// What [`LineBuffer::take`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The range of the line in the buffer. Valid until the next [`LineBuffer::push`].
    Line(Range<usize>),
    TooLong,
}

impl LineBuffer {
    /// Creates an empty buffer for lines of at most `max_line` bytes.
    pub(crate) fn new(max_line: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            max_line,
            framer: LineFramer::new(max_line),
            state: LineState::default(),
            is_finished: false,
        }
    }

    /// Adds input. If [`LineBuffer::take`] returned `None` before, at most one line and `input` are in memory.
    pub(crate) fn push(&mut self, input: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(input);
    }

    /// Notes the end of input, which also ends the last line.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The bytes of a line that [`take`](Self::take) has returned.
    pub(crate) fn bytes(&self, line: Range<usize>) -> &[u8] {
        &self.bytes[line]
    }

    /// Takes the next line, if all of it is here.
    pub(crate) fn take(&mut self) -> Option<Piece> {
        while self.start < self.bytes.len() {
            let start = self.start;
            match self.framer.next(&mut self.state, &mut self.bytes[start..]) {
                Frame::Message { body, used } => {
                    self.start += used;
                    return Some(Piece::Line(start + body.start..start + body.end));
                }
                Frame::TooLong { used, .. } => {
                    self.start += used;
                    return Some(Piece::TooLong);
                }
                Frame::Discard(used) => self.start += used,
                Frame::Partial { .. } if self.is_finished => return Some(self.take_last()),
                Frame::Partial { .. } | Frame::Failed(_) => return None,
            }
        }
        None
    }

    /// Takes the last line, which has no LF. A CR at its end is part of the line.
    fn take_last(&mut self) -> Piece {
        let last = self.start..self.bytes.len();
        self.start = last.end;
        if last.len() <= self.max_line { Piece::Line(last) } else { Piece::TooLong }
    }
}

#[cfg(test)]
mod tests;
