//! Chargen: an endless pattern of printing characters (RFC 864).

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::ChargenServer>()
}
