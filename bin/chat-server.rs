//! Chat: rooms, nicknames, commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::ChatServer>()
}
