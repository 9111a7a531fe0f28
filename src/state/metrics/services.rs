//! The figures of each service.

use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::state::State;
use crate::state::admission::Refusal;
use crate::state::metrics::exposition::{Exposition, Kind};
use crate::state::service::{Counters, Service};

/// The figures of one service.
#[derive(Debug)]
pub(super) struct ServiceFigures<'a> {
    service: &'a Service,
    /// The value of the label `service`.
    label: String,
    bytes_in: u64,
    bytes_out: u64,
    outbound: usize,
    queued: usize,
    feeds: usize,
    in_feeds: usize,
}

/// The name, the type, the help and the value of a metric.
type Metric = (&'static str, Kind, &'static str, fn(&ServiceFigures<'_>) -> u64);

const METRICS: &[Metric] = &[
    ("switchboard_connections", Kind::Gauge, "Clients that are connected.", |figures| {
        figures.service.connections as u64
    }),
    ("switchboard_connections_accepted_total", Kind::Counter, "Clients accepted.", |figures| {
        figures.service.counters.accepted
    }),
    (
        "switchboard_handshakes_failed_total",
        Kind::Counter,
        "Clients whose TLS handshake or PROXY header failed.",
        |figures| figures.service.counters.handshakes_failed,
    ),
    (
        "switchboard_received_bytes_total",
        Kind::Counter,
        "Bytes received, without TLS and the heads of PROXY.",
        |figures| figures.bytes_in,
    ),
    ("switchboard_sent_bytes_total", Kind::Counter, "Bytes that the kernel has taken.", |figures| figures.bytes_out),
    ("switchboard_queued_bytes", Kind::Gauge, "Bytes queued for connections, without those of feeds.", |figures| {
        figures.queued as u64
    }),
    ("switchboard_feeds", Kind::Gauge, "Feeds, such as the rooms of a chat.", |figures| figures.feeds as u64),
    ("switchboard_feed_bytes", Kind::Gauge, "Bytes kept in feeds.", |figures| figures.in_feeds as u64),
    ("switchboard_outbound_connections", Kind::Gauge, "Outbound connections, and attempts of them.", |figures| {
        figures.outbound as u64
    }),
    ("switchboard_outbound_requested_total", Kind::Counter, "Outbound connections requested.", |figures| {
        figures.service.counters.connects
    }),
    ("switchboard_outbound_failed_total", Kind::Counter, "Outbound connections that failed to open.", |figures| {
        figures.service.counters.connects_failed
    }),
    ("switchboard_children", Kind::Gauge, "Programs that run.", |figures| figures.service.children as u64),
    ("switchboard_children_started_total", Kind::Counter, "Programs started.", |figures| {
        figures.service.counters.spawned
    }),
];

impl<'a> ServiceFigures<'a> {
    /// Writes the figures of all services.
    pub(super) fn write_all(state: &'a State, out: &mut Exposition) {
        let all = Self::collect(state);
        for &(name, kind, help, value) in METRICS {
            out.family(name, kind, help);
            for figures in &all {
                out.labelled(&[("service", &figures.label)], value(figures));
            }
        }
        out.family("switchboard_connections_refused_total", Kind::Counter, "Clients refused.");
        for figures in &all {
            for (reason, count) in Refusal::ALL.into_iter().zip(figures.service.counters.refused) {
                out.labelled(&[("service", &figures.label), ("reason", reason.label())], count);
            }
        }
        out.family("switchboard_max_connections", Kind::Gauge, "Limit of clients, if there is one.");
        for figures in &all {
            if let Some(limit) = figures.service.limits.max_connections {
                out.labelled(&[("service", &figures.label)], limit);
            }
        }
    }

    fn collect(state: &'a State) -> Vec<Self> {
        let services: Vec<_> = state.services.iter().collect();
        let mut all: Vec<_> = services
            .iter()
            .enumerate()
            .map(|(index, &service)| Self {
                service,
                label: label(&services, index),
                bytes_in: service.counters.bytes_in,
                bytes_out: service.counters.bytes_out,
                outbound: 0,
                queued: 0,
                feeds: 0,
                in_feeds: 0,
            })
            .collect();
        // The bytes of the first service are those that no other one has.
        let others = all[1..]
            .iter()
            .fold((0, 0), |(bytes_in, bytes_out), other| (bytes_in + other.bytes_in, bytes_out + other.bytes_out));
        (all[0].bytes_in, all[0].bytes_out) = (state.stats.bytes_in - others.0, state.stats.bytes_out - others.1);
        for connection in state.connections.values() {
            let figures = &mut all[connection.service.index()];
            figures.queued += connection.queued();
            figures.outbound += usize::from(connection.flags.contains(Flags::OUTBOUND));
        }
        for (service, bytes) in state.feeds.sizes() {
            let figures = &mut all[service.index()];
            figures.feeds += 1;
            figures.in_feeds += bytes;
        }
        // The first service of a reactor with several may be there for the process only.
        if all.len() > 1 && all[ServiceId::DEFAULT.index()].is_unused() {
            all.remove(ServiceId::DEFAULT.index());
        }
        all
    }

    fn is_unused(&self) -> bool {
        self.service.name.is_empty() && self.service.counters == Counters::default() && self.feeds == 0
    }
}

/// The label of the service at `index`: its name, or its number if it has none of its own.
fn label(services: &[&Service], index: usize) -> String {
    let name = &services[index].name;
    let is_own = !name.is_empty() && services.iter().filter(|service| service.name == *name).count() == 1;
    if is_own { name.clone() } else { format!("{name}#{index}") }
}
