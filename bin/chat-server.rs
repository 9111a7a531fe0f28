//! Chat: one room, nicknames, commands.

use std::process::ExitCode;

use clap::Parser;
use switchboard::Limits;
use switchboard::cli::{self, Off, ServerArgs, Service, parse_off, parse_size};
use switchboard::protocol::{Chat, ChatOptions};

/// One room in which everybody reads what everybody types, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "chat-server", version, after_help = EXAMPLES)]
struct Args {
    /// Longest line that a member may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    max_line: Off<usize>,

    /// Close a member that is this far behind the room
    #[arg(long, value_name = "BYTES|off", default_value = "4MiB", value_parser = parse_off(parse_size))]
    room_buffer: Off<usize>,

    #[command(flatten)]
    server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  chat-server                                    on 127.0.0.1:8888; try: nc 127.0.0.1 8888
  chat-server -l '*:8888' --max-connections 500 --idle-timeout 1h
  chat-server -l unix:/tmp/chat.sock --stdin commands -v";

fn main() -> ExitCode {
    let args = Args::parse();
    let max_line = args.max_line.0.unwrap_or(usize::MAX);
    let limits = Limits { room_buffer: args.room_buffer.0, ..cli::line_limits(max_line) };
    let service = Service { port: 8888, udp: false, limits };
    cli::serve::<Args, _>(&args.server, &service, Chat::room(ChatOptions { max_line }))
}
