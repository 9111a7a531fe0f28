//! What the system tells about a running process: its CPU time and its memory, by its id; and about itself.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel;

/// Counts the CPU time of a process from a start.
pub(crate) struct CpuMeter {
    running: Option<(u32, Duration)>,
}

impl CpuMeter {
    /// Without a process it counts nothing.
    pub(crate) fn start(pid: Option<u32>) -> io::Result<CpuMeter> {
        let running = pid.map(|pid| kernel::cpu_time(pid).map(|time| (pid, time)));
        Ok(CpuMeter { running: running.transpose()? })
    }

    /// Seconds since the start, user and system; NaN without a process.
    pub(crate) fn seconds(&self) -> io::Result<f64> {
        let Some((pid, start)) = self.running else {
            return Ok(f64::NAN);
        };
        Ok(kernel::cpu_time(pid)?.saturating_sub(start).as_secs_f64())
    }
}

/// The resident memory of a process in bytes.
pub(crate) fn memory(pid: u32) -> io::Result<u64> {
    // Linux: VmRSS in `status` is approximate (proc(5)), each core adds to it in batches; this walks the page tables.
    kib(&format!("/proc/{pid}/smaps_rollup"), "Rss:")
}

/// How much memory could be had without swapping, in bytes.
pub(crate) fn available_memory() -> io::Result<u64> {
    kib("/proc/meminfo", "MemAvailable:")
}

/// What the kernel holds for itself, in bytes: stacks of threads, page tables, and its objects: processes, sockets,
/// files.
pub(crate) fn kernel_memory() -> io::Result<u64> {
    ["KernelStack:", "PageTables:", "SUnreclaim:"].iter().map(|name| kib("/proc/meminfo", name)).sum()
}

/// Counts what other programs take of the two cores of a run.
pub(crate) struct Intrusion {
    begin: Instant,
    busy: Duration,
    ours: Duration,
}

impl Intrusion {
    /// `server` is at work on one of the cores, this process on the other.
    pub(crate) fn start(server: &Family) -> io::Result<Intrusion> {
        Ok(Intrusion { begin: Instant::now(), busy: busy()?, ours: ours(server)? })
    }

    /// In cores, since the start.
    pub(crate) fn cores(&self, server: &Family) -> io::Result<f64> {
        let (busy, ours) = (busy()?.saturating_sub(self.busy), ours(server)?.saturating_sub(self.ours));
        Ok(busy.saturating_sub(ours).as_secs_f64() / self.begin.elapsed().as_secs_f64())
    }
}

fn ours(server: &Family) -> io::Result<Duration> {
    Ok(server.cpu_time() + kernel::cpu_time(std::process::id())?)
}

/// How long cores 0 and 1 have been at work, for whomever, or for another machine on the same host.
fn busy() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let cores = text.lines().filter(|line| line.starts_with("cpu0 ") || line.starts_with("cpu1 "));
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; in hundredths of a second.
    let ticks = cores.map(|line| {
        let figures: Vec<u64> = line.split_whitespace().skip(1).filter_map(|figure| figure.parse().ok()).collect();
        [0, 1, 2, 5, 6, 7].iter().filter_map(|&place| figures.get(place)).sum::<u64>()
    });
    Ok(Duration::from_millis(10 * ticks.sum::<u64>()))
}

/// How long a server's children may outlive their clients.
const PARTING: Duration = Duration::from_secs(60);

/// A process and the children that it has now. A child that ends meanwhile counts for nothing from then on.
pub(crate) struct Family {
    pids: Vec<u32>,
}

impl Family {
    /// # Errors
    /// The process has ended, or the kernel does not list children (`CONFIG_PROC_CHILDREN`).
    pub(crate) fn of(pid: u32) -> io::Result<Family> {
        // Of the main thread only: no server here forks on another.
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let children =
            children.split_whitespace().filter_map(|child| child.parse().ok()).filter(|&child| is_alive(child));
        Ok(Family { pids: std::iter::once(pid).chain(children).collect() })
    }

    pub(crate) fn processes(&self) -> usize {
        self.pids.len()
    }

    pub(crate) fn threads(&self) -> usize {
        self.pids.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok()).map(Iterator::count).sum()
    }

    /// User and system.
    pub(crate) fn cpu_time(&self) -> Duration {
        self.pids.iter().filter_map(|&pid| kernel::cpu_time(pid).ok()).sum()
    }

    /// In bytes. A page that several share is counted once: each has its part of it.
    pub(crate) fn memory(&self) -> u64 {
        self.pids.iter().filter_map(|pid| kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:").ok()).sum()
    }

    /// Waits until the children have ended, as they do when their clients have.
    ///
    /// # Errors
    /// One has not within [`PARTING`].
    pub(crate) fn await_children(&self) -> io::Result<()> {
        let deadline = Instant::now() + PARTING;
        let left = |child: &&u32| outlasts(**child, deadline.saturating_duration_since(Instant::now()));
        match self.pids[1..].iter().find(left) {
            Some(child) => Err(io::Error::other(format!("process {child} of the server goes on without its client"))),
            None => Ok(()),
        }
    }
}

/// Whether a process goes on for longer than that. Returns as soon as it has ended.
pub(crate) fn outlasts(pid: u32, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while is_alive(pid) {
        if Instant::now() >= deadline {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Whether there is such a process, and it has not ended; one that its parent has not asked for yet has.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses and may hold any character.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The figure of this name in a file of `NAME FIGURE kB` lines, in bytes.
fn kib(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("{path} has no line {name}")))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_nobody_has_asked_for_has_ended() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
        assert!(outlasts(child.id(), Duration::ZERO));
        drop(child.stdin.take());
        assert!(!outlasts(child.id(), Duration::from_secs(20)));
        child.wait().expect("it has ended");
    }

    #[test]
    fn a_family_is_the_process_and_its_children() {
        let mut parent = Command::new("sh").args(["-c", "cat; true"]).stdin(Stdio::piped()).spawn().expect("sh");
        let family = || Family::of(parent.id()).expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        while family().processes() < 2 {
            assert!(Instant::now() < deadline, "waited in vain for a child");
            thread::park_timeout(Duration::from_millis(1));
        }
        let family = family();
        assert!(family.threads() == 2 && family.memory() > 0, "{} threads", family.threads());
        drop(parent.stdin.take());
        family.await_children().expect("cat ends with its input");
        parent.wait().expect("it has ended");
    }
}
