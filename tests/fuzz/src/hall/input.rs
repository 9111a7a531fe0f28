//! What clients have sent, as lines: read plainly, while it comes.

use crate::telnet::{BYTE_ORDER_MARK, without_telnet};

/// What a server is told.
#[derive(Debug)]
pub(super) enum Told {
    Line(Vec<u8>),
    TooLong(usize),
}

/// What a client has sent and is no whole line yet.
#[derive(Default)]
pub(super) struct Input {
    pub(super) rest: Vec<u8>,
    last: u8,
    has_begun: bool,
    discards: bool,
}

impl Input {
    /// The lines that these bytes end, and a notice as soon as one is too long.
    pub(super) fn take(&mut self, bytes: &[u8], limit: usize) -> Vec<Told> {
        let mut told = Vec::new();
        for &byte in bytes {
            let is_whole = byte == b'\n' || byte == 0 && self.last == b'\r';
            self.last = byte;
            self.rest.push(byte);
            if self.is_mark(limit) {
                continue;
            }
            let text = &self.rest[..self.rest.len() - usize::from(is_whole)];
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let is_long = text.len() > limit;
            if is_long && !self.discards {
                told.push(Told::TooLong(limit));
            } else if is_whole && !self.discards {
                told.push(Told::Line(without_telnet(text)));
            }
            self.discards = !is_whole && (self.discards || is_long);
            if is_whole || self.discards {
                self.rest.clear();
            }
        }
        told
    }

    /// Whether all that was sent may be a byte order mark. A whole one is dropped.
    fn is_mark(&mut self, limit: usize) -> bool {
        let may_be = !self.has_begun && limit >= BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.rest);
        self.has_begun = !may_be || self.rest == BYTE_ORDER_MARK;
        if may_be && self.has_begun {
            self.rest.clear();
        }
        may_be
    }

    /// The last line, which has no end.
    pub(super) fn end(&mut self) -> Vec<Told> {
        let rest = std::mem::take(&mut self.rest);
        let text = rest.strip_suffix(b"\r").unwrap_or(&rest);
        if rest.is_empty() { Vec::new() } else { vec![Told::Line(without_telnet(text))] }
    }

    /// Nothing is left of what was sent, nor of a line that is too long.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && !self.discards
    }
}
