//! Children: the programs that handlers have started, until they are reaped.
//!
//! ```text
//!  Connected --connection ends--> Terminated (SIGTERM) --grace--> Killed (SIGKILL)
//!      |                               |                              |
//!      | exited, output ended          | exited, stderr ended         | exited
//!      +-------------------------------+------------------------------+--------> Over --> reaped
//! ```
//!
//! A child outlives its connection, so it is in a table of its own, under the token of the connection. Invariants: a
//! child in the table is not reaped, so its process group can be signalled; the counts of a service are those of the
//! table.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::process::ExitStatus;
use std::time::Duration;

use mio::Registry;

use crate::connection::child::ChildStream;
use crate::connection::ids::ServiceId;
use crate::connection::origin::Peer;
use crate::connection::pipe::{PeerEnd, pipe};
use crate::connection::process::{self, Process, SimulatedProcess, Started};
use crate::connection::spawn::{Spawn, StdinMode};
use crate::connection::stream::Stream;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::state::child_log::ChildLog;
use crate::state::rate::{Bucket, Rate};
use crate::state::roster::NamedPeer;
use crate::state::service::Service;
use crate::state::stop::Stop;
use crate::state::{State, TimerTarget};

/// Lines of the standard error of all children in the log.
const LOG_RATE: Rate = Rate { count: 10, per: Duration::from_secs(1), burst: 100 };

/// The number of the process before the first one of a simulation.
const FIRST_SIMULATED: u32 = 1000;

/// The children of a reactor that are not reaped.
#[derive(Debug, Default)]
pub(crate) struct Children {
    table: HashMap<Token, Child>,
    /// Children to look at: the kernel has reported an edge, or something else has changed.
    ready: Vec<Token>,
    /// Children whose session is not open yet.
    pub(crate) opening: Vec<Token>,
    /// Connections of children.
    pub(crate) connections: usize,
    /// Children started in this turn.
    started: usize,
    /// Whether the kernel was told to keep the status of children.
    is_prepared: bool,
    /// Bounds the lines in the log.
    lines: Bucket,
    /// `None` outside of a simulation.
    pub(crate) simulation: Option<Simulation>,
}

/// What a simulation does instead of starting programs.
#[derive(Debug, Default)]
pub(crate) struct Simulation {
    /// Children that the test has not seen yet.
    pub(crate) started: Vec<SimulatedChild>,
    /// The kind of the error of each start from now on.
    pub(crate) failure: Option<ErrorKind>,
    count: u32,
}

/// A simulated child, as the test sees it.
#[derive(Debug)]
pub(crate) struct SimulatedChild {
    pub(crate) token: Token,
    pub(crate) end: PeerEnd,
    pub(crate) process: SimulatedProcess,
    pub(crate) spawn: Spawn,
}

#[derive(Debug)]
struct Child {
    process: Process,
    service: ServiceId,
    grace: Duration,
    log: Option<ChildLog>,
    /// Whether the exit was noticed and reported.
    has_exited: bool,
    /// On the ready list.
    is_ready: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connected,
    /// The connection is gone and SIGTERM was sent. The timer ends the grace.
    Terminated(TimerId),
    Killed,
    /// To be reaped at the next look, which logs the last lines of its standard error.
    Over,
}

impl Children {
    /// Begins a turn, which has a new budget for starts.
    pub(crate) fn begin_turn(&mut self) {
        self.started = 0;
    }

    fn start(&mut self, spawn: &Spawn) -> io::Result<Started> {
        self.started += 1;
        if let Some(simulation) = &mut self.simulation {
            return simulation.start(spawn);
        }
        if !std::mem::replace(&mut self.is_prepared, true) {
            process::keep_statuses();
        }
        process::start(spawn)
    }

