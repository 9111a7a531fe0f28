//! `http-server` beside other web servers: requests a second, and the server's CPU time for each.
//!
//! The load is wrk(1) on core 1. As in [`crate::contest`], the rounds are interleaved, and only figures of the same
//! round are divided by each other.

pub(crate) mod get;
mod site;
mod wrk;

use std::io;

use clap::{Args, ValueEnum};

use crate::contest;
use crate::counter::is_installed;
use crate::kernel;
use crate::progress::{self, Progress};
use crate::server::Server;
use crate::stats::Spread;
use crate::table::{figure, ratio};
pub(crate) use site::Site;
use site::{Peer, Scheme};
use wrk::Wrk;

/// What to measure, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of each row
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Measure this row, and not all; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Row>,
    /// Silent connections in the row of memory
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u64).range(1..=crate::dial::MOST))]
    connections: u64,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// A file of 1 KiB
    Small,
    /// A file of 1 MiB
    Large,
    /// A file of 1 KiB over TLS 1.3
    Https,
    /// A script of sh that says hi, 8 at a time
    Cgi,
    /// Memory of connections that wait for their next request
    Idle,
    /// A file of 1 KiB while 20 scripts start, again and again
    Starts,
}

impl Row {
    fn name(self) -> &'static str {
        match self {
            Row::Small => "1 KiB",
            Row::Large => "1 MiB",
            Row::Https => "1 KiB, TLS 1.3",
            Row::Cgi => "script",
            Row::Idle => "idle",
            Row::Starts => "1 KiB while 20 scripts start",
        }
    }

    fn scheme(self) -> Scheme {
        if self == Row::Https { Scheme::Https } else { Scheme::Http }
    }

    fn path(self) -> &'static str {
        match self {
            Row::Large => "1m.bin",
            Row::Cgi => "cgi-bin/hi",
            _ => "1k.txt",
        }
    }

    fn connections(self) -> u64 {
        if self == Row::Cgi { 8 } else { 50 }
    }

    /// The servers that are measured, ours first.
    fn peers(self) -> &'static [Peer] {
        match self {
            Row::Small | Row::Large => &[Peer::Ours, Peer::Lighttpd, Peer::Nginx, Peer::Python],
            Row::Https => &[Peer::Ours, Peer::Nginx],
            Row::Cgi => &[Peer::Ours, Peer::Lighttpd],
            Row::Idle | Row::Starts => &[Peer::Ours],
        }
    }
}

/// One server in one row: what each round gave.
struct Column {
    peer: Peer,
    command: Vec<String>,
    /// Requests a second.
    rates: Vec<f64>,
    /// Microseconds of the server's CPU time for each request.
    times: Vec<f64>,
}

/// Measures all, and prints a row for each.
///
/// # Errors
/// A program is missing that nothing can be measured without, or a server or its load fails.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    if let Some(missing) = ["wrk", "taskset", "openssl"].into_iter().find(|program| !is_installed(program)) {
        return Err(io::Error::other(lack(missing)));
    }
    progress::warn_of_noise()?;
    let site = Site::new()?;
    let rows: Vec<Row> = Row::value_variants().iter().copied().filter(|row| options.includes(*row)).collect();
    let (single, contests): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.peers().len() == 1);
    let mut progress = Progress::new(contests.len() as u64 * options.rounds);
    println!(
        "| case | server | requests/s | ours/server | CPU us/request | CPU, ours/server |\n|---|---|--:|---|--:|---|"
    );
    for row in contests {
        let mut columns = columns(row, &site)?;
        for round in 0..options.rounds {
            progress.show(&format!("{}, round {} of {}", row.name(), round + 1, options.rounds));
            for place in contest::order(columns.len(), round) {
                columns[place].measure(row, options.seconds)?;
            }
        }
        print(row, &columns);
    }
    progress.end();
    let ours = site.command(Peer::Ours, Scheme::Http)?.unwrap_or_default();
    for row in single {
        match row {
            Row::Idle => {
                let kept = get::memory(&ours, options.connections)?;
                println!("idle x {}: {kept:.1} bytes/connection", options.connections);
            }
            _ => println!("{}: {}", row.name(), get::among_scripts(&ours)?),
        }
    }
    Ok(())
}

impl Options {
    fn includes(&self, row: Row) -> bool {
        self.only.is_empty() || self.only.contains(&row)
    }
}

/// The servers of a row that are installed. Of others, it is said how to install them.
fn columns(row: Row, site: &Site) -> io::Result<Vec<Column>> {
    let mut columns = Vec::new();
    for &peer in row.peers() {
        match site.command(peer, row.scheme())? {
            Some(command) => columns.push(Column { peer, command, rates: Vec::new(), times: Vec::new() }),
            None => eprintln!("switchboard-bench: note: {} is left out: {}", row.name(), lack(peer.program())),
        }
    }
    Ok(columns)
}

/// What to do about a missing program. Most Debian packages have the name of the program.
fn lack(program: &str) -> String {
    let package = if program == "taskset" { "util-linux" } else { program };
    format!("{program} is not installed: apt-get install {package}")
}

impl Column {
    fn measure(&mut self, row: Row, seconds: u64) -> io::Result<()> {
        let server = Server::start(&self.command)?;
        let url = format!("{}://{}/{}", row.scheme().name(), server.address, row.path());
        let before = kernel::cpu_time(server.pid())?;
        let report = Wrk { url, connections: row.connections(), seconds }.run();
        let report = report.map_err(|error| io::Error::other(format!("{}: {error}", self.peer.program())))?;
        let time = kernel::cpu_time(server.pid())?.saturating_sub(before);
        self.rates.push(report.rate);
        self.times.push(time.as_secs_f64() * 1e6 / report.requests as f64);
        Ok(())
    }
}

fn print(row: Row, columns: &[Column]) {
    let ours = &columns[0];
    let within = |ours: &[f64], theirs: &[f64]| ratio(&Spread::of(ours.iter().zip(theirs).map(|(a, b)| a / b)));
    for column in columns {
        let [rate, time] = [&column.rates, &column.times].map(|list| figure(Spread::of(list.iter().copied()).median));
        let (rates, times) = match column.peer {
            Peer::Ours => ("-".to_owned(), "-".to_owned()),
            _ => (within(&ours.rates, &column.rates), within(&ours.times, &column.times)),
        };
        println!("| {} | {} | {rate} | {rates} | {time} | {times} |", row.name(), column.peer.program());
    }
}
