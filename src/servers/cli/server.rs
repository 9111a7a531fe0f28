//! A server as a program: its command line, and what it makes of it.

use std::fmt::Display;

use clap::Parser;

use super::args::{DatagramArgs, ServerArgs};
use crate::{Handler, Limits};

/// The command line of a server. [`main`](super::main) runs it; `switchboard` hosts several in one loop.
pub trait Server: Parser {
    /// The flags that it has in common with every server.
    fn shared(&self) -> &ServerArgs;

    /// Makes what the flags ask for, and gives it to the host. Flags may decide which handler it is, so the host takes any.
    ///
    /// # Errors
    /// When flags do not go together, or when something that the server needs cannot be had.
    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError>;
}

/// What becomes of a service: it runs by itself, or beside others.
pub trait ServiceHost {
    /// What is left of it.
    type Output;

    /// Takes it.
    fn host<H: Handler + 'static>(self, service: ServiceSetup<H>) -> Self::Output;

    /// Whether standard input is for other services, too, so that none may keep it waiting.
    fn shares_console(&self) -> bool {
        false
    }
}

/// What is to be hosted, and how.
#[derive(Clone, Debug)]
pub struct ServiceSetup<H> {
    /// What serves the clients.
    pub handler: H,
    /// The port on loopback where it listens unless told otherwise.
    pub port: u16,
    /// Whether it answers datagrams.
    pub has_datagrams: bool,
    /// The limits that its own flags have changed.
    pub limits: Limits,
    /// What it is without an operator at standard input.
    pub operator: Operator,
}

/// Whom a server needs at standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Somebody, or nobody.
    Optional,
    /// It is nothing without one; at a terminal, it says this first.
    Needed {
        /// What there is to type.
        hint: &'static str,
    },
}

impl<H> ServiceSetup<H> {
    /// Over connections only, with the default limits.
    pub fn new(port: u16, handler: H) -> Self {
        ServiceSetup { handler, port, has_datagrams: false, limits: Limits::default(), operator: Operator::Optional }
    }

    /// Answers datagrams, too, as these flags say.
    #[must_use]
    pub fn with_datagrams(self, args: &DatagramArgs) -> Self {
        let limits = Limits { datagram_rate: args.datagram_rate.0, ..self.limits };
        ServiceSetup { has_datagrams: true, limits, ..self }
    }

    /// The handler, and the rest.
    pub(crate) fn split(self) -> (H, ServiceSetup<()>) {
        let ServiceSetup { handler, port, has_datagrams, limits, operator } = self;
        (handler, ServiceSetup { handler: (), port, has_datagrams, limits, operator })
    }

    /// With these limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        ServiceSetup { limits, ..self }
    }
}

/// Why a server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// Something that it needs cannot be had: exit code 1.
    Failure(String),
}

impl StartError {
    /// The command line is wrong.
    pub fn usage(message: impl Display) -> Self {
        StartError::Usage(message.to_string())
    }

    /// The same, of this service among several.
    pub(crate) fn within(self, name: &str) -> Self {
        match self {
            StartError::Usage(message) => StartError::Usage(format!("{name}: {message}")),
            StartError::Failure(message) => StartError::Failure(format!("{name}: {message}")),
        }
    }

    /// Something that it needs cannot be had.
    pub fn failure(message: impl Display) -> Self {
        StartError::Failure(message.to_string())
    }
}

/// The limits of a protocol of lines: the inbox has to hold the longest one and its end.
#[must_use]
pub fn line_limits(max_line: usize) -> Limits {
    let limits = Limits::default();
    Limits { inbox: limits.inbox.max(max_line.saturating_add(2)), ..limits }
}
