//! Sum: integers from several clients, and their total.

use clap::Parser;

use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_count, parse_off,
    parse_size,
};
use crate::servers::{Sum, SumOptions};

/// Takes an integer from each client, and prints the total when enough have come, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "sum-server", version, after_help = EXAMPLES)]
pub struct SumServer {
    /// How many integers make a round; then the total is printed, and the next round begins
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_count)]
    pub clients: usize,

    /// Send the total to those clients, too
    #[arg(long)]
    pub reply: bool,

    /// Longest line that a client may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: LimitOrOff<usize>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  sum-server                                     on 127.0.0.1:1234; try: nc 127.0.0.1 1234
  sum-server --clients 3 --reply -l '*:1234' --idle-timeout 10m
  sum-server -l unix:/tmp/sum.sock --stdin ignore &";

impl Server for SumServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        if let LimitOrOff(Some(most)) = self.server.listen.max_connections
            && most < self.clients
        {
            let text = format!("--max-connections {most} lets no round of --clients {} be full", self.clients);
            return Err(StartError::usage(text));
        }
        let max_line = self.max_line.0.unwrap_or(usize::MAX);
        let sum = Sum::rounds(SumOptions { clients: self.clients, reply: self.reply, max_line });
        Ok(host.host(ServiceSetup::new(1234, sum).with_limits(line_limits(max_line))))
    }
}
