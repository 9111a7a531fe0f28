//! Standard input as one more source of the loop: an operator's lines, without a thread.
//!
//! Invariant: reading never waits, never stops the process (SIGTTIN), and never changes descriptor 0. Memory is bounded
//! by the longest line and one read.
//!
//! | standard input | here |
//! |---|---|
//! | terminal | opened anew, non-blocking; read only in the foreground |
//! | pipe, FIFO | opened anew, non-blocking |
//! | socket | as a pipe |
//! | file | read in bounded steps; without a line, nobody is there |
//! | `/dev/null`, closed, directory, a device that epoll refuses | nobody is there |
//!
//! Deliberately not here: what a line means, and what follows from the end of input.

pub(crate) mod descriptor;
pub(crate) mod output;

use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use mio::{Interest, Registry, Token};
use rustix::fs::{OFlags, fcntl_getfl};

use crate::console::descriptor::{Descriptor, Kind, is_unpollable};

/// Bytes read in one turn of the loop: a file of commands must not starve the connections.
const BUDGET: usize = 64 * 1024;

/// Bytes of one read. Linux: a terminal in line mode holds 4095 and the newline.
const CHUNK: usize = 4096;

/// How long a server in the background waits before it looks at the terminal again: `fg` gives no event.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What the operator did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input<'a> {
    /// One line, without its LF or CRLF; also a last one that has neither.
    Line(&'a [u8]),
    /// One line that was longer than allowed; all of it is discarded.
    TooLong,
    /// End of input: Ctrl-D, a closed pipe, a terminal that hung up. Comes once, as the last.
    End,
}

/// Standard input, registered with the loop. Edge-triggered as everything there:
///
/// 1. after an event under its token, whatever the event says, call [`Console::wake`];
/// 2. while [`Console::is_ready`], call [`Console::next_input`] until it returns `None`. Stopping in between is
///    allowed, and nothing is lost by it: the console stays ready;
/// 3. still ready after that means that the turn's budget ended: poll without waiting, then go on with 2;
/// 4. if [`Console::retry_after`] names a time, call `wake` after it.
///
/// Dropping it deregisters it.
#[derive(Debug)]
pub(crate) struct Console {
    descriptor: Descriptor,
    kind: Kind,
    lines: Lines,
    phase: InputPhase,
    /// The last read did not say `WouldBlock`.
    ready: bool,
    /// Input was seen in the background, where it must not be read.
    held: bool,
    budget: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputPhase {
    Open,
    /// End of input was read, but not yet handed out.
    Ending,
    Ended,
}

impl Console {
    /// Opens standard input; `max_line` counts bytes without LF or CRLF. `None`: there is no operator.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left to register it.
    pub(crate) fn open(registry: &Registry, token: Token, max_line: usize) -> io::Result<Option<Self>> {
        Self::from_fd(rustix::stdio::stdin(), registry, token, max_line)
    }

