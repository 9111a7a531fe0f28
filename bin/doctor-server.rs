//! Doctor: a therapist who gives back what patients say, and remembers them.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::DoctorServer>()
}