    /// Puts a child on the ready list: it is looked at in this turn or the next. No effect for another connection.
    #[inline]
    pub(crate) fn mark_ready(&mut self, token: Token) {
        if !self.table.is_empty()
            && let Some(child) = self.table.get_mut(&token)
            && !std::mem::replace(&mut child.is_ready, true)
        {
            self.ready.push(token);
        }
    }

    /// Takes the ready list.
    pub(crate) fn take_ready(&mut self) -> Vec<Token> {
        let ready = std::mem::take(&mut self.ready);
        for token in &ready {
            if let Some(child) = self.table.get_mut(token) {
                child.is_ready = false;
            }
        }
        ready
    }

    /// Whether there is work without a new edge.
    pub(crate) fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.opening.is_empty()
    }

    /// The number of children that are not reaped.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The most sources that children have in the poll, beside one for each connection: a second pipe, the standard
    /// error, and the exit.
    pub(crate) fn sources(&self) -> usize {
        3 * self.len()
    }

    /// Whether a connection is that of a child that has not exited, as far as is known.
    pub(crate) fn is_running(&self, token: Token) -> bool {
        self.table.get(&token).is_some_and(|child| !child.has_exited)
    }

    /// Returns the status of a child that has exited, once.
    pub(crate) fn take_exit(&mut self, token: Token) -> Option<ExitStatus> {
        let child = self.table.get_mut(&token).filter(|child| !child.has_exited)?;
        let status = child.process.status()?;
        child.has_exited = true;
        log::info!("child {} has exited ({status})", child.process.pid());
        Some(status)
    }
}

impl Child {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if let Some(log) = &mut self.log {
            log.register(registry, token.to_mio())?;
        }
        self.process.register(registry, token.to_mio())
    }
}

impl Simulation {
    /// Starts a child. Its token is not known yet.
    fn start(&mut self, spawn: &Spawn) -> io::Result<Started> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        let (end, pipe) = pipe();
        self.count += 1;
        let process = SimulatedProcess::new(FIRST_SIMULATED + self.count);
        let has_stdin = spawn.stdin == StdinMode::Piped;
        self.started.push(SimulatedChild { token: Token::none(), end, process: process.clone(), spawn: spawn.clone() });
        let stream = ChildStream::Simulated { pipe, has_stdin };
        Ok(Started { process: Process::Simulated(process), stream, stderr: None })
    }
}

impl State {
    /// Starts a program. Its connection exists from now on, and its session is opened after this callback.
    ///
    /// # Errors
    /// If the reactor is stopping, for the limits of children, and the errors of [`process::start`].
    pub(crate) fn spawn(&mut self, spawn: &Spawn, service: ServiceId) -> io::Result<Token> {
        self.check_spawn(service)?;
        let Started { process, stream, stderr } = self.children.start(spawn)?;
        let (peer, stream) = (Peer::Child(process.pid()), Stream::Child(Box::new(stream)));
        let token = self.insert(Connection::new(stream, peer, Phase::Connecting, service))?;
        if let Some(child) = self.children.simulation.as_mut().and_then(|simulation| simulation.started.last_mut()) {
            child.token = token;
        }
        let log = stderr.map(ChildLog::new);
        let (stage, grace) = (Stage::Connected, spawn.grace);
        let mut child = Child { process, service, grace, log, has_exited: false, is_ready: false, stage };
        let registered = self.registry.as_ref().map_or(Ok(()), |registry| child.register(registry, token));
        self.children.table.insert(token, child);
        self.services[service].children += 1;
        if let Err(error) = registered {
            self.kill(token);
            return Err(error);
        }
        self.note_spawn(service);
        self.children.opening.push(token);
        log::info!("{peer} started: {}", spawn.program.display());
        Ok(token)
    }

