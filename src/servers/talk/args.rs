//! Talk: the operator and one client at a time.

use std::io::{self, IsTerminal};

use clap::Parser;

use crate::servers::cli::{
    LimitOrOff, Operator, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_off, parse_size,
};
use crate::servers::{Talk, TalkOptions, Unheard};

/// Lets whoever sits at standard input talk with one client at a time, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "talk-server", version, after_help = EXAMPLES)]
#[command(mut_arg("stdin", |stdin| stdin.default_value("commands").hide_possible_values(true).help(STDIN)))]
pub struct TalkServer {
    /// Longest line that a client may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: LimitOrOff<usize>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const STDIN: &str = "What standard input is for: its lines are talk, q ends a talk, quit and the end of input stop the \
    server. There is no other mode, since the server is nothing without its operator";

const EXAMPLES: &str = "\
Examples:
  talk-server                                    on 127.0.0.1:5000; try: nc 127.0.0.1 5000
  talk-server -l '*:5000' --max-connections 20 --idle-timeout 5m
  talk-server -l unix:/tmp/talk.sock --max-line 500 -v";

impl Server for TalkServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let max_line = self.max_line.0.unwrap_or(usize::MAX);
        // A person means what is typed for who is there; a program or a file is for whoever comes.
        let may_wait = !host.shares_console() && !io::stdin().is_terminal();
        let unheard = if may_wait { Unheard::Held } else { Unheard::Refused };
        let talk = Talk::room(TalkOptions { max_line, unheard });
        let operator = Operator::Needed { hint: "type to talk; q ends a talk, quit stops the server" };
        Ok(host.host(ServiceSetup { operator, ..ServiceSetup::new(5000, talk).with_limits(line_limits(max_line)) }))
    }
}
