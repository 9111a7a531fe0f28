//! From a command line to a server that runs, and to its exit code.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

use super::args::{ListenArgs, ProcessArgs, ServerArgs, Stdin};
use super::inherited::{InheritedSockets, notify_ready};
use super::report::{fail, log_level, start_log, usage_error};
use super::server::{Operator, Server, ServiceHost, ServiceSetup, StartError};
use crate::net::{Listener, SocketOptions, bind};
use crate::{Address, ConsoleMode, Handler, Host, Limits, Reactor};

/// Serves until asked to stop: what a server's `main` does.
#[must_use]
pub fn main<S: Server>() -> ExitCode {
    let args = S::parse();
    let shared = args.shared();
    shared.process.start_log();
    outlive_file_limit();
    match args.start(StandaloneHost(shared)).and_then(|outcome| outcome) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Usage(message)) => usage_error::<S>(message),
        Err(StartError::Failure(message)) => fail::<S>(&message),
    }
}

/// A service with a reactor of its own.
struct StandaloneHost<'a>(&'a ServerArgs);

impl ServiceHost for StandaloneHost<'_> {
    type Output = Result<(), StartError>;

    fn host<H: Handler + 'static>(self, service: ServiceSetup<H>) -> Self::Output {
        let (handler, service) = service.split();
        host(&self.0.process, handler, &[ServiceBinding { name: None, listen: self.0.listen.clone(), service }])
    }
}

/// A service whose handler is at its place already, and what it listens to.
pub(crate) struct ServiceBinding {
    /// What it is called, where there are several.
    pub(crate) name: Option<String>,
    pub(crate) listen: ListenArgs,
    pub(crate) service: ServiceSetup<()>,
}

impl ServiceBinding {
    /// # Errors
    /// For datagrams that it has no use for.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        match self.useless(self.listen.listen.iter()) {
            Some(udp) => {
                Err(StartError::usage(format!("{udp}: this server has no use for datagrams; give it without udp:")))
            }
            None => Ok(()),
        }
    }

    fn useless<'a>(&self, mut addresses: impl Iterator<Item = &'a Address>) -> Option<&'a Address> {
        addresses.find(|address| matches!(address, Address::Udp { .. }) && !self.service.has_datagrams)
    }

    /// Opens all that it is to listen to: what was handed over and what the flags name, or its own port on loopback.
    fn listeners(
        &self,
        inherited: &mut InheritedSockets,
        options: &SocketOptions,
    ) -> Result<Vec<Listener>, Box<dyn Error>> {
        let mut listeners = inherited.take(self.name.as_deref(), options)?;
        let locals = listeners.iter().map(Listener::local_addr).collect::<Result<Vec<_>, _>>()?;
        if let Some(udp) = self.useless(locals.iter()) {
            return Err(format!("{udp}: this server has no use for datagrams; give it ListenStream= instead").into());
        }
        let own = Address::Tcp { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: self.service.port };
        let own = (listeners.is_empty() && self.listen.listen.is_empty()).then_some(&own);
        for address in self.listen.listen.iter().chain(own) {
            listeners.extend(bind(address, options)?);
        }
        Ok(listeners)
    }
}

/// Binds every place, each a service of its own, and serves until asked to stop.
///
/// # Errors
/// For datagrams without a use, and without the operator that a service needs; when an address cannot be bound; and as
/// [`Reactor::run`].
pub(crate) fn host<H: Handler>(process: &ProcessArgs, handler: H, places: &[ServiceBinding]) -> Result<(), StartError> {
    places.iter().try_for_each(ServiceBinding::check)?;
    console_use(process.stdin, operator(places)).map_err(StartError::Usage)?;
    run(process, handler, places).map_err(|error| StartError::failure(with_remedy(&*error)))
}

