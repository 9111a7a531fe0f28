//! The command line of `uppercase-server`.

use clap::Parser;

use crate::servers::Uppercase;
#[cfg(feature = "web")]
use crate::servers::cli::WebArgs;
use crate::servers::cli::{DatagramArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};
#[cfg(feature = "web")]
use crate::servers::doors::Doors;

/// Sends back what it receives in capitals, over TCP, Unix sockets and UDP
#[derive(Parser, Debug)]
#[command(name = "uppercase-server", version, after_help = EXAMPLES)]
pub struct UppercaseServer {
    /// Map every letter of Unicode (ß becomes SS), not only a to z
    #[arg(long)]
    pub unicode: bool,

    /// The flags of the web door.
    #[cfg(feature = "web")]
    #[command(flatten)]
    pub web: WebArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

const EXAMPLES: &str = "\
Examples:
  uppercase-server                               on 127.0.0.1:4444; try: nc 127.0.0.1 4444
  uppercase-server --unicode -l 7000 -l udp:7000
  uppercase-server -l '*:4444' --max-connections 100 --idle-timeout 5m";

impl Server for UppercaseServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    #[cfg(feature = "web")]
    fn check(&self) -> Result<(), StartError> {
        self.web.options(&self.server.listen).map(drop)
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let handler = if self.unicode { Uppercase::unicode() } else { Uppercase::ascii() };
        let setup = ServiceSetup::new(4444, handler)
            .with_datagrams(&self.datagrams)
            .with_web_door()
            .with_overlapping_upgrades();
        #[cfg(feature = "web")]
        if let Some(web) = self.web.options(&self.server.listen)? {
            return Ok(host.host(setup.map(|handler| Doors::new(handler, web))));
        }
        Ok(host.host(setup))
    }
}
