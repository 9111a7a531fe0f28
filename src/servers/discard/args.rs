//! The command line of `discard-server`.

use clap::Parser;

use crate::servers::Discard;
use crate::servers::cli::{DatagramArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};

/// Discards what it receives, over TCP, Unix sockets and UDP (RFC 863)
#[derive(Parser, Debug)]
#[command(name = "discard-server", version, after_help = EXAMPLES)]
pub struct DiscardServer {
    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

const EXAMPLES: &str = "\
Examples:
  discard-server                                 on 127.0.0.1:5009; try: nc -N 127.0.0.1 5009 < file
  discard-server -l 5009 -l udp:5009             over TCP and UDP
  discard-server --stdin commands                stats shows how many bytes were received";

impl Server for DiscardServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        Ok(host.host(ServiceSetup::new(5009, Discard).with_datagrams(&self.datagrams).with_overlapping_upgrades()))
    }
}
