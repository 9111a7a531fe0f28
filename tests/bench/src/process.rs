//! What the system tells about a running process: its CPU time and its memory, by its id.

use std::fs;
use std::io;
use std::time::Duration;

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
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/smaps_rollup has no Rss line")))
}