    fn check_spawn(&self, service: ServiceId) -> io::Result<()> {
        let Service { limits, children, .. } = &self.services[service];
        if self.stop >= Stop::Draining {
            return Err(io::Error::other("the server is stopping"));
        }
        if let Some(most) = limits.max_children.filter(|most| children >= most) {
            let text = format!("{children} programs are running, limit {most} (--max-children)");
            return Err(io::Error::new(ErrorKind::QuotaExceeded, text));
        }
        if self.children.started >= self.limits.turn_spawns {
            let text = "too many programs were started in this turn; try again in a later one";
            return Err(io::Error::new(ErrorKind::ResourceBusy, text));
        }
        Ok(())
    }

    /// Counts a new connection. That of a child counts for no limit of connections.
    pub(crate) fn count_in(&mut self, connection: &Connection) {
        if connection.is_child() {
            self.children.connections += 1;
        } else {
            self.services[connection.service].count_in(connection);
        }
    }

    pub(crate) fn count_out(&mut self, connection: &Connection) {
        if connection.is_child() {
            self.children.connections -= 1;
        } else {
            self.services[connection.service].count_out(connection);
        }
    }

    /// Ends a child whose connection is removed: SIGTERM, and SIGKILL after its grace. If the child has exited and its
    /// output has ended, as `had_eof` tells, nothing is left to end.
    pub(crate) fn disconnect_child(&mut self, token: Token, had_eof: bool) {
        let Some(child) = self.children.table.get_mut(&token) else { return };
        if had_eof && (child.has_exited || child.process.status().is_some()) {
            child.stage = Stage::Over;
        } else {
            child.process.terminate();
            child.stage = Stage::Terminated(self.timers.set(self.clock.after(child.grace), TimerTarget::Grace(token)));
        }
        self.children.mark_ready(token);
    }

    /// Kills the process group of a child whose grace is over.
    pub(crate) fn grace_over(&mut self, token: Token) {
        let Some(child) = self.children.table.get_mut(&token) else { return };
        if !child.has_exited {
            let pid = child.process.pid();
            log::warn!("child {pid} killed: it did not exit within {:?} after SIGTERM", child.grace);
        }
        child.process.kill();
        child.stage = Stage::Killed;
        self.children.mark_ready(token);
    }

    /// Reads the standard error of a child through `buffer`, and passes the lines that the bounds allow to `log`.
    pub(crate) fn read_child_log(&mut self, token: Token, buffer: &mut [u8], log: impl Fn(&NamedPeer<'_>, &[u8])) {
        let (now, Children { table, lines, .. }) = (self.clock.now(), &mut self.children);
        let Some(Child { process, log: Some(stderr), .. }) = table.get_mut(&token) else { return };
        let peer = self.roster.named(token, Peer::Child(process.pid()));
        let has_more = stderr.read(buffer, |line| {
            let is_allowed = lines.try_take(&LOG_RATE, now);
            if is_allowed {
                log(&peer, line);
            }
            is_allowed
        });
        if has_more {
            self.children.mark_ready(token);
        }
    }

    /// Reaps a child that has exited, unless its connection or other processes of its group are waited for.
    pub(crate) fn reap_if_over(&mut self, token: Token) {
        let Some(child) = self.children.table.get(&token).filter(|child| child.has_exited) else { return };
        let is_over = match child.stage {
            Stage::Connected => false,
            // The end of standard error proves that no process of the group is left that could need the grace.
            Stage::Terminated(_) => child.log.as_ref().is_some_and(ChildLog::has_ended),
            Stage::Killed | Stage::Over => true,
        };
        if is_over {
            self.reap_child(token);
        }
    }

    /// Removes a child from the table, which reaps it.
    fn reap_child(&mut self, token: Token) {
        let Some(child) = self.children.table.remove(&token) else { return };
        self.services[child.service].children -= 1;
        if let Stage::Terminated(timer) = child.stage {
            self.timers.cancel(timer);
        }
        let unlogged = child.log.map_or(0, |log| log.unlogged);
        if unlogged > 0 {
            log::warn!("child {}: {unlogged} lines of standard error not logged", child.process.pid());
        }
    }
}