    /// As [`Console::open`], for any descriptor; it stays the caller's, unchanged, and may be closed.
    ///
    /// # Errors
    ///
    /// As [`Console::open`]; also, `fd` is closed.
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
                    log::warn!("standard input is a device that cannot be waited for: no operator");
                    return Ok(None);
                }
                result => result?,
            }
        }
        let mut console = Self::new(descriptor, kind, max_line);
        // Only a file tells without waiting whether there is anything to read.
        if kind == Kind::File && console.fill() && console.phase == InputPhase::Ending {
            return Ok(None);
        }
        Ok(Some(console))
    }

    fn new(descriptor: Descriptor, kind: Kind, max_line: usize) -> Self {
        let lines = Lines::new(max_line);
        // Ready without an event. Linux: a FIFO that was opened anew after its last writer left is at its end, but
        // epoll does not say so.
        Self { descriptor, kind, lines, phase: InputPhase::Open, ready: true, held: false, budget: BUDGET }
    }

    /// Tells that an event came, or that the time named by [`Console::retry_after`] has passed.
    pub(crate) fn wake(&mut self) {
        self.ready = self.phase != InputPhase::Ended;
    }

    /// Whether [`Console::next_input`] may have something to hand out without a further event.
    #[must_use]
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// The time after which to [`wake`](Console::wake) the console: input waits at the terminal, but the shell has put
    /// us into the background, and coming back gives no event. `None` costs an idle server nothing.
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.held.then_some(LOOK_AGAIN)
    }

    /// The next input, or `None` when there is no more now ([`Console::is_ready`] is false) or in this turn (it is
    /// true). Reads without need of an event, at most 64 KiB between two `None`.
    pub(crate) fn next_input(&mut self) -> Option<Input<'_>> {
        let piece = loop {
            if let Some(piece) = self.lines.take() {
                break piece;
            }
            match self.phase {
                InputPhase::Open => {
                    if !self.fill() {
                        return None;
                    }
                }
                InputPhase::Ending => return Some(self.end()),
                InputPhase::Ended => return None,
            }
        };
        Some(match piece {
            Piece::Line(range) => Input::Line(self.lines.get(range)),
            Piece::TooLong => Input::TooLong,
        })
    }

    /// Reads once. Returns whether there is something new to look at.
    fn fill(&mut self) -> bool {
        if self.budget == 0 {
            self.budget = BUDGET;
            self.ready = true;
            return false;
        }
        if self.is_in_background() {
            self.held = self.descriptor.is_readable();
            return self.sleep();
        }
        self.held = false;
        let mut chunk = [0; CHUNK];
        let size = self.budget.min(CHUNK);
        match self.descriptor.read(&mut chunk[..size]) {
            Ok(0) => self.finish(),
            Ok(count) => {
                self.budget -= count;
                self.lines.push(&chunk[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.sleep(),
            // Linux: a terminal whose other side is gone answers EIO. No other error gets better by reading again.
            Err(error) => {
                log::debug!("standard input: {error}: taken as its end");
                self.finish();
            }
        }
        true
    }

    /// Nothing to read until the next event; always false, as [`Console::fill`] then is.
    fn sleep(&mut self) -> bool {
        self.budget = BUDGET;
        self.ready = false;
        false
    }

    fn finish(&mut self) {
        self.lines.finish();
        self.phase = InputPhase::Ending;
        self.ready = true;
    }

    fn end(&mut self) -> Input<'static> {
        self.descriptor.deregister();
        self.phase = InputPhase::Ended;
        self.ready = false;
        Input::End
    }

    /// Reading the controlling terminal from the background would stop us (SIGTTIN). An error means that it is not our
    /// controlling terminal, or no more: then reading is harmless, and tells what happened.
    fn is_in_background(&self) -> bool {
        self.kind == Kind::Terminal
            && rustix::termios::tcgetpgrp(&self.descriptor)
                .is_ok_and(|foreground| foreground != rustix::process::getpgrp())
    }
}

/// Says why nobody can speak through `fd`, if so.
fn unreadable(fd: BorrowedFd<'_>, kind: Kind) -> io::Result<Option<&'static str>> {
    Ok(match kind {
        Kind::Null => Some("is /dev/null"),
        Kind::Directory => Some("is a directory"),
        _ if fcntl_getfl(fd)? & OFlags::RWMODE == OFlags::WRONLY => Some("is open for writing only"),
        _ => None,
    })
}

/// Cuts bytes into lines; how they were split into pieces on the way makes no difference.
#[derive(Debug)]
struct Lines {
    /// InheritedSockets out up to `start`, searched for a newline up to `scanned`.
    bytes: Vec<u8>,
    start: usize,
    scanned: usize,
    max_line: usize,
    /// Within a line that was too long.
    skipping: bool,
    finished: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// Where the line is; valid until the next `push`.
    Line(Range<usize>),
    TooLong,
}

impl Lines {
    fn new(max_line: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, scanned: 0, max_line, skipping: false, finished: false }
    }

    /// Adds input. Bounded if `take` has returned `None` before.
    fn push(&mut self, input: &[u8]) {
        self.bytes.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(input);
    }

    /// What is left is a line, if it is not empty.
    fn finish(&mut self) {
        self.finished = true;
    }

    fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    fn take(&mut self) -> Option<Piece> {
        while let Some(at) = memchr::memchr(b'\n', &self.bytes[self.scanned..]) {
            let newline = self.scanned + at;
            let start = mem::replace(&mut self.start, newline + 1);
            self.scanned = self.start;
            if mem::take(&mut self.skipping) {
                continue;
            }
            let line = &self.bytes[start..newline];
            let length = line.strip_suffix(b"\r").unwrap_or(line).len();
            let fits = length <= self.max_line;
            return Some(if fits { Piece::Line(start..start + length) } else { Piece::TooLong });
        }
        self.take_unfinished()
    }

    /// Looks at a line whose newline is not here: too long already, or the last one.
    fn take_unfinished(&mut self) -> Option<Piece> {
        self.scanned = self.bytes.len();
        let rest = self.start..self.scanned;
        // A CR at the end may be half of a CRLF, which does not count.
        let half = !self.finished && self.bytes[rest.clone()].ends_with(b"\r");
        let too_long = rest.len() > self.max_line.saturating_add(usize::from(half));
        if self.skipping || too_long {
            self.start = self.scanned;
            return (!mem::replace(&mut self.skipping, true)).then_some(Piece::TooLong);
        }
        if self.finished && !rest.is_empty() {
            self.start = self.scanned;
            return Some(Piece::Line(rest));
        }
        None
    }
}

#[cfg(test)]
mod tests;
