//! A room on a bus beside a room of one server: the latency of a line, the rate, and the cost of each added server.
//!
//! The servers run on core 0, Redis and the load on core 1. As in [`crate::contest`], the rounds are interleaved, and
//! only figures of the same round are compared with each other.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use switchboard_harness::RedisServer;

use crate::cases::Service;
use crate::contest;
use crate::counter::is_installed;
use crate::dial;
use crate::fanout::{self, Plan};
use crate::kernel;
use crate::ours;
use crate::progress::{self, Progress};
use crate::server::Server;
use crate::speech::Speech;
use crate::stats::{Spread, percentile};
use crate::table::{figure, ratio};

/// The core of Redis, which is that of the load.
const CORE: u32 = 1;

/// What to measure, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of each row
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Milliseconds of each measurement of a rate
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    millis: u64,
    /// Lines in each measurement of a latency
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    lines: u64,
    /// Measure these rows, and not all; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Row>,
    /// Options of redis-server, such as '--appendonly yes'
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    redis: String,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// One line at a time, from one member to another
    Latency,
    /// Rooms of 10, 100 and 1,000 members with 512 publications under way
    Rate,
    /// One to four servers that share a room
    Servers,
}

/// The publications that may be under way in the rows of rates.
const WINDOW: u64 = 512;

/// The servers of the last row.
const MOST_SERVERS: usize = 4;

/// Publications in a measurement of the last row.
const PUBLICATIONS: u64 = 30_000;

/// Measures all, and prints a table for each row.
///
/// # Errors
/// A program is missing, or a server or its load fails.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    if let Some(missing) = ["redis-server", "taskset"].into_iter().find(|program| !is_installed(program)) {
        return Err(io::Error::other(format!("{missing} is not installed")));
    }
    progress::warn_of_noise()?;
    for row in Row::value_variants().iter().filter(|row| options.only.is_empty() || options.only.contains(row)) {
        match row {
            Row::Latency => latencies(options)?,
            Row::Rate => [10, 100, 1000].into_iter().try_for_each(|members| rates(options, members))?,
            Row::Servers => servers(options)?,
        }
    }
    Ok(())
}

/// A room: servers that share it, and the Redis through which they do so.
struct Network {
    servers: Vec<Server>,
    redis: Option<RedisServer>,
}

impl Network {
    /// One server by itself.
    fn local() -> io::Result<Network> {
        Ok(Network { servers: vec![Server::start(&ours::serving(Service::Room)?)?], redis: None })
    }

    /// Several servers on a bus.
    fn shared(servers: usize, options: &Options) -> io::Result<Network> {
        let redis = RedisServer::pinned(&options.redis, Some(CORE));
        let mut command = ours::serving(Service::Room)?;
        command.extend(["--bus".to_owned(), format!("redis://{}", redis.address())]);
        let servers = (0..servers).map(|_| Server::start(&command)).collect::<io::Result<_>>()?;
        Ok(Network { servers, redis: Some(redis) })
    }

    fn first(&self) -> &Server {
        &self.servers[0]
    }

    fn last(&self) -> &Server {
        &self.servers[self.servers.len() - 1]
    }
}

