//! A closed loop of clients, some of which may wait in vain: how many are served, and how well.
//!
//! [`crate::load`] ends the run at the first connection that is closed. Here a server may refuse, close or starve
//! clients; that is counted, and bounded in time. A byte that differs still ends the run.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use crate::dial;
use crate::door::Door;
use crate::handler::Handler;
use crate::kernel::{Epoll, Events, Ready};
use crate::load::{Batch, Peer};
use crate::process::{Family, Intrusion};
use crate::stats;

/// Bytes in a message, its newline included.
pub(crate) const SIZE: usize = 64;

/// How long one connection may take to be taken up. The first that takes longer is the last that is tried.
const DIALLING: Duration = Duration::from_secs(2);

/// If no further client is served for this long, the clients that still wait are taken to wait in vain.
const SETTLING: Duration = Duration::from_secs(2);

/// The clients, and the time.
pub(crate) struct Plan {
    pub(crate) target: SocketAddrV4,
    /// The server's process.
    pub(crate) pid: u32,
    pub(crate) connections: usize,
    /// To measure, after all that can be served have been served once.
    pub(crate) millis: u64,
}

/// What was measured.
pub(crate) struct Report {
    pub(crate) messages_per_second: f64,
    /// Of the messages that were answered, in microseconds; NaN if none was. Those who wait in vain have none.
    pub(crate) p99: f64,
    /// The server's with its children, user and system, in microseconds; NaN if no message was answered.
    pub(crate) cpu_per_message: f64,
    /// Connections that had at least one answer.
    pub(crate) served: usize,
    /// Of the server with its children, in bytes, while all are connected.
    pub(crate) memory: u64,
    pub(crate) processes: usize,
    pub(crate) threads: usize,
    /// What other programs took of the two cores meanwhile, in cores.
    pub(crate) intrusion: f64,
}

/// Runs the load to its end, and waits until the server's children have ended, too.
///
/// # Errors
/// No client was served, or a reply differs.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    let measured = Duration::from_millis(plan.millis);
    let mut crowd = Crowd::connect(plan)?;
    crowd.settle()?;
    let family = Family::of(plan.pid)?;

    crowd.samples.clear();
    let intrusion = Intrusion::start(&family)?;
    let (cpu, begin) = (family.cpu_time(), Instant::now());
    crowd.drive(begin + measured)?;
    let elapsed = begin.elapsed().as_secs_f64();
    let spent = family.cpu_time().saturating_sub(cpu).as_secs_f64();
    let intrusion = intrusion.cores(&family)?;
    if crowd.served == 0 {
        return Err(io::Error::other(format!("no client was answered within {SETTLING:?} and {measured:?}")));
    }
    crowd.samples.sort_unstable();
    let messages = crowd.samples.len() as f64;
    let report = Report {
        messages_per_second: messages / elapsed,
        p99: stats::percentile(&crowd.samples, 0.99) / 1e3,
        cpu_per_message: if crowd.samples.is_empty() { f64::NAN } else { spent / messages * 1e6 },
        served: crowd.served,
        memory: family.memory(),
        processes: family.processes(),
        threads: family.threads(),
        intrusion,
    };
    drop(crowd);
    family.await_children()?;
    Ok(report)
}

struct Crowd {
    epoll: Epoll,
    members: Vec<Option<Member>>,
    batch: Batch,
    buffer: Vec<u8>,
    /// Nanoseconds that each message took; more than 4 s counts as 4 s.
    samples: Vec<u32>,
    served: usize,
    /// The last time that a client was served for the first time.
    newest: Instant,
}

struct Member {
    peer: Peer,
    is_served: bool,
}

impl Crowd {
    fn connect(plan: &Plan) -> io::Result<Crowd> {
        dial::prepare(plan.connections)?;
        let mut crowd = Crowd {
            epoll: Epoll::new()?,
            members: Vec::with_capacity(plan.connections),
            batch: Batch::new((SIZE, 1), Handler::Upper, Door::Line),
            buffer: vec![0; 64 << 10],
            samples: Vec::with_capacity(1 << 20),
            served: 0,
            newest: Instant::now(),
        };
        for nth in 0..plan.connections {
            // The backlog is full, and the server takes nothing from it: later clients fare no better.
            let Ok(stream) = dial::dial_within(plan.target, nth, DIALLING) else { break };
            crowd.members.push(Some(Member { peer: Peer::new(stream, &crowd.epoll, nth)?, is_served: false }));
        }
        for (nth, member) in crowd.members.iter_mut().enumerate() {
            if let Some(present) = member
                && present.peer.begin(&crowd.batch, &crowd.epoll, nth).is_err()
            {
                *member = None;
            }
        }
        crowd.newest = Instant::now();
        Ok(crowd)
    }

    /// Goes on until each client has been served, has been closed, or waits in vain.
    fn settle(&mut self) -> io::Result<()> {
        let step = Duration::from_millis(20);
        while self.members.iter().flatten().any(|member| !member.is_served) && self.newest.elapsed() < SETTLING {
            self.drive(Instant::now() + step)?;
        }
        Ok(())
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while Instant::now() < until {
            self.epoll.wait(&mut events, Some(Duration::from_millis(10)))?;
            for ready in events.iter() {
                self.turn(&ready)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, ready: &Ready) -> io::Result<()> {
        let place = &mut self.members[ready.token];
        let Some(member) = place else { return Ok(()) };
        let took = match member.peer.turn(ready, &self.batch, (&self.epoll, &mut self.buffer)) {
            Ok(Some(took)) => took,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
            Err(_) => {
                *place = None;
                return Ok(());
            }
        };
        self.samples.push(took);
        if !std::mem::replace(&mut member.is_served, true) {
            self.served += 1;
            self.newest = Instant::now();
        }
        if member.peer.begin(&self.batch, &self.epoll, ready.token).is_err() {
            *place = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{in_background, pool_of, threads_up_to};

    fn served(target: SocketAddrV4, connections: usize) -> usize {
        let plan = Plan { target, pid: std::process::id(), connections, millis: 50 };
        run(&plan).expect("a client is served").served
    }

    #[test]
    fn a_client_that_waits_in_vain_is_not_counted() {
        assert_eq!(served(in_background(pool_of(2)), 5), 2);
    }

    #[test]
    fn a_closed_client_is_not_counted() {
        assert_eq!(served(in_background(threads_up_to(3)), 5), 3);
    }

    #[test]
    fn each_client_is_counted_once() {
        assert_eq!(served(in_background(threads_up_to(5)), 5), 5);
    }
}
