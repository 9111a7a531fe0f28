//! The figures of a reactor.

use std::fmt;
use std::time::Duration;

use crate::state::admission::Refusal;

/// The figures of a reactor, as `stats` at the console and SIGUSR1 show them. Counters count from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Current connections, lingering ones included.
    pub connections: usize,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused, for any cause.
    pub refused: u64,
    /// Connections refused for [`Limits::max_connections`](crate::Limits::max_connections).
    pub refused_full: u64,
    /// Connections refused for [`Limits::max_per_host`](crate::Limits::max_per_host).
    pub refused_per_host: u64,
    /// Connections refused for [`Limits::connect_rate`](crate::Limits::connect_rate).
    pub refused_rate: u64,
    /// Connections refused by [`Admission`](crate::Admission).
    pub refused_denied: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes that the kernel has taken.
    pub bytes_out: u64,
    /// Bytes queued now for all connections, feeds not included.
    pub queued: usize,
    /// Bytes kept now in all feeds.
    pub in_feeds: usize,
    /// Timers set now.
    pub timers: usize,
    /// Timers that were due.
    pub timers_fired: u64,
    /// Results of workers delivered.
    pub results: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Time of the longest turn. Waiting for the kernel does not count.
    pub longest_turn: Duration,
    /// Bytes queued now for standard output.
    pub stdout_queued: usize,
    /// Events, timers and results that came too late for their connection.
    pub stale: u64,
    /// Datagrams that were not answered, or whose answer could not be sent.
    pub datagrams_dropped: u64,
}

impl fmt::Display for Stats {
    /// Writes two lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "connections {}, accepted {}, refused {}, bytes in {}, bytes out {}, queued {}",
            self.connections, self.accepted, self.refused, self.bytes_in, self.bytes_out, self.queued
        )?;
        write!(
            f,
            "in feeds {}, timers {}, turns {}, longest turn {:.1?}, full {}, host full {}, host rate {}, denied {}, \
             datagrams dropped {}, stale {}",
            self.in_feeds,
            self.timers,
            self.turns,
            self.longest_turn,
            self.refused_full,
            self.refused_per_host,
            self.refused_rate,
            self.refused_denied,
            self.datagrams_dropped,
            self.stale
        )
    }
}

/// The target of the lines of [`Stats::log`], which programs show at every level of the log.
pub(crate) const LOG_TARGET: &str = module_path!();

impl Stats {
    /// Logs the figures.
    pub(crate) fn log(&self) {
        for line in self.to_string().lines() {
            log::info!(target: LOG_TARGET, "{line}");
        }
    }

    /// Counts a refused connection.
    pub(crate) fn note_refusal(&mut self, refusal: Refusal) {
        self.refused += 1;
        match refusal {
            Refusal::Full => self.refused_full += 1,
            Refusal::HostFull => self.refused_per_host += 1,
            Refusal::HostRate => self.refused_rate += 1,
            Refusal::Denied => self.refused_denied += 1,
        }
    }
}
