//! Doctor: a therapist after ELIZA that remembers returning patients.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::DoctorServer>()
}
