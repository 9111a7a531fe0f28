//! The upgrade: a new process of the program takes over the listeners, without a refusal and without a reset.
//!
//! A server that remembers nothing is replaced while it serves. The channel is a pair of sockets that keep the bounds
//! of messages. This process queues the listeners there and starts the new one, which answers `READY`. Then this
//! process releases its listeners, sends `GO`, and serves its clients until they have left. The new one accepts after
//! `GO` only.
//!
//! A server that remembers something of its clients drains first, as at a stop, with listeners that stay open and
//! accept nothing. Then the program replaces this process by execve(2), and finds the listeners and `GO` in the
//! channel.
//!
//! Invariants: until `GO`, nothing has changed for clients, and a failure of the new process is one line of the log.
//! A connection is accepted by one of the two processes, or waits in the backlog.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt};
use rustix::process::{Pid, Signal, kill_process};
use rustix::stdio::{dup2_stdin, stdin};

use crate::handler::Handler;
use crate::net::PathGuard;
use crate::net::handover::{self, Label};
use crate::reactor::signals::Signals;
use crate::reactor::{Reactor, UPGRADE};
use crate::state::stop::{LOG_TARGET, Stop};

/// The first message to a process that starts the new one, and ends. So the new one is no child of this process, and
/// the service manager learns of its end.
pub(crate) const START: &[u8] = b"switchboard upgrade: start";

/// The first field of the first message to the new process.
pub(crate) const MAGIC: &[u8] = b"switchboard upgrade 1";

/// The answer of the process that has started the new one: this text and its process id.
pub(crate) const STARTED: &[u8] = b"STARTED ";

/// The answer of the new process: it has what it needs.
pub(crate) const READY: &[u8] = b"READY";

/// The first field of the message, before `GO`, with the line of the operator that has begun and has no end yet.
pub(crate) const LINE: &[u8] = b"LINE ";

/// The message that the new process may accept.
pub(crate) const GO: &[u8] = b"GO";

/// Time for the new process to report. 30 s: a large data file is read at the start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Time until a starter that has not ended is waited for again.
const REAP_RETRY: Duration = Duration::from_millis(10);

/// Time for a new client to ask, before a server that remembers something drains. 100 ms: a client asks as soon as it
/// has connected, and a close in front of its question would be a reset.
const LAST_QUESTION: Duration = Duration::from_millis(100);

const QUIETLY: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// How a new process may replace the one of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Upgrades {
    /// Clients share what the process remembers, so the process ends before the new one serves.
    Exclusive,
    /// The new process accepts while the first one serves its clients until they have left.
    Overlapping,
}

/// How this process can be replaced.
#[derive(Debug)]
pub(crate) struct Upgrade {
    pub(crate) program: Program,
    pub(crate) kind: Upgrades,
    /// One for each listener, in the order of the listeners.
    pub(crate) labels: Vec<Label>,
    /// The labels of the control socket, and of the metrics listener.
    pub(crate) control: Option<Label>,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Option<Label>,
    /// Opens a socket to the service manager, if there is one.
    pub(crate) manager: fn() -> Option<UnixDatagram>,
    pub(crate) stage: Stage,
}

/// What the new process runs.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// The soft limit of descriptors for programs that the new process starts, if it is not its own.
    pub(crate) descriptors: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum Stage {
    Serving,
    Starting(Successor),
    /// The new process accepts. This one serves its clients until they have left.
    Leaving(Option<Child>),
    /// The listeners are held. This process serves the last new clients until this time.
    Holding(Replacement, Instant),
    /// This process ends as at a stop. Then the program replaces it.
    Draining(Replacement),
}

/// The new process, until it takes over. Ends it when dropped.
#[derive(Debug)]
pub(crate) struct Successor {
    /// The process that starts it.
    starter: Option<Child>,
    id: Option<Pid>,
    is_ready: bool,
    channel: OwnedFd,
    deadline: Instant,
}

/// A listener on its way: its label, its socket, and the guard of its path.
type Passed<'a> = (&'a Label, BorrowedFd<'a>, Option<&'a PathGuard>);

