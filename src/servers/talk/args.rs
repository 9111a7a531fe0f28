//! The command line of `talk-server`.

use std::io::{self, IsTerminal};

use clap::Parser;

use crate::servers::cli::{LineArgs, OperatorNeed, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};
use crate::servers::{Talk, TalkOptions, Unheard};

/// Lets the operator at standard input talk with one client at a time, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "talk-server", version, after_help = EXAMPLES)]
#[command(mut_arg("stdin", |stdin| stdin.default_value("commands").hide_possible_values(true).help(STDIN)))]
pub struct TalkServer {
    /// The longest line.
    #[command(flatten)]
    pub lines: LineArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const STDIN: &str = "Meaning of standard input: its lines are sent to the client, q ends a talk, and quit or the end \
    of input stops the server. This server has no other mode, because it needs an operator";

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
        // A person's line is meant for the client that is connected; a program's or a file's is meant for any client.
        let may_wait = !host.shares_console() && !io::stdin().is_terminal();
        let unheard = if may_wait { Unheard::Held } else { Unheard::Refused };
        let talk = Talk::lines(TalkOptions { max_line: self.lines.max_line(), unheard });
        let operator = OperatorNeed::Required { hint: "type to talk; q ends a talk, quit stops the server" };
        let service = ServiceSetup::new(5000, talk).with_limits(self.lines.limits());
        Ok(host.host(ServiceSetup { operator, ..service }))
    }
}
