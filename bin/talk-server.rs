//! Talk: the operator and one client at a time.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::TalkServer>()
}
