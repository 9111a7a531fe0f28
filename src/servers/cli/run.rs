//! From a command line to a running server, and to its exit code.

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGXFSZ;

use super::args::{ListenArgs, ProcessArgs, ServerArgs, Stdin};
use super::binding::{ListenSetting, Placed, Ready, ServiceBinding, WrongUse};
use super::command::parse;
use super::config::with_file;
use super::inherited::{InheritedSockets, notify_ready};
use super::log_format::LogFormat;
use super::report::{exit, fail, report, usage_error};
use super::server::{OperatorNeed, Server, ServiceHost, ServiceSetup, StartError};
use super::upgrade::{self, Predecessor};
use crate::console::descriptor::OutputStream;
use crate::console::job_control;
use crate::net::ListenAddress;
use crate::net::handover::Label;
use crate::reactor::control::Control;
#[cfg(feature = "metrics")]
use crate::reactor::metrics::Metrics;
use crate::{Address, ConsoleMode, Handler, Operator, Reactor, ServiceId, ServiceOptions};

/// Runs a server until it is asked to stop. This is the `main` of a server.
#[must_use]
pub fn main<S: Server>() -> ExitCode {
    job_control::keep_running();
    let words: Vec<_> = env::args_os().collect();
    LogFormat::choose_by_words(&words);
    let words = match with_file::<S>(words) {
        Ok(words) => words,
        Err(error) => return exit_code::<S>(Err(error)),
    };
    let args: S = parse(words).unwrap_or_else(|error| exit(&error));
    let shared = args.shared();
    shared.process.prepare();
    let name = S::command().get_name().trim_end_matches("-server").to_owned();
    let start = || args.check().and_then(|()| args.start(StandaloneHost { name, args: shared })?);
    exit_code::<S>(start())
}

/// Reports an error, with exit code 2 for a wrong command line and 1 for anything else.
#[must_use]
pub fn exit_code<S: clap::CommandFactory>(outcome: Result<(), StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Usage(message)) => usage_error::<S>(message),
        Err(StartError::Config(lines)) => {
            for line in &lines {
                report("", line);
            }
            ExitCode::from(2)
        }
        Err(StartError::Failure(message)) => fail::<S>(&message),
    }
}

/// Hosts a service in a reactor of its own.
struct StandaloneHost<'a> {
    name: String,
    args: &'a ServerArgs,
}

impl ServiceHost for StandaloneHost<'_> {
    type Output = Result<(), StartError>;

    fn host<H: Handler + 'static>(self, setup: ServiceSetup<H>) -> Self::Output {
        let ServerArgs { listen, process, .. } = self.args;
        let (handler, setup) = setup.split();
        let mut options = ServiceOptions { name: self.name, ..setup.options(listen) };
        options.limits = process.limits(&options.limits);
        let binding = ServiceBinding::new(ServiceId::DEFAULT, ListenSetting::Flag, listen.clone(), setup)?;
        let reactor = Reactor::with_options(handler, options).map_err(|error| failure(&error))?;
        serve(reactor, process, &[binding])
    }
}

impl<H> ServiceSetup<H> {
    /// The options of this service, with the limits that flags have changed.
    pub(crate) fn options(&self, listen: &ListenArgs) -> ServiceOptions {
        ServiceOptions {
            name: String::new(),
            limits: listen.limits(&self.limits),
            admission: listen.admission(),
            proxies: listen.proxies(),
            sockets: listen.socket_options(),
            log_data: !self.has_secrets,
            #[cfg(feature = "tls")]
            tls_client: self.tls_client.clone(),
            ..ServiceOptions::default()
        }
    }
}

/// Listens for all services of a reactor, and serves until asked to stop.
///
/// # Errors
/// If a service needs an operator and there is none, if an address cannot be bound, and the errors of [`Reactor::run`].
pub(crate) fn serve<H: Handler>(
    reactor: Reactor<H>,
    process: &ProcessArgs,
    bindings: &[ServiceBinding],
) -> Result<(), StartError> {
    let need = operator_need(bindings);
    console_use(process.stdin, need).map_err(StartError::Usage)?;
    run(reactor, process, bindings, need).map_err(|error| match error.downcast::<WrongUse>() {
        Ok(twice) => StartError::usage(twice),
        Err(error) => failure(&*error),
    })
}

