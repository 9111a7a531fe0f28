//! From a command line to a server that runs, and to its exit code.

use std::io::{self, IsTerminal, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use log::LevelFilter;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::args::{ListenArgs, ProcessArgs, ServerArgs, Stdin};
use super::report::{fail, log_level, start_log, usage_error};
use super::server::{Operator, Server, Service, ServiceHost, StartError};
use crate::socket::{BindError, Listener, bind};
use crate::{Address, ConsoleMode, Handler, Host, Limits, Reactor};

/// Serves until asked to stop: what a server's `main` does.
#[must_use]
pub fn main<S: Server>() -> ExitCode {
    let args = S::parse();
    let shared = args.shared();
    shared.process.start_log();
    match args.start(Alone(shared)).and_then(|outcome| outcome) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Usage(message)) => usage_error::<S>(message),
        Err(StartError::Failure(message)) => fail::<S>(&message),
    }
}

/// A service with a reactor of its own.
struct Alone<'a>(&'a ServerArgs);

impl ServiceHost for Alone<'_> {
    type Output = Result<(), StartError>;

    fn host<H: Handler + 'static>(self, service: Service<H>) -> Self::Output {
        let Alone(ServerArgs { listen, process }) = self;
        let addresses = addresses(listen, &service)?;
        run((listen, process), service, &addresses).map_err(|error| StartError::failure(with_remedy(&*error)))
    }
}

/// Where a service is to listen: its own port on loopback unless told otherwise.
///
/// # Errors
/// For datagrams that it has no use for.
pub(crate) fn addresses<H>(args: &ListenArgs, service: &Service<H>) -> Result<Vec<Address>, StartError> {
    if args.listen.is_empty() {
        return Ok(vec![Address::Tcp { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: service.port }]);
    }
    match args.listen.iter().find(|address| matches!(address, Address::Udp { .. }) && !service.has_datagrams) {
        Some(udp) => {
            Err(StartError::usage(format!("{udp}: this server has no use for datagrams; give it without udp:")))
        }
        None => Ok(args.listen.clone()),
    }
}

/// The system's text with what can be done about it, where nothing more is known than that.
pub(crate) fn with_remedy(error: &(dyn std::error::Error + 'static)) -> String {
    let errno = error.downcast_ref().and_then(Errno::from_io_error);
    let remedy = if errno == Some(Errno::MFILE) { "; raise \"ulimit -n\"" } else { "" };
    format!("{error}{remedy}")
}

fn run<H: Handler>(
    (listen, process): (&ListenArgs, &ProcessArgs),
    service: Service<H>,
    addresses: &[Address],
) -> Result<(), Box<dyn std::error::Error>> {
    raise_descriptor_limit();
    let mut reactor = Reactor::new(service.handler, process.limits(&listen.limits(&service.limits)))?;
    reactor.use_options(listen.socket_options());
    reactor.admit(listen.admission());
    let mut bound = Vec::new();
    for listener in bind_all(addresses, listen)? {
        bound.push(listener.local()?);
        reactor.listen(listener)?;
    }
    serve(reactor, process, (service.operator, &bound))
}

/// Binds every socket of a service.
///
/// # Errors
/// With the address, the system's text and a remedy.
pub(crate) fn bind_all(addresses: &[Address], args: &ListenArgs) -> Result<Vec<Listener>, BindError> {
    let options = args.socket_options();
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.extend(bind(address, &options)?);
    }
    Ok(listeners)
}

/// Runs a reactor that listens already, until it has stopped.
///
/// # Errors
/// As [`Reactor::run`]; and without an operator where one is needed.
pub(crate) fn serve<H: Handler>(
    mut reactor: Reactor<H>,
    process: &ProcessArgs,
    (operator, bound): (Operator, &[Address]),
) -> Result<(), Box<dyn std::error::Error>> {
    reactor.handle_signals()?;
    let hint = open_console(process.stdin, operator, &mut reactor)?;
    announce(bound);
    if let Some(hint) = hint {
        let _ = writeln!(io::stderr(), "{hint}");
    }
    reactor.run()?;
    Ok(())
}

/// Reads standard input. Returns what the operator is to be told, if somebody may be sitting at it.
fn open_console<H: Handler>(
    stdin: Stdin,
    operator: Operator,
    reactor: &mut Reactor<H>,
) -> Result<Option<&'static str>, Box<dyn std::error::Error>> {
    let (mode, hint) = match (stdin, operator) {
        (Stdin::Stop, Operator::Optional) => (ConsoleMode::Stop, "press Enter to stop"),
        (Stdin::Commands, Operator::Optional) => (ConsoleMode::Commands, "type help for commands, quit to stop"),
        (Stdin::Commands, Operator::Needed { hint }) => (ConsoleMode::Commands, hint),
        (Stdin::Ignore, Operator::Optional) => return Ok(None),
        (Stdin::Stop | Stdin::Ignore, Operator::Needed { .. }) => {
            return Err("this server is nothing without its operator; give it --stdin commands".into());
        }
    };
    let has_operator = reactor.open_console(mode)?;
    if !has_operator && operator != Operator::Optional {
        return Err("there is no operator at standard input; start it at a terminal, or give it a pipe".into());
    }
    Ok(Some(hint).filter(|_| has_operator && io::stdin().is_terminal() && io::stderr().is_terminal()))
}

/// One flushed line a socket. A closed standard output does not keep a server from serving.
fn announce(bound: &[Address]) {
    let mut stdout = io::stdout();
    for address in bound {
        let _ = writeln!(stdout, "listening on {address}").and_then(|()| stdout.flush());
    }
}

impl ProcessArgs {
    /// Starts the log, as loud as asked for.
    pub fn start_log(&self) {
        start_log(if self.quiet { LevelFilter::Error } else { log_level(self.verbose) });
    }

    /// These limits, with those that flags have changed.
    #[must_use]
    pub fn limits(&self, limits: &Limits) -> Limits {
        // A deadline beyond the end of time is never due.
        Limits { drain: self.drain.0.unwrap_or(Duration::MAX), ..limits.clone() }
    }
}

/// Raises the soft limit of descriptors to the hard one: the soft one is 1,024 on most systems, for select(2)'s sake.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => log::debug!("descriptor limit raised from {:?} to {:?}", limit.current, limit.maximum),
        Err(error) => log::warn!("descriptor limit stays {:?}: {error}", limit.current),
    }
}
