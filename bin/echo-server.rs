//! Echo: every byte comes back (RFC 862), or every line with a prefix.

use std::process::ExitCode;

use clap::Parser;
use switchboard::Limits;
use switchboard::cli::{self, Off, ServerArgs, Service, parse_off, parse_size};
use switchboard::protocol::{Echo, EchoLines};

/// Sends back what it is sent, over TCP, Unix sockets and UDP
#[derive(Parser, Debug)]
#[command(name = "echo-server", version, after_help = EXAMPLES)]
struct Args {
    /// Answer by lines, each after this text
    #[arg(long, value_name = "TEXT")]
    reply_prefix: Option<String>,

    /// Close at a line that is exactly this (ASCII case ignored), without an answer
    #[arg(long, value_name = "TEXT")]
    quit_on: Option<String>,

    /// Longest line [default: 4096]; with --reply-prefix or --quit-on
    #[arg(long, value_name = "BYTES|off", value_parser = parse_off(parse_size))]
    max_line: Option<Off<usize>>,

    #[command(flatten)]
    server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  echo-server                                    on 127.0.0.1:50000; try: nc 127.0.0.1 50000
  echo-server -l '*:7000' -l udp:7000            to the world over TCP, to this host over UDP
  echo-server --reply-prefix 'You Send: ' --quit-on q
  echo-server -l unix:/tmp/echo.sock --stdin ignore &";

const PORT: u16 = 50000;

fn main() -> ExitCode {
    let args = Args::parse();
    if args.reply_prefix.is_none() && args.quit_on.is_none() {
        if args.max_line.is_some() {
            cli::usage_error::<Args>("--max-line is for lines: give it with --reply-prefix or --quit-on");
        }
        let service = Service { port: PORT, udp: true, limits: Limits::default() };
        return cli::serve::<Args, _>(&args.server, &service, Echo::bytes());
    }
    let max_line = args.max_line.map_or(4096, |Off(limit)| limit.unwrap_or(usize::MAX));
    let lines = EchoLines {
        prefix: args.reply_prefix.unwrap_or_default().into_bytes(),
        quit_on: args.quit_on.map(String::into_bytes),
        max_line,
    };
    let service = Service { port: PORT, udp: true, limits: cli::line_limits(max_line) };
    cli::serve::<Args, _>(&args.server, &service, Echo::lines(lines))
}
