//! A server as a program: its command line, and the service that the command line describes.

use std::fmt::Display;
use std::io;

use clap::Parser;

use super::args::{DatagramArgs, ServerArgs};
use crate::net::Door;
#[cfg(feature = "tls")]
use crate::net::tls::TlsClient;
pub use crate::reactor::upgrade::Upgrades;
use crate::{Handler, Limits};

/// The command line of a server. [`main`](super::main) runs it alone, and `switchboard` hosts several in one loop.
pub trait Server: Parser {
    /// Returns the flags that all servers have.
    fn shared(&self) -> &ServerArgs;

    /// Compares the flags with each other, before anything is opened.
    ///
    /// # Errors
    /// If flags exclude each other, or if a flag that another one needs is missing.
    fn check(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// Creates the service that the flags describe, and passes it to `host`. The flags may select the type of the
    /// handler, so a host accepts any type. [`check`](Self::check) has found no mistake.
    ///
    /// # Errors
    /// If flags exclude each other, or if a resource that the server needs is not available.
    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError>;
}

/// The environment of a service: a reactor of its own, or one that it shares with other services.
pub trait ServiceHost {
    /// The result of hosting a service.
    type Output;

    /// Hosts a service.
    fn host<H: Handler + 'static>(self, setup: ServiceSetup<H>) -> Self::Output;

    /// Whether other services also read standard input. If so, this service must not pause it.
    fn shares_console(&self) -> bool {
        false
    }
}

/// A service, with its requirements and defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceSetup<H> {
    /// The handler.
    pub handler: H,
    /// The default port, on loopback.
    pub port: u16,
    /// Whether the service answers datagrams.
    pub has_datagrams: bool,
    /// The protocols by which clients may reach the service.
    pub doors: &'static [Door],
    /// The default limits, including the changes made by the server's own flags.
    pub limits: Limits,
    /// Whether the service needs an operator at standard input.
    pub operator: OperatorNeed,
    /// How a new process may replace the one of this service.
    pub upgrades: Upgrades,
    /// Whether clients send secrets, which `-vv` must not show.
    pub has_secrets: bool,
    /// The names of its protocols for clients of `tls:` listeners, best first (ALPN, RFC 7301). Empty if it has none.
    /// The protocol of `web+tls:` listeners is `http/1.1`.
    pub alpn: &'static [&'static str],
    /// The servers that outbound `tls:` connections trust.
    #[cfg(feature = "tls")]
    pub tls_client: Option<TlsClient>,
}

/// Whether a server needs an operator at standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperatorNeed {
    /// The server runs with and without an operator.
    Optional,
    /// The server does not start without an operator.
    Required {
        /// The lines that the operator can type. Shown at a terminal.
        hint: &'static str,
    },
}

impl<H> ServiceSetup<H> {
    /// Creates a setup with the line door only, without datagrams and with default limits.
    pub fn new(port: u16, handler: H) -> Self {
        ServiceSetup {
            handler,
            port,
            has_datagrams: false,
            doors: &[Door::Line],
            limits: Limits::default(),
            operator: OperatorNeed::Optional,
            upgrades: Upgrades::Exclusive,
            has_secrets: false,
            alpn: &[],
            #[cfg(feature = "tls")]
            tls_client: None,
        }
    }

    /// Enables datagrams, at the rate of these flags.
    #[must_use]
    pub fn with_datagrams(self, args: &DatagramArgs) -> Self {
        let limits = Limits { datagram_rate: args.datagram_rate.0, ..self.limits };
        ServiceSetup { has_datagrams: true, limits, ..self }
    }

    /// Adds the web door. The handler asks [`Origin::door`](crate::Origin::door).
    #[must_use]
    pub fn with_web_door(self) -> Self {
        ServiceSetup { doors: &[Door::Line, Door::Web], ..self }
    }

    /// Replaces the default limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        ServiceSetup { limits, ..self }
    }

    /// Lets two processes serve at a time during an upgrade.
    #[must_use]
    pub fn with_overlapping_upgrades(self) -> Self {
        ServiceSetup { upgrades: Upgrades::Overlapping, ..self }
    }

    /// Keeps what clients send out of the log.
    #[must_use]
    pub fn with_secrets(self) -> Self {
        ServiceSetup { has_secrets: true, ..self }
    }

    /// Puts another handler in the place of this one.
    #[cfg(any(feature = "bus", feature = "web"))]
    pub(crate) fn map<G>(self, make: impl FnOnce(H) -> G) -> ServiceSetup<G> {
        let (handler, rest) = self.split();
        rest.replace(make(handler)).1
    }

    /// Splits off the handler.
    pub(crate) fn split(self) -> (H, ServiceSetup<()>) {
        self.replace(())
    }

    /// Splits off the handler, and puts another one in its place.
    fn replace<G>(self, handler: G) -> (H, ServiceSetup<G>) {
        let rest = ServiceSetup {
            handler,
            port: self.port,
            has_datagrams: self.has_datagrams,
            doors: self.doors,
            limits: self.limits,
            operator: self.operator,
            upgrades: self.upgrades,
            has_secrets: self.has_secrets,
            alpn: self.alpn,
            #[cfg(feature = "tls")]
            tls_client: self.tls_client,
        };
        (self.handler, rest)
    }
}

/// The reason why a server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// The configuration file is wrong: exit code 2. One line for each mistake, with its position.
    Config(Vec<String>),
    /// A resource is not available, or the server failed: exit code 1.
    Failure(String),
}

impl StartError {
    /// Creates the error of a wrong command line.
    pub fn usage(message: impl Display) -> Self {
        StartError::Usage(message.to_string())
    }

    /// Creates the error of a resource that is not available.
    pub fn failure(message: impl Display) -> Self {
        StartError::Failure(message.to_string())
    }

    /// Creates the error of a thread that the system refuses to start.
    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn thread(error: io::Error) -> Self {
        StartError::Failure(format!("cannot start a thread: {error}; look at \"ulimit -u\""))
    }

    /// Puts the name of a service before the message.
    pub(crate) fn within(self, name: &str) -> Self {
        match self {
            StartError::Usage(message) => StartError::Usage(format!("{name}: {message}")),
            StartError::Failure(message) => StartError::Failure(format!("{name}: {message}")),
            StartError::Config(lines) => StartError::Config(lines),
        }
    }
}

/// Returns the limits of a line protocol. The inbox holds the longest line with its line end.
#[must_use]
pub fn line_limits(max_line: usize) -> Limits {
    let limits = Limits::default();
    Limits { inbox: limits.inbox.max(max_line.saturating_add(2)), ..limits }
}
