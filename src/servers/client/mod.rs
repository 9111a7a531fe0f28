//! A line client: typed lines are sent to a server, and the server's output is shown.
//!
//! Invariants: lines are sent in order, including those typed before the connection was established. The peer's output
//! is shown unchanged. The reactor stops exactly once; after that, [`Client::failure`] reports any failure. Terminals
//! and exit codes are handled by the program.

#[cfg(feature = "cli")]
mod args;

use std::io;
use std::time::{Duration, Instant};

use crate::connection::closed::Closed;
use crate::connection::link::Link;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::Address;
use crate::servers::text::counted;

#[cfg(feature = "cli")]
pub use args::LineClient;

/// Time between two attempts to connect. 100 ms: too short for a person to notice, and no load for the host.
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// Bytes of early lines above which standard input is paused. 64 KiB: more than a person types before the connection is
/// established.
const MOST_EARLY: usize = 64 * 1024;

/// The longest payload of a UDP datagram over IPv4, in bytes (RFC 768: 65,535 less 20 and 8 bytes of headers).
const MAX_DATAGRAM: usize = 65_507;

/// The options of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// How long the client waits, after the end of its input, while no byte moves in either direction. If the peer ends
    /// its side, the client stops earlier; over UDP, a peer has no other end.
    pub linger: Duration,
    /// How long to try to connect, including to a peer that does not answer. `None`: one attempt, for as long as the
    /// system takes.
    pub retry: Option<Duration>,
    /// Lines that end the input and are not sent. They are compared without the blanks around them, and without regard
    /// to case. If there are none, a blank line ends the input; otherwise, it is sent.
    pub quit_on: Vec<String>,
    /// The prompt for each line. It should be empty unless standard input and output are a terminal.
    pub prompt: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions { linger: Duration::from_secs(5), retry: None, quit_on: Vec::new(), prompt: String::new() }
    }
}

/// Connects standard input and output to a server: each line typed is sent with an LF, over UDP as one datagram.
///
/// A blank line, a line of [`ClientOptions::quit_on`], or the end of input shuts down the client's side. The peer's
/// output is then shown until the peer ends its side, or until no byte has moved for [`ClientOptions::linger`]. Over
/// UDP, a line over 65,506 bytes is reported, and not sent.
///
/// ```
/// use switchboard::servers::{Client, ClientOptions};
/// use switchboard::Sim;
///
/// let to = "127.0.0.1:4444".parse()?;
/// let mut sim = Sim::new(Client::new(to, ClientOptions::default()));
/// let server = sim.connected(&"127.0.0.1:4444".parse()?);
/// sim.console(b"hello");
/// assert_eq!(sim.received(server), b"hello\n");
/// sim.send(server, b"HELLO\n");
/// assert_eq!(sim.stdout(), b"HELLO\n");
/// # Ok::<(), switchboard::AddressError>(())
/// ```
#[derive(Debug)]
pub struct Client {
    to: Address,
    options: ClientOptions,
    state: State,
    /// Lines typed before the connection was established, each with an LF.
    early: Vec<u8>,
    /// Whether the input has ended.
    input_ended: bool,
    /// Whether the cursor is behind a prompt.
    is_prompted: bool,
    retry_until: Option<Instant>,
    /// The timer that ends the current attempt.
    attempt_timer: Option<TimerId>,
    /// Once the input has ended: when a byte last moved, and how many bytes had been sent by then.
    moved: Option<(Instant, u64)>,
    /// Lines that were too long for a datagram.
    unsent: usize,
    failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    /// Between two attempts to connect.
    Waiting,
    Open(Token),
    /// The client's side is shut down.
    Lingering(Token),
    Over,
}

impl Client {
    /// Creates a client of the server at address `to`. It connects when it starts.
    #[must_use]
    pub fn new(to: Address, options: ClientOptions) -> Client {
        Client {
            to,
            options,
            state: State::Connecting,
            early: Vec::new(),
            input_ended: false,
            is_prompted: false,
            retry_until: None,
            attempt_timer: None,
            moved: None,
            unsent: 0,
            failure: None,
        }
    }

