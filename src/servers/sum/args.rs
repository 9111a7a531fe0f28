//! The command line of `sum-server`.

use clap::Parser;

use crate::servers::cli::{
    LimitOrOff, LineArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, parse_count, parse_off,
};
use crate::servers::{Sum, SumOptions};

/// Adds one integer from each client and writes the total to standard output, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "sum-server", version, after_help = EXAMPLES)]
pub struct SumServer {
    /// Integers in a round; the last one completes it, the total is written to standard output, and a new round begins
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_count)]
    pub clients: usize,

    /// Rounds, after which the server stops with exit code 0
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count))]
    pub rounds: LimitOrOff<usize>,

    /// Also send the total to the clients of the round
    #[arg(long)]
    pub reply: bool,

    /// The longest line.
    #[command(flatten)]
    pub lines: LineArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  sum-server                                     on 127.0.0.1:1234; try: nc 127.0.0.1 1234
  sum-server --rounds 1 --stdin ignore           prints the address and one total, and ends
  sum-server --clients 3 --reply -l '*:1234' --idle-timeout 10m
  sum-server -l unix:/tmp/sum.sock --stdin ignore &";

impl Server for SumServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn check(&self) -> Result<(), StartError> {
        if let LimitOrOff(Some(most)) = self.server.listen.max_connections
            && most < self.clients
        {
            return Err(StartError::usage(format!(
                "--max-connections {most} is too low: a round needs {} clients (--clients)",
                self.clients
            )));
        }
        Ok(())
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let (clients, rounds, reply) = (self.clients, self.rounds.0, self.reply);
        let options = SumOptions { clients, rounds, reply, max_line: self.lines.max_line() };
        Ok(host.host(ServiceSetup::new(1234, Sum::lines(options)).with_limits(self.lines.limits())))
    }
}
