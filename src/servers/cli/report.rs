//! What a program says on standard error, and how it ends.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use log::LevelFilter;

use crate::console::descriptor::{Diagnostics, Output};
use crate::state::stats::LOG_TARGET;

/// Ends the process as a wrong command line does: the message, the usage, and code 2.
pub fn usage_error<P: CommandFactory>(message: impl Display) -> ! {
    P::command().error(ErrorKind::ValueValidation, message).exit()
}

/// Says in one line why the program could not do its work. Returns code 1.
pub fn fail<P: CommandFactory>(error: &impl Display) -> ExitCode {
    // A closed standard error leaves the exit code, which says the same.
    let _ = writeln!(io::stderr(), "{}: {error}", P::command().get_name());
    ExitCode::FAILURE
}

/// How much is logged after so many `-v`: warnings, who comes and goes, details.
#[must_use]
pub fn log_level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

/// Sends the log to standard error without ever waiting for whoever reads it. The environment variable `RUST_LOG` goes
/// before the level.
pub fn start_log(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    // Figures are logged when somebody asks for them (SIGUSR1), so they are shown at any level.
    builder.filter_level(level).filter_module(LOG_TARGET, LevelFilter::Info).parse_default_env().format(
        |out, record| {
            // What a peer sent may be part of the message, and a terminal may show it.
            let message = record.args().to_string();
            let time = out.timestamp();
            writeln!(out, "{time} {:<5} {}", record.level(), crate::sanitize(message.as_bytes()))
        },
    );
    if let Ok(stderr) = Output::stderr() {
        builder.target(env_logger::Target::Pipe(Box::new(Diagnostics::new(stderr))));
    }
    // A program that embeds this may have a logger of its own.
    let _ = builder.try_init();
}
