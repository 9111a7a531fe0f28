//! A program that was started: its exit, and the signals for its process group.
//!
//! Invariants: a process is always reaped, at the latest when it is dropped. Its group is signalled only before that,
//! because the kernel may give the number of a reaped process to another one.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::unix::{SourceFd, pipe};
use mio::{Interest, Registry, Token};
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, getrlimit, kill_process_group,
    pidfd_open, prlimit, waitid,
};
use signal_hook::consts::SIGCHLD;

use crate::connection::child::ChildStream;
use crate::connection::spawn::{Spawn, StderrMode, StdinMode};

/// A program that was started and is not reaped, or its simulation.
#[derive(Debug)]
pub(crate) enum Process {
    System(SystemProcess),
    Simulated(SimulatedProcess),
}

/// A process of the system. It leads its process group.
#[derive(Debug)]
pub(crate) struct SystemProcess {
    pid: Pid,
    pidfd: OwnedFd,
}

/// A process of a [`Sim`](crate::Sim), shared with the test.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedProcess {
    pub(crate) pid: u32,
    fate: Arc<Mutex<Fate>>,
}

#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub(crate) status: Option<ExitStatus>,
    /// The signals that the process has received, oldest first.
    pub(crate) signals: Vec<i32>,
}

/// A program that has just been started.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) stream: ChildStream,
    pub(crate) stderr: Option<pipe::Receiver>,
}

/// The exit code of a process whose status is lost. 255: what shells report for a failure without a code.
const UNKNOWN: i32 = 255;

/// The longest time that a dropped process is waited for after SIGKILL. Only a process that hangs in the kernel takes
/// longer than a few milliseconds.
const KILLED_WAIT: Duration = Duration::from_secs(1);

/// Starts a program.
///
/// The kernel suspends this thread until the program runs (vfork(2)): for 50 us, or until a busy machine has time for
/// it. Memory is not copied, so the time does not depend on the size of this process. With fork(2), it would be 130 ms
/// at 1.5 GiB.
///
/// # Errors
/// The errors of `posix_spawn(3)`, with the program and a remedy. Their source is the error of the system.
pub(crate) fn start(spawn: &Spawn) -> io::Result<Started> {
    run(spawn).map_err(|error| io::Error::new(error.kind(), NotStarted { program: spawn.program.clone(), error }))
}

/// Why a program was not started.
#[derive(Debug)]
struct NotStarted {
    program: PathBuf,
    error: io::Error,
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotStarted { program, error } = self;
        let remedy = match Errno::from_io_error(error) {
            Some(Errno::MFILE) => "; raise \"ulimit -n\"",
            Some(Errno::AGAIN) => "; look at \"ulimit -u\"",
            _ => "",
        };
        write!(f, "cannot run {}: {error}{remedy}", program.display())
    }
}

impl Error for NotStarted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

fn run(spawn: &Spawn) -> io::Result<Started> {
    // With a name instead of a path, the standard library would use fork(2), which copies the page tables.
    // The kernel tells what is wrong with a path.
    let program = if spawn.has_path() { std::path::absolute(&spawn.program)? } else { spawn.find_program()? };
    let mut command = Command::new(program);
    command.arg0(&spawn.program).args(&spawn.args).env_clear().envs(spawn.env.iter().cloned()).process_group(0);
    if let Some(dir) = &spawn.dir {
        command.current_dir(dir);
    }
    command.stdin(match &spawn.stdin {
        StdinMode::Piped => Stdio::piped(),
        StdinMode::Null => Stdio::null(),
        StdinMode::File(file) => file.try_clone()?.into(),
    });
    command.stdout(Stdio::piped());
    command.stderr(if spawn.stderr == StderrMode::Log { Stdio::piped() } else { Stdio::null() });
    // The child inherits the mask of this thread (posix_spawn(3)), in which the server blocks SIGTTIN and SIGTTOU.
    let mask = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let spawned = command.spawn();
    mask.thread_set_mask()?;
    let mut child = spawned?;
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
        // Without a descriptor, the process cannot be watched.
        let _ = child.kill().and_then(|()| child.wait());
    })?;
    let process = Process::System(SystemProcess { pid, pidfd });
    if let Some(descriptors) = spawn.descriptors {
        limit_descriptors(pid, descriptors);
    }
    let stdin = child.stdin.take().map(pipe::Sender::from);
    let stdout = pipe::Receiver::from(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let stderr = child.stderr.take().map(pipe::Receiver::from);
    stdin.iter().try_for_each(|stdin| stdin.set_nonblocking(true))?;
    stdout.set_nonblocking(true)?;
    stderr.iter().try_for_each(|stderr| stderr.set_nonblocking(true))?;
    Ok(Started { process, stream: ChildStream::Pipes { stdin, stdout }, stderr })
}

