//! The diagnostics of a program on standard error, and its exit code.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::CommandFactory;
use clap::error::ErrorKind;
use jiff::Timestamp;
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

/// A time as in RFC 3339, in UTC. A time outside of the calendar, from a clock that is wrong by millennia, is `@` and
/// the seconds since 1970, as `date -d` reads them.
fn timestamp(at: SystemTime) -> String {
    match (Timestamp::try_from(at), at.duration_since(SystemTime::UNIX_EPOCH)) {
        (Ok(at), _) => format!("{at:.0}"),
        (_, Ok(after)) => format!("@{}", after.as_secs()),
        (_, Err(before)) => format!("@-{}", before.duration().as_secs()),
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
    // Statistics are logged on request only (SIGUSR1), so they are shown at any level.
    builder.filter_level(level).filter_module(stats::LOG_TARGET, LevelFilter::Info);
    if level >= LevelFilter::Warn {
        builder.filter_module(stop::LOG_TARGET, LevelFilter::Info);
    }
    start(&mut builder);
}

fn start(builder: &mut env_logger::Builder) {
    builder.parse_default_env().format(|out, record| {
        // A message may contain bytes of a peer, and a terminal may show it.
        let message = record.args().to_string();
        let time = timestamp(SystemTime::now());
        writeln!(out, "{time} {:<5} {}", record.level(), crate::sanitize(message.as_bytes()))
    });
    if let Ok(stderr) = OutputStream::stderr() {
        builder.target(env_logger::Target::Pipe(Box::new(LossyWriter::new(stderr))));
    }
    // Fails if the program has set a logger already, which is then kept.
    let _ = builder.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn every_time_can_be_logged() {
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(1_500)), "1970-01-01T00:00:01Z");
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), "1969-12-31T23:59:59Z");
        let far = Duration::from_secs(1 << 62);
        assert_eq!(timestamp(UNIX_EPOCH + far), "@4611686018427387904");
        assert_eq!(timestamp(UNIX_EPOCH - far), "@-4611686018427387904");
        let last =
            (0..64).rev().fold(UNIX_EPOCH, |at, bit| at.checked_add(Duration::from_secs(1 << bit)).unwrap_or(at));
        assert_eq!(timestamp(last), format!("@{}", i64::MAX));
    }
}
