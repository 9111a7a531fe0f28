//! A closed loop: each connection keeps a batch of messages in flight, and sends the next when the whole batch is back.
//!
//! Every byte of every reply is checked; the first that differs, and the first connection that the server closes, end
//! the run. One thread, level-triggered epoll. It measures after a warm-up, or sends a given number of messages and
//! measures nothing. It does not model users who pause.

use std::fmt;
use std::io;
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;
use switchboard_harness::Process;

use crate::dial;
use crate::door::Door;
use crate::handler::Handler;
use crate::kernel::{self, Epoll, Events, READABLE, Ready, WRITABLE};
use crate::process::CpuMeter;
use crate::stats;

/// The messages, the target, and the time.
#[derive(Args)]
pub(crate) struct Plan {
    /// Server to load
    pub(crate) target: SocketAddrV4,
    /// Connections at once
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=dial::MOST))]
    pub(crate) connections: u64,
    /// Bytes in a message, its newline included
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) size: u64,
    /// Messages in flight on each connection
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) depth: u64,
    /// Milliseconds to measure, after a fifth of it to warm up
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub(crate) millis: u64,
    /// What the server does to the bytes
    #[arg(long, value_enum, default_value = "echo")]
    pub(crate) handler: Handler,
    /// The server's door; at the web door, each message is a frame
    #[arg(long, value_enum, default_value = "line")]
    pub(crate) door: Door,
    /// The server's process, to count its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

impl Plan {
    /// The plan of a command line with nothing but the target.
    pub(crate) fn to(target: SocketAddrV4) -> Plan {
        dial::plan_for(target)
    }
}

/// What was measured.
pub(crate) struct Report {
    pub(crate) messages_per_second: f64,
    /// Of payload, one way.
    pub(crate) bytes_per_second: f64,
    /// From the first byte of a batch sent to its last byte back, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The server's, user and system, in microseconds; NaN without a pid.
    pub(crate) cpu_per_message: f64,
    /// The server's resident memory in bytes; 0 without a pid.
    pub(crate) memory: u64,
}

/// Runs the load to its end.
///
/// # Errors
/// A connection failed or was closed, a reply differs, or there was none.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    let measured = Duration::from_millis(plan.millis);
    let mut load = Load::connect(plan)?;
    load.start()?;
    load.drive(Instant::now() + measured / 5)?;
    load.samples.clear();

    let cpu = CpuMeter::start(plan.pid)?;
    let begin = Instant::now();
    load.drive(begin + measured)?;
    let elapsed = begin.elapsed().as_secs_f64();
    let spent = cpu.seconds()?;
    if load.samples.is_empty() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no whole reply came in {measured:?}")));
    }
    let messages = (load.samples.len() as u64 * plan.depth) as f64;
    load.samples.sort_unstable();
    Ok(Report {
        messages_per_second: messages / elapsed,
        bytes_per_second: messages * plan.size as f64 / elapsed,
        p50: stats::percentile(&load.samples, 0.50) / 1e3,
        p99: stats::percentile(&load.samples, 0.99) / 1e3,
        cpu_per_message: spent / messages * 1e6,
        memory: plan.pid.map_or(Ok(0), |pid| Process(pid).resident_exact())?,
    })
}

/// Sends exactly `messages` messages in whole batches, however long that takes.
///
/// # Errors
/// A connection failed or was closed, a reply differs, or none came for [`dial::TIMEOUT`].
pub(crate) fn send(plan: &Plan, messages: u64) -> io::Result<()> {
    let mut load = Load::connect(plan)?;
    load.left = messages / plan.depth;
    let batches = load.left as usize;
    load.start()?;
    let (mut events, mut newest) = (Events::with_capacity(1024), Instant::now());
    while load.samples.len() < batches {
        let before = load.samples.len();
        load.step(&mut events)?;
        if load.samples.len() > before {
            newest = Instant::now();
        } else if newest.elapsed() > dial::TIMEOUT {
            let text = format!("{before} of {batches} replies came, and then none for {:?}", dial::TIMEOUT);
            return Err(io::Error::other(text));
        }
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} messages/s, {:.1} MB/s, p50 {:.1} us, p99 {:.1} us, server {:.3} us CPU/message, {} KiB resident",
            self.messages_per_second,
            self.bytes_per_second / 1e6,
            self.p50,
            self.p99,
            self.cpu_per_message,
            self.memory / 1024
        )
    }
}

struct Load {
    epoll: Epoll,
    peers: Vec<Peer>,
    batch: Batch,
    /// Batches that may still be begun.
    left: u64,
    buffer: Vec<u8>,
    /// Nanoseconds that each batch took; more than 4 s counts as 4 s.
    samples: Vec<u32>,
}

/// What goes out and what has to come back.
pub(crate) struct Batch {
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// One connection of a closed loop.
pub(crate) struct Peer {
    stream: TcpStream,
    /// How much of the batch is out, and how much of its reply is back.
    sent: usize,
    received: usize,
    began: Instant,
}

impl Load {
    fn connect(plan: &Plan) -> io::Result<Load> {
        let connections = plan.connections as usize;
        dial::prepare(connections)?;
        let epoll = Epoll::new()?;
        let mut peers = Vec::with_capacity(connections);
        for nth in 0..connections {
            let mut stream = dial::dial(plan.target, nth)?;
            plan.door.open(&mut stream, plan.target)?;
            peers.push(Peer::new(stream, &epoll, nth)?);
        }
        let batch = Batch::new((plan.size as usize, plan.depth as usize), plan.handler, plan.door);
        Ok(Load { epoll, peers, batch, left: u64::MAX, buffer: vec![0; 1 << 20], samples: Vec::with_capacity(1 << 20) })
    }