impl Program {
    /// Creates the command of the new process, whose standard input has to be its channel.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args);
        command
    }

    /// Queues all that the new process needs.
    fn send(&self, channel: &OwnedFd, listeners: &[Passed<'_>]) -> io::Result<()> {
        let descriptors = self.descriptors.map(|limit| limit.to_string()).unwrap_or_default();
        let count = listeners.len().to_string();
        handover::send(channel, &[MAGIC, count.as_bytes(), descriptors.as_bytes()], stdin().as_fd())?;
        for (label, socket, guard) in listeners {
            handover::send_listener(channel, label, *socket, *guard).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => {
                    io::Error::other(format!("{count} listeners are too many; raise sysctl net.core.wmem_max"))
                }
                _ => error,
            })?;
        }
        Ok(())
    }
}

/// Room in the channel, in bytes, which the system clips to `net.core.wmem_max`. A listener takes about 800.
const CHANNEL_ROOM: usize = 8 << 20;

fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_send_buffer_size(&ours, CHANNEL_ROOM)?;
    Ok((ours, theirs))
}

/// Lets the new process accept, and go on with the line of the operator that has begun.
fn let_go(channel: &OwnedFd, begun: &[u8]) -> io::Result<()> {
    if !begun.is_empty() {
        send(channel, &[LINE, begun].concat(), QUIETLY)?;
    }
    send(channel, GO, QUIETLY)?;
    Ok(())
}

impl Upgrade {
    /// Whether there is something to do in each turn.
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Serving)
    }

    /// The time of the next step: the new process is given up, or its starter is waited for again, or the drain begins.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Starting(successor) => Some(successor.deadline),
            Stage::Leaving(Some(_)) => Some(Instant::now() + REAP_RETRY),
            Stage::Holding(_, until) => Some(*until),
            Stage::Serving | Stage::Leaving(None) | Stage::Draining(_) => None,
        }
    }

    /// Tells the service manager (`sd_notify(3)`).
    fn tell(&self, text: &str) {
        let sent = (self.manager)().map_or(Ok(0), |manager| manager.send(text.as_bytes()));
        if let Err(error) = sent {
            log::warn!("cannot report to the service manager ({}): {error}", text.trim_end());
        }
    }
}

