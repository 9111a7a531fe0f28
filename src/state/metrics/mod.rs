//! The figures of a reactor as text for Prometheus.
//!
//! The format is version 0.0.4 of the text exposition format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). `docs/metrics.md` lists the metrics, and a test
//! compares the page with this text.

mod exposition;
mod process;
mod services;

use crate::state::State;
use crate::state::metrics::exposition::{Exposition, Kind};
use crate::state::metrics::services::ServiceFigures;
use crate::state::stats::Stats;
use crate::state::stop::Stop;

impl State {
    /// The figures of the reactor, its services and the process. Costs a look at every connection.
    pub(crate) fn metrics(&self) -> String {
        let mut out = Exposition::default();
        out.family("switchboard_build_info", Kind::Gauge, "The version of the program; always 1.");
        out.labelled(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        out.single("switchboard_stopping", Kind::Gauge, "Whether the server is stopping.", {
            u64::from(self.stop > Stop::Running)
        });
        ServiceFigures::write_all(self, &mut out);
        self.write_process_figures(&mut out);
        self.write_turns(&mut out);
        process::write(&mut out);
        out.into_text()
    }

    /// Writes the figures that all services share.
    fn write_process_figures(&self, out: &mut Exposition) {
        let stats = self.stats();
        for &(name, help, value) in COUNTERS {
            out.single(name, Kind::Counter, help, value(&stats));
        }
        let gauges = [
            ("switchboard_timers", "Timers that are set.", stats.timers),
            ("switchboard_worker_jobs", "Jobs of workers whose results were not delivered.", self.jobs.outstanding()),
            ("switchboard_stdout_queued_bytes", "Bytes queued for standard output.", stats.stdout_queued),
        ];
        for (name, help, value) in gauges {
            out.single(name, Kind::Gauge, help, value as u64);
        }
    }

    fn write_turns(&self, out: &mut Exposition) {
        let name = "switchboard_turn_duration_seconds";
        out.family(name, Kind::Histogram, "Duration of the turns of the loop, without the wait for events.");
        out.histogram(self.turns.cumulative(), self.turns.sum(), self.turns.count());
        out.family("switchboard_longest_turn_seconds", Kind::Gauge, "Duration of the longest turn since the start.");
        out.seconds(self.turns.longest());
    }
}

/// The name, the help and the value of a counter.
type Counter = (&'static str, &'static str, fn(&Stats) -> u64);

/// The counters that all services share.
const COUNTERS: &[Counter] = &[
    ("switchboard_messages_total", "Messages found by framings, and datagrams received.", |stats| stats.messages),
    ("switchboard_relayed_bytes_total", "Bytes passed on between connections.", |stats| stats.relayed),
    ("switchboard_datagrams_dropped_total", "Datagrams without an answer.", |stats| stats.datagrams_dropped),
    ("switchboard_timers_fired_total", "Timers that were due.", |stats| stats.timers_fired),
    ("switchboard_worker_results_total", "Results of workers delivered.", |stats| stats.results),
    (
        "switchboard_late_events_total",
        "Events, timers and results that came after the end of their connection.",
        |stats| stats.stale,
    ),
    ("switchboard_accept_pauses_total", "Pauses of accepting because the process had no descriptor left.", |stats| {
        stats.accept_pauses
    }),
];

#[cfg(test)]
mod tests;
