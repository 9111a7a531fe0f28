//! The command line of `echo-server`.

use clap::Parser;

use crate::servers::cli::{
    DatagramArgs, LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_off,
    parse_size,
};
use crate::servers::{Echo, EchoLines};

/// Sends back what it receives, over TCP, Unix sockets and UDP (RFC 862)
#[derive(Parser, Debug)]
#[command(name = "echo-server", version, after_help = EXAMPLES)]
pub struct EchoServer {
    /// Answer each line with this text and the line
    #[arg(long, value_name = "TEXT")]
    pub reply_prefix: Option<String>,

    /// Close the connection, without an answer, at a line that equals this text (ASCII case ignored)
    #[arg(long, value_name = "TEXT")]
    pub quit_on: Option<String>,

    /// Longest line [default: 4096]; with --reply-prefix or --quit-on
    #[arg(long, value_name = "BYTES|off", value_parser = parse_off(parse_size))]
    pub max_line: Option<LimitOrOff<usize>>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

const EXAMPLES: &str = "\
Examples:
  echo-server                                    on 127.0.0.1:50000; try: nc 127.0.0.1 50000
  echo-server -l '*:7000' -l udp:7000            open to the world over TCP, to this host over UDP
  echo-server --reply-prefix 'You Send: ' --quit-on q
  echo-server -l unix:/tmp/echo.sock --stdin ignore &";

const PORT: u16 = 50000;

impl Server for EchoServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        if self.reply_prefix.is_none() && self.quit_on.is_none() {
            if self.max_line.is_some() {
                return Err(StartError::usage("--max-line needs --reply-prefix or --quit-on"));
            }
            return Ok(host.host(ServiceSetup::new(PORT, Echo::bytes()).with_datagrams(&self.datagrams)));
        }
        let max_line = self.max_line.map_or(4096, |LimitOrOff(limit)| limit.unwrap_or(usize::MAX));
        let lines = EchoLines {
            prefix: self.reply_prefix.clone().unwrap_or_default().into_bytes(),
            quit_on: self.quit_on.clone().map(String::into_bytes),
            max_line,
        };
        Ok(host.host(
            ServiceSetup::new(PORT, Echo::lines(lines))
                .with_limits(line_limits(max_line))
                .with_datagrams(&self.datagrams),
        ))
    }
}
