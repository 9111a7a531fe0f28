//! Publishers and members in one room: how many deliveries a second, each publication being delivered once to each
//! member.
//!
//! A delivery is one [`MARK`] read at a member; every publication holds exactly one, so nothing else that is sent may
//! hold any. At the web door, the length in the head of a frame could be one: then too many are counted, which ends the
//! run. Members that are closed, or never join, end the run with an error. The publishers' own deliveries are read
//! and not counted.

use std::fmt;
use std::io;
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;
use switchboard_harness::Process;

use crate::dial;
use crate::door::Door;
use crate::kernel::{self, Epoll, Events, READABLE};
use crate::process::CpuMeter;

/// In every publication that counts.
const MARK: u8 = b'@';
/// In the publications by which members show that they have joined.
const PROBE: u8 = b'#';

/// How long all members may take to join.
const JOINING: Duration = Duration::from_secs(20);

/// The members that enter before what they hear of each other is read.
const ENTERING: usize = 100;

/// The members of the room, and what they say. In the texts `\r` and `\n` are the control characters, `{n}` the
/// speaker's number.
#[derive(Args)]
pub(crate) struct Plan {
    /// Server to load
    pub(crate) target: SocketAddrV4,
    /// Connections that listen
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=dial::MOST))]
    pub(crate) members: u64,
    /// Connections that publish, in turn
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) publishers: u64,
    /// Bytes in a publication, without prefix and suffix
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=64 << 10))]
    pub(crate) size: u64,
    /// Publications that may be under way: this many times the members, in deliveries
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) window: u64,
    /// Milliseconds to measure, after a fifth of it to warm up
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub(crate) millis: u64,
    /// The room's door; at the web door, each text is a frame, without its suffix
    #[arg(long, value_enum, default_value = "line")]
    pub(crate) door: Door,
    /// What each connection sends first, such as 'm{n}\n'
    #[arg(long, default_value = "")]
    pub(crate) join: String,
    /// What a publisher sends first instead
    #[arg(long)]
    pub(crate) publisher_join: Option<String>,
    /// What goes before each publication
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// What goes after each publication
    #[arg(long, default_value = "\\n")]
    pub(crate) suffix: String,
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
    pub(crate) deliveries_per_second: f64,
    /// Read at the members.
    pub(crate) bytes_per_second: f64,
    /// The server's, user and system, in microseconds; NaN without a pid.
    pub(crate) cpu_per_delivery: f64,
    /// Deliveries at the member that has the fewest, and at the one that has the most.
    pub(crate) slowest: u64,
    pub(crate) fastest: u64,
    /// The server's resident memory in bytes; 0 without a pid.
    pub(crate) memory: u64,
}

/// Runs the load to its end.
///
/// # Errors
/// A connection failed or was closed, not all members joined, or nothing was delivered.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    let measured = Duration::from_millis(plan.millis);
    let mut room = Room::connect(plan)?;
    room.join()?;
    room.drive(Instant::now() + measured / 5)?;

    let (deliveries, bytes) = (room.deliveries, room.bytes);
    let cpu = CpuMeter::start(plan.pid)?;
    let begin = Instant::now();
    room.drive(begin + measured)?;
    let elapsed = begin.elapsed().as_secs_f64();
    let spent = cpu.seconds()?;
    if room.deliveries == deliveries {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing was delivered in {measured:?}")));
    }
    room.check()?;
    let counts = room.members.iter().map(|member| member.deliveries);
    let count = (room.deliveries - deliveries) as f64;
    Ok(Report {
        deliveries_per_second: count / elapsed,
        bytes_per_second: (room.bytes - bytes) as f64 / elapsed,
        cpu_per_delivery: spent / count * 1e6,
        slowest: counts.clone().min().unwrap_or(0),
        fastest: counts.max().unwrap_or(0),
        memory: plan.pid.map_or(Ok(0), |pid| Process(pid).resident_exact())?,
    })
}

