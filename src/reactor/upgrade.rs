//! The upgrade: a new process takes over the listeners, and this one serves its clients until they have left.
//!
//! The channel is a pair of sockets that keep the bounds of messages. This process sends the listeners, the new one
//! answers `READY`, and this one releases its listeners and sends `GO`. The new process accepts after `GO` only.
//!
//! Invariants: until `GO`, nothing has changed for clients, and a failure of the new process is one line of the log.
//! A connection is accepted by one of the two processes, or waits in the backlog that both share.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use rustix::stdio::stdin;

use crate::handler::Handler;
use crate::net::handover::{self, Label};
use crate::reactor::listeners::Listeners;
use crate::reactor::{Reactor, UPGRADE};
use crate::state::stop::{LOG_TARGET, Stop};

/// The first field of the first message.
pub(crate) const MAGIC: &[u8] = b"switchboard upgrade 1";

/// The answer of the new process: it has what it needs.
pub(crate) const READY: &[u8] = b"READY";

/// The message that the new process may accept.
pub(crate) const GO: &[u8] = b"GO";

/// Time for the new process to report. 30 s: a large data file is read at the start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How this process can be replaced.
#[derive(Debug)]
pub(crate) struct Upgrade {
    program: Program,
    /// One for each listener, in the order of the listeners.
    labels: Vec<Label>,
    stage: Stage,
}

/// What the new process runs.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// The soft limit of descriptors for programs that the new process starts, if it is not its own.
    pub(crate) descriptors: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    Serving,
    Starting(Successor),
    /// The new process accepts. This one serves its clients until they have left.
    Leaving,
}

/// The new process, until it takes over. Ends it when dropped.
#[derive(Debug)]
struct Successor {
    child: Option<Child>,
    channel: OwnedFd,
    deadline: Instant,
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

impl Upgrade {
    pub(crate) fn new(program: Program, labels: Vec<Label>) -> Self {
        Upgrade { program, labels, stage: Stage::Serving }
    }

    /// The time at which the new process is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if let Stage::Starting(successor) = &self.stage { Some(successor.deadline) } else { None }
    }

    fn start(&self, listeners: &Listeners, registry: &Registry) -> io::Result<Successor> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let descriptors = self.program.descriptors.map(|limit| limit.to_string()).unwrap_or_default();
        let count = self.labels.len().to_string();
        handover::send(&ours, &[MAGIC, count.as_bytes(), descriptors.as_bytes()], stdin().as_fd())?;
        for (label, (socket, guard)) in self.labels.iter().zip(listeners.sockets()) {
            handover::send_listener(&ours, label, socket, guard)?;
        }
        registry.register(&mut SourceFd(&ours.as_raw_fd()), UPGRADE, Interest::READABLE)?;
        let child = Command::new(&self.program.path).args(&self.program.args).stdin(Stdio::from(theirs)).spawn()?;
        Ok(Successor { child: Some(child), channel: ours, deadline: Instant::now() + PATIENCE })
    }
}

impl Successor {
    /// Whether the new process has reported.
    ///
    /// # Errors
    /// If it has ended, or has not reported in time.
    fn is_ready(&self) -> io::Result<bool> {
        let mut text = [0; READY.len()];
        match recv(&self.channel, &mut text, RecvFlags::DONTWAIT) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => Err(io::Error::other("the new process has ended")),
            Ok(_) => Ok(text == READY),
            Err(Errno::AGAIN) if self.deadline <= Instant::now() => {
                Err(io::Error::other("the new process does not report that it is ready"))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl<H: Handler> Reactor<H> {
    /// Allows SIGUSR2 to replace this process.
    pub(crate) fn allow_upgrade(&mut self, upgrade: Upgrade) {
        self.upgrade = Some(Box::new(upgrade));
    }

    /// Serves a request for an upgrade, and the upgrade that is going on. Returns the cause of a stop if it is
    /// complete.
    pub(super) fn serve_upgrade(&mut self, is_wanted: bool) -> Option<&'static str> {
        if is_wanted {
            self.begin_upgrade();
        }
        if self.upgrade.is_some() { self.step_upgrade() } else { None }
    }

    /// Starts the new process, at a signal.
    fn begin_upgrade(&mut self) {
        let Some(upgrade) = &mut self.upgrade else {
            log::warn!(target: LOG_TARGET, "SIGUSR2: this server cannot be upgraded while it runs; restart it");
            return;
        };
        if !matches!(upgrade.stage, Stage::Serving) || self.dispatcher.state.stop > Stop::Running {
            log::warn!(target: LOG_TARGET, "SIGUSR2: ignored during an upgrade and during a stop");
            return;
        }
        let path = upgrade.program.path.display();
        match upgrade.start(&self.listeners, self.poll.registry()) {
            Ok(successor) => {
                log::info!(target: LOG_TARGET, "SIGUSR2: starting {path}");
                upgrade.stage = Stage::Starting(successor);
            }
            Err(error) => log::error!(target: LOG_TARGET, "not upgraded: cannot start {path}: {error}"),
        }
    }

    /// Takes an upgrade one step further. Returns the cause of a stop if it is complete.
    fn step_upgrade(&mut self) -> Option<&'static str> {
        let upgrade = self.upgrade.as_mut()?;
        if let Stage::Starting(successor) = &mut upgrade.stage {
            match successor.is_ready() {
                Ok(false) => {}
                Ok(true) => {
                    self.listeners.release(self.poll.registry());
                    self.operators.close();
                    let child = successor.child.take().map_or(0, |child| child.id());
                    if let Err(error) = send(&successor.channel, GO, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                        log::error!(target: LOG_TARGET, "the new process ended as it took over: {error}");
                    }
                    upgrade.stage = Stage::Leaving;
                    log::info!(
                        target: LOG_TARGET,
                        "upgraded: process {child} accepts; this one serves its clients until they have left"
                    );
                }
                Err(error) => {
                    log::error!(target: LOG_TARGET, "not upgraded: {error}; serving as before");
                    upgrade.stage = Stage::Serving;
                }
            }
        }
        let has_left = matches!(upgrade.stage, Stage::Leaving) && self.dispatcher.state.connections.is_empty();
        has_left.then_some("the new process serves, and all clients have left")
    }

    /// Gives up an upgrade that is not complete, because this process stops.
    pub(super) fn cancel_upgrade(&mut self) {
        if let Some(upgrade) = self.upgrade.as_mut().filter(|upgrade| matches!(upgrade.stage, Stage::Starting(_))) {
            upgrade.stage = Stage::Serving;
        }
    }
}
