//! The operator's input and output: what waits for standard output and standard error, and what pauses standard input.
//!
//! Does no I/O: the console writes what is queued here.

use crate::connection::outbox::Outbox;
use crate::connection::token::Token;

/// The queues of standard output and standard error, and what waits for them.
#[derive(Debug, Default)]
pub(crate) struct OperatorIo {
    /// Bytes for standard output that the kernel has not taken yet.
    pub(crate) stdout: Outbox,
    /// Lines for standard error.
    pub(crate) stderr: Vec<Notice>,
    /// Connections that are not read until `stdout` has drained.
    pub(crate) stdout_waiters: Vec<Token>,
    /// The connection whose full outbox pauses standard input.
    pub(crate) console_waits_for: Option<Token>,
    /// Whether the handler has paused standard input.
    pub(crate) is_console_paused: bool,
}

/// Text for standard error.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// Number of bytes queued for standard output that are written before the text.
    pub(crate) after: usize,
}

impl OperatorIo {
    /// Queues a line for standard error, behind what is queued for standard output now.
    pub(crate) fn write_stderr(&mut self, line: &str) {
        let after = self.stdout.len();
        match self.stderr.last_mut() {
            Some(notice) if notice.after == after => {
                notice.text.push_str(line);
                notice.text.push('\n');
            }
            _ => self.stderr.push(Notice { text: format!("{line}\n"), after }),
        }
    }

    /// Makes a connection wait until `stdout` has drained.
    pub(crate) fn wait_for_stdout(&mut self, token: Token) {
        if !self.stdout_waiters.contains(&token) {
            self.stdout_waiters.push(token);
        }
    }
}
