//! Several services in one process and one loop.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::Switchboard::main()
}