/// Has each member of a room be sent exactly so many publications, those included by which the members showed that they
/// had joined.
///
/// # Errors
/// As [`run`], or nothing was sent for [`dial::TIMEOUT`].
pub(crate) fn publish(plan: &Plan, publications: u64) -> io::Result<()> {
    let mut room = Room::connect(plan)?;
    let probes = room.join()?;
    room.deliver(publications.saturating_sub(probes))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} deliveries/s, {:.1} MB/s, {} to {} a member, server {:.3} us CPU/delivery, {} KiB resident",
            self.deliveries_per_second,
            self.bytes_per_second / 1e6,
            self.slowest,
            self.fastest,
            self.cpu_per_delivery,
            self.memory / 1024
        )
    }
}

/// Members who have all joined, and publishers.
pub(crate) struct Room {
    epoll: Epoll,
    events: Events,
    buffer: Vec<u8>,
    members: Vec<Member>,
    publishers: Vec<Publisher>,
    /// Whose turn it is to publish.
    next: usize,
    window: u64,
    published: u64,
    /// The publications after which it is enough.
    most: u64,
    deliveries: u64,
    bytes: u64,
}

struct Member {
    stream: TcpStream,
    joined: bool,
    deliveries: u64,
}

struct Publisher {
    stream: TcpStream,
    publication: Vec<u8>,
    probe: Vec<u8>,
    /// How much of a publication is out; all of it is the state of rest.
    sent: usize,
}

impl Room {
    /// A room that all members have joined, with nothing on its way any more.
    ///
    /// # Errors
    /// As [`run`].
    pub(crate) fn assemble(plan: &Plan) -> io::Result<Room> {
        let mut room = Room::connect(plan)?;
        room.join()?;
        room.deliver(1)?;
        Ok(room)
    }

