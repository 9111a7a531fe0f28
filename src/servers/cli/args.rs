//! The flags that servers share, and their effect on the reactor.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use log::LevelFilter;

use super::log_format::LogFormat;
use super::report::{log_level, start_server_log};
use super::run::{ignore_file_size_signal, raise_descriptor_limit};
#[cfg(feature = "tls")]
use super::tls::TlsArgs;
use super::upgrade::meet_predecessor;
use super::value::{
    LimitOrOff, ProxyPeer, parse_count, parse_duration, parse_keepalive, parse_length, parse_off, parse_proxy,
    parse_rate, parse_size,
};
use crate::net::{Door, ListenAddress, Network, SocketOptions, somaxconn_clip};
use crate::{Address, Admission, Limits, Proxies, Rate};

/// The flags of every server. Flatten it into the command line of a server.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Read flags from this TOML file, too: its keys are flags without their dashes. The command line wins
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The flags of the service.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// The flags of the process.
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// The flags of a service: its listeners, its socket options, its limits.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    // The help is set where the command line is read, because it depends on the server.
    /// The addresses to listen on. If empty, the server listens on its default port on loopback.
    #[arg(short, long, value_name = "ADDR")]
    pub listen: Vec<ListenAddress>,

    /// Connections that may wait to be accepted; off: as many as the system allows
    #[arg(long, value_name = "N|off", default_value = "1024", value_parser = parse_off(parse_length),
        help_heading = "Sockets")]
    pub backlog: LimitOrOff<u32>,

    /// Bind a port whose old connections have not expired
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, help_heading = "Sockets")]
    pub reuse_address: bool,

    /// Share the port with other processes that set this flag
    #[arg(long, help_heading = "Sockets")]
    pub reuse_port: bool,

    /// Send small replies at once
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, help_heading = "Sockets")]
    pub nodelay: bool,

    /// Probe a TCP peer that has been silent for this long
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_keepalive),
        help_heading = "Sockets")]
    pub keepalive: LimitOrOff<Duration>,

    /// Receive buffer of each socket; without this flag, the system decides
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Sockets")]
    pub recv_buffer: Option<usize>,

    /// Send buffer of each socket; without this flag, the system decides
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Sockets")]
    pub send_buffer: Option<usize>,

    /// Proxies, which name their client in a PROXY header: those in this network, or those that connect to a unix:
    /// address; repeatable
    #[arg(long, value_name = "CIDR|unix", value_parser = parse_proxy, help_heading = "Sockets")]
    pub proxy_protocol: Vec<ProxyPeer>,

    /// The flags of TLS.
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Clients at a time; a client above the limit is closed at once
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count),
        help_heading = "Limits")]
    pub max_connections: LimitOrOff<usize>,

    /// Clients of one host (for IPv6, of one /64) at a time; a client above the limit is closed at once
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count),
        help_heading = "Limits")]
    pub max_per_host: LimitOrOff<usize>,

    /// Rate of new clients of one host (for IPv6, of one /64), with a burst of ten times N; a client above it is closed
    /// at once
    #[arg(long, value_name = "N/DUR|off", default_value = "off", value_parser = parse_off(parse_rate),
        help_heading = "Limits")]
    pub connect_rate: LimitOrOff<Rate>,

    /// Close a client that has been silent for this long
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub idle_timeout: LimitOrOff<Duration>,

    /// Serve only hosts of this network; repeatable
    #[arg(long, value_name = "CIDR", help_heading = "Limits")]
    pub allow: Vec<Network>,

    /// Refuse hosts of this network, even if --allow includes them; repeatable
    #[arg(long, value_name = "CIDR", help_heading = "Limits")]
    pub deny: Vec<Network>,

    /// Cap on the output from other clients that is queued for a client; above it, the client is closed. While queued
    /// replies to the client's own input exceed a quarter of the cap, its input is not read
    #[arg(long, value_name = "BYTES|off", default_value = "1MiB", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub max_queue: LimitOrOff<usize>,

    /// Close a client that takes none of the output queued by other clients for this long
    #[arg(long, value_name = "DUR|off", default_value = "10s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub queue_time: LimitOrOff<Duration>,
}

/// The flags of a server that answers datagrams.
#[derive(Args, Clone, Debug)]
pub struct DatagramArgs {
    /// Rate at which datagrams of one host are answered, with a burst of ten times N; the others are dropped
    #[arg(long, value_name = "N/DUR|off", default_value = "1000/1s", value_parser = parse_off(parse_rate),
        help_heading = "Limits")]
    pub datagram_rate: LimitOrOff<Rate>,
}

