//! Relay: connects each client to another server and passes the bytes in both directions.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::RelayServer>()
}
