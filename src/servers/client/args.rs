//! The command line of `line-client`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser};

use crate::servers::cli::{self, LimitOrOff, parse_duration, parse_off};
use crate::servers::{Client, ClientOptions};
use crate::{Address, AddressError, ConsoleMode, Host, Reactor, ServiceOptions};

/// Sends lines to a server and shows its replies
///
/// A blank line, or the end of input, ends our side. Replies are shown until the server closes.
#[derive(Parser, Debug)]
#[command(name = "line-client", version, after_help = EXAMPLES)]
pub struct LineClient {
    /// The server.
    #[arg(value_name = "ADDR", help = format!("The server: {ADDRESS}"), value_parser = parse_server)]
    pub address: Address,

    /// End our side at this line, in upper or lower case, and send blank lines; repeatable
    #[arg(long, value_name = "TEXT")]
    pub quit_on: Vec<String>,

    /// Time to wait without progress after our side has ended
    #[arg(long, value_name = "DUR|off", default_value = "5s", value_parser = parse_off(parse_duration))]
    pub linger: LimitOrOff<Duration>,

    /// Time during which failed attempts to connect are repeated
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_duration))]
    pub retry: LimitOrOff<Duration>,

    /// Prompt for each line, at a terminal
    #[arg(long, value_name = "TEXT", default_value = "% ")]
    pub prompt: String,

    /// The flags of TLS.
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub tls: cli::TlsClientArgs,

    /// Log more to standard error: -v for connections, -vv for details
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

#[cfg(not(feature = "tls"))]
const ADDRESS: &str = "PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, unix:PATH, or udp: before one of the first three";
#[cfg(feature = "tls")]
const ADDRESS: &str = "PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, unix:PATH, udp: before one of the first three, \
    or tls: before any of them";

const EXAMPLES: &str = "\
Examples:
  line-client 8888                               a chat on this host
  printf 'hi\\n' | line-client 127.0.0.1:50000    one line, one answer
  line-client 50000 --quit-on q                  until q or Q
  line-client udp:127.0.0.1:4444 --linger 500ms
  line-client unix:/tmp/echo.sock --retry 10s";

impl LineClient {
    /// Talks to the server of the command line until one side has closed. This is the `main` of `line-client`.
    // Inlined, so that only `line-client` compiles its reactor, and not each build of the crate.
    #[inline]
    #[must_use]
    pub fn main() -> ExitCode {
        let args = LineClient::try_parse().unwrap_or_else(|error| cli::suggest(error, hint).exit());
        cli::start_log(cli::log_level(args.verbose));
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only TLS changes it"))]
        let mut service = ServiceOptions::default();
        #[cfg(feature = "tls")]
        match args.tls.load(&args.address) {
            Ok(tls) => service.tls_client = tls,
            Err(error) => return cli::exit_code::<LineClient>(Err(error)),
        }
        let outcome = args.run(service).unwrap_or_else(|error| Some(error.to_string()));
        outcome.map_or(ExitCode::SUCCESS, |failure| cli::fail::<LineClient>(&failure))
    }

    /// Runs until one side has closed. Returns the reason of a failure.
    #[inline]
    fn run(self, mut service: ServiceOptions) -> io::Result<Option<String>> {
        let is_conversation = io::stdin().is_terminal() && io::stdout().is_terminal();
        let options = ClientOptions {
            linger: self.linger.0.unwrap_or(Duration::MAX),
            retry: self.retry.0,
            quit_on: self.quit_on,
            prompt: if is_conversation { self.prompt } else { String::new() },
        };
        let limits = &mut service.limits;
        limits.drain = options.linger;
        // A look-up of the name is one slow turn, and a client delays only itself.
        limits.slow_turn = None;
        // As long as the system takes, or as --retry says.
        limits.connect_timeout = None;
        // A line of a file may be long.
        limits.console_line = 16 << 20;
        let mut reactor = Reactor::with_options(Client::new(self.address, options), service)?;
        reactor.open_console(ConsoleMode::Input)?;
        let client = reactor.run()?;
        Ok(client.failure())
    }
}

/// The hint for a port that is given as a word of its own, as to nc(1).
fn hint(word: &str) -> Option<String> {
    word.parse::<u16>().is_ok().then(|| format!("host and port are one word, use 'HOST:{word}'"))
}

/// Parses an address that can be connected to. An address of a listener that cannot is an error.
fn parse_server(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|error| match error {
        AddressError::Empty | AddressError::NoPort | AddressError::NoHost => {
            format!("the host or the port is missing, use {ADDRESS}")
        }
        other => other.to_string(),
    })?;
    match address.transport() {
        Address::Tcp { port: 0, .. } | Address::Udp { port: 0, .. } => {
            Err("port 0 is for servers: use the port in the server's line \"listening on\"".to_owned())
        }
        Address::Tcp { host: Host::Any, port } | Address::Udp { host: Host::Any, port } => {
            Err(format!("* is for servers: use one host, such as 127.0.0.1:{port}"))
        }
        _ => Ok(address),
    }
}
