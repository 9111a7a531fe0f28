//! HTTP: serves the files of a directory.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::HttpServer>()
}