fn run<H: Handler>(process: &ProcessArgs, handler: H, places: &[ServiceBinding]) -> Result<(), Box<dyn Error>> {
    raise_descriptor_limit();
    let mut limits = places.iter().map(|place| process.limits(&place.listen.limits(&place.service.limits)));
    let mut reactor = Reactor::new(handler, limits.next().unwrap_or_default())?;
    let (mut bound, mut inherited) = (Vec::new(), InheritedSockets::from_env());
    for (index, place) in places.iter().enumerate() {
        if index > 0 {
            reactor.begin_service(limits.next().unwrap_or_default());
        }
        let options = place.listen.socket_options();
        reactor.use_options(options.clone());
        reactor.admit(place.listen.admission());
        for listener in place.listeners(&mut inherited, &options)? {
            bound.push(listener.local_addr()?);
            reactor.listen(listener)?;
        }
    }
    inherited.expect_all_taken(&places.iter().filter_map(|place| place.name.as_deref()).collect::<Vec<_>>())?;
    serve(reactor, process, (operator(places), &bound))
}

/// Whom these services need at standard input: whom the first needs that needs anybody.
fn operator(places: &[ServiceBinding]) -> Operator {
    let needed = places.iter().map(|place| place.service.operator).find(|operator| *operator != Operator::Optional);
    needed.unwrap_or(Operator::Optional)
}

/// The system's text with what can be done about it, where nothing more is known than that.
fn with_remedy(error: &(dyn Error + 'static)) -> String {
    let errno = error.downcast_ref().and_then(Errno::from_io_error);
    let remedy = if errno == Some(Errno::MFILE) { "; raise \"ulimit -n\"" } else { "" };
    format!("{error}{remedy}")
}

/// Runs a reactor that listens already, until it has stopped.
///
/// # Errors
/// As [`Reactor::run`]; and without an operator where one is needed.
fn serve<H: Handler>(
    mut reactor: Reactor<H>,
    process: &ProcessArgs,
    (operator, bound): (Operator, &[Address]),
) -> Result<(), Box<dyn Error>> {
    reactor.handle_signals()?;
    let hint = open_console(process.stdin, operator, &mut reactor)?;
    announce(bound);
    notify_ready(bound);
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
) -> Result<Option<&'static str>, Box<dyn Error>> {
    let Some((mode, hint)) = console_use(stdin, operator)? else { return Ok(None) };
    let has_operator = reactor.open_console(mode)?;
    if !has_operator && operator != Operator::Optional {
        return Err("there is no operator at standard input; start it at a terminal, or give it a pipe".into());
    }
    Ok(Some(hint).filter(|_| has_operator && io::stdin().is_terminal() && io::stderr().is_terminal()))
}

/// What the operator is told where lines are commands.
pub(crate) const COMMANDS_HINT: &str = "type help for commands, quit to stop";

/// What the lines at standard input are, and what the operator is told of it; `None` when it is left alone.
///
/// # Errors
/// When it would leave a server without the operator that it needs.
pub(crate) fn console_use(stdin: Stdin, operator: Operator) -> Result<Option<(ConsoleMode, &'static str)>, String> {
    Ok(match (stdin, operator) {
        (Stdin::Stop, Operator::Optional) => Some((ConsoleMode::Stop, "press Enter to stop")),
        (Stdin::Commands, Operator::Optional) => Some((ConsoleMode::Commands, COMMANDS_HINT)),
        (Stdin::Commands, Operator::Needed { hint }) => Some((ConsoleMode::Commands, hint)),
        (Stdin::Ignore, Operator::Optional) => None,
        (Stdin::Stop, Operator::Needed { .. }) => return Err(needs_operator("stop")),
        (Stdin::Ignore, Operator::Needed { .. }) => return Err(needs_operator("ignore")),
    })
}

fn needs_operator(mode: &str) -> String {
    format!("--stdin {mode}: this server is nothing without its operator; give it --stdin commands")
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
        Limits {
            drain: self.drain.0.unwrap_or(Duration::MAX),
            memory_limit: self.memory_limit.0,
            slow_turn: self.slow_turn.0,
            ..limits.clone()
        }
    }
}

/// A file that may not grow any further (`ulimit -f`) is an error to who writes to it, as a full disk is. Without this, the
/// kernel's signal would end the process (setrlimit(2)).
pub(crate) fn outlive_file_limit() {
    // Nobody looks at the flag: it is there so that something is done.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        log::warn!("a data file at its limit would end the process: {error}");
    }
}

/// Raises the soft limit of descriptors to the hard one: the soft one is 1,024 on most systems, for select(2)'s sake.
fn raise_descriptor_limit() {
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
