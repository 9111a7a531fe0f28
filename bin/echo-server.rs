//! Echo: every byte comes back (RFC 862), or every line with a prefix.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::EchoServer>()
}
