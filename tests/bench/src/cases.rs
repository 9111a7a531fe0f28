//! What is measured: each case is one load, and the figures that it yields.

use std::io;

use crate::fanout;
use crate::handler::Handler;
use crate::idle;
use crate::load;
use crate::server::Server;
use crate::speech::Speech;

/// One load that ours and the floor are given in turn.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    /// Messages of `size` bytes there and back on each connection.
    Reply { connections: u64, size: u64 },
    /// One room.
    Room { members: u64 },
    /// Connections that say nothing, and one that does.
    Idle { connections: u64 },
}

/// Every case, in the order of the table.
pub(crate) const ALL: [Case; 7] = [
    Case::Reply { connections: 1, size: 64 },
    Case::Reply { connections: 50, size: 64 },
    Case::Reply { connections: 1000, size: 64 },
    Case::Reply { connections: 50, size: 16 << 10 },
    Case::Room { members: 100 },
    Case::Room { members: 1000 },
    Case::Idle { connections: 15_000 },
];

/// What all the cases of a run have in common.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) handler: Handler,
    pub(crate) millis: u64,
}

impl Case {
    pub(crate) fn name(self, handler: Handler) -> String {
        match self {
            Case::Reply { connections, size } if size < 1024 => {
                format!("{} {size} B x {connections}", handler.name())
            }
            Case::Reply { connections, size } => {
                format!("{} {} KiB x {connections}", handler.name(), size >> 10)
            }
            Case::Room { members } => format!("room of {members}"),
            Case::Idle { connections } => format!("idle x {connections}"),
        }
    }

    /// The names of what [`Case::measure`] returns.
    pub(crate) fn figures(self) -> &'static [&'static str] {
        match self {
            Case::Reply { .. } => &["messages/s", "p50 us", "p99 us", "CPU us/message"],
            Case::Room { .. } => &["deliveries/s", "CPU us/delivery"],
            Case::Idle { .. } => &["bytes/connection", "p50 us, one active", "p99 us, one active"],
        }
    }

    /// Gives `server` this load once.
    pub(crate) fn measure(self, server: &Server, setting: Setting, speech: Speech) -> io::Result<Vec<f64>> {
        let Setting { handler, millis } = setting;
        let (target, pid) = (server.address, server.pid());
        match self {
            Case::Reply { connections, size } => {
                let plan = load::Plan { connections, size, millis, handler, pid: Some(pid), ..load::Plan::to(target) };
                let report = load::run(&plan)?;
                Ok(vec![report.messages_per_second, report.p50, report.p99, report.cpu_per_message])
            }
            Case::Room { members } => {
                let plan = fanout::Plan { members, millis, pid: Some(pid), ..fanout::Plan::to(target) };
                let report = fanout::run(&speech.used_in(plan))?;
                Ok(vec![report.deliveries_per_second, report.cpu_per_delivery])
            }
            Case::Idle { connections } => {
                let report = idle::run(&idle::Plan { target, connections, requests: 2000, handler, pid })?;
                Ok(vec![report.bytes_per_connection, report.p50, report.p99])
            }
        }
    }
}