    fn connect(plan: &Plan) -> io::Result<Room> {
        let (members, publishers) = (plan.members as usize, plan.publishers as usize);
        dial::prepare(members + publishers)?;
        let mut room = Room {
            epoll: Epoll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 1 << 20],
            members: Vec::with_capacity(members),
            publishers: Vec::with_capacity(publishers),
            next: 0,
            window: plan.window,
            published: 0,
            most: u64::MAX,
            deliveries: 0,
            bytes: 0,
        };
        for nth in 0..members + publishers {
            let stream = dial::dial(plan.target, nth)?;
            stream.set_nonblocking(true)?;
            room.epoll.add(&stream, nth, READABLE)?;
            if nth < members {
                room.members.push(Member { stream, joined: false, deliveries: 0 });
            } else {
                room.publishers.push(Publisher::new(stream, plan, nth));
            }
            room.enter(plan, nth)?;
        }
        Ok(room)
    }

    /// Has a connection send what it has to send first, and that before a greeting comes: Linux delays the
    /// acknowledgements of a socket that sends shortly after it has received, for as long as it then hears much and
    /// says nothing. That would be work for a server that greets, and for no floor.
    fn enter(&mut self, plan: &Plan, nth: usize) -> io::Result<()> {
        let text = match self.members.get(nth) {
            Some(_) => &plan.join,
            None => plan.publisher_join.as_ref().unwrap_or(&plan.join),
        };
        let first = [plan.door.opening(plan.target), plan.door.message(&expand(text, nth))].concat();
        kernel::write(stream_of(&self.members, &self.publishers, nth), &first)?;
        // Each member hears the later ones join: unread, that would fill the queues of the server and the kernel.
        if nth.is_multiple_of(ENTERING) {
            while self.read(Duration::ZERO)? > 0 {}
        }
        Ok(())
    }

    /// Publishes probes until each member has seen one: a server may admit a publisher before a member that came
    /// earlier. Returns how many it took.
    fn join(&mut self) -> io::Result<u64> {
        let (limit, mut probe_at) = (Instant::now() + JOINING, Instant::now());
        let mut probes = 0;
        while !self.members.iter().all(|member| member.joined) {
            if Instant::now() > limit {
                let count = self.members.iter().filter(|member| !member.joined).count();
                return Err(io::Error::other(format!("{count} members hear nothing after {JOINING:?}")));
            }
            if Instant::now() >= probe_at {
                self.publishers[0].send_probe()?;
                probes += 1;
                probe_at += Duration::from_millis(100);
            }
            self.read(Duration::from_millis(10))?;
        }
        // What was counted is the marks in notices about the joins.
        self.deliveries = 0;
        self.members.iter_mut().for_each(|member| member.deliveries = 0);
        Ok(probes)
    }

    /// Publishes so often, and waits until every member has heard it all.
    fn deliver(&mut self, publications: u64) -> io::Result<()> {
        self.most = self.published + publications;
        let (wanted, mut newest) = (self.most * self.members.len() as u64, Instant::now());
        while self.deliveries < wanted {
            let before = self.deliveries;
            self.publish()?;
            if self.read(Duration::from_millis(10))? > 0 {
                newest = Instant::now();
            } else if newest.elapsed() > dial::TIMEOUT {
                let text = format!("{before} of {wanted} deliveries came, and then nothing for {:?}", dial::TIMEOUT);
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }

    /// Fails if more was delivered than published.
    fn check(&self) -> io::Result<()> {
        let most = self.published * self.members.len() as u64;
        if self.deliveries > most {
            let text = format!("{} deliveries are more than the {most} of all publications", self.deliveries);
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        while Instant::now() < until {
            self.publish()?;
            self.read(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Publishes until the window is full, or the publisher whose turn it is has to wait for the kernel.
    fn publish(&mut self) -> io::Result<()> {
        let members = self.members.len() as u64;
        while self.published < self.most && (self.published + 1) * members <= self.deliveries + self.window * members {
            let publisher = &mut self.publishers[self.next];
            if publisher.is_at_rest() {
                publisher.sent = 0;
            }
            publisher.send()?;
            if !publisher.is_at_rest() {
                break;
            }
            self.next = (self.next + 1) % self.publishers.len();
            self.published += 1;
        }
        Ok(())
    }

    /// Reads once from each connection that is ready, and waits for one no longer than `limit`. Returns how many were.
    fn read(&mut self, limit: Duration) -> io::Result<usize> {
        self.epoll.wait(&mut self.events, Some(limit))?;
        for ready in self.events.iter() {
            let stream = stream_of(&self.members, &self.publishers, ready.token);
            let count = match kernel::read(stream, &mut self.buffer) {
                Ok(0) => return Err(dial::ended(ready.token)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                other => other?,
            };
            if let Some(member) = self.members.get_mut(ready.token) {
                let seen = member.hear(&self.buffer[..count]);
                self.deliveries += seen;
                self.bytes += count as u64;
            }
        }
        Ok(self.events.iter().count())
    }
}

/// Members come first, then publishers.
fn stream_of<'a>(members: &'a [Member], publishers: &'a [Publisher], nth: usize) -> &'a TcpStream {
    members.get(nth).map_or_else(|| &publishers[nth - members.len()].stream, |member| &member.stream)
}

impl Member {
    /// Returns the deliveries in `bytes`.
    fn hear(&mut self, bytes: &[u8]) -> u64 {
        self.joined = self.joined || bytes.contains(&PROBE);
        let seen = memchr::memchr_iter(MARK, bytes).count() as u64;
        self.deliveries += seen;
        seen
    }
}

impl Publisher {
    fn new(stream: TcpStream, plan: &Plan, number: usize) -> Publisher {
        let around = |payload: Vec<u8>| {
            plan.door.message(&[expand(&plan.prefix, number), payload, expand(&plan.suffix, number)].concat())
        };
        // As long as each other, since a prefix may tell the length.
        let text = |mark| {
            let letters = (b'a'..=b'z').cycle().take(plan.size as usize - 1);
            around(std::iter::once(mark).chain(letters).collect())
        };
        let publication = text(MARK);
        let sent = publication.len();
        Publisher { stream, publication, probe: text(PROBE), sent }
    }

    fn is_at_rest(&self) -> bool {
        self.sent == self.publication.len()
    }

    fn send(&mut self) -> io::Result<()> {
        match kernel::write(&self.stream, &self.publication[self.sent..]) {
            Ok(count) => self.sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Before the first publication a socket's buffer has room for a few short lines, or the room is stuck.
    fn send_probe(&self) -> io::Result<()> {
        if kernel::write(&self.stream, &self.probe)? < self.probe.len() {
            return Err(io::Error::other("the server does not read what a publisher sends"));
        }
        Ok(())
    }
}

/// The text with its escapes and its number put in.
fn expand(text: &str, number: usize) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("{n}", &number.to_string()).into_bytes()
}
