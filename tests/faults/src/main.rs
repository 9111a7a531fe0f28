//! Mistreats the servers, and checks what their polite clients get meanwhile.
//!
//! Each trial is a real server, twenty polite clients, and one fault. The polite check every byte that they are owed
//! and measure how long it takes, before the fault and during it. In reading order:
//!
//! | module | what |
//! |---|---|
//! | [`kind`], [`speech`] | the servers, what the polite say, and what they are owed for it |
//! | [`ledger`], [`hearing`], [`page`], [`books`], [`polite`] | expected and received lines, the books, the crowd |
//! | [`server`], [`upstream`], [`process`] | a server as a child process, that behind a relay; memory and descriptors |
//! | [`scene`], [`fault`], [`faults`] | where a fault takes place, what one is, and all of them |
//! | [`dial`], [`sink`], [`talker`] | the clients of the faults |
//! | [`trial`], [`row`], [`table`] | one fault at one server, the judgement, and how it is shown |
//!
//! Invariant: everything is bounded in count and in time, stays on loopback, and ends with this program: servers have a
//! pipe of ours as their standard input, and other children are ended by their ids.

mod answer;
mod books;
mod dial;
mod fault;
mod faults;
mod hearing;
mod kind;
mod ledger;
mod page;
mod polite;
mod process;
mod row;
mod scene;
mod server;
mod sink;
mod site;
mod speech;
mod table;
mod talker;
mod trial;
mod upstream;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};

use crate::kind::Kind;
use crate::table::Table;
use crate::trial::Setting;

/// A storm of 5,000 and some more.
const DESCRIPTORS: u64 = 6_000;

/// The descriptors that this process and its servers may have at most.
const MOST_DESCRIPTORS: u64 = 20_000;

/// Mistreat the servers, and check what their polite clients get meanwhile.
#[derive(Parser)]
#[command(name = "switchboard-faults", version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Part {
    /// Be the process that is stopped
    #[command(hide = true)]
    Member {
        target: SocketAddr,
        #[arg(long, value_enum)]
        kind: Kind,
    },
}

#[derive(Args)]
struct Options {
    /// A second for each fault, and no judgement of the time that lines take
    #[arg(long)]
    quick: bool,
    /// Only the rows that have this in FAULT at SERVER, such as storm or at http
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Write the table and all figures to this file, too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Pin each server to this core by taskset
    #[arg(long, value_name = "CORE")]
    core: Option<u32>,
    /// Where the servers are [default: beside this program]
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
}

fn main() -> ExitCode {
    let command = Command::parse();
    let result = match command.part {
        Some(Part::Member { target, kind }) => faults::stopped::attend(target, kind).map(|()| true),
        None => run(&command.options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("switchboard-faults: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all trials and prints the table. Returns whether all is well.
fn run(options: &Options) -> io::Result<bool> {
    switchboard_harness::allow_descriptors(DESCRIPTORS, MOST_DESCRIPTORS)?;
    let beside = || std::env::current_exe().map(|program| program.with_file_name(""));
    let programs = options.programs.clone().map_or_else(beside, Ok)?;
    let (quiet, length) = if options.quick { (400, 800) } else { (3000, 5000) };
    let (quiet, length) = (Duration::from_millis(quiet), Duration::from_millis(length));
    let setting = Setting { programs: &programs, core: options.core, quiet, length };
    let first = if process::goes_first() { ", all before other programs (chrt)" } else { "" };
    let title = format!("quiet for {quiet:?}, each fault for {length:?}, {} polite clients{first}", polite::CROWD);
    let (mut table, mut failed) = (Table { title, rows: Vec::new() }, Vec::new());
    for fault in fault::ALL {
        let is_chosen = |kind: &&Kind| format!("{} at {kind}", fault.name()).contains(&options.only);
        for kind in fault.servers().iter().filter(is_chosen) {
            let since = Instant::now();
            match trial::run(fault, *kind, setting) {
                Ok(row) => table.rows.push(row),
                Err(error) => failed.push(format!("{} at {kind}: {error}", fault.name())),
            }
            eprintln!("{} at {kind}: {:.1} s", fault.name(), since.elapsed().as_secs_f64());
        }
    }
    if table.rows.is_empty() && failed.is_empty() {
        let names: Vec<_> = fault::ALL.iter().map(|fault| fault.name()).collect();
        return Err(io::Error::other(format!(
            "no row has {:?} in it; the faults are {}",
            options.only,
            names.join(", ")
        )));
    }
    failed.extend(table.failures());
    report(&table, &failed, options)
}

fn report(table: &Table, failures: &[String], options: &Options) -> io::Result<bool> {
    print!("{table}");
    if let Some(file) = &options.output {
        fs::write(file, format!("{table}{}", table.details()))?;
    }
    let slow = table.slow();
    for failure in failures {
        eprintln!("FAILED: {failure}");
    }
    for slow in &slow {
        eprintln!("SLOW: {slow}");
    }
    Ok(failures.is_empty() && (options.quick || slow.is_empty()))
}