fn run<H: Handler>(
    mut reactor: Reactor<H>,
    process: &ProcessArgs,
    bindings: &[ServiceBinding],
    need: OperatorNeed,
) -> Result<(), Box<dyn Error>> {
    if process.log_format == LogFormat::Json {
        reactor.log_notices();
    }
    // Resolved first: later, the file may be another one.
    let program = upgrade::program();
    let mut predecessor = upgrade::predecessor();
    let is_upgrade = predecessor.is_some();
    let (bound, labels) = listen(&mut reactor, bindings, &mut predecessor)?;
    if let Some(path) = &process.control {
        open_control(&mut reactor, path, &bound, &mut predecessor)?;
    }
    #[cfg(feature = "metrics")]
    let metrics = open_metrics(&mut reactor, process, &bound, &mut predecessor)?;
    reactor.allow_upgrade(upgrade::upgrade(program, labels, process, bindings));
    reactor.handle_signals()?;
    let hint = open_console(&mut reactor, process.stdin, need)?;
    // Last: what fails before this changes nothing for the clients of the process that this one replaces.
    if let Some(predecessor) = predecessor {
        let begun = predecessor.take_over()?;
        reactor.resume_line(&begun);
    }
    if is_upgrade {
        for address in &bound {
            log::info!("took over {address}");
        }
    } else {
        announce(&bound, &mut reactor)?;
    }
    notify_ready(&bound, &mut reactor);
    #[cfg(feature = "metrics")]
    reactor.with_context(|_, cx| metrics.iter().for_each(|address| cx.write_stderr(&format!("metrics on {address}"))));
    if let Some(hint) = hint {
        // Both families of `*` have one URL.
        let mut urls: Vec<_> = bound.iter().filter_map(ListenAddress::url).collect();
        urls.dedup();
        reactor.with_context(|_, cx| {
            for url in urls {
                cx.write_stderr(&format!("open {url} in a browser"));
            }
            cx.write_stderr(hint);
        });
    }
    while reactor.turn()? {}
    match reactor.into_replacement()? {
        Some(replacement) => Err(replacement.exec().into()),
        None => Ok(()),
    }
}

/// Returns the addresses and the labels of all listeners.
fn listen<H: Handler>(
    reactor: &mut Reactor<H>,
    bindings: &[ServiceBinding],
    predecessor: &mut Option<Predecessor>,
) -> Result<(Vec<ListenAddress>, Vec<Label>), Box<dyn Error>> {
    let (mut bound, mut labels) = (Vec::new(), Vec::new());
    let mut ready = Ready { inherited: InheritedSockets::from_env(), predecessor: predecessor.take() };
    for binding in bindings {
        #[cfg(feature = "tls")]
        if let Some(tls) = binding.listen.tls.load(binding.setup.alpn)? {
            reactor.set_tls_server(binding.id, tls);
        }
        for Placed { label, door, listener } in binding.listeners(&mut ready, &mut bound)? {
            labels.push(label);
            reactor.listen_at(door, binding.id, listener)?;
        }
    }
    let Ready { inherited, predecessor: left } = ready;
    *predecessor = left;
    inherited.expect_all_taken(&bindings.iter().map(|binding| binding.setting.service()).collect::<Vec<_>>())?;
    Ok((bound.into_iter().map(|bound| bound.address).collect(), labels))
}

/// Opens the control socket. Its path must not be one of the addresses in `bound`.
fn open_control<H: Handler>(
    reactor: &mut Reactor<H>,
    path: &Path,
    bound: &[ListenAddress],
    predecessor: &mut Option<Predecessor>,
) -> Result<(), Box<dyn Error>> {
    let shown = path.display();
    let address = Address::Unix(path.to_owned());
    check_use(&address, "--control", bound)?;
    match upgrade::take(predecessor, &upgrade::control_label(path), &address, &Control::socket_options())? {
        taken if taken.is_empty() => reactor.open_control(path),
        taken => reactor.serve_control(taken),
    }
    .map_err(|error| format!("{error} (--control unix:PATH)"))?;
    log::info!("accepting commands at unix:{shown}");
    Ok(())
}

/// Opens the metrics listener, if there is one. Returns the addresses of its sockets.
#[cfg(feature = "metrics")]
fn open_metrics<H: Handler>(
    reactor: &mut Reactor<H>,
    process: &ProcessArgs,
    bound: &[ListenAddress],
    predecessor: &mut Option<Predecessor>,
) -> Result<Vec<Address>, Box<dyn Error>> {
    let Some(address) = &process.metrics else { return Ok(Vec::new()) };
    check_use(address, "--metrics", bound)?;
    if process.control.as_ref().is_some_and(|path| *address == Address::Unix(path.clone())) {
        return Err(WrongUse(format!("{address} is given twice: for --control, and for --metrics")).into());
    }
    let opened =
        match upgrade::take(predecessor, &upgrade::metrics_label(address), address, &Metrics::socket_options())? {
            taken if taken.is_empty() => reactor.open_metrics(address),
            taken => reactor.serve_metrics(taken),
        };
    Ok(opened.map_err(|error| format!("{error} (--metrics ADDR)"))?)
}

/// Checks that no service listens at the address of the flag `flag`.
fn check_use(address: &Address, flag: &str, bound: &[ListenAddress]) -> Result<(), WrongUse> {
    if bound.iter().any(|listen| listen.address.transport() == address) {
        return Err(WrongUse(format!("{address} is given twice: to listen, and for {flag}")));
    }
    Ok(())
}

/// The operator requirement of the first service that has one.
fn operator_need(bindings: &[ServiceBinding]) -> OperatorNeed {
    let mut needs = bindings.iter().map(|binding| binding.setup.operator);
    needs.find(|need| *need != OperatorNeed::Optional).unwrap_or(OperatorNeed::Optional)
}

