//! Sum: integers from several clients, and their total.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::cli::main::<switchboard::servers::SumServer>()
}
