//! Sum: integers from several clients, and their total.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::SumServer>()
}
