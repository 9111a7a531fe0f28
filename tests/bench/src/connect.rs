//! Connections that come, ask once and go: how many a second.
//!
//! They come in handfuls: a handful is connected and has asked before the first of them is read, so that the server has
//! something to do while its clients wait. Each goes by a reset, so that none stays behind in the kernel.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::dial;
use crate::handler::Handler;
use crate::idle;
use crate::process::CpuMeter;

/// How many come at once.
const HANDFUL: usize = 50;

/// The target, and the time.
pub(crate) struct Plan {
    pub(crate) target: SocketAddrV4,
    pub(crate) millis: u64,
    /// The server's process.
    pub(crate) pid: u32,
}

/// What was measured.
pub(crate) struct Report {
    pub(crate) connections_per_second: f64,
    /// The server's, user and system, in microseconds.
    pub(crate) cpu_per_connection: f64,
}

/// Lets them come until the time is over.
///
/// # Errors
/// One was not connected or answered, or not with what it had sent.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    let measured = Duration::from_millis(plan.millis);
    dial::prepare(HANDFUL)?;
    come_and_go(plan.target, Instant::now() + measured / 5)?;
    let (cpu, begin) = (CpuMeter::start(Some(plan.pid))?, Instant::now());
    let count = come_and_go(plan.target, begin + measured)? as f64;
    let elapsed = begin.elapsed().as_secs_f64();
    Ok(Report { connections_per_second: count / elapsed, cpu_per_connection: cpu.seconds()? / count * 1e6 })
}

/// Returns how many there were.
fn come_and_go(target: SocketAddrV4, until: Instant) -> io::Result<usize> {
    let mut count = 0;
    while Instant::now() < until {
        let mut streams = Vec::with_capacity(HANDFUL);
        for nth in 0..HANDFUL {
            let mut stream = dial::dial(target, nth)?;
            idle::ask(&mut stream)?;
            streams.push(stream);
        }
        for stream in &mut streams {
            idle::hear(stream, Handler::Echo, dial::TIMEOUT)?;
        }
        count += HANDFUL;
    }
    Ok(count)
}
