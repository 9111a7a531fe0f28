//! Measures the servers against the least that the system allows.
//!
//! A figure by itself says more about the machine than about the server, so every figure here is a ratio to a *floor*:
//! a server of the same shape with nothing in it but the system calls. In reading order:
//!
//! | module | what |
//! |---|---|
//! | [`kernel`] | the system calls, each behind a safe function; the only unsafe code |
//! | [`floor_echo`], [`floor_fanout`] | the floors |
//! | [`models`] | blocking servers, as they are built without a readiness loop |
//! | [`ours`], [`peers`] | the commands of our servers and the floors, and of other people's |
//! | [`dial`], [`load`], [`connect`], [`fanout`], [`idle`] | the clients: each bounded in count and time |
//! | [`crowd`], [`capacity`] | clients, some of which may wait in vain, and how many do not |
//! | [`handler`], [`door`], [`speech`] | what a server does to bytes, and how it and a room are spoken to |
//! | [`server`], [`process`] | a server as a child process, pinned to its core; its CPU time and memory |
//! | [`cases`], [`measure`] | what is measured, and how a contestant is given it |
//! | [`contest`], [`compare`], [`outcome`] | who competes in which order, and what was found |
//! | [`counter`], [`instructions`] | what a server executes for each message, and whether that is too much |
//! | [`survey`] | the same for the blocking servers and the readiness loop |
//! | [`stats`], [`table`], [`charts`], [`plot`], [`document`] | medians of ratios within rounds, and their display |
//! | [`http`] | `http-server` beside other web servers |
//! | [`bus`] | a room on a bus beside a room of one server |
//! | `tls` | TLS beside plain text and beside nginx (feature `tls`) |
//! | [`progress`] | what is said while it goes on |
//!
//! `docs/performance.md` explains the method, and `docs/io-models.md` the blocking servers. Times are not judged: there
//! is no threshold and no exit code for "slow". Only [`instructions`], which are the same on a busy machine, can be.

mod bus;
mod capacity;
mod cases;
mod charts;
mod compare;
mod connect;
mod contest;
mod counter;
mod crowd;
mod dial;
mod document;
mod door;
mod fanout;
mod floor_echo;
mod floor_fanout;
mod handler;
mod http;
mod idle;
mod instructions;
mod kernel;
mod load;
mod measure;
mod models;
mod ours;
mod outcome;
mod peers;
mod plot;
mod process;
mod progress;
mod server;
mod speech;
mod stats;
mod survey;
mod table;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "peers")]
mod tokio_echo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measure the servers against the least that the system allows.
#[derive(Parser)]
#[command(name = "switchboard-bench", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve echo with nothing but system calls
    FloorEcho(floor_echo::Options),
    /// Serve one room with nothing but system calls
    FloorFanout(floor_fanout::Options),
    /// Serve echo with tokio
    #[cfg(feature = "peers")]
    TokioEcho(tokio_echo::Options),
    /// Serve uppercase by threads or processes that wait
    ServeModel(models::Options),
    /// Send messages, each batch when the last one is back, and check every byte
    Load(load::Plan),
    /// Publish to a room and count the deliveries at its members
    Fanout(fanout::Plan),
    /// Open connections that say nothing: what they cost, and how one active among them is served
    Idle(idle::Plan),
    /// Have clients come, ask once and stay, until one is not served
    Capacity(capacity::Plan),
    /// Run each case in interleaved rounds of ours, the floor and the peers, and print the tables
    Compare(compare::Options),
    /// Count the instructions that one of our servers takes for a message, and fail when they are too many
    Instructions(instructions::Options),
    /// Measure http-server beside lighttpd, nginx and Python's server
    Http(http::Options),
    /// Measure a room that several servers share through Redis
    Bus(bus::Options),
    /// Measure TLS beside plain text and beside nginx
    #[cfg(feature = "tls")]
    Tls(tls::Options),
    /// Measure the ways to build the uppercase server, and print the tables
    Models(survey::Options),
}

fn main() -> ExitCode {
    let result = match Options::parse().command {
        Command::FloorEcho(options) => floor_echo::serve(&options),
        Command::FloorFanout(options) => floor_fanout::serve(&options),
        #[cfg(feature = "peers")]
        Command::TokioEcho(options) => tokio_echo::serve(&options),
        Command::ServeModel(options) => models::serve(&options),
        Command::Load(plan) => load::run(&plan).map(|report| println!("{report}")),
        Command::Fanout(plan) => fanout::run(&plan).map(|report| println!("{report}")),
        Command::Idle(plan) => idle::run(&plan).map(|report| println!("{report}")),
        Command::Capacity(plan) => capacity::run(&plan).map(|report| println!("{report}")),
        Command::Compare(options) => compare::run(&options),
        Command::Instructions(options) => instructions::run(&options),
        Command::Http(options) => http::run(&options),
        Command::Bus(options) => bus::run(&options),
        #[cfg(feature = "tls")]
        Command::Tls(options) => tls::run(&options),
        Command::Models(options) => survey::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
