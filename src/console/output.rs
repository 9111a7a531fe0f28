//! The way to standard output and standard error for what a handler prints and tells.
//!
//! Invariants: the loop never waits for a terminal or a pipe. What is printed (a program's result) is queued until it
//! can be written; what is told (to an operator) is dropped when it cannot. A terminal that shows both shows them in
//! order, unless what is printed has to wait.

use std::io::{self, ErrorKind, Write};

use mio::Registry;

use crate::console::descriptor::{Diagnostics, Output};
use crate::state::{State, Stop};

/// Standard output and standard error of a reactor, opened on first use.
#[derive(Debug)]
pub(crate) struct ConsoleOutput {
    token: mio::Token,
    stdout: Stdout,
    stderr: Option<Diagnostics>,
    is_blocked: bool,
}

#[derive(Debug)]
enum Stdout {
    Unused,
    Open(Output),
    /// Nobody reads it any more.
    Closed,
}

impl ConsoleOutput {
    pub(crate) fn new(token: mio::Token) -> Self {
        ConsoleOutput { token, stdout: Stdout::Unused, stderr: None, is_blocked: false }
    }

    /// An edge: standard output takes more.
    pub(crate) fn wake(&mut self) {
        self.is_blocked = false;
    }

    /// Whether somebody may still read standard output.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.stdout, Stdout::Closed)
    }

    /// Whether there is something to write that can be written.
    pub(crate) fn has_work(&self, state: &State) -> bool {
        !state.stderr.is_empty() || state.stdout.len() > 0 && !self.is_blocked
    }

    /// Writes what waits, as far as that goes without waiting.
    ///
    /// # Errors
    /// When standard output takes no more for another reason than that nobody reads it: the result is not whole.
    pub(crate) fn write(&mut self, state: &mut State, registry: &Registry) -> io::Result<()> {
        let waiting = state.stdout.len();
        for note in std::mem::take(&mut state.stderr) {
            self.print_until(waiting - note.after, state, registry)?;
            self.write_stderr(&note.text);
        }
        self.print_until(0, state, registry)
    }

    /// Prints until no more than `rest` bytes are left, as far as that goes without waiting.
    fn print_until(&mut self, rest: usize, state: &mut State, registry: &Registry) -> io::Result<()> {
        if state.stdout.len() <= rest || self.is_blocked {
            return Ok(());
        }
        if let Err(error) = self.print(rest, state, registry) {
            if error.kind() != ErrorKind::BrokenPipe {
                return Err(io::Error::new(error.kind(), format!("standard output: {error}")));
            }
            // A program whose result nobody wants any more is done; `head` ends its sources in this way.
            log::debug!("standard output: {error}");
            self.stdout = Stdout::Closed;
            state.stop = state.stop.max(Stop::Requested);
        }
        if !self.is_open() {
            state.stdout.clear();
        }
        state.stdout_drained();
        Ok(())
    }

    fn print(&mut self, rest: usize, state: &mut State, registry: &Registry) -> io::Result<()> {
        if matches!(self.stdout, Stdout::Unused) {
            let mut output = Output::stdout()?;
            output.register(registry, self.token)?;
            self.stdout = Stdout::Open(output);
        }
        let Stdout::Open(output) = &mut self.stdout else { return Ok(()) };
        while state.stdout.len() > rest {
            let count = state.stdout.len() - rest;
            match output.write(&state.stdout.unsent()[..count]) {
                Ok(count) => state.stdout.consume(count),
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
        if self.stderr.is_none() {
            self.stderr = Output::stderr().ok().map(Diagnostics::new);
        }
        if let Some(stderr) = &mut self.stderr {
            // Diagnostics swallow their errors: a closed standard error never ends a server.
            let _ = stderr.write_all(text.as_bytes());
        }
    }
}
