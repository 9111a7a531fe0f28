//! The figures of a reactor.

use std::fmt;
use std::time::Duration;

use crate::connection::ids::ServiceId;
use crate::state::State;
use crate::state::admission::Refusal;

/// The figures of a reactor, as `stats` at the console and SIGUSR1 show them. Counters count from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Time since the start.
    pub uptime: Duration,
    /// Current connections, lingering ones included. Those of children do not count.
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
    /// Children that run, or that have exited and are not reaped.
    pub children: usize,
    /// Children started.
    pub spawned: u64,
    /// Accepted connections whose handshake has failed.
    pub handshakes_failed: u64,
    /// Outbound connections requested with [`Context::connect`](crate::Context::connect).
    pub connects: u64,
    /// Outbound connections that could not be established.
    pub connects_failed: u64,
    /// Current outbound connections, and those that are being established.
    pub outbound: usize,
    /// Bytes passed on by [`Context::relay`](crate::Context::relay).
    pub relayed: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Messages that a framing has found, and datagrams received.
    pub messages: u64,
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
    /// Pauses of accepting because the process had no descriptor left.
    pub accept_pauses: u64,
}

impl fmt::Display for Stats {
    /// Writes six lines, each with a label, and one more for each other part of the reactor that was used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { connections, accepted, refused, bytes_in, bytes_out, queued, in_feeds, messages, .. } = self;
        let Stats { refused_full, refused_per_host, refused_rate, refused_denied, datagrams_dropped, .. } = self;
        let Stats { turns, longest_turn, timers, stale, children, spawned, .. } = self;
        writeln!(f, "uptime       {}", rough(self.uptime))?;
        writeln!(f, "connections  {connections} open, {accepted} accepted, {refused} refused")?;
        writeln!(
            f,
            "refused      {refused_full} by --max-connections, {refused_per_host} by --max-per-host, \
             {refused_rate} by --connect-rate, {refused_denied} by --allow and --deny"
        )?;
        writeln!(
            f,
            "bytes        {bytes_in} received, {bytes_out} sent, {queued} queued for clients, {in_feeds} kept for rooms"
        )?;
        writeln!(
            f,
            "messages     {messages} lines, frames and datagrams received, \
             {datagrams_dropped} datagrams without an answer"
        )?;
        if *spawned > 0 {
            writeln!(f, "programs     {children} running, {spawned} started")?;
        }
        let Stats { outbound, connects, connects_failed, relayed, .. } = self;
        if *connects > 0 {
            writeln!(f, "outbound     {outbound} open, {connects} requested, {connects_failed} failed")?;
        }
        if *relayed > 0 {
            writeln!(f, "relayed      {relayed} bytes")?;
        }
        write!(f, "loop         {turns} turns, {longest_turn:.1?} the longest, {timers} timers, {stale} late events")
    }
}

/// The target of the lines of [`Stats::log`], which programs show at every level of the log.
pub(crate) const LOG_TARGET: &str = module_path!();

impl Stats {
    /// A line with the rates between `earlier` and these figures.
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with one decimal")]
    pub(crate) fn rates_since(&self, earlier: &Stats) -> String {
        let time = self.uptime.saturating_sub(earlier.uptime);
        let per_second = |now: u64, then: u64| (now - then) as f64 / time.as_secs_f64().max(0.001);
        format!(
            "per second   {:.1} connections, {:.1} bytes received, {:.1} bytes sent, {:.1} messages, in the last {}",
            per_second(self.accepted, earlier.accepted),
            per_second(self.bytes_in, earlier.bytes_in),
            per_second(self.bytes_out, earlier.bytes_out),
            per_second(self.messages, earlier.messages),
            rough(time),
        )
    }
}

// Each event of a service counts for the service, too.
impl State {
    /// Counts a refused connection.
    pub(crate) fn note_refusal(&mut self, service: ServiceId, refusal: Refusal) {
        self.services[service].counters.refused[refusal as usize] += 1;
        let stats = &mut self.stats;
        stats.refused += 1;
        match refusal {
            Refusal::Full => stats.refused_full += 1,
            Refusal::HostFull => stats.refused_per_host += 1,
            Refusal::HostRate => stats.refused_rate += 1,
            Refusal::Denied => stats.refused_denied += 1,
        }
    }

    /// Counts an accepted connection.
    pub(crate) fn note_accepted(&mut self, service: ServiceId) {
        self.services[service].counters.accepted += 1;
        self.stats.accepted += 1;
    }

    /// Counts an accepted connection whose handshake has failed.
    pub(crate) fn note_failed_handshake(&mut self, service: ServiceId) {
        self.services[service].counters.handshakes_failed += 1;
        self.stats.handshakes_failed += 1;
    }

    /// Counts a request for an outbound connection.
    pub(crate) fn note_connect(&mut self, service: ServiceId) {
        self.services[service].counters.connects += 1;
        self.stats.connects += 1;
    }

    /// Counts an outbound connection that could not be established.
    pub(crate) fn note_failed_connect(&mut self, service: ServiceId) {
        self.services[service].counters.connects_failed += 1;
        self.stats.connects_failed += 1;
    }

    /// Counts a child that was started.
    pub(crate) fn note_spawn(&mut self, service: ServiceId) {
        self.services[service].counters.spawned += 1;
        self.stats.spawned += 1;
    }
}

/// A duration in its two largest units, such as `3m 12s`.
pub(crate) fn rough(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let seconds = time.as_secs();
    let first = UNITS.iter().position(|&(unit, _)| seconds >= unit).unwrap_or(UNITS.len() - 1);
    let (unit, name) = UNITS[first];
    match UNITS.get(first + 1) {
        Some((next, second)) => format!("{}{name} {}{second}", seconds / unit, seconds % unit / next),
        None => format!("{seconds}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_two_units() {
        let told = [0, 59, 60, 192, 7_500, 273_599].map(|seconds| rough(Duration::from_secs(seconds)));
        assert_eq!(told, ["0s", "59s", "1m 0s", "3m 12s", "2h 5m", "3d 3h"]);
    }

    #[test]
    fn rates_are_those_since_the_last_report() {
        let earlier = Stats { uptime: Duration::from_secs(60), accepted: 5, bytes_in: 100, ..Stats::default() };
        let uptime = Duration::from_secs(70);
        let now = Stats { uptime, accepted: 10, bytes_in: 1100, bytes_out: 1, messages: 33, ..Stats::default() };
        assert_eq!(
            now.rates_since(&earlier),
            "per second   0.5 connections, 100.0 bytes received, 0.1 bytes sent, 3.3 messages, in the last 10s"
        );
        assert!(now.rates_since(&now).contains("0.0 connections"), "no time has passed");
    }
}
