//! Uppercase: every byte comes back in capitals.

use std::process::ExitCode;

use clap::Parser;
use switchboard::Limits;
use switchboard::cli::{self, ServerArgs, Service};
use switchboard::protocol::Uppercase;

/// Sends back what it is sent in capitals, over TCP, Unix sockets and UDP
#[derive(Parser, Debug)]
#[command(name = "uppercase-server", version, after_help = EXAMPLES)]
struct Args {
    /// Map every letter of Unicode (also ß to SS), not only a to z
    #[arg(long)]
    unicode: bool,

    #[command(flatten)]
    server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  uppercase-server                               on 127.0.0.1:4444; try: nc 127.0.0.1 4444
  uppercase-server --unicode -l 7000 -l udp:7000
  uppercase-server -l '*:4444' --max-connections 100 --idle-timeout 5m";

fn main() -> ExitCode {
    let args = Args::parse();
    let handler = if args.unicode { Uppercase::unicode() } else { Uppercase::ascii() };
    let service = Service { port: 4444, udp: true, limits: Limits::default() };
    cli::serve::<Args, _>(&args.server, &service, handler)
}
