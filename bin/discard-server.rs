//! Discard: nothing comes back (RFC 863).

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::DiscardServer>()
}
