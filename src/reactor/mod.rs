//! The event loop: waits for the kernel and serves each source in turn, on one thread.
//!
//! The reactor owns the poll, the listeners, the console, the signals and the stopper. Everything between an edge and
//! the handler belongs to the dispatcher.
//!
//! Invariants: [`Reactor::turn`] waits in the poll only. If a source has work without a new edge, the next poll returns
//! at once. What the kernel holds is read before a deadline applies: timers are called last in a turn, and only those
//! up to the horizon. An interrupted poll is an empty turn.

mod acceptor;
mod connector;
pub(crate) mod control;
pub(crate) mod datagram;
pub(crate) mod dispatcher;
mod handshake;
mod horizon;
mod input;
mod listeners;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod operators;
#[cfg(feature = "cli")]
mod readiness;
mod side_listener;
pub(crate) mod signals;
mod spawner;
mod stopping;
mod turn;
#[cfg(feature = "cli")]
pub(crate) mod upgrade;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};

use crate::connection::edge::Edge;
use crate::connection::ids::{ListenerId, ServiceId};
use crate::connection::token::Token;
use crate::console::Console;
use crate::console::job_control;
use crate::console::output::StandardStreams;
use crate::handler::Handler;
use crate::net::{self, Address, Door, ListenAddress, Listener};
use crate::reactor::control::Control;
use crate::reactor::dispatcher::Dispatcher;
use crate::reactor::horizon::Horizon;
use crate::reactor::listeners::Listeners;
use crate::reactor::operators::{ConsoleMode, Operator, Operators};
use crate::reactor::signals::{SignalRequests, Signals, Stopper};
use crate::reactor::turn::TurnClock;
use crate::state::State;
use crate::state::limits::Limits;
use crate::state::operator::OperatorId;
use crate::state::results::Jobs;
use crate::state::service::{Service, ServiceOptions};
use crate::state::stats::{self, Stats};
use crate::state::stop::Stop;

// The tokens of the reactor's own sources. Listeners have the tokens from `FIRST_LISTENER` on, connections those from
// 2^32 on.
const WAKER: mio::Token = mio::Token(0);
const SIGNALS: mio::Token = mio::Token(1);
const CONSOLE: mio::Token = mio::Token(2);
const STDOUT: mio::Token = mio::Token(3);
#[cfg(feature = "cli")]
const READINESS: mio::Token = mio::Token(4);
#[cfg(feature = "cli")]
const UPGRADE: mio::Token = mio::Token(5);
const CONTROL: usize = 6;
const METRICS: usize = CONTROL + control::TOKENS;
#[cfg(feature = "metrics")]
const FIRST_LISTENER: usize = METRICS + metrics::TOKENS;
#[cfg(not(feature = "metrics"))]
const FIRST_LISTENER: usize = METRICS;

/// Largest number of events that one poll takes from the kernel.
const EVENTS: usize = 1024;

/// Hosts a [`Handler`] on any number of listeners, in one thread.
///
/// ```no_run
/// use switchboard::servers::Echo;
/// use switchboard::{Limits, Reactor};
///
/// let mut reactor = Reactor::new(Echo::bytes(), Limits::default())?;
/// reactor.bind("127.0.0.1:50000")?;
/// reactor.handle_signals()?; // Ctrl-C stops it
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A service is a group of listeners with limits of its own. A reactor has one service from the start,
/// [`ServiceId::DEFAULT`], and [`add_service`](Self::add_service) adds more. To give each service a handler of its own,
/// host [`Services`](crate::Services).
pub struct Reactor<H: Handler> {
    poll: Poll,
    events: Events,
    dispatcher: Dispatcher<H>,
    listeners: Listeners,
    operators: Operators,
    #[cfg(feature = "metrics")]
    metrics: Option<Box<metrics::Metrics>>,
    output: StandardStreams,
    signals: Option<Signals>,
    #[cfg(feature = "cli")]
    readiness: Option<readiness::Readiness>,
    #[cfg(feature = "cli")]
    upgrade: Option<Box<upgrade::Upgrade>>,
    stopper: Stopper,
    clock: TurnClock,
    horizon: Horizon,
}

