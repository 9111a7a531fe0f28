//! Greeting: sends a text to each client and closes.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::GreetingServer>()
}