    /// The failure, as one line without its end; `None` if there was none. Valid after the reactor has stopped.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let unsent = || format!("not sent: {}", counted(self.unsent, "line"));
        self.failure.clone().or_else(|| (self.unsent > 0).then(unsent))
    }
}

impl Handler for Client {
    type Session = ();

    fn started(&mut self, cx: &mut Context<'_>) {
        self.retry_until = self.options.retry.map(|retry| cx.now() + retry.min(LONGEST_RETRY));
        self.connect(cx);
    }

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
        self.state = State::Open(origin.token);
        self.cancel_attempt_timer(cx);
        cx.resume_console();
        for line in std::mem::take(&mut self.early).split_inclusive(|&byte| byte == b'\n') {
            cx.send(origin.token, line);
        }
        if self.input_ended {
            self.shut_down(origin.token, cx);
        } else {
            self.show_prompt(cx);
        }
    }

    /// Uses all input: the reactor itself stops reading while standard output is blocked.
    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        if let Some((at, _)) = &mut self.moved {
            *at = cx.now();
        }
        self.hide_prompt(cx);
        cx.write_stdout(input);
        if input.ends_with(b"\n") {
            self.show_prompt(cx);
        }
        input.len()
    }

    fn eof(&mut self, (): &mut (), cx: &mut Context<'_>) {
        if !matches!(self.state, State::Lingering(_)) {
            self.hide_prompt(cx);
            cx.write_stderr(&format!("{} has closed the connection", self.to));
        }
        self.state = State::Over;
        cx.close();
        cx.stop();
    }

    fn closed(&mut self, (): (), why: &Closed, cx: &mut Context<'_>) {
        match why {
            _ if self.state == State::Over => return,
            Closed::Stopping | Closed::ByHandler => self.state = State::Over,
            Closed::Failed(error) => {
                let remedy = if is_absence(error) { " (is the server running?)" } else { "" };
                self.fail(format!("the connection to {} is lost: {error}{remedy}", self.to), cx);
            }
            other => self.fail(format!("the connection to {} was closed: {other}", self.to), cx),
        }
        cx.stop();
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.is_prompted = false;
        if self.input_ended {
            return;
        }
        if self.is_end(line) {
            return self.end_input(cx);
        }
        if matches!(self.to, Address::Udp { .. }) && line.len() >= MAX_DATAGRAM {
            self.unsent += 1;
            let (length, most) = (counted(line.len(), "byte"), MAX_DATAGRAM - 1);
            cx.write_stderr(&format!("a line of {length} was not sent: over UDP, the limit is {most} bytes"));
            return self.show_prompt(cx);
        }
        let start = self.early.len();
        self.early.extend_from_slice(line);
        self.early.push(b'\n');
        if let State::Open(token) = self.state {
            cx.send(token, &self.early[start..]);
            self.early.truncate(start);
        } else if self.early.len() > MOST_EARLY {
            cx.pause_console();
        }
    }

    fn console_end(&mut self, cx: &mut Context<'_>) {
        self.end_input(cx);
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        match self.state {
            State::Waiting => self.connect(cx),
            State::Connecting => self.give_up(cx),
            State::Lingering(token) => self.check_movement(token, cx),
            State::Open(_) | State::Over => {}
        }
    }

    fn timer(&mut self, (): &mut (), timer: TimerId, cx: &mut Context<'_>) {
        self.service_timer(timer, cx);
    }

    fn connect_failed(&mut self, _: Token, _: &Address, error: &io::Error, cx: &mut Context<'_>) {
        self.cancel_attempt_timer(cx);
        self.state = State::Waiting;
        if let Some(until) = self.retry_until {
            let left = until.saturating_duration_since(cx.now());
            if !left.is_zero() {
                cx.set_timer(left.min(RETRY_EVERY));
                return;
            }
        }
        let remedy = match (self.options.retry, error.kind()) {
            (Some(retry), _) => format!(" (tried for {retry:?})"),
            _ if self.to.lacks_zone() => {
                " (a link-local address needs its zone, such as [fe80::1%eth0]:50000)".to_owned()
            }
            (None, _) if is_absence(error) => String::from(" (is the server running? --retry 5s waits for it)"),
            _ => String::new(),
        };
        self.fail(format!("cannot connect to {}: {error}{remedy}", self.to), cx);
        cx.stop();
    }
}

