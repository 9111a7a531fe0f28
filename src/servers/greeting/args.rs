//! The command line of `greeting-server`.

use std::path::PathBuf;

use clap::Parser;

use crate::servers::Greeting;
use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_off, parse_size,
};

/// Sends a text or a file to each client and closes the connection, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "greeting-server", version, after_help = EXAMPLES)]
pub struct GreetingServer {
    /// The text, sent as a line
    #[arg(long, value_name = "TEXT", default_value = "Thank you for connecting")]
    pub text: String,

    /// The file to send instead of a text; opened for each client anew
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub file: Option<PathBuf>,

    /// After the text or the file, wait for a line from the client and log it; -v shows it
    #[arg(long)]
    pub read_reply: bool,

    /// Longest line that a client may send [default: 4096]; with --read-reply
    #[arg(long, value_name = "BYTES|off", value_parser = parse_off(parse_size))]
    pub max_line: Option<LimitOrOff<usize>>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  greeting-server                                on 127.0.0.1:8090; try: nc -d 127.0.0.1 8090
  greeting-server --file /etc/os-release         any file; to copy it: nc -d 127.0.0.1 8090 > FILE
  greeting-server --text 'Closed until Monday' -l '*:8090'
  greeting-server --read-reply -v                then logs a line from each client";

const PORT: u16 = 8090;

impl Server for GreetingServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn check(&self) -> Result<(), StartError> {
        if !self.read_reply && self.max_line.is_some() {
            return Err(StartError::usage("--max-line needs --read-reply"));
        }
        Ok(())
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let greeting = self.greeting()?;
        if !self.read_reply {
            return Ok(host.host(ServiceSetup::new(PORT, greeting)));
        }
        let max_line = self.max_line.map_or(4096, |LimitOrOff(limit)| limit.unwrap_or(usize::MAX));
        Ok(host.host(ServiceSetup::new(PORT, greeting.with_reply(max_line)).with_limits(line_limits(max_line))))
    }
}

impl GreetingServer {
    fn greeting(&self) -> Result<Greeting, StartError> {
        let Some(path) = &self.file else { return Ok(Greeting::new(&self.text)) };
        let greeting = Greeting::file(path).map_err(|error| {
            StartError::failure(format!("cannot send {}: {error}; give --file a file to read", path.display()))
        })?;
        greeting.start_thread().map_err(StartError::thread)?;
        Ok(greeting)
    }
}
