//! Bank: accounts with PINs, balances, and a journal on the disk.

use std::time::Duration;

use clap::Parser;

use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_duration, parse_off,
    parse_size,
};
use crate::servers::{Bank, BankOptions};
use crate::workers::storage::{DataFile, Store};

/// Accounts with PINs and balances, over TCP and Unix sockets
///
/// PINs travel in clear: listen beyond this machine only where nobody else reads the network.
#[derive(Parser, Debug)]
#[command(name = "bank-server", version, after_help = EXAMPLES)]
pub struct BankServer {
    /// Where the books are kept; :memory: for nowhere [default: bank.db in the user's data directory]
    #[arg(long, value_name = "FILE")]
    pub data: Option<DataFile>,

    /// How long three wrong PINs in a row lock a name
    #[arg(long, value_name = "DUR|off", default_value = "1m", value_parser = parse_off(parse_duration))]
    pub lock: LimitOrOff<Duration>,

    /// Longest line that a client may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: LimitOrOff<usize>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  bank-server                                    on 127.0.0.1:5003; try: nc 127.0.0.1 5003
  bank-server --data :memory: --stdin commands   for a try; type: interest 2.5
  bank-server --data /tmp/bank.db -l unix:/tmp/bank.sock --lock 15m";

impl Server for BankServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let file = self.data.clone().map_or_else(|| DataFile::of_user("bank"), Ok);
        let store = file.and_then(|file| Store::open(&file, &Bank::SCHEMA)).map_err(StartError::failure)?;
        let max_line = self.max_line.0.unwrap_or(usize::MAX);
        let options = BankOptions { max_line, lock: self.lock.0.unwrap_or_default() };
        Ok(host.host(ServiceSetup::new(5003, Bank::lines(store, options)).with_limits(line_limits(max_line))))
    }
}