impl<H: Handler> Reactor<H> {
    /// Creates a reactor for `handler`, without listeners. Its service [`ServiceId::DEFAULT`] has these limits.
    ///
    /// # Errors
    /// If the kernel has no descriptor for the poll.
    pub fn new(handler: H, limits: Limits) -> io::Result<Self> {
        Reactor::with_options(handler, ServiceOptions { limits, ..ServiceOptions::default() })
    }

    /// Creates a reactor for `handler`, without listeners. Its service [`ServiceId::DEFAULT`] has these options.
    ///
    /// The limits that concern the process as a whole are taken from these options, never from those of another
    /// service. They are the budgets of a turn, `memory_limit`, `linger`, `flush_stall`, `drain`, `slow_turn`,
    /// `accept_retry` and `console_line`.
    ///
    /// # Errors
    /// If the kernel has no descriptor for the poll.
    pub fn with_options(handler: H, options: ServiceOptions) -> io::Result<Self> {
        let poll = Poll::new()?;
        // A poll supports one waker only, see the documentation of `mio::Waker`, so all threads share it.
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let stopper = Stopper::new(Arc::clone(&waker));
        let now = Instant::now();
        let mut state = State::new(options, Some(poll.registry().try_clone()?), now);
        state.jobs = Jobs::new(Some(waker));
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS),
            dispatcher: Dispatcher::new(handler, state),
            listeners: Listeners::new(),
            operators: Operators::default(),
            #[cfg(feature = "metrics")]
            metrics: None,
            output: StandardStreams::new(STDOUT),
            signals: None,
            #[cfg(feature = "cli")]
            readiness: None,
            #[cfg(feature = "cli")]
            upgrade: None,
            stopper,
            clock: TurnClock::new(),
            horizon: Horizon::new(now),
        })
    }

    /// Adds a service: a group of listeners with options of its own.
    ///
    /// # Panics
    /// If there are 65,536 services already.
    pub fn add_service(&mut self, options: ServiceOptions) -> ServiceId {
        self.dispatcher.state.services.add(options)
    }

    /// Listens on `address` for the service [`ServiceId::DEFAULT`].
    ///
    /// [`ListenAddress`] lists the forms of `address`. Returns the real addresses of the sockets, with the ports that
    /// the system picked.
    ///
    /// # Errors
    /// The errors of [`bind_to`](Self::bind_to).
    pub fn bind(&mut self, address: &str) -> io::Result<Vec<Address>> {
        self.bind_to(ServiceId::DEFAULT, address)
    }

    /// Listens on `address` for a service.
    ///
    /// [`ListenAddress`] lists the forms of `address`. Returns the real addresses of the sockets, with the ports that
    /// the system picked.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if this reactor has no such service, or if `address` is malformed.
    /// Otherwise, the [`BindError`](net::BindError) of [`net::bind`], wrapped in an error of the same kind. Its message
    /// names the remedy.
    pub fn bind_to(&mut self, service: ServiceId, address: &str) -> io::Result<Vec<Address>> {
        let listen: ListenAddress =
            address.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listeners = net::bind(&listen.address, &self.service(service)?.sockets)
            .map_err(|error| io::Error::new(error.io_error().kind(), error))?;
        let locals = listeners.iter().map(Listener::local_addr).collect();
        for listener in listeners {
            self.listen_at(listen.door, service, listener)?;
        }
        locals
    }

    /// Serves the peers of a listener, under the options of `service`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if this reactor has no such service, if the listener is blocking,
    /// or if its peers speak TLS and the service has no certificate. The error of the poll if it refuses the listener.
    pub fn listen(&mut self, service: ServiceId, listener: Listener) -> io::Result<ListenerId> {
        self.listen_at(Door::Line, service, listener)
    }

    /// Serves the peers of a listener as [`listen`](Self::listen) does, at a door, which
    /// [`Origin::door`](crate::Origin::door) tells the handler.
    ///
    /// # Errors
    /// Those of [`listen`](Self::listen), and [`InvalidInput`](io::ErrorKind::InvalidInput) for a UDP socket at another
    /// door than the line door.
    pub fn listen_at(&mut self, door: Door, service: ServiceId, listener: Listener) -> io::Result<ListenerId> {
        let service_of = self.service(service)?;
        if let Listener::Tls(_) = listener {
            service_of.check_tls()?;
        }
        if matches!((door, &listener), (Door::Web, Listener::Udp(_))) {
            return Err(invalid("datagrams have no web door"));
        }
        if !listener.is_nonblocking()? {
            return Err(invalid(
                "a blocking listener would stop the loop; call its set_nonblocking, or set SocketOptions::nonblocking",
            ));
        }
        self.listeners.add((listener, door), service, self.poll.registry(), |id| mio::Token(FIRST_LISTENER + id.number))
    }

    /// Keeps what happens to peers out of the log.
    #[cfg(feature = "bus")]
    pub(crate) fn without_peer_log(mut self) -> Self {
        self.dispatcher.state.peer_log.silence();
        self
    }

    /// Gives a service of this reactor the certificate for its `tls:` listeners.
    #[cfg(all(feature = "cli", feature = "tls"))]
    pub(crate) fn set_tls_server(&mut self, service: ServiceId, tls: net::tls::TlsServer) {
        self.dispatcher.state.services[service].tls_server = Some(tls);
    }

    fn service(&self, id: ServiceId) -> io::Result<&Service> {
        let unknown = "this reactor has no such service; use an id that its add_service has returned";
        self.dispatcher.state.services.get(id).ok_or_else(|| invalid(unknown))
    }

    /// Reads standard input from now on. Returns whether an operator can type there.
    ///
    /// # Errors
    /// If the poll refuses standard input.
    pub fn open_console(&mut self, mode: ConsoleMode) -> io::Result<Operator> {
        let max_line = self.dispatcher.state.limits.console_line;
        let console = Console::open(self.poll.registry(), CONSOLE, max_line)?;
        if let Some(console) = console {
            self.operators.set_console(console, mode);
            return Ok(Operator::Present);
        }
        if mode == ConsoleMode::Input {
            self.dispatcher.start(Instant::now);
            self.dispatcher.call_operator(OperatorId::CONSOLE, H::console_end);
        }
        Ok(Operator::Absent)
    }

    /// Writes notices for the operator as records of the log from now on, rather than to standard error as they are.
    #[cfg(feature = "cli")]
    pub(crate) fn log_notices(&mut self) {
        self.output.log_notices();
    }

    /// Accepts operators at a Unix path from now on, beside the console. Only the owner of the file may connect.
    ///
    /// Each line of such a client goes to [`Handler::console`], and the answers go back to it. The end of its input
    /// ends the client only. At most 16 clients are served at a time. They count in no limit and no figure.
    ///
    /// # Errors
    /// The [`BindError`](net::BindError), wrapped in an error of the same kind. Its message names the remedy. The
    /// errors of the poll.
    pub fn open_control(&mut self, path: &Path) -> io::Result<()> {
        let listeners = net::bind(&Address::Unix(path.to_owned()), &Control::socket_options())
            .map_err(|error| io::Error::new(error.io_error().kind(), error))?;
        self.serve_control(listeners)
    }

    /// Accepts operators at `listeners`, as [`open_control`](Self::open_control) does at a path.
    pub(crate) fn serve_control(&mut self, listeners: Vec<Listener>) -> io::Result<()> {
        let max_line = self.dispatcher.state.limits.console_line;
        let control = Control::open(listeners, self.poll.registry().try_clone()?, CONTROL, max_line)?;
        self.operators.set_control(control);
        Ok(())
    }

    /// Answers HTTP requests for figures at `address` from now on: `/metrics` has [`metrics`](Self::metrics), and
    /// `/healthz` is `200 OK` until the reactor stops, and then `503 Service Unavailable`.
    ///
    /// Returns the real addresses of the sockets. At most 16 clients are served at a time. They count in no limit and
    /// no figure. The sockets stay open until the reactor has stopped.
    ///
    /// # Errors
    /// The [`BindError`](net::BindError), wrapped in an error of the same kind. Its message names the remedy.
    /// `InvalidInput` for an address of UDP or TLS. The errors of the poll.
    #[cfg(feature = "metrics")]
    pub fn open_metrics(&mut self, address: &Address) -> io::Result<Vec<Address>> {
        let listeners = net::bind(address, &metrics::Metrics::socket_options())
            .map_err(|error| io::Error::new(error.io_error().kind(), error))?;
        self.serve_metrics(listeners)
    }

    /// Answers requests at `listeners`, as [`open_metrics`](Self::open_metrics) does at an address.
    #[cfg(feature = "metrics")]
    pub(crate) fn serve_metrics(&mut self, listeners: Vec<Listener>) -> io::Result<Vec<Address>> {
        let metrics = metrics::Metrics::open(listeners, self.poll.registry().try_clone()?, METRICS)?;
        Ok(self.metrics.insert(Box::new(metrics)).addresses.clone())
    }

    /// Returns the figures of this reactor, of its services and of the process as text for Prometheus.
    ///
    /// The format is version 0.0.4 of the text exposition format, and `docs/metrics.md` lists the figures. Costs a look
    /// at every connection.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> String {
        self.dispatcher.state.metrics()
    }

    /// Returns the statistics of this reactor. Costs a look at every connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.dispatcher.state.stats()
    }

    /// Stops at SIGTERM and SIGINT. SIGUSR1 logs the [`Stats`].
    ///
    /// SIGHUP stops a program whose standard input is its controlling terminal, unless the signal was ignored at the
    /// start. Any other program reads the certificates of its `tls:` listeners
    /// again, and calls [`Handler::reload`].
    ///
    /// Unblocks these signals in this thread. Blocks SIGTTIN and SIGTTOU, so that the terminal never stops the process.
    ///
    /// # Errors
    /// If the system refuses a signal handler, or the poll refuses its source.
    pub fn handle_signals(&mut self) -> io::Result<()> {
        job_control::keep_running();
        #[cfg(feature = "cli")]
        let more: &[i32] = if self.upgrade.is_some() { &[signal_hook::consts::SIGUSR2] } else { &[] };
        #[cfg(not(feature = "cli"))]
        let more = &[];
        self.signals = Some(Signals::new(self.poll.registry(), SIGNALS, more)?);
        Ok(())
    }

    /// Sends one datagram to the peer of `socket`, now or as soon as the peer has room.
    ///
    /// # Errors
    /// If the poll refuses the socket.
    #[cfg(feature = "cli")]
    pub(crate) fn notify(&mut self, socket: std::os::unix::net::UnixDatagram, message: String) -> io::Result<()> {
        self.readiness =
            readiness::Readiness::new(socket, message.into_bytes(), self.poll.registry(), READINESS)?.send();
        Ok(())
    }

    /// Returns a handle that stops this reactor from any thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Returns the handler.
    pub fn handler_mut(&mut self) -> &mut H {
        &mut self.dispatcher.handler
    }

    /// Calls the handler outside of any connection, for [`ServiceId::DEFAULT`]: for example to connect, or to set a
    /// timer. Before the first turn, [`Handler::started`] comes after this.
    pub fn with_context(&mut self, call: impl FnOnce(&mut H, &mut crate::Context<'_>)) {
        self.dispatcher.call(ServiceId::DEFAULT, call);
    }

    /// Runs until stopped, and returns the handler.
    ///
    /// # Errors
    /// If the poll fails, which is a bug or a lack of memory. If standard output cannot be written, for example because
    /// the disk is full; a closed standard output stops the reactor without an error. If a worker panics, because its
    /// results are lost. No action of a peer is an error here.
    pub fn run(mut self) -> io::Result<H> {
        while self.turn()? {}
        Ok(self.dispatcher.handler)
    }

    /// Waits for events and serves them. Returns `false` after the reactor has stopped.
    ///
    /// # Errors
    /// The errors of [`run`](Self::run).
    pub fn turn(&mut self) -> io::Result<bool> {
        self.dispatcher.start(Instant::now);
        let timeout = self.timeout();
        #[cfg(feature = "metrics")]
        let timeout = match &self.metrics {
            Some(metrics) => metrics.timeout(timeout),
            None => timeout,
        };
        // The start of the last turn is earlier than this poll begins, and known without a look at the clock.
        let began = self.dispatcher.state.clock.now();
        let polled = self.poll.poll(&mut self.events, timeout);
        let start = Instant::now();
        self.dispatcher.state.begin_turn(start);
        self.clock.begin(&mut self.dispatcher.state);
        match polled {
            Ok(()) => {
                let count = self.take_events();
                let State { connections, children, .. } = &self.dispatcher.state;
                let sources = || connections.len() + children.sources() + self.listeners.len() + FIRST_LISTENER;
                self.horizon.polled(began, count, sources);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        self.dispatcher.state.clock.set_horizon(self.horizon.time());
        self.dispatcher.work()?;
        self.operators.read(&mut self.dispatcher);
        self.dispatcher.connect();
        self.dispatcher.serve_children();
        self.flush_and_reap();
        // After reaping, so that a connection that was closed in this turn makes room for a new one.
        self.listeners.accept(&mut self.dispatcher);
        self.listeners.receive(&mut self.dispatcher);
        self.dispatcher.run_timers();
        self.flush_and_reap();
        let requests = self.stop_requests();
        self.dispatcher.step_stop(requests);
        self.output.write(&mut self.dispatcher.state, self.poll.registry())?;
        self.operators.write(&mut self.dispatcher.state);
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &mut self.metrics {
            metrics.serve(&self.dispatcher.state);
        }
        self.clock.end(&mut self.dispatcher.state, start.elapsed());
        Ok(!self.has_stopped())
    }

    /// Flushes, and removes what has ended. A descriptor that is free then ends a pause of accepting.
    fn flush_and_reap(&mut self) {
        if self.dispatcher.flush_and_reap() > 0 {
            self.listeners.end_pause();
        }
    }

    /// Returns how long the poll may wait: zero if a source is ready, otherwise the time until the next deadline.
    fn timeout(&mut self) -> Option<Duration> {
        let state = &mut self.dispatcher.state;
        let has_listener = self.listeners.is_ready(state.clock.now());
        let has_lines = self.operators.is_ready(state);
        let has_requests = !state.work.connects.is_empty()
            || state.jobs.has_results()
            || state.stop == Stop::Requested
            || state.children.has_work()
            || self.output.has_work(state);
        if !state.work.ready.is_empty() || has_requests || has_listener || has_lines {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            state.timers.next_deadline(),
            self.listeners.paused_until(),
            self.operators.retry_at(),
            state.drain_deadline,
            #[cfg(feature = "cli")]
            self.upgrade.as_ref().and_then(|upgrade| upgrade.deadline()),
        ];
        let next = deadlines.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes the events of the poll. Returns their number.
    fn take_events(&mut self) -> usize {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                // Each turn checks the results of workers and the stopper anyway.
                WAKER => {}
                SIGNALS => {
                    if let Some(signals) = &mut self.signals {
                        signals.wake();
                    }
                }
                CONSOLE => self.operators.wake_console(),
                STDOUT => self.output.wake(),
                // Each turn takes an upgrade one step further.
                #[cfg(feature = "cli")]
                UPGRADE => {}
                #[cfg(feature = "cli")]
                READINESS => self.readiness = self.readiness.take().and_then(readiness::Readiness::send),
                mio::Token(number @ CONTROL..FIRST_LISTENER) => match number.checked_sub(METRICS) {
                    #[cfg(feature = "metrics")]
                    Some(offset) => self.metrics.iter_mut().for_each(|metrics| metrics.wake(offset, edge(event))),
                    _ => self.operators.wake_control(number - CONTROL, edge(event)),
                },
                mio::Token(number) if number >> 32 == 0 => self.listeners.wake(number - FIRST_LISTENER),
                mio::Token(number) => {
                    let token = Token::from_bits(number as u64);
                    self.dispatcher.edge(token, edge(event));
                    self.dispatcher.state.children.mark_ready(token);
                }
            }
        }
        count
    }

    /// Returns the number of requests to stop since the last turn. The first one closes the listeners and the console.
    #[inline]
    fn stop_requests(&mut self) -> usize {
        if self.has_requests() { self.take_requests() } else { 0 }
    }

    /// Whether [`take_requests`](Self::take_requests) has something to do. Nearly every turn only asks this.
    #[inline]
    fn has_requests(&self) -> bool {
        #[cfg(feature = "cli")]
        if self.upgrade.as_ref().is_some_and(|upgrade| upgrade.is_active()) {
            return true;
        }
        self.stopper.has_requests()
            || self.signals.as_ref().is_some_and(Signals::is_ready)
            || self.dispatcher.state.stop > Stop::Running
    }

    #[cold]
    fn take_requests(&mut self) -> usize {
        let requests = self.signals.as_mut().map(Signals::take).unwrap_or_default();
        let SignalRequests { stops: mut causes, hangs_up, wants_reload, wants_stats, .. } = requests;
        if wants_reload {
            log::info!("SIGHUP: certificates and logs, if there are any, are opened again");
            #[cfg(feature = "tls")]
            self.dispatcher.state.services.reload_certificates();
            self.dispatcher.call(ServiceId::DEFAULT, Handler::reload);
            self.flush_and_reap();
        }
        #[cfg(feature = "cli")]
        self.serve_upgrade(requests.wants_upgrade, &mut causes);
        let state = &mut self.dispatcher.state;
        if wants_stats {
            for line in state.report().lines() {
                log::info!(target: stats::LOG_TARGET, "{line}");
            }
        }
        // A terminal that closes ends the input and sends SIGHUP, in either order. Both together are one request.
        if hangs_up && state.stop == Stop::Running {
            causes.push("SIGHUP");
        }
        causes.extend(std::iter::repeat_n("requested by the program", self.stopper.take()));
        for (cause, requests) in causes.iter().zip(1..) {
            state.stop.after(requests).log(cause);
        }
        if state.stop.after(causes.len()) > Stop::Running {
            self.close_entrances();
        }
        causes.len()
    }

    /// Closes the listeners and the console, unless a new process will take them over.
    fn close_entrances(&mut self) {
        #[cfg(feature = "cli")]
        if self.holds_listeners() {
            self.listeners.hold();
            self.operators.hold();
            return;
        }
        self.listeners.clear();
        self.operators.close();
    }

    /// Whether draining has finished or was cut short. Standard output is waited for, except after a second request.
    fn has_stopped(&self) -> bool {
        let state = &self.dispatcher.state;
        let is_output_done = state.operator.stdout.is_empty() || !self.output.is_open();
        state.has_stopped() && (is_output_done || state.stop == Stop::Now)
    }
}

impl<H: Handler> fmt::Debug for Reactor<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn edge(event: &mio::event::Event) -> Edge {
    let read_closed = event.is_read_closed();
    Edge {
        // Linux reports a refused datagram as an error without a direction. Both directions are marked, so that a
        // paused reader does not hide it.
        readable: event.is_readable() || event.is_error(),
        writable: event.is_writable() || event.is_error(),
        read_closed,
        // The kernel reports the end of both directions together. So most events need no look at the second one.
        write_closed: read_closed && event.is_write_closed(),
        urgent: event.is_priority(),
    }
}
