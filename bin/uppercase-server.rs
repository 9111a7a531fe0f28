//! Uppercase: every byte comes back in capitals.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::UppercaseServer>()
}
