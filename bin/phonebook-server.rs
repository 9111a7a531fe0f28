//! Phone book: names and numbers in a data file, shared by all clients.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::PhonebookServer>()
}
