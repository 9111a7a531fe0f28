//! Bank: accounts with PINs, balances, and a journal on the disk.

use std::process::ExitCode;

fn main() -> ExitCode {
    switchboard::servers::cli::main::<switchboard::servers::BankServer>()
}
