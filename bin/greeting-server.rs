//! Greeting: a text for whoever connects.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::GreetingServer>()
}
