//! What is measured: each case is one load, and the names of the figures that it yields.

use crate::counter::Counter;
use crate::handler::Handler;

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Reply(Handler),
    /// Echo at the web door.
    WebEcho,
    Room,
    /// A room at the web door.
    WebRoom,
}

/// One load that all contestants are given in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Messages of `size` bytes there and back, `depth` of them under way on each connection.
    Reply { handler: Handler, connections: u64, size: u64, depth: u64 },
    /// One room, with `window` publications under way.
    Room { members: u64, window: u64 },
    /// The same at the web door, beside the line door.
    WebRoom { members: u64, window: u64 },
    /// Connections that come, ask once and go.
    Connect,
    /// Memory of connections that say nothing.
    Idle { service: Service, connections: u64 },
    /// One that asks among many that say nothing, against the same among few.
    Active { among: u64 },
    /// From SIGTERM to the end, with this many connections.
    Stop { service: Service, connections: u64 },
    /// What the kernel is asked for, for a message.
    SystemCalls,
    /// What is executed for a message, or for a delivery.
    Instructions { service: Service },
}

/// Cases that are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chapter {
    Echo,
    Uppercase,
    Rooms,
    Crowds,
    Counts,
}

/// The contestants of a case beside our server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// None.
    Ours,
    /// The floor.
    Floor,
    /// The floor, the floor again for the noise, and the peers that are installed.
    All,
}

/// The few that an active connection is among, for comparison with the many.
pub(crate) const FEW: u64 = 10;

/// Counting and crowding take long, and vary little.
const ROUNDS_OF_COUNTING: u64 = 2;
const ROUNDS_OF_CROWDS: u64 = 5;

/// Every case, in the order of the tables.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for handler in [Handler::Echo, Handler::Upper] {
        let small = [1, 50, 1000].map(|connections| (connections, 64));
        for (connections, size) in small.into_iter().chain([(50, 16 << 10)]) {
            cases.extend([1, 16].map(|depth| Case::Reply { handler, connections, size, depth }));
        }
        cases.push(Case::Reply { handler, connections: 10_000, size: 64, depth: 1 });
    }
    // Only for the plot.
    cases.push(Case::Room { members: 10, window: 16 });
    for members in [100, 1000] {
        cases.extend([1, 16, 256].map(|window| Case::Room { members, window }));
    }
    cases.extend([1, 16, 256].map(|window| Case::WebRoom { members: 500, window }));
    let echo = Service::Reply(Handler::Echo);
    cases.push(Case::Connect);
    cases.extend([echo, Service::Room, Service::WebRoom].map(|service| Case::Idle { service, connections: 15_000 }));
    cases.push(Case::Active { among: 18_000 });
    cases.extend([echo, Service::Room].map(|service| Case::Stop { service, connections: 18_000 }));
    cases.push(Case::SystemCalls);
    let counted = [echo, Service::WebEcho, Service::Room, Service::WebRoom];
    cases.extend(counted.map(|service| Case::Instructions { service }));
    cases
}

impl Case {
    pub(crate) fn name(self) -> String {
        match self {
            Case::Reply { handler, connections, size, depth } => {
                let size = if size < 1024 { format!("{size} B") } else { format!("{} KiB", size >> 10) };
                let depth = if depth > 1 { format!(", {depth} in flight") } else { String::new() };
                format!("{} {size} x {connections}{depth}", handler.name())
            }
            Case::Room { members, window } => format!("room of {members}, window {window}"),
            Case::WebRoom { members, window } => format!("web room of {members}, window {window}"),
            Case::Connect => "connect, ask, close".to_owned(),
            Case::Idle { service, connections } => format!("idle {} x {connections}", service.name()),
            Case::Active { among } => format!("one active among {among}"),
            Case::Stop { service, connections } => format!("stop {} x {connections}", service.name()),
            Case::SystemCalls => "system calls, echo 64 B x 50".to_owned(),
            Case::Instructions { service: service @ (Service::Reply(_) | Service::WebEcho) } => {
                format!("instructions, {} 64 B x 50", service.name())
            }
            Case::Instructions { service } => format!("instructions, {} of 100", service.name()),
        }
    }

