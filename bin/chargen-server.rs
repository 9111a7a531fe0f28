//! Chargen: a pattern of printing characters that never ends (RFC 864).

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::ChargenServer>()
}
