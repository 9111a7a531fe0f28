//! Standard output and standard error of a reactor.
//!
//! Invariants: the loop never waits for a terminal or a pipe. Standard output carries a program's result, so it is
//! queued until it can be written. Standard error carries notices for the operator, so they are dropped if they cannot
//! be written. If a terminal shows both, their order is kept, unless standard output is blocked.

use std::io::{self, ErrorKind, Write};

use mio::Registry;

use crate::console::descriptor::{LossyWriter, OutputStream};
use crate::state::State;

/// The two output streams, each opened on first use.
#[derive(Debug)]
pub(crate) struct StandardStreams {
    token: mio::Token,
    stdout: Stdout,
    stderr: Option<LossyWriter>,
    /// The last write to standard output returned `WouldBlock`.
    is_blocked: bool,
    /// Notices are records of the log.
    logs_notices: bool,
}

/// The target of notices in the log.
pub(crate) const LOG_TARGET: &str = module_path!();

#[derive(Debug)]
enum Stdout {
    Unused,
    Open(OutputStream),
    /// The reader of the pipe is gone.
    Closed,
}

impl StandardStreams {
    /// Creates the streams. `token` identifies the events of standard output.
    pub(crate) fn new(token: mio::Token) -> Self {
        StandardStreams { token, stdout: Stdout::Unused, stderr: None, is_blocked: false, logs_notices: false }
    }

    /// Writes each line of a notice as a record of the log from now on.
    #[cfg(feature = "cli")]
    pub(crate) fn log_notices(&mut self) {
        self.logs_notices = true;
    }

    /// Handles an event of standard output, which may be writable again.
    pub(crate) fn wake(&mut self) {
        self.is_blocked = false;
    }

    /// Whether standard output can still have a reader.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.stdout, Stdout::Closed)
    }

    /// Whether [`write`](Self::write) would write something.
    pub(crate) fn has_work(&self, state: &State) -> bool {
        !state.operator.stderr.is_empty() || !state.operator.stdout.is_empty() && !self.is_blocked
    }

    /// Writes queued output and notices, as far as possible without waiting.
    ///
    /// If the reader of standard output is gone, the reactor is asked to stop.
    ///
    /// # Errors
    /// Those of write(2) on standard output other than a broken pipe: the program's result is incomplete.
    pub(crate) fn write(&mut self, state: &mut State, registry: &Registry) -> io::Result<()> {
        let queued = state.operator.stdout.len();
        for notice in std::mem::take(&mut state.operator.stderr) {
            self.write_stdout_until(queued - notice.after, state, registry)?;
            self.write_stderr(&notice.text);
        }
        self.write_stdout_until(0, state, registry)
    }

    /// Writes standard output until at most `rest` bytes are left, as far as possible without waiting.
    fn write_stdout_until(&mut self, rest: usize, state: &mut State, registry: &Registry) -> io::Result<()> {
        if state.operator.stdout.len() <= rest || self.is_blocked {
            return Ok(());
        }
        if let Err(error) = self.write_stdout(rest, state, registry) {
            if error.kind() != ErrorKind::BrokenPipe {
                return Err(io::Error::new(error.kind(), format!("standard output: {error}")));
            }
            // A reader such as `head` closes the pipe when it has enough, so this is a regular end.
            self.stdout = Stdout::Closed;
            state.stop.request();
            state.stop.log("standard output has no reader");
        }
        if !self.is_open() {
            state.operator.stdout.clear();
        }
        state.stdout_drained();
        Ok(())
    }

    fn write_stdout(&mut self, rest: usize, state: &mut State, registry: &Registry) -> io::Result<()> {
        if matches!(self.stdout, Stdout::Unused) {
            let mut stream = OutputStream::stdout()?;
            stream.register(registry, self.token)?;
            self.stdout = Stdout::Open(stream);
        }
        let Stdout::Open(stream) = &mut self.stdout else { return Ok(()) };
        while state.operator.stdout.len() > rest {
            let count = state.operator.stdout.len() - rest;
            match stream.write(&state.operator.stdout.unsent()[..count]) {
                Ok(count) => state.operator.stdout.consume(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_stderr(&mut self, text: &str) {
        if self.logs_notices {
            return text.lines().for_each(|line| log::info!(target: LOG_TARGET, "{line}"));
        }
        if self.stderr.is_none() {
            self.stderr = OutputStream::stderr().ok().map(LossyWriter::new);
        }
        if let Some(stderr) = &mut self.stderr {
            // A lossy writer returns no errors: a closed standard error never ends a server.
            let _ = stderr.write_all(text.as_bytes());
        }
    }
}
