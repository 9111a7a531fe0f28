//! Connections that say nothing: what each costs the server, and how one active connection is served among them.
//!
//! It counts the memory of the server's process; what the kernel keeps for each socket is the same for every server.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use clap::Args;
use switchboard_harness::Process;

use crate::dial;
use crate::handler::Handler;
use crate::stats;

const REQUEST: &[u8] = b"is anyone awake?\n";

/// How long one reply may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The connections to open, and their target.
#[derive(Args)]
pub(crate) struct Plan {
    /// Server to load
    pub(crate) target: SocketAddrV4,
    /// Connections that say nothing
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..=dial::MOST))]
    pub(crate) connections: u64,
    /// Requests on the one that is active
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) requests: u64,
    /// What the server does to the bytes
    #[arg(long, value_enum, default_value = "echo")]
    pub(crate) handler: Handler,
    /// The server's process
    #[arg(long)]
    pub(crate) pid: u32,
}

/// What was measured.
pub(crate) struct Report {
    /// By how much the server's resident memory grew, a connection.
    pub(crate) bytes_per_connection: f64,
    pub(crate) connects_per_second: f64,
    /// Of a request on the active connection, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Opens all connections, measures, and closes them.
///
/// # Errors
/// A connection failed, or a reply was late or is not what it should be.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    let connections = plan.connections as usize;
    dial::prepare(connections + 1)?;
    // Served before the first look at the memory, so that the pages of the code and of the shared buffer are in.
    let mut active = dial::dial(plan.target, 0)?;
    exchange(&mut active, plan.handler)?;
    let before = Process(plan.pid).resident_exact()?;

    let begin = Instant::now();
    let _idle = crowd(plan.target, 1..=connections, plan.handler)?;
    let opening = begin.elapsed().as_secs_f64();
    let grown = Process(plan.pid).resident_exact()?.saturating_sub(before);
    let (p50, p99) = latency(&mut active, plan.requests, plan.handler)?;
    Ok(Report {
        bytes_per_connection: grown as f64 / connections as f64,
        connects_per_second: connections as f64 / opening,
        p50,
        p99,
    })
}

/// The 50th and the 99th percentile of one connection's time to an answer, in microseconds: first among `few` that say
/// nothing, then among `many`.
///
/// # Errors
/// As [`run`].
pub(crate) fn among(target: SocketAddrV4, (few, many): (usize, usize), requests: u64) -> io::Result<[(f64, f64); 2]> {
    dial::prepare(many + 1)?;
    let mut active = dial::dial(target, 0)?;
    let _first = crowd(target, 1..=few, Handler::Echo)?;
    let among_few = latency(&mut active, requests, Handler::Echo)?;
    let _rest = crowd(target, few + 1..=many, Handler::Echo)?;
    Ok([among_few, latency(&mut active, requests, Handler::Echo)?])
}

/// Connections that say nothing, all of them taken up by the server.
pub(crate) fn crowd(
    target: SocketAddrV4,
    numbers: RangeInclusive<usize>,
    handler: Handler,
) -> io::Result<Vec<TcpStream>> {
    let mut idle = numbers.map(|nth| dial::dial(target, nth)).collect::<io::Result<Vec<_>>>()?;
    // Connections are accepted in their order: when the last is answered, the server has them all.
    if let Some(last) = idle.last_mut() {
        exchange(last, handler)?;
    }
    Ok(idle)
}

fn latency(active: &mut TcpStream, requests: u64, handler: Handler) -> io::Result<(f64, f64)> {
    let mut samples = Vec::with_capacity(requests as usize);
    for _ in 0..requests {
        samples.push(u32::try_from(exchange(active, handler)?.as_nanos()).unwrap_or(u32::MAX));
    }
    samples.sort_unstable();
    Ok((stats::percentile(&samples, 0.50) / 1e3, stats::percentile(&samples, 0.99) / 1e3))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} bytes/connection, {:.0} connects/s, one active: p50 {:.1} us, p99 {:.1} us",
            self.bytes_per_connection, self.connects_per_second, self.p50, self.p99
        )
    }
}

/// One request and its reply; returns how long it took.
fn exchange(stream: &mut TcpStream, handler: Handler) -> io::Result<Duration> {
    exchange_within(stream, handler, TIMEOUT)
}

/// As [`exchange`], with another timeout.
pub(crate) fn exchange_within(stream: &mut TcpStream, handler: Handler, timeout: Duration) -> io::Result<Duration> {
    let begin = Instant::now();
    ask(stream)?;
    hear(stream, handler, timeout)?;
    Ok(begin.elapsed())
}

/// Sends one request.
pub(crate) fn ask(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(REQUEST)
}

/// Waits for its reply.
pub(crate) fn hear(stream: &mut TcpStream, handler: Handler, timeout: Duration) -> io::Result<()> {
    let mut reply = [0; REQUEST.len()];
    let mut expected = REQUEST.to_vec();
    handler.apply(&mut expected);
    stream.set_read_timeout(Some(timeout))?;
    stream.read_exact(&mut reply).map_err(|error| io::Error::new(error.kind(), format!("no reply: {error}")))?;
    if reply == expected[..] { Ok(()) } else { Err(io::Error::other("the reply is not what it should be")) }
}
