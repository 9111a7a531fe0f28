//! The loop: one thread that waits for the kernel and gives every source its turn.
//!
//! Owns the poll, the listeners, the console and the ways to be stopped; everything between an edge and the handler is the
//! dispatcher's. Invariants: [`Reactor::turn`] never waits but in the poll; whatever has something to do without a new edge
//! makes the next poll return at once; an interrupted poll is an empty turn.

mod acceptor;
mod connector;
mod datagram;
pub(crate) mod dispatcher;
pub(crate) mod signals;
mod turn;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};

use crate::connection::edge::Edge;
use crate::connection::origin::Peer;
use crate::connection::stream::Stream;
use crate::connection::token::Token;
use crate::connection::{Connection, Phase};
use crate::console::output::ConsoleOutput;
use crate::console::{Console, Input};
use crate::handler::Handler;
use crate::net::{Listener, SocketOptions};
use crate::reactor::acceptor::{Accepted, Acceptor, Pause};
use crate::reactor::connector::Connector;
use crate::reactor::datagram::{DatagramSocket, Rules};
use crate::reactor::dispatcher::Dispatcher;
use crate::reactor::signals::{Signalled, Signals, Stopper};
use crate::reactor::turn::TurnClock;
use crate::state::admission::Admission;
use crate::state::limits::Limits;
use crate::state::results::Jobs;
use crate::state::service::Service;
use crate::state::{State, Stop};

/// The reactor's own sources. A connection's token is at least 2^32, a listener's lies in between.
const WAKER: mio::Token = mio::Token(0);
const SIGNALS: mio::Token = mio::Token(1);
const CONSOLE: mio::Token = mio::Token(2);
const STDOUT: mio::Token = mio::Token(3);
const FIRST_LISTENER: usize = 4;

/// Events taken from the kernel in one poll.
const EVENTS: usize = 1024;

/// What standard input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleMode {
    /// Any line, and the end of input, stops the reactor.
    Stop,
    /// Lines are commands, for [`Handler::console`]; the end of input is [`Handler::console_end`].
    Commands,
    /// Lines are what the program works on, for [`Handler::console`]; the end, also where there is nothing to read at all,
    /// is [`Handler::console_end`].
    Input,
}

/// One thread, many lines: hosts a [`Handler`] on any number of listeners.
///
/// ```no_run
/// use switchboard::servers::Echo;
/// use switchboard::net::{SocketOptions, bind};
/// use switchboard::{ConsoleMode, Limits, Reactor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut reactor = Reactor::new(Echo::bytes(), Limits::default())?;
/// for listener in bind(&"127.0.0.1:50000".parse()?, &SocketOptions::default())? {
///     reactor.listen(listener)?;
/// }
/// reactor.open_console(ConsoleMode::Stop)?;
/// reactor.run()?;
/// # Ok(())
/// # }
/// ```
pub struct Reactor<H: Handler> {
    poll: Poll,
    events: Events,
    dispatcher: Dispatcher<H>,
    listeners: Vec<ListenerEntry>,
    admission: Admission,
    options: SocketOptions,
    connector: Connector,
    pause: Pause,
    console: Option<(Console, ConsoleMode)>,
    console_retry: Option<Instant>,
    output: ConsoleOutput,
    signals: Option<Signals>,
    stopper: Stopper,
    stop_deadline: Option<Instant>,
    clock: TurnClock,
}

/// A listener, and who may come in by it.
#[derive(Debug)]
struct ListenerEntry {
    listening: ListenerKind,
    admission: Admission,
    service: u16,
}

#[derive(Debug)]
enum ListenerKind {
    Streams(Acceptor),
    Datagrams(DatagramSocket),
}

