//! Gives a contestant the load of a case, once, and returns the figures.

use std::io;

use crate::cases::{Case, FEW, Service};
use crate::connect;
use crate::contest::Contestant;
use crate::counter::Counter;
use crate::dial;
use crate::fanout::{self, Room};
use crate::idle;
use crate::instructions;
use crate::load;
use crate::server::Server;

/// How often the active one asks, among the few and among the many.
const REQUESTS: u64 = 2000;

/// Messages of the two runs by which system calls are counted.
const TRACED: std::ops::Range<u64> = 2_000..12_000;

/// The figures that [`Case::figures`] names, in its order. A load whose length is a time has `millis`.
///
/// # Errors
/// The contestant does not start, or fails under the load.
pub(crate) fn once(case: Case, contestant: &Contestant, millis: u64) -> io::Result<Vec<f64>> {
    let command = &contestant.command;
    match case {
        Case::Reply { handler, connections, size, depth } => {
            let server = Server::start(command)?;
            let (target, pid) = (server.address, Some(server.pid()));
            let report =
                load::run(&load::Plan { connections, size, depth, millis, handler, pid, ..load::Plan::to(target) })?;
            Ok(vec![report.messages_per_second, report.p50, report.p99, report.cpu_per_message])
        }
        Case::Room { members, window } | Case::WebRoom { members, window } => {
            let server = Server::start(command)?;
            let pid = Some(server.pid());
            let plan = fanout::Plan { members, window, millis, pid, ..fanout::Plan::to(server.address) };
            let report = fanout::run(&contestant.speech.used_in(plan))?;
            Ok(vec![report.deliveries_per_second, report.cpu_per_delivery])
        }
        Case::Connect => {
            let server = Server::start(command)?;
            let report = connect::run(&connect::Plan { target: server.address, millis, pid: server.pid() })?;
            Ok(vec![report.connections_per_second, report.cpu_per_connection])
        }
        Case::Idle { service: Service::Reply(handler), connections } => {
            let server = Server::start(command)?;
            let (target, pid) = (server.address, server.pid());
            let report = idle::run(&idle::Plan { target, connections, requests: 1, handler, pid })?;
            Ok(vec![report.bytes_per_connection])
        }
        Case::Idle { connections, .. } => Ok(vec![memory_in_room(contestant, connections)?]),
        Case::Active { among } => {
            let server = Server::start(command)?;
            let [few, many] = idle::among(server.address, (FEW as usize, among as usize), REQUESTS)?;
            Ok(vec![many.0, many.1, many.0 / few.0, many.1 / few.1])
        }
        Case::Stop { service, connections } => Ok(vec![time_to_stop(contestant, service, connections)?]),
        Case::SystemCalls => {
            let messages = |server: &Server, count| load::send(&load::Plan::to(server.address), count);
            Ok(vec![Counter::SystemCalls.each(command, TRACED, messages)?])
        }
        Case::Instructions { service } => Ok(vec![instructions::of(service, command)?]),
    }
}

/// Bytes a member, in a silent room.
fn memory_in_room(contestant: &Contestant, members: u64) -> io::Result<f64> {
    let server = Server::start(&contestant.command)?;
    // Served before the first look, so that the pages of the code are in. Their names are not those of the many.
    let mut first =
        contestant.speech.used_in(fanout::Plan { members: 1, publishers: 1, ..fanout::Plan::to(server.address) });
    first.join = first.join.replace("{n}", "early{n}");
    let _first = Room::assemble(&first)?;
    let before = server.process().resident_exact()?;
    let _many = assemble(&server, contestant, members)?;
    Ok(server.process().resident_exact()?.saturating_sub(before) as f64 / members as f64)
}

/// Milliseconds from SIGTERM to the end, with this many connections.
fn time_to_stop(contestant: &Contestant, service: Service, connections: u64) -> io::Result<f64> {
    let server = Server::start(&contestant.command)?;
    let (mut crowd, mut room) = (Vec::new(), None);
    match service {
        Service::Reply(handler) => {
            dial::prepare(connections as usize)?;
            crowd = idle::crowd(server.address, 1..=connections as usize, handler)?;
        }
        _ => room = Some(assemble(&server, contestant, connections)?),
    }
    let (took, status) = server.stop()?;
    drop((crowd, room));
    if !status.success() {
        return Err(io::Error::other(format!("it was asked to end, and ended with {status}")));
    }
    Ok(took.as_secs_f64() * 1e3)
}

/// A room of `connections`, one of which has published.
fn assemble(server: &Server, contestant: &Contestant, connections: u64) -> io::Result<Room> {
    let plan = fanout::Plan { members: connections - 1, publishers: 1, ..fanout::Plan::to(server.address) };
    Room::assemble(&contestant.speech.used_in(plan))
}
