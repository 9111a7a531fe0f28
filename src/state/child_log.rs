//! The standard error of a child, as lines for the log.
//!
//! Invariant: it is read to its end, whatever is logged of it. So a child that writes much never waits for the log.

use std::io::{self, ErrorKind, Read};

use mio::unix::pipe;
use mio::{Interest, Registry, Token};

/// Bytes of a line that are shown.
const MAX_LINE: usize = 1024;

/// Bytes read from one child in a turn. 64 KiB: what a pipe holds.
const TURN_BYTES: usize = 64 * 1024;

/// The standard error of one child.
#[derive(Debug)]
pub(crate) struct ChildLog {
    /// `None` after its end: no process writes to it any more.
    pipe: Option<pipe::Receiver>,
    /// The start of an incomplete line, at most [`MAX_LINE`] bytes of it.
    line: Vec<u8>,
    /// Lines that were not logged.
    pub(crate) unlogged: u64,
}

impl ChildLog {
    pub(crate) fn new(pipe: pipe::Receiver) -> Self {
        ChildLog { pipe: Some(pipe), line: Vec::new(), unlogged: 0 }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.pipe.as_mut().map_or(Ok(()), |pipe| registry.register(pipe, token, Interest::READABLE))
    }

    /// Whether no process writes to it any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads within the budget of a turn, through `buffer`. Passes each line to `log`, without its line end; `log`
    /// returns whether the line was logged. Returns whether the budget has ended first.
    pub(crate) fn read(&mut self, buffer: &mut [u8], mut log: impl FnMut(&[u8]) -> bool) -> bool {
        let mut budget = TURN_BYTES;
        while let Some(pipe) = &mut self.pipe {
            if budget == 0 {
                return true;
            }
            match pipe.read(buffer) {
                Ok(count) if count > 0 => {
                    self.split(&buffer[..count], &mut log);
                    budget = budget.saturating_sub(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => {
                    self.pipe = None;
                    if !self.line.is_empty() {
                        self.pass(&mut log);
                    }
                }
            }
        }
        false
    }

    fn split(&mut self, bytes: &[u8], log: &mut impl FnMut(&[u8]) -> bool) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.pass(log);
            }
        }
    }

    fn pass(&mut self, log: &mut impl FnMut(&[u8]) -> bool) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        self.unlogged += u64::from(!log(line));
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_whole_and_their_length_is_bounded() {
        let (mut child, pipe) = pipe::new().expect("a pipe");
        let (mut log, mut buffer) = (ChildLog::new(pipe), [0; 7]);
        let wide = "x".repeat(3000);
        let mut lines = Vec::new();
        let mut read = |log: &mut ChildLog| {
            log.read(&mut buffer, |line| {
                lines.push(line.to_vec());
                lines.len() % 2 == 1
            })
        };
        child.write_all(b"one\r\n\ntw").expect("room in the pipe");
        assert!(!read(&mut log));
        write!(child, "o\n{wide}\nlast").expect("room in the pipe");
        assert!(!read(&mut log));
        drop(child);
        assert!(!read(&mut log) && log.has_ended());
        let want = [&b"one"[..], b"", b"two", &wide.as_bytes()[..MAX_LINE], b"last"];
        assert_eq!(lines, want);
        assert_eq!(log.unlogged, 2);
    }

    #[test]
    fn one_turn_reads_a_bounded_number_of_bytes() {
        let (mut child, pipe) = pipe::new().expect("a pipe");
        child.write_all(&vec![b'x'; TURN_BYTES]).expect("a pipe holds 64 KiB (pipe(7))");
        let mut log = ChildLog::new(pipe);
        assert!(log.read(&mut [0; 4096], |_| true), "more may be there");
        assert!(!log.read(&mut [0; 4096], |_| true));
    }
}