/// Lowers the soft limit of a program that has just been started. The limit of this process, lowered for the start,
/// would not allow the pipes beside many clients.
fn limit_descriptors(pid: Pid, descriptors: u64) {
    let limit = getrlimit(Resource::Nofile);
    // Fails if the program has exited, or has another user (a set-user-ID file).
    let _ = prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(descriptors), ..limit });
}

impl Process {
    /// The number of the process, which is also that of its group.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Process::System(process) => process.pid.as_raw_pid().unsigned_abs(),
            Process::Simulated(process) => process.pid,
        }
    }

    /// Registers for the edge that reports the exit.
    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let Process::System(process) = self else { return Ok(()) };
        registry.register(&mut SourceFd(&process.pidfd.as_raw_fd()), token, Interest::READABLE)
    }

    /// The status of the process, once it has exited. It is not reaped by this.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        match self {
            Process::System(process) => process.wait(WaitIdOptions::NOWAIT),
            Process::Simulated(process) => process.fate(|fate| fate.status),
        }
    }

    /// Asks the process group to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
        // A stopped process handles no signal before this. The group is in the background of its terminal, if it has
        // one, so a read of `/dev/tty` stops it.
        if let Process::System(process) = self {
            process.signal(Signal::CONT);
        }
    }

    /// Ends the process group (SIGKILL).
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        match self {
            Process::System(process) => process.signal(signal),
            Process::Simulated(process) => process.fate(|fate| {
                fate.signals.push(signal.as_raw());
                if signal == Signal::KILL {
                    fate.status.get_or_insert(ExitStatus::from_raw(signal.as_raw()));
                }
            }),
        }
    }
}

impl SystemProcess {
    fn signal(&self, signal: Signal) {
        // If another part of the program has reaped it, its number may belong to a stranger.
        let is_ours = waitid(
            WaitId::PidFd(self.pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
        )
        .is_ok();
        if is_ours {
            // Fails if a member of the group belongs to another user now. The others receive it.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// The status, once the process has exited. Without `NOWAIT` in `options`, the process is reaped.
    fn wait(&self, options: WaitIdOptions) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | options;
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(exited) => exited.map(|exited| exit_status(&exited)),
            // Another part of the program has reaped it, so its status is lost.
            Err(Errno::CHILD) => Some(ExitStatus::from_raw(UNKNOWN << 8)),
            Err(_) => None,
        }
    }
}

/// Reaps the process. One that still runs is killed, with its group.
impl Drop for SystemProcess {
    fn drop(&mut self) {
        if self.wait(WaitIdOptions::empty()).is_some() {
            return;
        }
        self.signal(Signal::KILL);
        let wait = Timespec::try_from(KILLED_WAIT).ok();
        let _ = poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], wait.as_ref());
        if self.wait(WaitIdOptions::empty()).is_none() {
            log::warn!("child {} hangs in the kernel and is left behind", self.pid.as_raw_pid());
        }
    }
}

impl SimulatedProcess {
    pub(crate) fn new(pid: u32) -> Self {
        SimulatedProcess { pid, fate: Arc::default() }
    }

    pub(crate) fn fate<T>(&self, look: impl FnOnce(&mut Fate) -> T) -> T {
        look(&mut self.fate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn exit_status(exited: &WaitIdStatus) -> ExitStatus {
    // The layout of wait(2).
    match (exited.exit_status(), exited.terminating_signal()) {
        (Some(code), _) => ExitStatus::from_raw(code << 8),
        (None, signal) => ExitStatus::from_raw(signal.unwrap_or(0)),
    }
}

/// Makes the kernel keep the status of children. With SIGCHLD ignored, as a parent may have left it, it would reap them
/// itself (waitpid(2)).
pub(crate) fn keep_statuses() {
    if is_ignored(SIGCHLD) {
        // `register` needs a flag. This one is never read: a handler that does nothing is enough.
        if let Err(error) = signal_hook::flag::register(SIGCHLD, Arc::default()) {
            log::warn!("the exit of children cannot be noticed: {error}");
        }
    }
}

/// Whether the process was started with a signal ignored, according to `/proc/self/status` (proc(5)). False without
/// such a file.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_set(&status).is_some_and(|set| set & (1 << (signal - 1)) != 0)
}

fn ignored_set(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests;
