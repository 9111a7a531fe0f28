//! A client: lines from standard input to a server, answers to standard output, in one loop.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Parser};
use switchboard::servers::cli::{self, LimitOrOff, parse_duration, parse_off};
use switchboard::servers::{Client, ClientOptions};
use switchboard::{Address, ConsoleMode, Limits, Reactor};

/// Sends lines to a server and shows its answers as they come
///
/// A blank line, or the end of input, ends our side; what still comes is shown until the server ends too.
#[derive(Parser, Debug)]
#[command(name = "line-client", version, after_help = EXAMPLES)]
struct Args {
    /// The server.
    #[arg(value_name = "ADDR", help = ADDRESS)]
    address: Address,

    /// After our side has ended: how long to wait while nothing moves
    #[arg(long, value_name = "DUR|off", default_value = "5s", value_parser = parse_off(parse_duration))]
    linger: LimitOrOff<Duration>,

    /// Keep trying to connect for this long
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    retry: Option<Duration>,

    /// Shown at a terminal where a line may be typed
    #[arg(long, value_name = "TEXT", default_value = "% ")]
    prompt: String,

    /// Say more on standard error
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

const ADDRESS: &str = "The server: PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, unix:PATH, or udp: before one of the \
    first three";

const EXAMPLES: &str = "\
Examples:
  line-client 8888                               a chat on this host
  printf 'hi\\n' | line-client 127.0.0.1:50000    one line, one answer
  line-client udp:127.0.0.1:4444 --linger 500ms
  line-client unix:/tmp/echo.sock --retry 10s";

fn main() -> ExitCode {
    let args = Args::parse();
    cli::start_log(cli::log_level(args.verbose));
    let outcome = run(args).unwrap_or_else(|error| Some(error.to_string()));
    outcome.map_or(ExitCode::SUCCESS, |failure| cli::fail::<Args>(&failure))
}

/// Talks until one side has ended. Returns what went wrong, if something did.
fn run(args: Args) -> io::Result<Option<String>> {
    let is_conversation = io::stdin().is_terminal() && io::stdout().is_terminal();
    let options = ClientOptions {
        linger: args.linger.0.unwrap_or(Duration::MAX),
        retry: args.retry,
        prompt: if is_conversation { args.prompt } else { String::new() },
    };
    let limits = Limits {
        drain: options.linger,
        // A line of a file may be long.
        console_line: 16 << 20,
        ..Limits::default()
    };
    let mut reactor = Reactor::new(Client::new(args.address, options), limits)?;
    reactor.with_context(Client::start);
    reactor.open_console(ConsoleMode::Input)?;
    let client = reactor.run()?;
    Ok(client.failure().map(str::to_owned))
}
