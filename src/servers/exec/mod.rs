//! Exec: a program for each client, with the connection as its standard input and output.
//!
//! Invariants: a client and its program have the tokens of each other; the end of one leads to the end of the other. No
//! output of a program is lost that its client takes. The end of a client's input is passed on to the program and ends
//! nothing else.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::ExecServer;

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::origin::{Origin, Peer, Via};
use crate::connection::spawn::Spawn;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::state::throttle::Throttles;

/// Runs a program for each client, and passes bytes on both ways.
///
/// A client is closed when its program has exited and all output of it was sent. A program whose client is gone is
/// ended: its process group receives SIGTERM, and SIGKILL after [`Spawn::grace`]. The end of a client's input is the
/// end of the program's input.
///
/// ```
/// use switchboard::servers::Exec;
/// use switchboard::{Ending, Sim, Spawn};
///
/// let mut sim = Sim::new(Exec::new(Spawn::new("sort")));
/// let client = sim.connect();
/// sim.send(client, b"b\na\n");
/// sim.shut_down(client);
/// let (program, _) = sim.spawned().pop().expect("one for each client");
/// assert_eq!((sim.received(program), sim.ending(program)), (b"b\na\n".to_vec(), Some(Ending::Eof)));
/// sim.send(program, b"a\nb\n");
/// sim.shut_down(program);
/// sim.exit(program, 0);
/// assert_eq!((sim.received(client), sim.ending(client)), (b"a\nb\n".to_vec(), Some(Ending::Eof)));
/// ```
#[derive(Debug)]
pub struct Exec {
    /// Started for each client, with its address in the environment.
    spawn: Spawn,
    timeout: Option<Duration>,
    /// The name of the program, for the operator.
    name: Arc<str>,
    /// The clients of programs whose session is not open yet.
    starting: HashMap<Token, Token>,
    /// Bounds the log lines about clients.
    warnings: Throttles<ErrorKind>,
}

/// The session of [`Exec`] for a client or a program.
#[derive(Debug)]
pub struct ExecSession(Role);

#[derive(Debug)]
enum Role {
    Client {
        token: Token,
        peer: Peer,
        /// `None` until the program is started.
        program: Option<Token>,
    },
    Program {
        client: Token,
        has_exited: bool,
        /// Whether its output has ended.
        has_ended: bool,
    },
    /// A program whose client left before it was open.
    Orphan,
}

impl Exec {
    /// Starts a program as `spawn` says for each client. The environment also has `REMOTE_ADDR` and `REMOTE_PORT`, the
    /// address of a client over TCP.
    ///
    /// [`Limits::max_children`](crate::Limits::max_children) bounds the programs. A client above the limit is closed.
    #[must_use]
    pub fn new(spawn: Spawn) -> Self {
        let name = spawn.program.file_name().unwrap_or_default().to_string_lossy().into();
        Exec { spawn, timeout: None, name, starting: HashMap::new(), warnings: Throttles::new() }
    }

    /// Ends each program that runs for longer than `timeout`.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Exec { timeout: Some(timeout), ..self }
    }

    /// Starts the program of the client of this callback. Returns `None` if that is tried again, or the client is
    /// closed.
    fn start(&mut self, client: Token, peer: Peer, cx: &mut Context<'_>) -> Option<Token> {
        let mut spawn = self.spawn.clone();
        if let Peer::Inet(address) = peer {
            spawn.env.push(("REMOTE_ADDR".into(), address.ip().to_string().into()));
            spawn.env.push(("REMOTE_PORT".into(), address.port().to_string().into()));
        }
        match cx.spawn(&spawn) {
            Ok(program) => {
                self.starting.insert(program, client);
                if let Some(timeout) = self.timeout {
                    cx.set_timer(timeout);
                }
                Some(program)
            }
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                cx.hold_input();
                cx.set_timer(Duration::ZERO);
                None
            }
            Err(error) => {
                self.warn(error.kind(), peer, &error, cx);
                cx.close();
                None
            }
        }
    }

    /// Logs what has gone wrong for a client, at most once in an interval for each kind.
    fn warn(&mut self, kind: ErrorKind, peer: Peer, what: &dyn fmt::Display, cx: &Context<'_>) {
        if let Some(repeats) = self.warnings.note(kind, cx.now()) {
            log::warn!("{peer}: {what}{repeats}");
        }
    }
}

impl Handler for Exec {
    type Session = ExecSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> ExecSession {
        let Origin { token, peer, via } = origin;
        if *via != Via::Spawn {
            return ExecSession(Role::Client { token: *token, peer: *peer, program: self.start(*token, *peer, cx) });
        }
        cx.set_name(Arc::clone(&self.name));
        let Some(client) = self.starting.remove(token) else {
            cx.abort();
            return ExecSession(Role::Orphan);
        };
        // A stop lets a relay finish, so the program has time for its answer before there is any input.
        cx.relay(client, b"");
        ExecSession(Role::Program { client, has_exited: false, has_ended: false })
    }

    fn data<'a>(&mut self, session: &mut ExecSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let to = match session.0 {
            Role::Client { program, .. } => program,
            Role::Program { client, .. } => Some(client),
            Role::Orphan => None,
        };
        // False if the other side takes nothing more. Then the rest is dropped.
        let _ = to.is_some_and(|to| cx.relay(to, input));
        input.len()
    }

    fn eof(&mut self, session: &mut ExecSession, cx: &mut Context<'_>) {
        match &mut session.0 {
            Role::Client { program, .. } => program.iter().for_each(|&program| cx.shut_down_other(program)),
            Role::Program { client, has_exited, has_ended } => {
                *has_ended = true;
                if *has_exited {
                    cx.close();
                } else {
                    cx.shut_down_other(*client);
                }
            }
            Role::Orphan => cx.close(),
        }
    }

    fn exited(&mut self, session: &mut ExecSession, _: ExitStatus, cx: &mut Context<'_>) {
        if let Role::Program { has_exited, has_ended, .. } = &mut session.0 {
            *has_exited = true;
            // Other processes may continue the output.
            if *has_ended {
                cx.close();
            }
        }
    }

    fn timer(&mut self, session: &mut ExecSession, _: TimerId, cx: &mut Context<'_>) {
        match &mut session.0 {
            Role::Client { program: Some(program), peer, .. } => {
                let timeout = self.timeout.unwrap_or_default();
                self.warn(ErrorKind::TimedOut, *peer, &format_args!("program ended after {timeout:?} (--timeout)"), cx);
                cx.abort_other(*program);
                cx.close();
            }
            Role::Client { token, peer, program } => {
                cx.release_input();
                *program = self.start(*token, *peer, cx);
            }
            Role::Program { .. } | Role::Orphan => {}
        }
    }

    fn closed(&mut self, session: ExecSession, _: &Closed, cx: &mut Context<'_>) {
        match session.0 {
            Role::Client { program: Some(program), .. } => {
                self.starting.remove(&program);
                cx.abort_other(program);
            }
            Role::Program { client, .. } => cx.close_other(client),
            Role::Client { program: None, .. } | Role::Orphan => {}
        }
    }
}

#[cfg(test)]
mod tests;
