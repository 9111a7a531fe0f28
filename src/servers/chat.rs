//! Chat: one room, nicknames, commands.

use clap::Parser;

use crate::Limits;
use crate::cli::{Off, Server, ServerArgs, Service, ServiceHost, StartError, line_limits, parse_off, parse_size};
use crate::protocol::{Chat, ChatOptions};

/// One room in which everybody reads what everybody types, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "chat-server", version, after_help = EXAMPLES)]
pub struct ChatServer {
    /// Longest line that a member may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: Off<usize>,

    /// Close a member that is this far behind the room
    #[arg(long, value_name = "BYTES|off", default_value = "4MiB", value_parser = parse_off(parse_size))]
    pub room_buffer: Off<usize>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  chat-server                                    on 127.0.0.1:8888; try: nc 127.0.0.1 8888
  chat-server -l '*:8888' --max-connections 500 --idle-timeout 1h
  chat-server -l unix:/tmp/chat.sock --stdin commands -v";

impl Server for ChatServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let max_line = self.max_line.0.unwrap_or(usize::MAX);
        let limits = Limits { room_buffer: self.room_buffer.0, ..line_limits(max_line) };
        Ok(host.host(Service::new(8888, Chat::room(ChatOptions { max_line, record: None })).with_limits(limits)))
    }
}
