//! The command line of `time-server`.

use clap::Parser;

use crate::servers::Time;
use crate::servers::cli::{DatagramArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};

/// Sends the time as a 32-bit number and closes the connection, over TCP, Unix sockets and UDP (RFC 868)
#[derive(Parser, Debug)]
#[command(name = "time-server", version, after_help = EXAMPLES)]
pub struct TimeServer {
    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

const EXAMPLES: &str = "\
Examples:
  time-server                                    on 127.0.0.1:5038; try: rdate -p -o 5038 127.0.0.1
  time-server -l 5038 -l udp:5038                over TCP and UDP
  time-server -l '*:5038' --max-connections 100  open to the world";

impl Server for TimeServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        Ok(host.host(ServiceSetup::new(5038, Time).with_datagrams(&self.datagrams).with_overlapping_upgrades()))
    }
}
