//! Time: the seconds since 1900 as four bytes (RFC 868).

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::TimeServer>()
}
