//! The diagnostics of a program on standard error, and its exit code.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::{self, ExitCode};

use clap::CommandFactory;
use clap::error::ErrorKind;
use log::{Level, LevelFilter};

use super::log_format::LogFormat;
use crate::console::descriptor::{LossyWriter, OutputStream};
use crate::console::output;
use crate::state::{stats, stop};

/// Ends the process because of a wrong command line, with the message, the usage and exit code 2. With
/// `--log-format json`, the message is a record, and there is no usage.
pub fn usage_error<P: CommandFactory>(message: impl Display) -> ! {
    exit(&P::command().error(ErrorKind::ValueValidation, message))
}

/// Ends the process with what the parser of a command line says: help, a version or a mistake. With
/// `--log-format json`, a mistake is a record, and there is no usage.
pub(crate) fn exit(error: &clap::Error) -> ! {
    if !error.use_stderr() || LogFormat::chosen() == LogFormat::Text {
        error.exit();
    }
    let text = error.to_string();
    let message = text.split("\n\nUsage: ").next().unwrap_or_default().trim_start_matches("error: ");
    report("", &message.split_whitespace().collect::<Vec<_>>().join(" "));
    process::exit(error.exit_code())
}

/// Writes one line with the reason why the program failed. Returns exit code 1.
pub fn fail<P: CommandFactory>(error: &impl Display) -> ExitCode {
    report(&format!("{}: ", P::command().get_name()), &error.to_string());
    ExitCode::FAILURE
}

/// Writes one line with an error. `start` begins a line for people.
pub(super) fn report(start: &str, message: &str) {
    let line = match LogFormat::chosen() {
        LogFormat::Text => format!("{start}{message}\n"),
        LogFormat::Json => LogFormat::Json.line(Level::Error, module_path!(), message),
    };
    // If standard error is closed, the exit code still reports the error.
    let _ = io::stderr().write_all(line.as_bytes());
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
    start(env_logger::Builder::new().filter_level(level));
}

/// Starts the log of a server, which also has the causes of stops, unless `level` is for errors only.
pub(super) fn start_server_log(level: LevelFilter) {
    let by_environment = env::var(env_logger::DEFAULT_FILTER_ENV).ok().and_then(|text| text.parse().ok());
    let level = by_environment.unwrap_or(level);
    let mut builder = env_logger::Builder::new();
    // Statistics are logged on request only (SIGUSR1), and notices are for the operator: both are shown at any level.
    builder.filter_level(level).filter_module(stats::LOG_TARGET, LevelFilter::Info);
    builder.filter_module(output::LOG_TARGET, LevelFilter::Info);
    if level >= LevelFilter::Warn {
        builder.filter_module(stop::LOG_TARGET, LevelFilter::Info);
    }
    start(&mut builder);
}

fn start(builder: &mut env_logger::Builder) {
    let format = LogFormat::chosen();
    builder.parse_default_env().format(move |out, record| {
        out.write_all(format.line(record.level(), record.target(), &record.args().to_string()).as_bytes())
    });
    if let Ok(stderr) = OutputStream::stderr() {
        let writer = LossyWriter::new(stderr);
        let writer = if format == LogFormat::Json { writer.with_gap(LogFormat::gap) } else { writer };
        builder.target(env_logger::Target::Pipe(Box::new(writer)));
    }
    // Fails if the program has set a logger already, which is then kept.
    let _ = builder.try_init();
}
