//! What every server's command line has in common: the flags, the lines on standard output, the exit codes.
//!
//! Exit 0: asked to stop. 1: could not start, or died; one line says why. 2: usage. Standard output carries one line
//! `listening on ADDRESS` a socket and nothing else; everything else goes to standard error.

mod value;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, ValueEnum};
use ipnet::IpNet;
use log::LevelFilter;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::socket::{SocketOptions, bind};
use crate::stdio::{Diagnostics, Output};
use crate::{Address, Admission, ConsoleMode, Handler, Host, Limits, Reactor};

pub use value::{Off, parse_duration, parse_off, parse_size};
use value::{parse_count, parse_keepalive, parse_net};

/// The flags of every server. Flatten it into a server's own.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ServerArgs {
    /// Where to listen; without any, at the server's own port on loopback.
    #[arg(short, long, value_name = "ADDR", help = LISTEN)]
    pub listen: Vec<Address>,

    /// What standard input is for
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Stdin::Stop)]
    pub stdin: Stdin,

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
    pub keepalive: Off<Duration>,

    /// Receive buffer of each socket; the system's unless given
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Sockets")]
    pub recv_buffer: Option<usize>,

    /// Send buffer of each socket; the system's unless given
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Sockets")]
    pub send_buffer: Option<usize>,

    /// Clients served at a time; one more is closed at once
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count),
        help_heading = "Limits")]
    pub max_connections: Off<usize>,

    /// Close a client that was silent for this long
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub idle_timeout: Off<Duration>,

    /// Serve only hosts of this network; may be given several times
    #[arg(long, value_name = "CIDR", value_parser = parse_net, help_heading = "Limits")]
    pub allow: Vec<IpNet>,

    /// Do not serve hosts of this network, whatever --allow says; may be given several times
    #[arg(long, value_name = "CIDR", value_parser = parse_net, help_heading = "Limits")]
    pub deny: Vec<IpNet>,

    /// Close a client for which others have queued more; read no further from one that leaves a quarter of it in answers
    /// to itself unread
    #[arg(long, value_name = "BYTES|off", default_value = "1MiB", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub max_queue: Off<usize>,

    /// When stopping, how long clients may take to receive what they are owed
    #[arg(long, value_name = "DUR|off", default_value = "5s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub drain: Off<Duration>,

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
    /// Lines are commands (help, stats, quit); the end of input stops the server
    Commands,
    /// It is left alone
    Ignore,
}

/// What differs between servers.
#[derive(Clone, Debug)]
pub struct Service {
    /// The port on loopback where it listens unless told otherwise.
    pub port: u16,
    /// Whether it answers datagrams.
    pub udp: bool,
    /// The limits that its own flags have changed.
    pub limits: Limits,
}

impl ServerArgs {
    fn socket_options(&self) -> SocketOptions {
        SocketOptions::default()
            .reuse_address(self.reuse_address)
            .reuse_port(self.reuse_port)
            .backlog(self.backlog)
            .nodelay(self.nodelay)
            .keepalive(self.keepalive.0)
            .recv_buffer(self.recv_buffer)
            .send_buffer(self.send_buffer)
    }

    fn limits(&self, service: &Service) -> Limits {
        Limits {
            max_connections: self.max_connections.0,
            idle_timeout: self.idle_timeout.0,
            max_queue: self.max_queue.0,
            // A deadline beyond the end of time is never due.
            drain: self.drain.0.unwrap_or(Duration::MAX),
            ..service.limits.clone()
        }
    }
}

/// Serves until asked to stop. `P` is the server's own command line, for its name and usage.
pub fn serve<P: CommandFactory, H: Handler>(args: &ServerArgs, service: &Service, handler: H) -> ExitCode {
    if let Some(udp) = args.listen.iter().find(|address| matches!(address, Address::Udp { .. }) && !service.udp) {
        usage_error::<P>(format!("{udp}: this server has no use for datagrams; give it without udp:"));
    }
    start_log(if args.quiet { LevelFilter::Error } else { log_level(args.verbose) });
    match run(args, service, handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail::<P>(&with_remedy(&*error)),
    }
}

