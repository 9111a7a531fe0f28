//! Input and output of the operators: what waits for standard output, standard error and the clients of the control
//! socket, and what pauses standard input.
//!
//! An operator is a source of lines and a reader of answers. One is at the console: standard input, and standard error.
//! The others are clients of the control socket. Does no I/O: the console and the control socket write what is queued
//! here.

use std::collections::BTreeMap;

use crate::connection::outbox::Outbox;
use crate::connection::token::Token;

/// Names an operator. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OperatorId(u64);

impl OperatorId {
    /// The operator at the console.
    pub(crate) const CONSOLE: OperatorId = OperatorId(0);
}

/// An answer that an operator waits for, see [`Context::answer_later`](crate::Context::answer_later).
#[derive(Debug)]
#[must_use = "an operator waits for the answer: pass it to Context::answer_operator"]
pub struct PendingAnswer(OperatorId);

/// The queues of standard output, of standard error and of control clients, and what waits for them.
#[derive(Debug, Default)]
pub(crate) struct OperatorIo {
    /// Bytes for standard output that the kernel has not taken yet.
    pub(crate) stdout: Outbox,
    /// Lines for standard error.
    pub(crate) stderr: Vec<Notice>,
    /// Connections that are not read until `stdout` has drained.
    pub(crate) stdout_waiters: Vec<Token>,
    /// The connection whose full outbox pauses the input of operators.
    pub(crate) waits_for: Option<Token>,
    /// Whether the handler has paused standard input.
    pub(crate) is_console_paused: bool,
    /// The clients of the control socket.
    clients: BTreeMap<OperatorId, Answers>,
    /// Number of clients so far.
    added: u64,
}

/// The answers to one client of the control socket.
#[derive(Debug, Default)]
struct Answers {
    /// Bytes that the kernel has not taken yet.
    unread: Outbox,
    /// Number of answers that come later.
    pending: usize,
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

    /// Adds a client of the control socket.
    pub(crate) fn add(&mut self) -> OperatorId {
        self.added += 1;
        let id = OperatorId(self.added);
        self.clients.insert(id, Answers::default());
        id
    }

    /// Removes a client. Answers that come later have no effect.
    pub(crate) fn remove(&mut self, client: OperatorId) {
        self.clients.remove(&client);
    }

    /// Queues `lines` for an operator. The last one needs no LF. No effect for a client that is gone.
    pub(crate) fn answer(&mut self, operator: OperatorId, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
        if operator == OperatorId::CONSOLE {
            self.write_stderr(&String::from_utf8_lossy(lines));
        } else if let Some(answers) = self.clients.get_mut(&operator) {
            answers.unread.push(lines);
            answers.unread.push(b"\n");
        }
    }

    /// Notes that an operator waits for an answer.
    pub(crate) fn begin_answer(&mut self, operator: OperatorId) -> PendingAnswer {
        if let Some(answers) = self.clients.get_mut(&operator) {
            answers.pending += 1;
        }
        PendingAnswer(operator)
    }

    /// Gives a pending answer.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given once")]
    pub(crate) fn end_answer(&mut self, answer: PendingAnswer, lines: &[u8]) {
        let PendingAnswer(operator) = answer;
        if let Some(answers) = self.clients.get_mut(&operator) {
            answers.pending -= 1;
        }
        self.answer(operator, lines);
    }

    /// The answers that a client has not read yet.
    pub(crate) fn answers_mut(&mut self, client: OperatorId) -> Option<&mut Outbox> {
        self.clients.get_mut(&client).map(|answers| &mut answers.unread)
    }

    /// The number of bytes that a client has not read yet.
    pub(crate) fn unread_answers(&self, client: OperatorId) -> usize {
        self.clients.get(&client).map_or(0, |answers| answers.unread.len())
    }

    /// Whether a client has every answer to its lines.
    pub(crate) fn is_answered(&self, client: OperatorId) -> bool {
        self.clients.get(&client).is_none_or(|answers| answers.unread.is_empty() && answers.pending == 0)
    }
}
