//! The command line of `relay-server`.

use std::time::Duration;

use clap::Parser;

use crate::net::{Address, Host};
use crate::servers::Relay;
use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, parse_duration, parse_off,
};
use crate::state::limits::Limits;

/// Relays each client to another server, over TCP, Unix sockets and TLS
#[derive(Parser, Debug)]
#[command(name = "relay-server", version, after_help = EXAMPLES)]
pub struct RelayServer {
    /// The server that clients are relayed to
    #[arg(long, value_name = "ADDR", required = true, value_parser = parse_upstream,
        help = format!("The server that clients are relayed to: {FORMS}"))]
    pub to: Option<Address>,

    /// Time for each address of that server to accept a connection
    #[arg(long, value_name = "DUR|off", default_value = "10s", value_parser = parse_off(parse_duration))]
    pub connect_timeout: LimitOrOff<Duration>,

    /// The flags of TLS to that server.
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub tls: crate::servers::cli::TlsClientArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

#[cfg(not(feature = "tls"))]
const FORMS: &str = "PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT or unix:PATH";

#[cfg(feature = "tls")]
const FORMS: &str = "PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT or unix:PATH, with tls: before it for TLS";

const EXAMPLES: &str = "\
Examples:
  relay-server --to 8888                         127.0.0.1:5010 is 127.0.0.1:8888
  relay-server --to 127.0.0.1:80 -l '*:8080'     a server on loopback for every host
  relay-server --to unix:/run/app.sock -l 8080   a Unix socket as a port
  relay-server --to db:5432 -l unix:/tmp/db.sock --connect-timeout 2s";

const PORT: u16 = 5010;

impl Server for RelayServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn check(&self) -> Result<(), StartError> {
        let Some(to) = &self.to else { return Err(StartError::usage("--to ADDR is missing")) };
        if self.is_own(to) {
            return Err(StartError::usage(format!("--to {to} is an address of this server itself, which would loop")));
        }
        #[cfg(feature = "tls")]
        self.tls.check(to)?;
        Ok(())
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let Some(to) = &self.to else { return Err(StartError::usage("--to ADDR is missing")) };
        let limits = Limits { connect_timeout: self.connect_timeout.0, ..Limits::default() };
        let setup = ServiceSetup::new(PORT, Relay::new(to.clone())).with_limits(limits).with_overlapping_upgrades();
        #[cfg(feature = "tls")]
        let setup = ServiceSetup { tls_client: self.tls.load(to)?, ..setup };
        Ok(host.host(setup))
    }
}

impl RelayServer {
    /// Whether this server listens on the address, as far as the command line shows it.
    fn is_own(&self, to: &Address) -> bool {
        let listen = &self.server.listen.listen;
        let default: Address = Address::Tcp { host: Host::Ip([127, 0, 0, 1].into()), port: PORT };
        let is_same = |own: &Address| match (own.transport(), to.transport()) {
            (Address::Tcp { host: Host::Any, port }, Address::Tcp { host: Host::Ip(ip), port: wanted }) => {
                port == wanted && ip.is_loopback()
            }
            (own, wanted) => own == wanted,
        };
        listen.iter().any(|own| is_same(&own.address)) || listen.is_empty() && is_same(&default)
    }
}

/// Parses an address that can be connected to.
fn parse_upstream(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|error: crate::AddressError| error.to_string())?;
    match address.transport() {
        Address::Udp { .. } => Err(format!("a relay carries streams, not datagrams; use {FORMS}")),
        Address::Tcp { port: 0, .. } => Err("port 0 is for listeners; use the port of the other server".to_owned()),
        Address::Tcp { host: Host::Any, port } => {
            Err(format!("* is for listeners; use one host, such as 127.0.0.1:{port}"))
        }
        _ => Ok(address),
    }
}
