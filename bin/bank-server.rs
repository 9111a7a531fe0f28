//! Bank: accounts with PINs and balances, kept in a data file.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::BankServer>()
}
