//! Discard: reads everything and sends nothing (RFC 863).

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::DiscardServer>()
}