/// Whether this error means that no server listens at the address.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// The longest time of attempts. 30 years: a later deadline is not representable on every system.
const LONGEST_RETRY: Duration = Duration::from_secs(30 * 365 * 86_400);

impl Client {
    /// Starts an attempt. The system gives up only after minutes; `retry` may end the attempt earlier.
    fn connect(&mut self, cx: &mut Context<'_>) {
        self.state = State::Connecting;
        cx.connect(self.to.clone(), Link::default());
        if let Some(until) = self.retry_until {
            let left = until.saturating_duration_since(cx.now());
            self.attempt_timer = Some(cx.set_timer(left.max(RETRY_EVERY)));
        }
    }

    /// Cancels the timer of the attempt that has succeeded or failed.
    fn cancel_attempt_timer(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.attempt_timer.take() {
            cx.cancel_timer(timer);
        }
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        let tried = self.options.retry.unwrap_or_default();
        self.fail(format!("cannot connect to {}: no answer (tried for {tried:?})", self.to), cx);
        cx.stop();
    }

    /// Whether a typed line ends the input.
    fn is_end(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii();
        match &self.options.quit_on[..] {
            [] => line.is_empty(),
            texts => texts.iter().any(|text| line.eq_ignore_ascii_case(text.trim().as_bytes())),
        }
    }

    fn end_input(&mut self, cx: &mut Context<'_>) {
        self.hide_prompt(cx);
        self.input_ended = true;
        if let State::Open(token) = self.state {
            self.shut_down(token, cx);
        }
    }

    fn shut_down(&mut self, token: Token, cx: &mut Context<'_>) {
        self.state = State::Lingering(token);
        self.moved = Some((cx.now(), cx.stats().bytes_out));
        cx.shut_down_other(token);
        cx.set_timer(self.options.linger);
    }

    /// Stops if no byte has moved for the time to linger, or sets a timer for the next check.
    fn check_movement(&mut self, token: Token, cx: &mut Context<'_>) {
        let Some((at, bytes_out)) = &mut self.moved else { return };
        let stats = cx.stats();
        // The peer is not read while standard output is blocked, so its silence has no meaning then.
        if stats.queued > 0 && stats.bytes_out != *bytes_out || stats.stdout_queued > 0 {
            (*at, *bytes_out) = (cx.now(), stats.bytes_out);
        }
        let quiet = cx.now().saturating_duration_since(*at);
        if let Some(left) = self.options.linger.checked_sub(quiet).filter(|left| !left.is_zero()) {
            cx.set_timer(left);
            return;
        }
        if stats.queued > 0 {
            self.fail(format!("{} has not taken the last {}", self.to, counted(stats.queued, "byte")), cx);
            // A plain close would still try to send them.
            cx.abort_other(token);
        }
        self.state = State::Over;
        cx.stop();
    }

    fn fail(&mut self, line: String, cx: &mut Context<'_>) {
        self.hide_prompt(cx);
        self.state = State::Over;
        self.failure = Some(line);
    }

    fn show_prompt(&mut self, cx: &mut Context<'_>) {
        if !self.options.prompt.is_empty() && !self.input_ended {
            cx.write_stdout(self.options.prompt.as_bytes());
            self.is_prompted = true;
        }
    }

    /// Erases a prompt without input behind it, so that the peer's output begins its line.
    fn hide_prompt(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.is_prompted) {
            let width = self.options.prompt.chars().count();
            cx.write_stdout(format!("\r{:width$}\r", "").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
