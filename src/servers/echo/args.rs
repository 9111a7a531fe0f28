//! The command line of `echo-server`.

use clap::Parser;

#[cfg(feature = "web")]
use crate::framing::websocket::WebSocketOptions;
#[cfg(feature = "web")]
use crate::servers::cli::WebArgs;
use crate::servers::cli::{
    DatagramArgs, LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_off,
    parse_size,
};
#[cfg(feature = "web")]
use crate::servers::doors::Doors;
use crate::servers::{Echo, EchoLines};

/// Sends back what it receives, over TCP, Unix sockets and UDP (RFC 862)
#[derive(Parser, Debug)]
#[command(name = "echo-server", version, after_help = EXAMPLES)]
pub struct EchoServer {
    /// Answer each line with this text and the line
    #[arg(long, value_name = "TEXT")]
    pub reply_prefix: Option<String>,

    /// Close the connection, without an answer, at a line that equals this text (ASCII case ignored)
    #[arg(long, value_name = "TEXT")]
    pub quit_on: Option<String>,

    /// The longest line, and at the web door the longest message.
    #[arg(long, value_name = "BYTES|off", value_parser = parse_off(parse_size), help = MAX_LINE)]
    pub max_line: Option<LimitOrOff<usize>>,

    /// The flags of the web door.
    #[cfg(feature = "web")]
    #[command(flatten)]
    pub web: WebArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

#[cfg(not(feature = "web"))]
const MAX_LINE: &str = "Longest line [default: 4096]; with --reply-prefix or --quit-on";

#[cfg(feature = "web")]
const MAX_LINE: &str = "Longest line [default: 4096], with --reply-prefix or --quit-on. At web: addresses, longest \
                        message [default without these flags: 64KiB]";

const EXAMPLES: &str = "\
Examples:
  echo-server                                    on 127.0.0.1:50000; try: nc 127.0.0.1 50000
  echo-server -l '*:7000' -l udp:7000            open to the world over TCP, to this host over UDP
  echo-server --reply-prefix 'You Send: ' --quit-on q
  echo-server -l unix:/tmp/echo.sock --stdin ignore &";

const PORT: u16 = 50000;

impl Server for EchoServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn check(&self) -> Result<(), StartError> {
        #[cfg(feature = "web")]
        self.web.options(&self.server.listen)?;
        if self.max_line.is_some() && !self.has_lines() && !self.server.listen.has_web_door() {
            return Err(StartError::usage("--max-line needs --reply-prefix, --quit-on or an address with web:"));
        }
        Ok(())
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        #[cfg(feature = "web")]
        let web = self.web.options(&self.server.listen)?;
        if !self.has_lines() {
            let setup = ServiceSetup::new(PORT, Echo::bytes())
                .with_datagrams(&self.datagrams)
                .with_web_door()
                .with_overlapping_upgrades();
            #[cfg(feature = "web")]
            if let Some(web) = web {
                let max_message = self.max_line.map_or(web.max_message, |_| self.longest_line());
                let web = WebSocketOptions { max_message, ..web };
                return Ok(host.host(setup.map(|echo| Doors::new(echo, web))));
            }
            return Ok(host.host(setup));
        }
        let lines = EchoLines {
            prefix: self.reply_prefix.clone().unwrap_or_default().into_bytes(),
            quit_on: self.quit_on.clone().map(String::into_bytes),
            max_line: self.longest_line(),
        };
        let limits = line_limits(lines.max_line);
        let setup = ServiceSetup::new(PORT, Echo::lines(lines))
            .with_limits(limits)
            .with_datagrams(&self.datagrams)
            .with_web_door()
            .with_overlapping_upgrades();
        #[cfg(feature = "web")]
        if let Some(web) = web {
            return Ok(host.host(setup.map(|lines| Doors::of_lines(lines, web))));
        }
        Ok(host.host(setup))
    }
}

impl EchoServer {
    /// Whether it answers lines, rather than bytes.
    fn has_lines(&self) -> bool {
        self.reply_prefix.is_some() || self.quit_on.is_some()
    }

    fn longest_line(&self) -> usize {
        self.max_line.map_or(4096, |LimitOrOff(limit)| limit.unwrap_or(usize::MAX))
    }
}
