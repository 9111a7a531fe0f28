//! The CPU time and the memory of a server and its children, and what other programs take.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use switchboard_harness::{Process, kib};

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

/// How much memory could be had without swapping, in bytes.
pub(crate) fn available_memory() -> io::Result<u64> {
    kib("/proc/meminfo", "MemAvailable:")
}

/// How much memory the kernel uses for stacks of threads, page tables and its objects (processes, sockets, files), in
/// bytes.
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

/// The time that cores 0 and 1 were at work, for any program or another machine on the same host.
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
    members: Vec<Process>,
}

impl Family {
    /// # Errors
    /// The process has ended, or the kernel does not list children (`CONFIG_PROC_CHILDREN`).
    pub(crate) fn of(pid: u32) -> io::Result<Family> {
        // Only those of the main thread: no server here forks on another thread.
        let children = Process(pid).children()?;
        Ok(Family { members: std::iter::once(Process(pid)).chain(children).collect() })
    }

    pub(crate) fn processes(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn threads(&self) -> usize {
        self.members.iter().filter_map(|member| member.threads().ok()).sum()
    }

    /// User and system.
    pub(crate) fn cpu_time(&self) -> Duration {
        self.members.iter().filter_map(|member| kernel::cpu_time(member.0).ok()).sum()
    }

    /// In bytes. A page that several members share is counted once.
    pub(crate) fn memory(&self) -> u64 {
        self.members.iter().filter_map(|member| member.resident_share().ok()).sum()
    }

    /// Waits until the children have ended, as they do when their clients have.
    ///
    /// # Errors
    /// A child has not ended within [`PARTING`].
    pub(crate) fn await_children(&self) -> io::Result<()> {
        let deadline = Instant::now() + PARTING;
        let left = |child: &&Process| child.outlasts(deadline.saturating_duration_since(Instant::now()));
        match self.members[1..].iter().find(left) {
            Some(child) => {
                Err(io::Error::other(format!("process {} of the server goes on without its client", child.0)))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use switchboard_harness::until;

    use super::*;

    #[test]
    fn a_family_is_the_process_and_its_children() {
        let mut parent = Command::new("sh").args(["-c", "cat; true"]).stdin(Stdio::piped()).spawn().expect("sh");
        let family = || Family::of(parent.id()).expect("it runs");
        until("a child", || family().processes() == 2);
        let family = family();
        assert!(family.threads() == 2 && family.memory() > 0, "{} threads", family.threads());
        drop(parent.stdin.take());
        family.await_children().expect("cat ends with its input");
        parent.wait().expect("it has ended");
    }
}
