//! Exec: a program for each client, with the connection as its standard input and output.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::ExecServer>()
}
