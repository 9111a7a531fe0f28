//! A running process: the figures of `/proc` (proc(5)), and signals.

use crate::wait::{until, within};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, setrlimit};
use std::fs;
use std::io;
use std::time::Duration;

/// A clock tick of `/proc/PID/stat`: 100 a second on every Linux that Rust supports.
const TICK: Duration = Duration::from_millis(10);

/// A process by its number. It need not be a child of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// Sends a signal to this process alone.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_raw(self.0.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills the process if it still runs.
    pub fn end(self) {
        let _ = self.signal(Signal::KILL);
    }

    /// Returns the state in one letter: R, S, T (stopped), Z ...; `None` if the process is gone.
    pub fn state(self) -> Option<char> {
        self.stat().ok()?.first()?.chars().next()
    }

    /// Whether the process has not ended. A process that its parent has not waited for has ended.
    pub fn is_alive(self) -> bool {
        self.state().is_some_and(|state| state != 'Z')
    }

    /// Whether the process is still alive after `time`. Returns as soon as it has ended.
    pub fn outlasts(self, time: Duration) -> bool {
        within(time, || (!self.is_alive()).then_some(())).is_none()
    }

    /// Waits until the process is in the foreground of its terminal.
    #[track_caller]
    pub fn wait_foreground(self) {
        until("the foreground", || self.stat().is_ok_and(|stat| stat[2] == stat[5]));
    }

    /// Returns the session of the process.
    pub fn session(self) -> io::Result<u32> {
        number(&self.stat()?, 3)
    }

    /// Returns the user and system time so far.
    pub fn cpu(self) -> io::Result<Duration> {
        let stat = self.stat()?;
        Ok(TICK * (number(&stat, 11)? + number(&stat, 12)?))
    }

    /// Returns how long the main thread was ready to run without a core; `None` if the system does not count it.
    pub fn starved(self) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.0)).ok()?;
        text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    }

    /// Returns the number of threads.
    pub fn threads(self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.0))?.count())
    }

    /// Returns the number of open descriptors.
    pub fn descriptors(self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0))?.count())
    }

    /// Returns the resident bytes. Linux: approximate, because each core adds to the figure in batches.
    pub fn resident(self) -> io::Result<u64> {
        kib(&format!("/proc/{}/status", self.0), "VmRSS:")
    }

    /// Returns the most bytes that were ever resident.
    pub fn peak_resident(self) -> io::Result<u64> {
        kib(&format!("/proc/{}/status", self.0), "VmHWM:")
    }

    /// Returns the resident bytes exactly, by a walk over the page tables.
    pub fn resident_exact(self) -> io::Result<u64> {
        kib(&format!("/proc/{}/smaps_rollup", self.0), "Rss:")
    }

    /// Returns the resident bytes, of which a page that several processes share counts in part for each.
    pub fn resident_share(self) -> io::Result<u64> {
        kib(&format!("/proc/{}/smaps_rollup", self.0), "Pss:")
    }

    /// Returns the status flags (octal, open(2)) of the open file behind `descriptor`.
    pub fn file_flags(self, descriptor: u32) -> io::Result<u32> {
        let text = fs::read_to_string(format!("/proc/{}/fdinfo/{descriptor}", self.0))?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
        u32::from_str_radix(flags.trim(), 8).map_err(io::Error::other)
    }

    /// Returns the living children of the main thread.
    pub fn children(self) -> io::Result<Vec<Process>> {
        let text = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0))?;
        let children = text.split_whitespace().filter_map(|child| child.parse().ok()).map(Process);
        Ok(children.filter(|child| child.is_alive()).collect())
    }

    /// The fields of `/proc/PID/stat` from the state (field 3) on: the name before it may contain spaces.
    fn stat(self) -> io::Result<Vec<String>> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        let (_, fields) = text.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
        Ok(fields.split_whitespace().map(str::to_owned).collect())
    }
}

fn number(stat: &[String], at: usize) -> io::Result<u32> {
    stat.get(at).and_then(|field| field.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

/// Returns the figure called `name` of a file with lines like `NAME 42 kB`, in bytes.
pub fn kib(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let figure = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    figure.map(|kib| kib * 1024).ok_or_else(|| io::Error::other(format!("{path} has no line {name}")))
}

/// Kills a process that is not a child of this one when this is dropped.
#[derive(Debug)]
pub struct Ended(pub Process);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Kills the process group that a process leads when this is dropped.
#[derive(Debug)]
pub struct EndedGroup(pub Process);

impl Drop for EndedGroup {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.0.cast_signed()) {
            // Fails only if the whole group has ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Raises the limit of descriptors of this process and its children to the hard limit, or to `most` if that is less.
///
/// # Errors
/// The hard limit is below `needed`.
pub fn allow_descriptors(needed: u64, most: u64) -> io::Result<()> {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if hard < needed {
        let text = format!("{needed} descriptors are needed, and `ulimit -Hn` allows {hard}: raise it");
        return Err(io::Error::other(text));
    }
    let limit = Some(hard.min(most)).filter(|limit| *limit < u64::MAX);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_that_was_not_waited_for_has_ended() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
        let process = Process(child.id());
        assert!(process.outlasts(Duration::ZERO));
        drop(child.stdin.take());
        assert!(!process.outlasts(Duration::from_secs(20)));
        child.wait().expect("it has ended");
    }

    #[test]
    fn the_figures_of_this_process_are_read() {
        let process = Process(std::process::id());
        assert!(process.is_alive() && process.threads().expect("it runs") >= 1);
        assert!(process.resident().expect("it runs") > 0 && process.resident_exact().expect("it runs") > 0);
        assert!(Process(u32::MAX / 2).resident().is_err());
    }
}
