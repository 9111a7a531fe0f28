//! Phone book: names and numbers in a data file, shared by all clients.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::cli::main::<switchboard::servers::PhonebookServer>()
}