/// The flags of the process: its operator, its shutdown, its log.
#[derive(Args, Clone, Debug)]
pub struct ProcessArgs {
    /// Meaning of standard input
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Stdin::Stop)]
    pub stdin: Stdin,

    /// Accept the commands of the console on this Unix socket, too; only the owner of the server may connect
    #[arg(long, value_name = "unix:PATH", value_parser = parse_control)]
    pub control: Option<PathBuf>,

    /// Cap on all queued output; above it, the client with the most is closed
    #[arg(long, value_name = "BYTES|off", default_value = "off", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub memory_limit: LimitOrOff<usize>,

    /// Time for clients to receive their queued output when the server stops
    #[arg(long, value_name = "DUR|off", default_value = "5s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub drain: LimitOrOff<Duration>,

    /// The address of the metrics listener.
    // In a doc comment, the address of IPv6 would be a link.
    #[cfg(feature = "metrics")]
    #[arg(long, value_name = "ADDR", value_parser = parse_metrics, help_heading = "Diagnostics",
        help = "Serve figures to Prometheus over HTTP at /metrics, and the health of the server at /healthz. PORT (= \
                127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or unix:PATH")]
    pub metrics: Option<Address>,

    /// Log a turn of the loop that takes longer than this, because it delays all clients
    #[arg(long, value_name = "DUR|off", default_value = "50ms", value_parser = parse_off(parse_duration),
        help_heading = "Diagnostics")]
    pub slow_turn: LimitOrOff<Duration>,

    /// Log more to standard error: -v for connections, -vv for what arrives and leaves
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Diagnostics")]
    pub verbose: u8,

    /// Log errors only
    #[arg(short, long, help_heading = "Diagnostics")]
    pub quiet: bool,

    /// Form of the lines on standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = "Diagnostics")]
    pub log_format: LogFormat,
}

/// Parses the address of a control socket.
fn parse_control(text: &str) -> Result<PathBuf, String> {
    match text.parse() {
        Ok(Address::Unix(path)) => Ok(path),
        Err(error) if text.starts_with("unix:") => Err(error.to_string()),
        _ => Err("a control socket has a path, such as unix:/run/chat/control".into()),
    }
}

/// Parses the address of a metrics listener.
#[cfg(feature = "metrics")]
fn parse_metrics(text: &str) -> Result<Address, String> {
    match text.parse().map_err(|error: crate::AddressError| error.to_string())? {
        Address::Udp { .. } | Address::Tls(_) => {
            Err("metrics are served over plain HTTP, at a TCP port or a Unix path, such as 9100 or unix:PATH".into())
        }
        address => Ok(address),
    }
}

/// The meaning of standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stdin {
    /// A line, or the end of input, stops the server
    Stop,
    /// Lines are commands (help, stats, who, kick, quit); the end of input stops the server
    Commands,
    /// Standard input is not read
    Ignore,
}

impl ListenArgs {
    /// Whether an address is that of the web door.
    pub(crate) fn has_web_door(&self) -> bool {
        self.listen.iter().any(|listen| listen.door == Door::Web)
    }

    /// Returns the options of the sockets.
    #[must_use]
    pub fn socket_options(&self) -> SocketOptions {
        SocketOptions {
            reuse_address: self.reuse_address,
            reuse_port: self.reuse_port,
            backlog: self.backlog.0.unwrap_or_else(|| somaxconn_clip(u32::MAX).unwrap_or(u32::MAX)),
            nodelay: self.nodelay,
            keepalive: self.keepalive.0,
            recv_buffer: self.recv_buffer,
            send_buffer: self.send_buffer,
            ..SocketOptions::default()
        }
    }

    /// Returns the hosts that are served.
    #[must_use]
    pub fn admission(&self) -> Admission {
        Admission { allow: self.allow.clone(), deny: self.deny.clone() }
    }

    /// Returns the proxies in front of the service.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        let networks = self.proxy_protocol.iter().filter_map(|peer| match peer {
            ProxyPeer::Network(network) => Some(*network),
            ProxyPeer::Unix => None,
        });
        Proxies { networks: networks.collect(), unix: self.proxy_protocol.contains(&ProxyPeer::Unix) }
    }

    /// Returns `limits` with the values of these flags.
    #[must_use]
    pub fn limits(&self, limits: &Limits) -> Limits {
        Limits {
            max_connections: self.max_connections.0,
            max_per_host: self.max_per_host.0,
            connect_rate: self.connect_rate.0,
            idle_timeout: self.idle_timeout.0,
            max_queue: self.max_queue.0,
            queue_time: self.queue_time.0,
            ..limits.clone()
        }
    }
}

impl ProcessArgs {
    /// Starts the log, and sets the limits of the process.
    pub(crate) fn prepare(&self) {
        self.log_format.choose();
        start_server_log(if self.quiet { LevelFilter::Error } else { log_level(self.verbose) });
        ignore_file_size_signal();
        if let Err(error) = meet_predecessor() {
            log::error!("cannot take over the listeners of the process that this one replaces: {error}");
        }
        raise_descriptor_limit();
    }

    /// Returns `limits` with the values of these flags.
    #[must_use]
    pub fn limits(&self, limits: &Limits) -> Limits {
        Limits {
            // Adding `Duration::MAX` to the current time overflows, so draining has no deadline.
            drain: self.drain.0.unwrap_or(Duration::MAX),
            memory_limit: self.memory_limit.0,
            slow_turn: self.slow_turn.0,
            ..limits.clone()
        }
    }
}