impl Successor {
    fn start(program: &Program, listeners: &[Passed<'_>], registry: &Registry) -> io::Result<Self> {
        let (ours, theirs) = channel()?;
        send(&ours, START, QUIETLY)?;
        program.send(&ours, listeners)?;
        registry.register(&mut SourceFd(&ours.as_raw_fd()), UPGRADE, Interest::READABLE)?;
        let starter = Some(program.command().stdin(theirs).spawn()?);
        Ok(Successor { starter, id: None, is_ready: false, channel: ours, deadline: Instant::now() + PATIENCE })
    }

    /// Returns the id of the new process if that has reported.
    ///
    /// # Errors
    /// If it has ended, or has not reported in time.
    fn report(&mut self) -> io::Result<Option<Pid>> {
        let mut text = [0; 32];
        loop {
            match recv(&self.channel, &mut text, RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => {
                    // Its id may be that of another process now.
                    self.id = None;
                    return Err(io::Error::other("the new process has ended"));
                }
                Ok((_, count)) => match text[..count].strip_prefix(STARTED) {
                    Some(number) => {
                        self.id = str::from_utf8(number).ok().and_then(|text| Pid::from_raw(text.parse().ok()?));
                    }
                    None => self.is_ready |= text.starts_with(READY),
                },
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let id = self.id.filter(|_| self.is_ready);
        if id.is_none() && self.deadline <= Instant::now() {
            return Err(io::Error::other("the new process does not report that it is ready"));
        }
        Ok(id)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut starter) = self.starter.take() {
            let _ = starter.kill().and_then(|()| starter.wait());
            // What the starter has sent may wait. An open channel shows that the process of this id is the new one.
            let _ = self.report();
            let _ = self.id.map(|id| kill_process(id, Signal::KILL));
        }
    }
}

/// The program that replaces this process, with all that it needs in its channel.
#[derive(Debug)]
pub(crate) struct Replacement {
    program: Program,
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Replacement {
    /// Prepares all that can fail before clients notice.
    fn prepare(program: &Program, listeners: &[Passed<'_>]) -> io::Result<Self> {
        access(&program.path, Access::EXEC_OK)?;
        if !fs::metadata(&program.path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let (ours, theirs) = channel()?;
        program.send(&ours, listeners)?;
        Ok(Replacement { program: program.clone(), ours, theirs })
    }

    /// Replaces this process. Returns only if that fails, with the path of the program and the reason.
    pub(crate) fn exec(self) -> String {
        let path = self.program.path.display();
        let replaced = dup2_stdin(&self.theirs).map_err(io::Error::from);
        let error = replaced.map_or_else(|error| error, |()| self.program.command().exec());
        format!("cannot start {path}: {error}")
    }
}

impl<H: Handler> Reactor<H> {
    /// Allows SIGUSR2 to replace this process, if [`handle_signals`](Self::handle_signals) comes after this.
    pub(crate) fn allow_upgrade(&mut self, upgrade: Upgrade) {
        self.upgrade = Some(Box::new(upgrade));
    }

    /// Goes on with a line of the operator that has begun in another process.
    pub(crate) fn resume_line(&mut self, begun: &[u8]) {
        self.operators.resume(begun);
    }

    /// Whether the listeners stay open for the program that replaces this process.
    pub(super) fn holds_listeners(&self) -> bool {
        self.upgrade.as_ref().is_some_and(|upgrade| matches!(upgrade.stage, Stage::Holding(..) | Stage::Draining(_)))
    }

    /// Serves a request for an upgrade, and the upgrade that goes on. `causes` are the requests to stop.
    pub(super) fn serve_upgrade(&mut self, is_wanted: bool, causes: &mut Vec<&'static str>) {
        if !causes.is_empty() || self.dispatcher.state.stop > Stop::Running {
            self.cancel_upgrade(causes);
        }
        self.step_upgrade(causes);
        if is_wanted && causes.is_empty() {
            self.begin_upgrade();
        }
    }

    /// Begins an upgrade, at a signal.
    fn begin_upgrade(&mut self) {
        let Some(mut upgrade) = self.upgrade.take() else { return };
        let path = upgrade.program.path.display();
        if upgrade.is_active() || self.dispatcher.state.stop > Stop::Running {
            log::warn!(target: LOG_TARGET, "SIGUSR2: ignored during an upgrade and during a stop");
        } else if upgrade.kind == Upgrades::Overlapping {
            match Successor::start(&upgrade.program, &self.passed(&upgrade), self.poll.registry()) {
                Ok(successor) => {
                    log::info!(target: LOG_TARGET, "SIGUSR2: starting {path}");
                    upgrade.tell("RELOADING=1\n");
                    upgrade.stage = Stage::Starting(successor);
                }
                Err(error) => log::error!(target: LOG_TARGET, "not upgraded: cannot start {path}: {error}"),
            }
        } else {
            match Replacement::prepare(&upgrade.program, &self.passed(&upgrade)) {
                Ok(replacement) => {
                    upgrade.tell("RELOADING=1\n");
                    upgrade.stage = Stage::Holding(replacement, Instant::now() + LAST_QUESTION);
                    self.listeners.hold();
                }
                Err(error) => log::error!(target: LOG_TARGET, "not upgraded: cannot start {path}: {error}"),
            }
        }
        self.upgrade = Some(upgrade);
    }

    /// All listeners that a new process takes over.
    fn passed<'a>(&'a self, upgrade: &'a Upgrade) -> Vec<Passed<'a>> {
        let services = upgrade.labels.iter().zip(self.listeners.sockets());
        let of = |label: &'a Option<Label>| label.iter().cycle();
        let all = services.chain(of(&upgrade.control).zip(self.operators.control_sockets()));
        #[cfg(feature = "metrics")]
        let all = all.chain(of(&upgrade.metrics).zip(self.metrics.iter().flat_map(|metrics| metrics.sockets())));
        all.map(|(label, (socket, guard))| (label, socket, guard)).collect()
    }

    /// Takes an upgrade one step further.
    fn step_upgrade(&mut self, causes: &mut Vec<&'static str>) {
        let Some(upgrade) = &mut self.upgrade else { return };
        upgrade.stage = match std::mem::replace(&mut upgrade.stage, Stage::Serving) {
            Stage::Holding(replacement, until) if until <= Instant::now() => {
                causes.push("SIGUSR2, and then a new process serves");
                Stage::Draining(replacement)
            }
            other => other,
        };
        if let Stage::Starting(successor) = &mut upgrade.stage {
            match successor.report() {
                Ok(None) => {}
                Ok(Some(id)) => self.hand_over(id),
                Err(error) => {
                    log::error!(target: LOG_TARGET, "not upgraded: {error}; serving as before");
                    upgrade.tell("READY=1\n");
                    upgrade.stage = Stage::Serving;
                }
            }
        }
        if let Some(Upgrade { stage: Stage::Leaving(starter), .. }) = self.upgrade.as_deref_mut() {
            if starter.as_mut().is_some_and(|starter| !matches!(starter.try_wait(), Ok(None))) {
                *starter = None;
            }
            #[cfg(feature = "metrics")]
            if self.metrics.as_ref().is_some_and(|metrics| metrics.is_unused()) {
                self.metrics = None;
            }
            #[cfg(feature = "metrics")]
            let has_scrapers = self.metrics.is_some();
            #[cfg(not(feature = "metrics"))]
            let has_scrapers = false;
            let state = &self.dispatcher.state;
            if state.connections.is_empty() && !has_scrapers && state.stop == Stop::Running {
                causes.push("the new process serves, and all clients have left");
            }
        }
    }

    /// Leaves the listeners to the new process, and lets it accept.
    fn hand_over(&mut self, id: Pid) {
        self.listeners.release(self.poll.registry());
        self.operators.release();
        #[cfg(feature = "metrics")]
        self.metrics.iter_mut().for_each(|metrics| metrics.release());
        let Some(upgrade) = &mut self.upgrade else { return };
        // First, because the manager hears the new process only after this.
        upgrade.tell(&format!("MAINPID={}\n", id.as_raw_nonzero()));
        let Stage::Starting(successor) = &mut upgrade.stage else { return };
        if let Err(error) = let_go(&successor.channel, self.operators.begun()) {
            log::error!(target: LOG_TARGET, "the new process ended as it took over: {error}");
        }
        upgrade.stage = Stage::Leaving(successor.starter.take());
        #[cfg(feature = "http")]
        {
            self.dispatcher.state.is_leaving = true;
        }
        let id = id.as_raw_nonzero();
        log::info!(
            target: LOG_TARGET,
            "upgraded: process {id} accepts; this one serves its clients until they have left"
        );
    }

    /// Gives up an upgrade, because this process is to stop. If it drains already, the first request goes on with that.
    fn cancel_upgrade(&mut self, causes: &mut Vec<&'static str>) {
        let Some(upgrade) = &mut self.upgrade else { return };
        match upgrade.stage {
            Stage::Starting(_) | Stage::Holding(..) => upgrade.stage = Stage::Serving,
            Stage::Draining(_) if !causes.is_empty() => {
                upgrade.stage = Stage::Serving;
                log::info!(target: LOG_TARGET, "not upgraded, but stopping: {}", causes.remove(0));
            }
            Stage::Serving | Stage::Leaving(_) | Stage::Draining(_) => {}
        }
    }

    /// Ends this reactor. Returns the program that replaces this process, if the reactor has stopped for it, and no
    /// signal has asked for a real stop meanwhile.
    ///
    /// Blocks signals in this thread, for the new program: until it receives them, they would end it. The mask survives
    /// execve(2).
    ///
    /// # Errors
    /// If the system refuses to block signals.
    pub(crate) fn into_replacement(mut self) -> io::Result<Option<Replacement>> {
        let Some(Stage::Draining(replacement)) = self.upgrade.take().map(|upgrade| upgrade.stage) else {
            return Ok(None);
        };
        // The end of the workers may take a while, with data to write. Their threads receive signals until then.
        drop(self.dispatcher);
        let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2];
        SigSet::from_iter(signals).thread_block()?;
        if let Some(cause) = self.signals.as_mut().and_then(Signals::last_stop) {
            log::info!(target: LOG_TARGET, "not upgraded, but stopping: {cause}");
            return Ok(None);
        }
        self.listeners.release(self.poll.registry());
        self.operators.release();
        #[cfg(feature = "metrics")]
        self.metrics.iter_mut().for_each(|metrics| metrics.release());
        let_go(&replacement.ours, self.operators.begun())?;
        Ok(Some(replacement))
    }
}