/// Enters a room, and reads its welcome.
fn enter(target: SocketAddrV4, nth: usize) -> io::Result<TcpStream> {
    let mut stream = dial::dial(target, nth)?;
    stream.write_all(format!("m{nth}\n").as_bytes())?;
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while !text.ends_with(b" here.\n") {
        match stream.read(&mut buffer)? {
            0 => return Err(dial::ended(nth)),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(stream)
}

/// The microseconds from the first byte that the speaker sends until the listener has the whole line, of each line.
fn listen(network: &Network, lines: u64) -> io::Result<[f64; 2]> {
    let mut listener = enter(network.last().address, 0)?;
    let mut speaker = enter(network.first().address, 1)?;
    // The welcome of the speaker.
    heard(&mut listener)?;
    let line = [b'x'; 64].iter().copied().chain([b'\n']).collect::<Vec<_>>();
    let mut times = Vec::new();
    for nth in 0..lines + lines / 5 {
        let begin = Instant::now();
        speaker.write_all(&line)?;
        heard(&mut listener)?;
        if nth >= lines / 5 {
            times.push(begin.elapsed().as_nanos() as u32);
        }
    }
    times.sort_unstable();
    Ok([0.5, 0.99].map(|share| percentile(&times, share) / 1000.0))
}

/// Waits for the end of a line.
fn heard(listener: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match listener.read(&mut buffer)? {
            0 => return Err(dial::ended(0)),
            count if buffer[count - 1] == b'\n' => return Ok(()),
            _ => {}
        }
    }
}

fn latencies(options: &Options) -> io::Result<()> {
    const ROOMS: [&str; 4] = ["one server", "one server again", "a bus, one server", "a bus, two servers"];
    let mut progress = Progress::new(options.rounds);
    let mut rounds: [Vec<[f64; 2]>; 4] = Default::default();
    for round in 0..options.rounds {
        progress.show(&format!("latency, round {} of {}", round + 1, options.rounds));
        for place in contest::order(ROOMS.len(), round) {
            let network = if place < 2 { Network::local() } else { Network::shared(place - 1, options) }?;
            rounds[place].push(listen(&network, options.lines)?);
        }
    }
    progress.end();
    println!("| room | p50 us | more than one server | p99 us |\n|---|--:|---|--:|");
    for (name, figures) in ROOMS.iter().zip(&rounds) {
        let median = |nth: usize| figure(Spread::of(figures.iter().map(|each| each[nth])).median);
        let more = Spread::of(figures.iter().zip(&rounds[0]).map(|(one, local)| one[0] - local[0]));
        println!("| {name} | {} | {:.0} ({:.0} {:.0}) | {} |", median(0), more.median, more.low, more.high, median(1));
    }
    Ok(())
}

/// The load of a room.
fn plan(target: SocketAddrV4, members: u64, millis: u64) -> Plan {
    // A server on a bus holds a member with 64 lines that are not acknowledged.
    Speech::Chat.used_in(Plan { members, publishers: 16, window: WINDOW, millis, ..Plan::to(target) })
}

fn rates(options: &Options, members: u64) -> io::Result<()> {
    const ROOMS: [&str; 3] = ["one server", "one server again", "a bus, one server"];
    let mut progress = Progress::new(options.rounds);
    let mut rounds: [Vec<[f64; 2]>; 3] = Default::default();
    for round in 0..options.rounds {
        progress.show(&format!("room of {members}, round {} of {}", round + 1, options.rounds));
        for place in contest::order(ROOMS.len(), round) {
            let network = if place < 2 { Network::local() } else { Network::shared(1, options) }?;
            let server = network.first();
            let report =
                fanout::run(&Plan { pid: Some(server.pid()), ..plan(server.address, members, options.millis) })?;
            rounds[place].push([report.deliveries_per_second, report.cpu_per_delivery]);
        }
    }
    progress.end();
    println!(
        "\n| room of {members}, window {WINDOW} | deliveries/s | of one server | CPU us/delivery | of one server |"
    );
    println!("|---|--:|---|--:|---|");
    for (name, figures) in ROOMS.iter().zip(&rounds) {
        let median = |nth: usize| figure(Spread::of(figures.iter().map(|each| each[nth])).median);
        let of_local = |nth: usize| {
            let ratios = figures.iter().zip(&rounds[0]).map(|(one, local)| one[nth] / local[nth]);
            ratio(&Spread::of(ratios))
        };
        println!("| {name} | {} | {} | {} | {} |", median(0), of_local(0), median(1), of_local(1));
    }
    Ok(())
}

/// What a publication takes: microseconds of time, of the CPU of the first server, of Redis, and of each added server.
fn cost(network: &Network) -> io::Result<[f64; 4]> {
    for (nth, server) in network.servers.iter().enumerate().skip(1) {
        // Beside the numbers of the load.
        let member = enter(server.address, 1000 + nth)?;
        thread::spawn(move || io::copy(&mut &member, &mut io::sink()));
    }
    let redis = network.redis.as_ref().map(|redis| redis.process().process().0);
    let cpu = || -> io::Result<[Duration; 3]> {
        let added = network.servers[1..].iter().map(|server| kernel::cpu_time(server.pid()));
        let added = added.sum::<io::Result<Duration>>()?;
        let redis = redis.map_or(Ok(Duration::ZERO), kernel::cpu_time)?;
        Ok([kernel::cpu_time(network.first().pid())?, redis, added])
    };
    let (before, begin) = (cpu()?, Instant::now());
    fanout::publish(&plan(network.first().address, 10, 0), PUBLICATIONS)?;
    let (after, time) = (cpu()?, begin.elapsed());
    let each = |time: Duration| time.as_secs_f64() * 1e6 / PUBLICATIONS as f64;
    let [first, redis, added] = [0, 1, 2].map(|nth| each(after[nth].saturating_sub(before[nth])));
    Ok([each(time), first, redis, added / (network.servers.len() - 1) as f64])
}

fn servers(options: &Options) -> io::Result<()> {
    let mut progress = Progress::new(options.rounds);
    let mut rounds: [Vec<[f64; 4]>; MOST_SERVERS + 1] = Default::default();
    for round in 0..options.rounds {
        progress.show(&format!("servers, round {} of {}", round + 1, options.rounds));
        for place in contest::order(rounds.len(), round) {
            let network = if place == 0 { Network::local() } else { Network::shared(place, options) }?;
            rounds[place].push(cost(&network)?);
        }
    }
    progress.end();
    println!(
        "\n| us for a publication to 10 members | time | CPU, first server | CPU, Redis | CPU, each added server |"
    );
    println!("|---|--:|--:|--:|--:|");
    for (servers, figures) in rounds.iter().enumerate() {
        let name = if servers == 0 { "no bus".to_owned() } else { format!("a bus, servers: {servers}") };
        let cells = [0, 1, 2, 3].map(|nth| Spread::of(figures.iter().map(|each| each[nth])).median);
        let cells = cells.map(|cell| if cell.is_finite() { figure(cell) } else { "-".to_owned() });
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}