/// Converts an error to exit code 1. If the process has no free descriptor, adds the remedy.
fn failure(error: &(dyn Error + 'static)) -> StartError {
    let errno = error.downcast_ref().and_then(Errno::from_io_error);
    let remedy = if errno == Some(Errno::MFILE) { "; raise \"ulimit -n\"" } else { "" };
    StartError::failure(format!("{error}{remedy}"))
}

/// Starts to read standard input. Returns the hint for an operator at a terminal with the server in its foreground.
fn open_console<H: Handler>(
    reactor: &mut Reactor<H>,
    stdin: Stdin,
    need: OperatorNeed,
) -> Result<Option<&'static str>, Box<dyn Error>> {
    let Some((mode, hint)) = console_use(stdin, need)? else { return Ok(None) };
    let operator = reactor.open_console(mode)?;
    if operator == Operator::Absent && need != OperatorNeed::Optional {
        return Err("there is no operator at standard input; start the server at a terminal or with a pipe".into());
    }
    let is_at_terminal = operator == Operator::Present
        && io::stdin().is_terminal()
        && io::stderr().is_terminal()
        && !job_control::is_in_background(io::stdin());
    Ok(Some(hint).filter(|_| is_at_terminal))
}

/// The hint for an operator whose lines are commands.
pub(crate) const COMMANDS_HINT: &str = "type help for commands, quit to stop";

/// Returns the meaning of standard input and the hint for the operator, or `None` if standard input is not read.
///
/// # Errors
/// If a service needs an operator and `stdin` allows none.
pub(crate) fn console_use(stdin: Stdin, need: OperatorNeed) -> Result<Option<(ConsoleMode, &'static str)>, String> {
    Ok(match (stdin, need) {
        (Stdin::Stop, OperatorNeed::Optional) => Some((ConsoleMode::Stop, "press Enter to stop")),
        (Stdin::Commands, OperatorNeed::Optional) => Some((ConsoleMode::Commands, COMMANDS_HINT)),
        (Stdin::Commands, OperatorNeed::Required { hint }) => Some((ConsoleMode::Commands, hint)),
        (Stdin::Ignore, OperatorNeed::Optional) => None,
        (Stdin::Stop, OperatorNeed::Required { .. }) => return Err(needs_operator("stop")),
        (Stdin::Ignore, OperatorNeed::Required { .. }) => return Err(needs_operator("ignore")),
    })
}

fn needs_operator(mode: &str) -> String {
    format!("--stdin {mode}: this server needs an operator; use --stdin commands")
}

/// Writes one line per socket. The rest of what standard output does not accept now is written by the loop.
///
/// # Errors
/// If standard output cannot be written, except that its reader has gone.
fn announce<H: Handler>(bound: &[ListenAddress], reactor: &mut Reactor<H>) -> Result<(), String> {
    let lines = bound.iter().map(|address| format!("listening on {address}\n")).collect::<Vec<_>>().concat();
    let mut rest = lines.as_bytes();
    let mut stdout = OutputStream::stdout().map_err(|error| unannounced(&error))?;
    while !rest.is_empty() {
        match stdout.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                reactor.with_context(|_, cx| cx.write_stdout(rest));
                break;
            }
            Err(error) => return Err(unannounced(&error)),
        }
    }
    Ok(())
}

fn unannounced(error: &io::Error) -> String {
    format!("cannot write \"listening on\" to standard output: {error}; redirect it to a file or /dev/null")
}

/// Makes a write beyond the file size limit (`ulimit -f`) fail as on a full disk. Without a handler, SIGXFSZ would end
/// the process (setrlimit(2)).
pub(super) fn ignore_file_size_signal() {
    // `register` needs a flag. This one is never read: a handler that does nothing is enough.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        log::warn!("a data file that reaches its size limit will end the process: {error}");
    }
}

/// The soft limit of descriptors before it was raised.
static FORMER_DESCRIPTORS: OnceLock<Option<u64>> = OnceLock::new();

/// The soft limit of descriptors for programs that this one starts, if it is not that of this process.
pub(crate) fn former_descriptor_limit() -> Option<u64> {
    FORMER_DESCRIPTORS.get().copied().flatten()
}

/// Sets the limit for programs to that of the process that this one replaces.
pub(super) fn set_former_descriptor_limit(limit: Option<u64>) {
    if limit.is_some() {
        let _ = FORMER_DESCRIPTORS.set(limit);
    }
}

/// Raises the soft limit of descriptors to the hard limit. Most systems set the soft limit to 1,024 because of
/// select(2).
pub(super) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => {
            let _ = FORMER_DESCRIPTORS.set(limit.current);
            log::debug!("raised the descriptor limit from {:?} to {:?}", limit.current, limit.maximum);
        }
        Err(error) => log::warn!("the descriptor limit stays at {:?}: {error}", limit.current),
    }
}