    fn start(&mut self) -> io::Result<()> {
        (0..self.peers.len()).try_for_each(|nth| self.begin(nth))
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while Instant::now() < until {
            self.step(&mut events)?;
        }
        Ok(())
    }

    /// Waits a moment for connections that are ready, and serves them.
    fn step(&mut self, events: &mut Events) -> io::Result<()> {
        self.epoll.wait(events, Some(Duration::from_millis(50)))?;
        events.iter().try_for_each(|ready| self.turn(&ready))
    }

    fn turn(&mut self, ready: &Ready) -> io::Result<()> {
        let peer = &mut self.peers[ready.token];
        if let Some(took) = peer.turn(ready, &self.batch, (&self.epoll, &mut self.buffer))? {
            self.samples.push(took);
            self.begin(ready.token)?;
        }
        Ok(())
    }

    fn begin(&mut self, nth: usize) -> io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        self.peers[nth].begin(&self.batch, &self.epoll, nth)
    }
}

impl Batch {
    /// Lines whose letters differ from place to place and from message to message, so that a byte out of place shows.
    pub(crate) fn new((size, depth): (usize, usize), handler: Handler, door: Door) -> Batch {
        let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let (mut request, mut reply) = (Vec::with_capacity(size * depth), Vec::with_capacity(size * depth));
        for message in 0..depth {
            let line = (1..size).map(|place| letters[(place * 5 + place / 36 + message) % letters.len()]);
            let mut text: Vec<u8> = line.chain([b'\n']).collect();
            request.extend(door.message(&text));
            handler.apply(&mut text);
            reply.extend(door.reply(&text));
        }
        Batch { request, reply }
    }
}

impl Peer {
    /// Registers a connection that has been dialled, to be told of by this token.
    pub(crate) fn new(stream: TcpStream, epoll: &Epoll, token: usize) -> io::Result<Peer> {
        stream.set_nonblocking(true)?;
        epoll.add(&stream, token, READABLE)?;
        Ok(Peer { stream, sent: 0, received: 0, began: Instant::now() })
    }

    /// Sends a batch, or as much of it as the kernel takes now.
    pub(crate) fn begin(&mut self, batch: &Batch, epoll: &Epoll, token: usize) -> io::Result<()> {
        (self.sent, self.received, self.began) = (0, 0, Instant::now());
        self.send(batch)?;
        if self.sent < batch.request.len() {
            epoll.modify(&self.stream, token, READABLE | WRITABLE)?;
        }
        Ok(())
    }

    /// Goes on when the kernel says that it can. Returns how many nanoseconds the batch took, when it is all back.
    ///
    /// # Errors
    /// The connection failed or was closed, or what came back is not what it should be.
    pub(crate) fn turn(
        &mut self,
        ready: &Ready,
        batch: &Batch,
        (epoll, buffer): (&Epoll, &mut [u8]),
    ) -> io::Result<Option<u32>> {
        if ready.writable {
            self.send(batch)?;
            if self.sent == batch.request.len() {
                epoll.modify(&self.stream, ready.token, READABLE)?;
            }
        }
        if !ready.readable {
            return Ok(None);
        }
        let received = match kernel::read(&self.stream, buffer) {
            Ok(0) => return Err(dial::ended(ready.token)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other?,
        };
        if !self.check(batch, &buffer[..received]) {
            let text = format!("a reply on connection {} is not what it should be", ready.token);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let is_back = self.received == batch.reply.len();
        Ok(is_back.then(|| u32::try_from(self.began.elapsed().as_nanos()).unwrap_or(u32::MAX)))
    }

    fn send(&mut self, batch: &Batch) -> io::Result<()> {
        match kernel::write(&self.stream, &batch.request[self.sent..]) {
            Ok(count) => self.sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether `bytes` are what comes next; more than was asked for is not.
    fn check(&mut self, batch: &Batch, bytes: &[u8]) -> bool {
        let at = self.received;
        self.received += bytes.len();
        batch.reply.get(at..self.received) == Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{in_background, threads_up_to};

    fn plan(connections: u64, depth: u64) -> Plan {
        let target = in_background(threads_up_to(connections as usize));
        Plan { connections, depth, handler: Handler::Upper, ..Plan::to(target) }
    }

    #[test]
    fn as_many_messages_are_sent_as_were_asked_for() {
        for (connections, depth, messages) in [(1, 1, 5), (3, 1, 100), (3, 4, 8)] {
            send(&plan(connections, depth), messages).expect("all are answered");
        }
    }

    #[test]
    fn no_batch_is_begun_beyond_the_last() {
        let plan = plan(3, 1);
        let mut load = Load::connect(&plan).expect("three connections");
        load.left = 2;
        load.start().expect("two of them send");
        let sent: Vec<usize> = load.peers.iter().map(|peer| peer.sent).collect();
        assert_eq!((sent, load.left), (vec![64, 64, 0], 0));
    }

    #[test]
    fn a_reply_in_small_letters_is_found() {
        let target = in_background(threads_up_to(1));
        let error = send(&Plan { connections: 1, ..Plan::to(target) }, 1).expect_err("it answers in capitals");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
