//! The operators of a reactor: the sources of lines that are commands.
//!
//! Invariant: the first request to stop closes every source.

#[cfg(feature = "cli")]
use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::connection::edge::Edge;
use crate::console::{Console, Input};
use crate::handler::Handler;
#[cfg(feature = "cli")]
use crate::net::PathGuard;
use crate::reactor::control::Control;
use crate::reactor::dispatcher::Dispatcher;
use crate::state::State;
use crate::state::operator::OperatorId;
use crate::state::stop::Stop;

/// The meaning of standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsoleMode {
    /// A line, or the end of input, stops the reactor. A terminal that closes does not stop it: the system sends SIGHUP
    /// to the processes that end with their terminal.
    Stop,
    /// Lines are commands and go to [`Handler::console`]. The end of input, also by a terminal that closes, goes to
    /// [`Handler::console_end`].
    Commands,
    /// Lines are the input of the program and go to [`Handler::console`]. The end of input goes to
    /// [`Handler::console_end`], even if there is no input to read at all.
    Input,
}

/// Whether an operator can type at standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Standard input is a terminal, a pipe, or a file with at least one line.
    Present,
    /// Standard input is closed, `/dev/null`, a directory or an empty file.
    Absent,
}

/// The sources of the operators' lines.
#[derive(Debug, Default)]
pub(crate) struct Operators {
    console: Option<(Console, ConsoleMode)>,
    /// The time at which standard input is tried again, while the process is in the background.
    retry: Option<Instant>,
    control: Option<Control>,
    /// The line that had begun when the console was closed for another process.
    #[cfg(feature = "cli")]
    begun: Vec<u8>,
}

impl Operators {
    pub(crate) fn set_console(&mut self, console: Console, mode: ConsoleMode) {
        self.console = Some((console, mode));
    }

    pub(crate) fn set_control(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Notes an edge of the control socket. `offset` is that of its token after the first one.
    pub(crate) fn wake_control(&mut self, offset: usize, edge: Edge) {
        if let Some(control) = &mut self.control {
            control.wake(offset, edge);
        }
    }

    /// Notes an edge of standard input.
    pub(crate) fn wake_console(&mut self) {
        if let Some((console, _)) = &mut self.console {
            console.wake();
        }
    }

    /// Whether [`read`](Self::read) may find a line without a new edge.
    #[inline]
    pub(crate) fn is_ready(&self, state: &mut State) -> bool {
        let has_console = self.console.as_ref().is_some_and(|(console, _)| console.is_ready());
        has_console && !state.is_console_paused()
            || self.control.as_ref().is_some_and(|control| control.is_ready(state))
    }

    /// The time at which standard input is tried again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry
    }

    /// Closes every source. Control clients still get their answers.
    pub(crate) fn close(&mut self) {
        self.console = None;
        if let Some(control) = &mut self.control {
            control.close();
        }
    }

    /// The sockets of the control socket, with the guards of their paths.
    #[cfg(feature = "cli")]
    pub(crate) fn control_sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Option<&PathGuard>)> {
        self.control.iter().flat_map(Control::sockets)
    }

    /// Closes the console, and keeps the line that has begun there.
    #[cfg(feature = "cli")]
    fn close_console(&mut self) {
        if let Some((console, _)) = self.console.take() {
            self.begun = console.begun().to_vec();
        }
    }

    /// The line that had begun when the console was closed.
    #[cfg(feature = "cli")]
    pub(crate) fn begun(&self) -> &[u8] {
        &self.begun
    }

    /// Goes on with a line that has begun in another process.
    #[cfg(feature = "cli")]
    pub(crate) fn resume(&mut self, begun: &[u8]) {
        if let Some((console, _)) = &mut self.console {
            console.resume(begun);
        }
    }

    /// Closes every source, but keeps the control socket open, so that new operators wait.
    #[cfg(feature = "cli")]
    pub(crate) fn hold(&mut self) {
        self.close_console();
        self.control.iter_mut().for_each(Control::hold);
    }

    /// Leaves the control socket to another process, and closes every source.
    #[cfg(feature = "cli")]
    pub(crate) fn release(&mut self) {
        self.close_console();
        self.control.iter_mut().for_each(Control::release);
    }

    /// Writes the answers to control clients, as far as the kernel takes them.
    #[inline]
    pub(crate) fn write(&mut self, state: &mut State) {
        if let Some(control) = &mut self.control {
            control.write(state);
        }
    }

    /// Passes the lines of all operators to the handler.
    pub(crate) fn read<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        self.read_console(dispatcher);
        if let Some(control) = &mut self.control {
            control.serve(dispatcher);
        }
    }

    /// Passes the lines of the console to the handler, unless it is paused.
    fn read_console<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        let now = dispatcher.state.clock.now();
        let Some((console, mode)) = &mut self.console else { return };
        if self.retry.is_some_and(|at| at <= now) {
            self.retry = None;
            console.wake();
        }
        let mut has_ended = dispatcher.state.stop > Stop::Running;
        while !has_ended && !dispatcher.state.is_console_paused() && console.is_ready() {
            let Some(input) = console.next_input() else { break };
            let is_last = matches!(input, Input::End | Input::HangUp);
            obey(input, *mode, dispatcher);
            has_ended = is_last || dispatcher.state.stop > Stop::Running;
        }
        let retry = console.retry_after();
        if has_ended {
            self.console = None;
        } else if self.retry.is_none() {
            self.retry = retry.and_then(|after| now.checked_add(after));
        }
    }
}

/// Acts on one input of the operator, and logs the cause if the reactor stops.
fn obey<H: Handler>(input: Input<'_>, mode: ConsoleMode, dispatcher: &mut Dispatcher<H>) {
    match (input, mode) {
        // SIGHUP stops the processes that the terminal takes with it. The others serve on.
        (Input::HangUp, ConsoleMode::Stop) => log::warn!("the terminal has closed: no operator from now on"),
        (_, ConsoleMode::Stop) => dispatcher.call_operator(OperatorId::CONSOLE, |_, cx| cx.stop()),
        (Input::Line(line), ConsoleMode::Commands | ConsoleMode::Input) => {
            dispatcher.call_operator(OperatorId::CONSOLE, |handler, cx| handler.console(line, cx));
        }
        (Input::TooLong, ConsoleMode::Commands | ConsoleMode::Input) => {
            let limit = dispatcher.state.limits.console_line;
            let text = format!("discarded a line of more than {limit} bytes from standard input");
            dispatcher.call_operator(OperatorId::CONSOLE, |_, cx| cx.write_stderr(&text));
        }
        (Input::End | Input::HangUp, ConsoleMode::Commands | ConsoleMode::Input) => {
            dispatcher.call_operator(OperatorId::CONSOLE, H::console_end);
        }
    }
    let stop = dispatcher.state.stop;
    if stop == Stop::Running || mode == ConsoleMode::Input {
        return;
    }
    match (input, mode) {
        (Input::End, _) => stop.log("end of input"),
        (Input::HangUp, _) => stop.log("the terminal has closed"),
        (Input::Line(line), ConsoleMode::Commands) => {
            stop.log(&format!("{} at standard input", String::from_utf8_lossy(line.trim_ascii())));
        }
        (Input::Line(_) | Input::TooLong, _) => stop.log("a line at standard input"),
    }
}