    pub(crate) fn chapter(self) -> Chapter {
        match self {
            Case::Reply { handler: Handler::Echo, .. } => Chapter::Echo,
            Case::Reply { handler: Handler::Upper, .. } => Chapter::Uppercase,
            Case::Room { .. } | Case::WebRoom { .. } => Chapter::Rooms,
            Case::Connect | Case::Idle { .. } | Case::Active { .. } | Case::Stop { .. } => Chapter::Crowds,
            Case::SystemCalls | Case::Instructions { .. } => Chapter::Counts,
        }
    }

    pub(crate) fn service(self) -> Service {
        match self {
            Case::Reply { handler, .. } => Service::Reply(handler),
            Case::Room { .. } => Service::Room,
            Case::WebRoom { .. } => Service::WebRoom,
            Case::Connect | Case::Active { .. } | Case::SystemCalls => Service::Reply(Handler::Echo),
            Case::Idle { service, .. } | Case::Stop { service, .. } | Case::Instructions { service } => service,
        }
    }

    pub(crate) fn field(self) -> Field {
        match self {
            Case::Stop { .. } | Case::Instructions { .. } => Field::Ours,
            Case::SystemCalls => Field::Floor,
            _ => Field::All,
        }
    }

    /// The program that counts, where there is something to count.
    pub(crate) fn counter(self) -> Option<Counter> {
        match self {
            Case::SystemCalls => Some(Counter::SystemCalls),
            Case::Instructions { .. } => Some(Counter::Instructions),
            _ => None,
        }
    }

    /// The names of what [`crate::measure`] returns.
    pub(crate) fn figures(self) -> &'static [&'static str] {
        match self {
            Case::Reply { .. } => &["messages/s", "p50 us", "p99 us", "CPU us/message"],
            Case::Room { .. } | Case::WebRoom { .. } => &["deliveries/s", "CPU us/delivery"],
            Case::Connect => &["connections/s", "CPU us/connection"],
            Case::Idle { .. } => &["bytes/connection"],
            Case::Active { .. } => &["p50 us", "p99 us", "p50, that among 10 = 1", "p99, that among 10 = 1"],
            Case::Stop { .. } => &["ms to the end"],
            Case::SystemCalls => &["system calls/message"],
            Case::Instructions { service: Service::Reply(_) | Service::WebEcho } => &["instructions/message"],
            Case::Instructions { .. } => &["instructions/delivery"],
        }
    }

    /// The number of rounds if `asked` are asked for.
    pub(crate) fn rounds(self, asked: u64) -> u64 {
        match self {
            Case::SystemCalls | Case::Instructions { .. } => asked.min(ROUNDS_OF_COUNTING),
            Case::Idle { .. } | Case::Active { .. } | Case::Stop { .. } => asked.min(ROUNDS_OF_CROWDS),
            _ => asked,
        }
    }
}

impl Chapter {
    /// In the order of the page.
    pub(crate) const ALL: [Chapter; 5] =
        [Chapter::Echo, Chapter::Uppercase, Chapter::Rooms, Chapter::Crowds, Chapter::Counts];

    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Chapter::Echo => "Echo",
            Chapter::Uppercase => "Uppercase",
            Chapter::Rooms => "Rooms",
            Chapter::Crowds => "Coming, waiting, going",
            Chapter::Counts => "Counts",
        }
    }
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::Reply(handler) => handler.name(),
            Service::WebEcho => "web echo",
            Service::Room => "room",
            Service::WebRoom => "web room",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: HashSet<String> = all().into_iter().map(Case::name).collect();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn a_name_can_be_asked_for() {
        let echo = Case::Reply { handler: Handler::Echo, connections: 50, size: 16 << 10, depth: 16 };
        assert_eq!(echo.name(), "echo 16 KiB x 50, 16 in flight");
        assert_eq!(Case::Room { members: 100, window: 256 }.name(), "room of 100, window 256");
    }

    #[test]
    fn no_more_rounds_than_were_asked_for() {
        assert!(all().into_iter().all(|case| (1..20).all(|asked| (1..=asked).contains(&case.rounds(asked)))));
    }
}
