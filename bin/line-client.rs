//! A line client: sends lines from standard input to a server, and writes its replies to standard output.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::LineClient::main()
}
