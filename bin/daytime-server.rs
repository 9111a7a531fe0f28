//! Daytime: the date and the time of day as a line of text (RFC 867).

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::DaytimeServer>()
}
