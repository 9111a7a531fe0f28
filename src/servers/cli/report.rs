//! The diagnostics of a program on standard error, and its exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use log::LevelFilter;

use crate::console::descriptor::{LossyWriter, OutputStream};
use crate::state::{stats, stop};

/// Ends the process because of a wrong command line, with the message, the usage and exit code 2.
pub fn usage_error<P: CommandFactory>(message: impl Display) -> ! {
    P::command().error(ErrorKind::ValueValidation, message).exit()
}

/// Writes one line with the reason why the program failed. Returns exit code 1.
pub fn fail<P: CommandFactory>(error: &impl Display) -> ExitCode {
    // If standard error is closed, the exit code still reports the failure.
    let _ = writeln!(io::stderr(), "{}: {error}", P::command().get_name());
    ExitCode::FAILURE
}

/// Returns the log level for a number of `-v` flags: warnings, connections, details.
#[must_use]
pub fn log_level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

/// Sends the log to standard error, without ever blocking. The environment variable `RUST_LOG` takes precedence over
/// `level`.
pub fn start_log(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    // Statistics are logged on request only (SIGUSR1), so they are shown at any level.
    builder.filter_level(level).filter_module(stats::LOG_TARGET, LevelFilter::Info);
    if level >= LevelFilter::Warn {
        builder.filter_module(stop::LOG_TARGET, LevelFilter::Info);
    }
    builder.parse_default_env().format(|out, record| {
        // A message may contain bytes of a peer, and a terminal may show it.
        let message = record.args().to_string();
        let time = out.timestamp();
        writeln!(out, "{time} {:<5} {}", record.level(), crate::sanitize(message.as_bytes()))
    });
    if let Ok(stderr) = OutputStream::stderr() {
        builder.target(env_logger::Target::Pipe(Box::new(LossyWriter::new(stderr))));
    }
    // Fails if the program has set a logger already, which is then kept.
    let _ = builder.try_init();
}
