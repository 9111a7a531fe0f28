//! Talk: the operator and one client at a time.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::cli::main::<switchboard::servers::TalkServer>()
}
