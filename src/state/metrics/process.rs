//! The figures of the process that the system knows, under the names that client libraries of Prometheus use
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
//!
//! A figure that the system does not tell is left out. `/proc` is in memory, so nothing here waits.

use std::fs;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::state::metrics::exposition::{Exposition, Kind};

/// Writes the figures of this process.
pub(super) fn write(out: &mut Exposition) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        out.family(
            "process_cpu_seconds_total",
            Kind::Counter,
            "CPU time of the process, in user mode and in the kernel.",
        );
        out.seconds(from_ticks(stat.ticks));
        out.single("process_threads", Kind::Gauge, "Threads of the process.", stat.threads);
        out.single("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory of the process.", stat.virtual_bytes);
        let resident = stat.resident_pages * page_size() as u64;
        out.single("process_resident_memory_bytes", Kind::Gauge, "Memory of the process that is in RAM.", resident);
        if let Some(boot) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time) {
            out.family("process_start_time_seconds", Kind::Gauge, "Start of the process, in seconds since 1970.");
            out.seconds(Duration::from_secs(boot) + from_ticks(stat.start_ticks));
        }
    }
    if let Some(open) = open_descriptors() {
        out.single("process_open_fds", Kind::Gauge, "Descriptors in use.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        out.single("process_max_fds", Kind::Gauge, "Limit of descriptors.", most);
    }
}

/// What `/proc/self/stat` tells, see `proc_pid_stat`(5).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the name of the program, which may contain blanks and parentheses.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        // Fields count from one in the manual, and the first of `fields` is the third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// The start of the system in seconds since 1970, from the text of `/proc/stat`.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()
}

/// The time of a number of ticks, in which the system counts time.
fn from_ticks(ticks: u64) -> Duration {
    let per_second = clock_ticks_per_second();
    Duration::from_secs(ticks / per_second) + Duration::from_nanos(ticks % per_second * 1_000_000_000 / per_second)
}

/// The number of open descriptors. Linux 6.2 and later tell it as the size of the directory. On earlier systems, the
/// entries are counted.
fn open_descriptors() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        size => Some(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_may_hold_anything() {
        let text =
            "7 (a) b (c)) S 1 7 7 0 -1 4194560 500 0 0 0 21 11 0 0 20 0 3 0 12345 8192000 250 18446744073709551615";
        let stat = Stat { ticks: 32, threads: 3, start_ticks: 12_345, virtual_bytes: 8_192_000, resident_pages: 250 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\nprocesses 5\n"), Some(1_700_000_000));
    }

    #[test]
    fn this_process_has_every_figure() {
        let mut out = Exposition::default();
        write(&mut out);
        let text = out.into_text();
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 7, "{text}");
        assert_eq!(from_ticks(3 * clock_ticks_per_second() / 2), Duration::from_millis(1500));
    }
}
