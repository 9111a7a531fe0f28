//! How many clients a server serves at the same time: they come one after the other, stay, and each asks once.
//!
//! It ends at the first who is not answered. Bounded: by the number that is asked for, by the time for an answer, and
//! by what the machine has left.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;
use switchboard_harness::Process;

use crate::dial;
use crate::handler::Handler;
use crate::idle;
use crate::process::{self, Family};

/// How long a client waits, to be connected and to be answered.
const TIMEOUT: Duration = Duration::from_secs(2);

/// No more clients come when the machine has less than this left.
const RESERVE: u64 = 2 << 30;

/// How often that is looked at, in clients.
const STEP: usize = 100;

/// The clients.
#[derive(Args)]
pub(crate) struct Plan {
    /// Server to fill; it answers in capitals
    pub(crate) target: SocketAddrV4,
    /// The server's process
    #[arg(long)]
    pub(crate) pid: u32,
    /// Clients after which it is enough
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..=dial::MOST))]
    pub(crate) most: u64,
}

/// What was measured.
pub(crate) struct Report {
    pub(crate) served: usize,
    pub(crate) end: End,
    /// Of those after the first, until the last one was served; 0 if there was none.
    pub(crate) connects_per_second: f64,
    /// By how much the server's memory grew, in bytes a connection after the first; NaN for fewer than [`STEP`], or if
    /// it has ended.
    pub(crate) memory: f64,
    /// By how much the kernel's own did. Both ends of the connection are in it.
    pub(crate) kernel_memory: f64,
    pub(crate) processes: usize,
    pub(crate) threads: usize,
}

/// Why no further client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All that were asked for are served.
    Enough,
    /// The next one was not connected in time, or refused.
    NotConnected,
    /// The next one was connected, and had no answer in time.
    Unanswered,
    /// The next one was connected, and then closed.
    Closed,
    /// The next one was closed, because the server had been told to serve no more.
    Guarded,
    /// The server has ended, and with it all its clients.
    Ended,
    /// The machine has too little memory left.
    OutOfMemory,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Enough => f.write_str("not reached"),
            End::NotConnected => write!(f, "the next is not connected within {TIMEOUT:?}"),
            End::Unanswered => write!(f, "the next is not answered within {TIMEOUT:?}"),
            End::Closed => f.write_str("the next is closed"),
            End::Guarded => f.write_str("not reached: our guard for the machine"),
            End::Ended => f.write_str("the server ends, and all its clients with it"),
            End::OutOfMemory => write!(f, "the machine has less than {} GiB left", RESERVE >> 30),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} clients served; limit: {}; {:.0} clients/s, {:.1} KiB a client and {:.1} KiB of the kernel, \
             {} processes, {} threads",
            self.served,
            self.end,
            self.connects_per_second,
            self.memory / 1024.0,
            self.kernel_memory / 1024.0,
            self.processes,
            self.threads
        )
    }
}

/// Has clients come until one is not served.
///
/// # Errors
/// Not even the first was, or a reply differs.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    dial::prepare(plan.most as usize)?;
    // Before the first look at the memory, so that the pages of the code are in.
    let first = ask(plan.target, 0).map_err(|end| io::Error::other(format!("not one client is served: {end}")))??;
    let before = Memory::of(plan.pid)?;
    let begin = Instant::now();
    let mut clients = vec![first];
    let (end, newest) = fill(plan, &mut clients)?;
    let after = Memory::of(plan.pid)?;
    let family = Family::of(plan.pid)?;
    let served = clients.len();
    let each = |before: u64, after: u64| match served {
        count if count < STEP || end == End::Ended => f64::NAN,
        count => after.saturating_sub(before) as f64 / (count - 1) as f64,
    };
    let report = Report {
        served,
        end,
        connects_per_second: (served - 1) as f64 / (newest - begin).as_secs_f64(),
        memory: each(before.own, after.own),
        kernel_memory: each(before.kernel, after.kernel),
        processes: family.processes(),
        threads: family.threads(),
    };
    drop(clients);
    family.await_children()?;
    Ok(report)
}

/// Lets them in, and says why it stopped, and when the last one was served.
fn fill(plan: &Plan, clients: &mut Vec<TcpStream>) -> io::Result<(End, Instant)> {
    let mut newest = Instant::now();
    while (clients.len() as u64) < plan.most {
        if clients.len().is_multiple_of(STEP) && process::available_memory()? < RESERVE {
            return Ok((End::OutOfMemory, newest));
        }
        match ask(plan.target, clients.len()) {
            Ok(answered) => clients.push(answered?),
            // The last sign of a server that breaks down is a client that it closes.
            Err(End::Closed) if !Process(plan.pid).outlasts(TIMEOUT) => return Ok((End::Ended, newest)),
            Err(end) => return Ok((end, newest)),
        }
        newest = Instant::now();
    }
    Ok((End::Enough, newest))
}

/// Connects and asks once. A client who is not served is an [`End`]; one who is served wrongly an error.
fn ask(target: SocketAddrV4, nth: usize) -> Result<io::Result<TcpStream>, End> {
    let mut stream = dial::dial_within(target, nth, TIMEOUT).map_err(|_| End::NotConnected)?;
    match idle::exchange_within(&mut stream, Handler::Upper, TIMEOUT) {
        Ok(_) => Ok(Ok(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(End::Unanswered),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            ) =>
        {
            Err(End::Closed)
        }
        Err(error) => Ok(Err(error)),
    }
}

/// What is in use at one moment, in bytes.
struct Memory {
    own: u64,
    kernel: u64,
}

impl Memory {
    fn of(pid: u32) -> io::Result<Memory> {
        Ok(Memory { own: Family::of(pid)?.memory(), kernel: process::kernel_memory()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{in_background, pool_of, threads_up_to};

    fn capacity(target: SocketAddrV4, most: u64) -> (usize, End) {
        let report = run(&Plan { target, pid: std::process::id(), most }).expect("a client is served");
        (report.served, report.end)
    }

    #[test]
    fn a_pool_gives_up_at_its_threads() {
        assert_eq!(capacity(in_background(pool_of(3)), 10), (3, End::Unanswered));
    }

    #[test]
    fn a_closed_client_is_not_served() {
        assert_eq!(capacity(in_background(threads_up_to(2)), 10), (2, End::Closed));
    }

    #[test]
    fn enough_is_enough() {
        assert_eq!(capacity(in_background(threads_up_to(20)), 10), (10, End::Enough));
    }
}
