//! The command line of `chargen-server`.

use clap::Parser;

use crate::servers::Chargen;
use crate::servers::cli::{DatagramArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};

/// Sends lines of 72 characters for as long as the client reads, over TCP, Unix sockets and UDP (RFC 864)
#[derive(Parser, Debug)]
#[command(name = "chargen-server", version, after_help = EXAMPLES)]
pub struct ChargenServer {
    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

const EXAMPLES: &str = "\
Examples:
  chargen-server                                 on 127.0.0.1:5019; try: nc 127.0.0.1 5019 | head
  chargen-server -l 5019 -l udp:5019             over TCP and UDP; each datagram gets six lines
  chargen-server --max-queue 64KiB --idle-timeout 1m";

impl Server for ChargenServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        Ok(host.host(ServiceSetup::new(5019, Chargen).with_datagrams(&self.datagrams).with_overlapping_upgrades()))
    }
}
