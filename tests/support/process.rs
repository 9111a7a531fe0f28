//! What `/proc` tells of a process (proc(5)). All figures are those of the process as a whole.

use super::wait::{let_pass, until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::fs;
use std::time::Duration;

/// A clock tick of `/proc/PID/stat`: 100 a second on every Linux that Rust supports.
const TICK: Duration = Duration::from_millis(10);

/// A process by its number; the process need not be our child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    pub(crate) fn signal(self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there to be signalled");
    }

    /// Ends it, unless it has ended in this moment.
    pub(crate) fn end(self) {
        let _ = kill_process(self.pid(), Signal::KILL);
    }

    /// One letter: R, S, T (stopped), Z ...; `None` once it is gone.
    pub(crate) fn state(self) -> Option<char> {
        self.stat()?.first()?.chars().next()
    }

    /// True while its group is the one that the terminal belongs to.
    fn is_foreground(self) -> bool {
        self.stat().is_some_and(|stat| stat[2] == stat[5])
    }

    /// Waits until it is in the foreground of its terminal.
    #[track_caller]
    pub(crate) fn wait_foreground(self) {
        until("the foreground", || self.is_foreground());
    }

    /// User and system time so far.
    pub(crate) fn cpu(self) -> Duration {
        let stat = self.stat().expect("the process runs");
        let ticks = |at: usize| stat[at].parse::<u32>().expect("a count of ticks");
        TICK * (ticks(11) + ticks(12))
    }

    /// The processor time used while `time` passes.
    pub(crate) fn cpu_during(self, time: Duration) -> Duration {
        let before = self.cpu();
        let_pass(time);
        self.cpu().saturating_sub(before)
    }

    pub(crate) fn threads(self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.0)).expect("the process runs").count()
    }

    pub(crate) fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).expect("the process runs").count()
    }

    /// Resident bytes now.
    pub(crate) fn resident(self) -> usize {
        self.status("VmRSS:") * 1024
    }

    /// The most bytes that were ever resident.
    pub(crate) fn peak_resident(self) -> usize {
        self.status("VmHWM:") * 1024
    }

    /// The status flags (octal, open(2)) of the open file that `descriptor` refers to.
    pub(crate) fn file_flags(self, descriptor: u32) -> u32 {
        let path = format!("/proc/{}/fdinfo/{descriptor}", self.0);
        let text = fs::read_to_string(path).expect("the descriptor is open");
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).expect("fdinfo has flags");
        u32::from_str_radix(flags.trim(), 8).expect("flags are octal")
    }

    /// The number after `key` in `/proc/PID/status`.
    fn status(self, key: &str) -> usize {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).expect("the process runs");
        let value = text.lines().find_map(|line| line.strip_prefix(key)).expect("the key is known");
        value.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// The fields of `/proc/PID/stat` from the state (field 3) on: what stands before may hold spaces.
    fn stat(self) -> Option<Vec<String>> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let (_, fields) = text.rsplit_once(") ")?;
        Some(fields.split_whitespace().map(str::to_owned).collect())
    }

    fn pid(self) -> Pid {
        Pid::from_raw(self.0.cast_signed()).expect("a process has a number above 0")
    }
}

/// Ends a process that is not our child when the test is over, however it ends.
pub(crate) struct Doomed(pub(crate) Process);

impl Drop for Doomed {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Lets this process open thousands of sockets.
///
/// # Panics
///
/// If even the hard limit is below `wanted`.
pub(crate) fn allow_descriptors(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    assert!(maximum >= wanted, "this test needs {wanted} descriptors, `ulimit -Hn` allows {maximum}");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("up to the hard limit");
}

/// Bytes that wait in the kernel at the IPv4 socket on `local` that is connected to the port `remote`: (to be sent, to be read).
pub(crate) fn waiting_bytes(local: u16, remote: u16) -> Option<(usize, usize)> {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    let row = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = row.into_iter().find(|row| row[1].ends_with(&local) && row[2].ends_with(&remote))?;
    let (to_send, to_read) = row[4].split_once(':')?;
    Some((usize::from_str_radix(to_send, 16).ok()?, usize::from_str_radix(to_read, 16).ok()?))
}
