//! What clients have sent, as lines: read plainly, while it comes.

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
    discards: bool,
}

impl Input {
    /// The lines that these bytes end, and a notice as soon as one is too long.
    pub(super) fn take(&mut self, bytes: &[u8], limit: usize) -> Vec<Told> {
        let mut told = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.rest.extend_from_slice(piece);
            let line = self.rest.strip_suffix(b"\n");
            let text = line.unwrap_or(&self.rest);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let (is_whole, is_long) = (line.is_some(), text.len() > limit);
            if is_long && !self.discards {
                told.push(Told::TooLong(limit));
            } else if is_whole && !self.discards {
                told.push(Told::Line(text.to_vec()));
            }
            self.discards = !is_whole && (self.discards || is_long);
            if is_whole || self.discards {
                self.rest.clear();
            }
        }
        told
    }

    /// The last line, which has no end.
    pub(super) fn end(&mut self) -> Vec<Told> {
        let rest = std::mem::take(&mut self.rest);
        let text = rest.strip_suffix(b"\r").unwrap_or(&rest);
        if rest.is_empty() { Vec::new() } else { vec![Told::Line(text.to_vec())] }
    }

    /// Nothing is left of what was sent, nor of a line that is too long.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && !self.discards
    }
}
