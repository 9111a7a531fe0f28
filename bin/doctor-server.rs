//! Doctor: a therapist modelled on ELIZA that remembers returning patients.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::DoctorServer>()
}
