//! The figures that an operator may ask for.

use std::fmt;
use std::time::Duration;

use crate::state::admission::Refusal;

/// Figures since the start, as `stats` at the console and SIGUSR1 show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open now, lingering ones included.
    pub connections: usize,
    /// Connections accepted, ever.
    pub accepted: u64,
    /// Connections refused, ever: over a limit, or denied.
    pub refused: u64,
    /// Of these, for [`Limits::max_connections`](crate::Limits::max_connections).
    pub refused_full: u64,
    /// Of these, for [`Limits::max_per_host`](crate::Limits::max_per_host).
    pub refused_per_host: u64,
    /// Of these, for [`Admission`](crate::Admission).
    pub refused_denied: u64,
    /// Bytes received, ever.
    pub bytes_in: u64,
    /// Bytes that the kernel took, ever.
    pub bytes_out: u64,
    /// Bytes queued now for all connections, feeds not counted.
    pub queued: usize,
    /// Bytes kept now in feeds for those who have not taken them.
    pub in_feeds: usize,
    /// Timers that are armed now.
    pub timers: usize,
    /// Timers that were due, ever.
    pub timers_fired: u64,
    /// Results of workers that were handed over, ever.
    pub results: u64,
    /// Turns of the loop, ever.
    pub turns: u64,
    /// The longest of them, the waiting for the kernel not counted.
    pub longest_turn: Duration,
    /// Bytes that wait now for whoever reads standard output.
    pub unprinted: usize,
    /// Events and deadlines that came too late for their connection, ever.
    pub stale: u64,
    /// Datagrams that could not be sent or were not to be answered, ever.
    pub datagrams_dropped: u64,
}

impl fmt::Display for Stats {
    /// Two lines, as `stats` at the console shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "connections {}, accepted {}, refused {}, bytes in {}, bytes out {}, queued {}",
            self.connections, self.accepted, self.refused, self.bytes_in, self.bytes_out, self.queued
        )?;
        write!(
            f,
            "in feeds {}, timers {}, turns {}, longest turn {:.1?}, full {}, host full {}, denied {}, datagrams dropped {}, stale {}",
            self.in_feeds,
            self.timers,
            self.turns,
            self.longest_turn,
            self.refused_full,
            self.refused_per_host,
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

    /// Counts a client that was not let in.
    pub(crate) fn note_refusal(&mut self, refusal: Refusal) {
        self.refused += 1;
        match refusal {
            Refusal::Full => self.refused_full += 1,
            Refusal::HostFull => self.refused_per_host += 1,
            Refusal::Denied => self.refused_denied += 1,
        }
    }
}
