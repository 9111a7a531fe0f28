//! The command line of `bank-server`.

use std::time::Duration;

use clap::Parser;

use crate::servers::cli::{
    DataArgs, LimitOrOff, LineArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, parse_duration,
    parse_off,
};
use crate::servers::{Bank, BankOptions};

/// Accounts with PINs and balances, over TCP and Unix sockets
///
/// PINs are not encrypted: listen beyond this machine only on a trusted network.
#[derive(Parser, Debug)]
#[command(name = "bank-server", version, after_help = EXAMPLES)]
#[command(mut_arg("data", |data| data.help(DATA)))]
pub struct BankServer {
    /// The data file.
    #[command(flatten)]
    pub data: DataArgs,

    /// How long three wrong PINs in a row lock a name
    #[arg(long, value_name = "DUR|off", default_value = "1m", value_parser = parse_off(parse_duration))]
    pub lock: LimitOrOff<Duration>,

    /// The longest line.
    #[command(flatten)]
    pub lines: LineArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const DATA: &str = "File that keeps the accounts, created if it is missing; :memory: keeps them in memory only \
    [default: bank.db in the user's data directory, ~/.local/share/switchboard]";

const EXAMPLES: &str = "\
Examples:
  bank-server                                    on 127.0.0.1:5003; try: nc 127.0.0.1 5003
  bank-server --data :memory: --stdin commands   to try it out; type: interest 2.5
  bank-server --data /tmp/bank.db -l unix:/tmp/bank.sock --lock 15m";

impl Server for BankServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let store = self.data.open("bank", &Bank::SCHEMA)?;
        let options = BankOptions { max_line: self.lines.max_line(), lock: self.lock.0.unwrap_or_default() };
        let bank = Bank::lines(store, options);
        bank.get_ref().start_threads().map_err(StartError::thread)?;
        Ok(host.host(ServiceSetup::new(5003, bank).with_limits(self.lines.limits()).with_secrets()))
    }
}
