//! Chat: one room, nicknames, commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::cli::main::<switchboard::servers::ChatServer>()
}