impl<H: Handler> Reactor<H> {
    /// A reactor that hosts this handler, with nothing to listen to yet.
    ///
    /// # Errors
    /// When the kernel has no descriptor for the poll.
    pub fn new(handler: H, limits: Limits) -> io::Result<Self> {
        let poll = Poll::new()?;
        // A poll has room for one waker (mio's documentation of Waker), so other threads share it.
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let stopper = Stopper::new(Arc::clone(&waker));
        let mut state = State::new(limits, Some(poll.registry().try_clone()?), Instant::now());
        state.jobs = Jobs::new(Some(waker));
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS),
            dispatcher: Dispatcher::new(handler, state),
            listeners: Vec::new(),
            admission: Admission::default(),
            options: SocketOptions::default(),
            connector: Connector::default(),
            pause: Pause::new(),
            console: None,
            console_retry: None,
            output: ConsoleOutput::new(STDOUT),
            signals: None,
            stopper,
            stop_deadline: None,
            clock: TurnClock::new(),
        })
    }

    /// Serves who comes to this listener. Returns its number, as in [`Via::Listener`](crate::Via::Listener).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a blocking listener, with the remedy; or the poll refuses it.
    pub fn listen(&mut self, listener: Listener) -> io::Result<usize> {
        if !listener.is_nonblocking()? {
            let text = "a blocking listener would stop the loop: make it with SocketOptions::nonblocking(true)";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let number = self.listeners.len();
        let (token, registry) = (mio::Token(FIRST_LISTENER + number), self.poll.registry());
        let listening = match Acceptor::new(listener, &self.options) {
            Ok(mut acceptor) => {
                acceptor.register(registry, token)?;
                ListenerKind::Streams(acceptor)
            }
            Err(socket) => {
                let mut socket = DatagramSocket::new(socket, number)?;
                socket.register(registry, token)?;
                ListenerKind::Datagrams(socket)
            }
        };
        let service = (self.dispatcher.state.services.len() - 1) as u16;
        self.listeners.push(ListenerEntry { listening, admission: self.admission.clone(), service });
        Ok(number)
    }

    /// Serves only these hosts at the listeners that come after this.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Begins a service of its own: the listeners that come after this have these limits. What limits the process as a whole
    /// (budgets of a turn, `drain`, `linger`, `flush_stall`, `accept_retry`, `console_line`) stays as given to
    /// [`new`](Self::new). The listeners before the first call are a service, too.
    ///
    /// # Panics
    /// When there are more than 65,536 services.
    pub fn begin_service(&mut self, limits: Limits) {
        let services = &mut self.dispatcher.state.services;
        assert!(u16::try_from(services.len()).is_ok(), "no more than 65,536 services");
        services.push(Service::new(limits));
    }

    /// The options of accepted Unix streams and of outbound connections. Call it before [`listen`](Self::listen).
    pub fn use_options(&mut self, options: SocketOptions) {
        self.connector.options = options.clone();
        self.options = options;
    }

    /// Reads standard input from now on. Returns whether there is an operator: not for `/dev/null`, a closed descriptor, a
    /// directory, or a file without a line.
    ///
    /// # Errors
    /// When the poll refuses it.
    pub fn open_console(&mut self, mode: ConsoleMode) -> io::Result<bool> {
        let max_line = self.dispatcher.state.limits.console_line;
        let console = Console::open(self.poll.registry(), CONSOLE, max_line)?;
        self.console = console.map(|console| (console, mode));
        if self.console.is_none() && mode == ConsoleMode::Input {
            self.dispatcher.call_console(H::console_end);
        }
        Ok(self.console.is_some())
    }

    /// Stops at SIGTERM and SIGINT, and at SIGHUP unless the process was started with it ignored (`nohup`). SIGUSR1 logs the
    /// [`Stats`](crate::Stats).
    ///
    /// # Errors
    /// When the system refuses a signal handler or the poll its source.
    pub fn handle_signals(&mut self) -> io::Result<()> {
        self.signals = Some(Signals::new(self.poll.registry(), SIGNALS)?);
        Ok(())
    }

    /// A handle to stop this reactor from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Calls the handler outside of any connection, before the first turn: to connect, or to set an alarm.
    pub fn with_context(&mut self, call: impl FnOnce(&mut H, &mut crate::Context<'_>)) {
        self.dispatcher.call(0, call);
    }

    /// Runs until stopped, and returns the handler.
    ///
    /// # Errors
    /// When the poll itself fails, which is a bug or the end of the system's memory, and when standard output cannot be
    /// written to (a full disk) after [`Context::write_stdout`](crate::Context::write_stdout); that nobody reads it any more stops the
    /// reactor instead. When a worker panics, since its results will be missing. Nothing that a peer does is an error here.
    pub fn run(mut self) -> io::Result<H> {
        while self.turn()? {}
        Ok(self.dispatcher.handler)
    }

    /// Waits for something to happen, and serves all that has. Returns false once the reactor has stopped.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn turn(&mut self) -> io::Result<bool> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            result => result?,
        }
        let start = Instant::now();
        self.dispatcher.state.set_now(start);
        self.clock.begin(&self.dispatcher.state.stats);
        self.take_events();
        self.dispatcher.work_ready();
        self.dispatcher.take_results()?;
        self.dispatcher.run_timers();
        self.read_console();
        self.connector.work(&mut self.dispatcher);
        let reaped = self.dispatcher.flush_and_reap();
        // Accepting comes after burying, so that who leaves makes room for who comes in the same turn.
        self.accept(reaped);
        self.take_datagrams();
        self.dispatcher.flush_and_reap();
        self.step_stop();
        self.output.write(&mut self.dispatcher.state, self.poll.registry())?;
        let state = &mut self.dispatcher.state;
        self.clock.end(&mut state.stats, start.elapsed(), state.limits.slow_turn);
        Ok(!self.has_stopped())
    }

    /// How long the poll may wait: not at all while something is ready, else until the next deadline.
    fn timeout(&mut self) -> Option<Duration> {
        let state = &mut self.dispatcher.state;
        let is_console_paused = state.is_console_paused();
        let is_paused = self.pause.is_on(state.now);
        let has_listener = self.listeners.iter().any(|door| match &door.listening {
            ListenerKind::Streams(acceptor) => acceptor.may_accept() && !is_paused,
            ListenerKind::Datagrams(socket) => socket.may_read(),
        });
        let has_console = self.console.as_ref().is_some_and(|(console, _)| console.is_ready()) && !is_console_paused;
        let has_requests = !state.pending_connects.is_empty()
            || state.jobs.has_results()
            || state.stop == Stop::Requested
            || self.output.has_work(state);
        if !state.ready.is_empty() || has_requests || has_listener || has_console {
            return Some(Duration::ZERO);
        }
        let deadlines = [state.timers.next_deadline(), self.pause.until(), self.console_retry, self.stop_deadline];
        let next = deadlines.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn take_events(&mut self) {
        for event in &self.events {
            match event.token() {
                // What it was woken for is looked at in every turn.
                WAKER => {}
                SIGNALS => {
                    if let Some(signals) = &mut self.signals {
                        signals.wake();
                    }
                }
                CONSOLE => {
                    if let Some((console, _)) = &mut self.console {
                        console.wake();
                    }
                }
                STDOUT => self.output.wake(),
                mio::Token(number) if number >> 32 == 0 => match self.listeners.get_mut(number - FIRST_LISTENER) {
                    Some(ListenerEntry { listening: ListenerKind::Streams(acceptor), .. }) => acceptor.wake(),
                    Some(ListenerEntry { listening: ListenerKind::Datagrams(socket), .. }) => socket.wake(),
                    None => {}
                },
                mio::Token(number) => {
                    let token = Token::from(slotmap::KeyData::from_ffi(number as u64));
                    self.dispatcher.edge(token, edge(event));
                    self.connector.wake(token);
                }
            }
        }
    }

    /// Hands over what the operator has typed, unless a peer has to read first what was typed for it.
    fn read_console(&mut self) {
        let now = self.dispatcher.state.now;
        let Some((console, mode)) = &mut self.console else { return };
        if self.console_retry.is_some_and(|at| at <= now) {
            self.console_retry = None;
            console.wake();
        }
        let mut has_ended = self.dispatcher.state.stop > Stop::Running;
        while !has_ended && !self.dispatcher.state.is_console_paused() && console.is_ready() {
            let Some(input) = console.next_input() else { break };
            has_ended = input == Input::End;
            match (input, *mode) {
                (_, ConsoleMode::Stop) => self.dispatcher.call_console(|_, cx| cx.stop()),
                (Input::Line(line), ConsoleMode::Commands | ConsoleMode::Input) => {
                    self.dispatcher.call_console(|handler, cx| handler.console(line, cx));
                }
                (Input::TooLong, ConsoleMode::Commands | ConsoleMode::Input) => {
                    let limit = self.dispatcher.state.limits.console_line;
                    let text = format!("a line of over {limit} bytes at standard input was discarded");
                    self.dispatcher.call_console(|_, cx| cx.write_stderr(&text));
                }
                (Input::End, ConsoleMode::Commands | ConsoleMode::Input) => {
                    self.dispatcher.call_console(H::console_end);
                }
            }
        }
        let retry = console.retry_after();
        if has_ended || self.dispatcher.state.stop > Stop::Running {
            self.console = None;
        } else if self.console_retry.is_none() {
            self.console_retry = retry.and_then(|after| now.checked_add(after));
        }
    }

    /// Lets in who waits, within each listener's budget.
    fn accept(&mut self, reaped: usize) {
        let now = self.dispatcher.state.now;
        if reaped > 0 {
            self.pause.end();
        }
        for number in 0..self.listeners.len() {
            for _ in 0..self.dispatcher.state.limits.turn_accepts {
                let Some(ListenerEntry { listening: ListenerKind::Streams(acceptor), .. }) =
                    self.listeners.get_mut(number)
                else {
                    break;
                };
                if !acceptor.may_accept() || self.pause.is_on(now) {
                    break;
                }
                match acceptor.accept() {
                    Accepted::Stream(stream, peer) => self.admit_stream(stream, peer, number),
                    Accepted::Lost(error) => log::debug!("a client was lost: {error}"),
                    Accepted::Nobody => break,
                    Accepted::Exhausted(error) => {
                        let until = now.checked_add(self.dispatcher.state.limits.accept_retry);
                        self.pause.begin(now, until, &error);
                    }
                }
            }
        }
    }

    fn admit_stream(&mut self, stream: Stream, peer: Peer, listener: usize) {
        let ListenerEntry { admission, service, .. } = &self.listeners[listener];
        let state = &mut self.dispatcher.state;
        let Some(refusal) = state.services[usize::from(*service)].refusal(peer, admission) else {
            let connection = Connection::new(stream, peer, (Phase::Open, *service));
            if let Err(error) = self.dispatcher.open(connection, listener) {
                let state = &mut self.dispatcher.state;
                state.peer_log.lost(peer, &error, state.now);
            }
            return;
        };
        state.stats.note_refusal(refusal);
        state.peer_log.refused(peer, refusal, state.now);
    }

    fn take_datagrams(&mut self) {
        let sockets = |door: &ListenerEntry| {
            if let ListenerKind::Datagrams(socket) = &door.listening {
                Some((socket.port(), socket.may_read()))
            } else {
                None
            }
        };
        if !self.listeners.iter().filter_map(sockets).any(|(_, may_read)| may_read) {
            return;
        }
        let own_ports: Vec<u16> = self.listeners.iter().filter_map(sockets).map(|(port, _)| port).collect();
        for ListenerEntry { listening, admission, service } in &mut self.listeners {
            if let ListenerKind::Datagrams(socket) = listening {
                socket.serve(&mut self.dispatcher, &Rules { admission, own_ports: &own_ports, service: *service });
            }
        }
    }

    /// Takes a wish to stop one step further.
    fn step_stop(&mut self) {
        let Signalled { stops, hang_ups, wants_stats } = self.signals.as_mut().map(Signals::take).unwrap_or_default();
        let state = &mut self.dispatcher.state;
        if wants_stats {
            state.stats().log();
        }
        // A terminal that closes ends the input and sends SIGHUP, in any order: one wish, said twice.
        let hang_ups = if state.stop == Stop::Running { hang_ups.min(1) } else { 0 };
        state.stop = match (state.stop, self.stopper.take() + stops + hang_ups) {
            (stop, 0) => stop,
            (Stop::Running | Stop::Requested, 1) => Stop::Requested,
            _ => Stop::Now,
        };
        match state.stop {
            Stop::Running => {}
            Stop::Requested => {
                self.stop_deadline = state.now.checked_add(state.limits.drain);
                self.listeners.clear();
                self.console = None;
                self.dispatcher.begin_stop();
                self.dispatcher.flush_and_reap();
            }
            Stop::Draining => {
                // The time is for connections: whoever reads our output may take all the time there is.
                if self.stop_deadline.take_if(|deadline| *deadline <= state.now).is_some() {
                    self.end_now();
                }
            }
            Stop::Now => self.end_now(),
        }
    }

    /// Whether nobody is owed anything any more, or nobody is to be waited for.
    fn has_stopped(&self) -> bool {
        let state = &self.dispatcher.state;
        match state.stop {
            Stop::Running | Stop::Requested => false,
            Stop::Draining => {
                let has_printed = state.stdout.len() == 0 || !self.output.is_open();
                state.connections.is_empty() && state.jobs.is_idle() && has_printed
            }
            Stop::Now => true,
        }
    }

    /// Drops whoever is left.
    fn end_now(&mut self) {
        self.listeners.clear();
        let (connections, bytes) = self.dispatcher.drop_all();
        if bytes > 0 {
            log::warn!("stopped with {bytes} bytes undelivered to {connections} connections");
        }
    }
}

fn edge(event: &mio::event::Event) -> Edge {
    Edge {
        // Linux reports the refusal of a datagram as an error alone. Reading finds an error; so does writing, also where
        // reading is paused.
        readable: event.is_readable() || event.is_error(),
        writable: event.is_writable() || event.is_error(),
        read_closed: event.is_read_closed(),
        urgent: event.is_priority(),
    }
}
