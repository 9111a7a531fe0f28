//! What the system tells of a running process (proc(5)), and the signals that it is sent.

use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpriority_process, getrlimit, kill_process, setpriority_process, setrlimit,
};
use rustix::thread::gettid;

/// The most descriptors that this process asks for.
const DESCRIPTORS: u64 = 20_000;

/// A process by its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Open descriptors.
    pub(crate) fn descriptors(self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0))?.count())
    }

    /// Resident bytes now.
    pub(crate) fn resident(self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most bytes that were ever resident.
    pub(crate) fn peak(self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    /// How long its main thread could have run and was not given a core. None where the system does not count it.
    pub(crate) fn starved(self) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0)).ok()?;
        text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    }

    /// Sends a signal to it, and to nothing else.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.0).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process(pid, signal)?)
    }

    fn status(self, key: &str) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let value =
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let missing = || io::Error::other(format!("/proc/{}/status has no {key} line: it has ended", self.0));
        value.map(|kib| kib * 1024).ok_or_else(missing)
    }
}

/// Allows this process, and the servers that it starts, as many descriptors as the faults need.
///
/// # Errors
/// The hard limit is too small.
pub(crate) fn allow_descriptors(needed: u64) -> io::Result<()> {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if hard < needed {
        let text = format!("{needed} descriptors are needed, and `ulimit -Hn` allows {hard}: raise it");
        return Err(io::Error::other(text));
    }
    let capped = Some(hard.min(DESCRIPTORS));
    Ok(setrlimit(Resource::Nofile, Rlimit { current: capped, maximum: capped })?)
}

/// Whether this process, and so what it starts, goes before all that is not scheduled so (`SCHED_FIFO` or `SCHED_RR`, sched(7)).
pub(crate) fn goes_first() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Field 41; the name in field 2 may hold spaces.
    let policy = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split_whitespace().nth(38));
    matches!(policy, Some("1" | "2"))
}

/// Lets the calling thread go before all others of this process, if that one goes first: among those, niceness is nothing.
pub(crate) fn go_before_others() -> io::Result<()> {
    if !goes_first() {
        return Ok(());
    }
    let thread = gettid().as_raw_nonzero().to_string();
    let raised = Command::new("chrt").args(["--fifo", "--pid", "11", &thread]).status()?.success();
    raised.then_some(()).ok_or_else(|| io::Error::other("chrt (of util-linux) cannot let a thread go first"))
}

/// Lets the calling thread yield to others: what abuses the server shares a core with those who measure, and is not to
/// be what they measure.
pub(crate) fn yield_to_others() -> io::Result<()> {
    // Linux: niceness is a thread's, and `None` is the calling one.
    Ok(setpriority_process(None, getpriority_process(None)? + 10)?)
}
