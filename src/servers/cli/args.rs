//! The flags of every server, and what they mean to the reactor.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::value::{LimitOrOff, parse_count, parse_duration, parse_keepalive, parse_off, parse_rate, parse_size};
use crate::net::{Network, SocketOptions};
use crate::{Address, Admission, Limits, Rate};

/// The flags of every server. Flatten it into a server's own.
#[derive(Args, Clone, Debug)]
pub struct ServerArgs {
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// How it behaves as a process.
    #[command(flatten)]
    pub process: ProcessArgs,
}

/// The flags of what a server listens to: where, with which sockets, within which limits.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// Where to listen; without any, at the server's own port on loopback.
    #[arg(short, long, value_name = "ADDR", help = LISTEN)]
    pub listen: Vec<Address>,

    /// How many clients may wait to be accepted
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Sockets")]
    pub backlog: u32,

    /// Bind a port that old connections still linger on
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, help_heading = "Sockets")]
    pub reuse_address: bool,

    /// Share the port with other processes that ask for it too
    #[arg(long, help_heading = "Sockets")]
    pub reuse_port: bool,

    /// Send small answers at once, without waiting for more
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true, help_heading = "Sockets")]
    pub nodelay: bool,

    /// Probe silent TCP peers after this long
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_keepalive),
        help_heading = "Sockets")]
    pub keepalive: LimitOrOff<Duration>,

    /// Receive buffer of each socket; the system's unless given
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Sockets")]
    pub recv_buffer: Option<usize>,

    /// Send buffer of each socket; the system's unless given
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Sockets")]
    pub send_buffer: Option<usize>,

    /// Clients served at a time; one more is closed at once
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count),
        help_heading = "Limits")]
    pub max_connections: LimitOrOff<usize>,

    /// Clients of one host served at a time, of IPv6 those of one /64; one more is closed at once
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count),
        help_heading = "Limits")]
    pub max_per_host: LimitOrOff<usize>,

    /// Close a client that was silent for this long
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub idle_timeout: LimitOrOff<Duration>,

    /// Serve only hosts of this network; may be given several times
    #[arg(long, value_name = "CIDR", help_heading = "Limits")]
    pub allow: Vec<Network>,

    /// Do not serve hosts of this network, whatever --allow says; may be given several times
    #[arg(long, value_name = "CIDR", help_heading = "Limits")]
    pub deny: Vec<Network>,

    /// Close a client for which others have queued more; read no further from one that leaves a quarter of it in answers
    /// to itself unread
    #[arg(long, value_name = "BYTES|off", default_value = "1MiB", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub max_queue: LimitOrOff<usize>,

    /// Close a client that takes nothing of what others have for it for this long
    #[arg(long, value_name = "DUR|off", default_value = "10s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub queue_time: LimitOrOff<Duration>,
}

/// The flags of what answers datagrams.
#[derive(Args, Clone, Debug)]
pub struct DatagramArgs {
    /// How many datagrams of one host are answered, after ten times as many at once; the others are dropped
    #[arg(long, value_name = "N/DUR|off", default_value = "1000/1s", value_parser = parse_off(parse_rate),
        help_heading = "Limits")]
    pub datagram_rate: LimitOrOff<Rate>,
}

/// The flags of the process: its operator, its end, its log.
#[derive(Args, Clone, Debug)]
pub struct ProcessArgs {
    /// What standard input is for
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Stdin::Stop)]
    pub stdin: Stdin,

    /// Close the client for which most is kept when this much is kept for all together
    #[arg(long, value_name = "BYTES|off", default_value = "off", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub memory_limit: LimitOrOff<usize>,

    /// When stopping, how long clients may take to receive what they are owed
    #[arg(long, value_name = "DUR|off", default_value = "5s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub drain: LimitOrOff<Duration>,

    /// Log a turn of the loop that took longer: everybody waited for it
    #[arg(long, value_name = "DUR|off", default_value = "50ms", value_parser = parse_off(parse_duration),
        help_heading = "Diagnostics")]
    pub slow_turn: LimitOrOff<Duration>,

    /// Say more on standard error: -v who comes and goes, -vv details
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Diagnostics")]
    pub verbose: u8,

    /// Say less: errors only
    #[arg(short, long, help_heading = "Diagnostics")]
    pub quiet: bool,
}

const LISTEN: &str = "Where to listen; may be given several times. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, \
    *:PORT, unix:PATH, or udp: before one of the first four; port 0 picks one";

/// What standard input is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stdin {
    /// Any line, or the end of input, stops the server
    Stop,
    /// Lines are commands (help, stats, who, kick, quit); the end of input stops the server
    Commands,
    /// It is left alone
    Ignore,
}

impl ListenArgs {
    /// The options of the sockets.
    #[must_use]
    pub fn socket_options(&self) -> SocketOptions {
        SocketOptions {
            reuse_address: self.reuse_address,
            reuse_port: self.reuse_port,
            backlog: self.backlog,
            nodelay: self.nodelay,
            keepalive: self.keepalive.0,
            recv_buffer: self.recv_buffer,
            send_buffer: self.send_buffer,
            ..SocketOptions::default()
        }
    }

    /// Who is served.
    #[must_use]
    pub fn admission(&self) -> Admission {
        Admission { allow: self.allow.clone(), deny: self.deny.clone() }
    }

    /// These limits, with those that flags have changed.
    #[must_use]
    pub fn limits(&self, limits: &Limits) -> Limits {
        Limits {
            max_connections: self.max_connections.0,
            max_per_host: self.max_per_host.0,
            idle_timeout: self.idle_timeout.0,
            max_queue: self.max_queue.0,
            queue_time: self.queue_time.0,
            ..limits.clone()
        }
    }
}