/// The system's text with what can be done about it, where nothing more is known than that.
fn with_remedy(error: &(dyn std::error::Error + 'static)) -> String {
    let errno = error.downcast_ref().and_then(Errno::from_io_error);
    let remedy = if errno == Some(Errno::MFILE) { "; raise \"ulimit -n\"" } else { "" };
    format!("{error}{remedy}")
}

/// Ends the process as a wrong command line does: the message, the usage, and code 2.
pub fn usage_error<P: CommandFactory>(message: impl Display) -> ! {
    P::command().error(ErrorKind::ValueValidation, message).exit()
}

/// Says in one line why the program could not do its work. Returns code 1.
pub fn fail<P: CommandFactory>(error: &impl Display) -> ExitCode {
    // A closed standard error leaves the exit code, which says the same.
    let _ = writeln!(io::stderr(), "{}: {error}", P::command().get_name());
    ExitCode::FAILURE
}

/// The limits of a protocol of lines: the inbox has to hold the longest one and its end.
#[must_use]
pub fn line_limits(max_line: usize) -> Limits {
    let limits = Limits::default();
    Limits { inbox: limits.inbox.max(max_line.saturating_add(2)), ..limits }
}

fn run<H: Handler>(args: &ServerArgs, service: &Service, handler: H) -> Result<(), Box<dyn std::error::Error>> {
    raise_descriptor_limit();
    let options = args.socket_options();
    let mut reactor = Reactor::new(handler, args.limits(service))?;
    reactor.use_options(options.clone());
    reactor.admit(Admission { allow: args.allow.clone(), deny: args.deny.clone() });
    reactor.handle_signals()?;
    let default = [Address::Tcp { host: Host::Ip(std::net::Ipv4Addr::LOCALHOST.into()), port: service.port }];
    let mut bound = Vec::new();
    for address in if args.listen.is_empty() { &default[..] } else { &args.listen } {
        for listener in bind(address, &options)? {
            bound.push(listener.local()?);
            reactor.listen(listener)?;
        }
    }
    let hint = open_console(args.stdin, &mut reactor)?;
    announce(&bound);
    if let Some(hint) = hint {
        let _ = writeln!(io::stderr(), "{hint}");
    }
    reactor.run()?;
    Ok(())
}

/// Reads standard input. Returns how to stop the server there, if somebody may be sitting at it.
fn open_console<H: Handler>(stdin: Stdin, reactor: &mut Reactor<H>) -> io::Result<Option<&'static str>> {
    let (mode, hint) = match stdin {
        Stdin::Stop => (ConsoleMode::Stop, "press Enter to stop"),
        Stdin::Commands => (ConsoleMode::Commands, "type help for commands, quit to stop"),
        Stdin::Ignore => return Ok(None),
    };
    let has_operator = reactor.open_console(mode)?;
    Ok(Some(hint).filter(|_| has_operator && io::stdin().is_terminal() && io::stderr().is_terminal()))
}

/// One flushed line a socket. A closed standard output does not keep a server from serving.
fn announce(bound: &[Address]) {
    let mut stdout = io::stdout();
    for address in bound {
        let _ = writeln!(stdout, "listening on {address}").and_then(|()| stdout.flush());
    }
}

/// How much is logged after so many `-v`: warnings, who comes and goes, details.
#[must_use]
pub fn log_level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

/// Sends the log to standard error without ever waiting for whoever reads it. The environment variable `RUST_LOG` goes
/// before the level.
pub fn start_log(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).parse_default_env().format(|out, record| {
        // What a peer sent may be part of the message, and a terminal may show it.
        let message = record.args().to_string();
        let time = out.timestamp();
        writeln!(out, "{time} {:<5} {}", record.level(), crate::sanitize(message.as_bytes()))
    });
    if let Ok(stderr) = Output::stderr() {
        builder.target(env_logger::Target::Pipe(Box::new(Diagnostics::new(stderr))));
    }
    // A program that embeds this may have a logger of its own.
    let _ = builder.try_init();
}

/// Raises the soft limit of descriptors to the hard one: the soft one is 1,024 on most systems, for select(2)'s sake.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => log::debug!("descriptor limit raised from {:?} to {:?}", limit.current, limit.maximum),
        Err(error) => log::warn!("descriptor limit stays {:?}: {error}", limit.current),
    }
}

#[cfg(test)]
mod tests;
