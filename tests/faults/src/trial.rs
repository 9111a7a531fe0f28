//! One trial: a server, its polite clients, a quiet time, a fault, and the books closed.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::hearing;
use crate::kind::Kind;
use crate::polite::{Phase, Polite};
use crate::row::{Latency, Row};
use crate::scene::{self, Outcome, Scene};
use crate::server::{Launch, Server};

/// What all trials of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    /// Where the servers are.
    pub(crate) programs: &'a Path,
    /// The core that they are pinned to.
    pub(crate) core: Option<u32>,
    pub(crate) quiet: Duration,
    pub(crate) length: Duration,
}

/// How long all is left to settle before it is measured.
const SETTLE: Duration = Duration::from_millis(200);

/// The lines of the server's log that are shown.
const LOG_LINES: usize = 4;

/// Does it, and judges it.
///
/// # Errors
/// It could not be done, or the server did not survive it: there are no figures to judge.
pub(crate) fn run(fault: &dyn Fault, kind: Kind, setting: Setting<'_>) -> io::Result<Row> {
    let (flags, descriptors) = (fault.flags(kind), fault.descriptors(kind));
    let (programs, core, file) = (setting.programs, setting.core, fault.file());
    let launch = Launch { kind, programs, flags, core, descriptors, file };
    let server = launch.start()?;
    let row = watch(fault, (kind, &server), setting);
    match (row, server.stop()) {
        (Ok(mut row), Ok(log)) => {
            judge_log(&mut row, &String::from_utf8_lossy(&log));
            Ok(row)
        }
        (Ok(mut row), Err(error)) => {
            row.broken.push(format!("the server: {error}"));
            Ok(row)
        }
        (Err(error), Ok(_)) => Err(error),
        (Err(error), Err(end)) => Err(io::Error::other(format!("{error}; the server: {end}"))),
    }
}

/// What is seen while the server runs.
fn watch(fault: &dyn Fault, (kind, server): (Kind, &Server), setting: Setting<'_>) -> io::Result<Row> {
    let (process, polite) = (server.process(), Polite::gather(server, kind)?);
    thread::sleep(SETTLE);
    polite.begin(Phase::Quiet);
    thread::sleep(setting.quiet);
    polite.begin(Phase::Between);
    let before = (process.descriptors()?, process.resident()?);
    let scene = Scene { kind, server, polite: &polite, length: setting.length, descriptors: before.0 };
    let (since, starved) = (Instant::now(), process.starved());
    let mut outcome = fault.run(&scene).unwrap_or_else(|error| {
        // Something was shown: what the fault itself was owed did not come.
        Outcome { count: 1, broken: vec![error.to_string()], ..Outcome::default() }
    });
    polite.begin(Phase::Between);
    if let (Some(before), Some(now)) = (starved, process.starved()) {
        let (starved, all) = (now.saturating_sub(before).as_millis(), since.elapsed().as_millis());
        outcome.notes.push(format!("other programs kept the server from its core for {starved} of {all} ms"));
    }
    scene::settles(server, before.0)?;
    let after = (process.descriptors()?, process.peak_resident()?);
    let report = polite.finish()?;
    if kind.is_room() {
        outcome.notes.push(format!("the polite heard {} lines of others", report.others));
    }
    outcome.broken.extend(report.closed.iter().map(|closed| format!("a polite client was closed: {closed}")));
    Ok(Row {
        fault: fault.name(),
        counts: fault.counts(),
        kind,
        flags: fault.flags(kind).join(" "),
        count: outcome.count,
        growth: after.1.saturating_sub(before.1),
        bound: fault.bound(kind),
        descriptors: (before.0, after.0),
        quiet: Latency::of(&report.quiet),
        during: Latency::of(&report.during),
        tally: report.tally,
        broken: outcome.broken,
        notes: outcome.notes,
    })
}

/// The log of a server may hold nothing that steers a terminal, whatever a client sent.
fn judge_log(row: &mut Row, log: &str) {
    if let Some(found) = log.chars().find(|found| *found != '\n' && hearing::steers(*found)) {
        row.broken.push(format!("the server's log has U+{:04X}", u32::from(found)));
    }
    let count = log.lines().count();
    row.notes.extend(log.lines().take(LOG_LINES).map(|line| format!("log: {line}")));
    if count > LOG_LINES {
        row.notes.push(format!("log: {} lines more", count - LOG_LINES));
    }
}
