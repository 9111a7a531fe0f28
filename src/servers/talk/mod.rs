//! Talk: the operator at standard input and one client at a time; the other clients wait in a queue.
//!
//! Invariants: if any client is connected, one has the turn. Turns follow the order of connecting. Each line of a
//! client is shown once and in order, whether it was typed in the turn or before it. A client's words reach the
//! operator only through [`sanitize`], after the client's name. A waiting client's lines take at most [`MOST_KEPT`]
//! bytes.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::TalkServer;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::framing::{Lines, MessageHandler};
use crate::handler::commands;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::text::refuse_http;

/// Bytes of a client's lines that are kept until its turn. 16 KiB hold four lines of the default limit.
const MOST_KEPT: usize = 16 * 1024;

/// Delay before waiting clients receive their new positions. 100 ms: if many clients leave at once, each of the others
/// gets one notice.
const POSITIONS_AFTER: Duration = Duration::from_millis(100);

/// The options of a talk server.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TalkOptions {
    /// The longest line, in bytes, without its end. A longer line gets a notice and is not shown.
    pub max_line: usize,
    /// What happens to a line that the operator types while no client is connected.
    pub unheard: Unheard,
}

impl Default for TalkOptions {
    fn default() -> Self {
        TalkOptions { max_line: 4096, unheard: Unheard::Refused }
    }
}

/// What happens to a line that the operator types while no client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unheard {
    /// It is refused with a notice. For a person, whose words may be meant for the client that has just left.
    Refused,
    /// It is held for the next client, and no further line is read until then. For a program or a file.
    Held,
}

/// A talk between the operator and one client after the other; the handler that [`Talk::lines`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Talk, TalkOptions};
///
/// let mut sim = Sim::new(Talk::lines(TalkOptions::default()));
/// let (ann, bob) = (sim.connect(), sim.connect());
/// assert_eq!(sim.received(ann), b"Welcome to my chat room!\n");
/// assert_eq!(sim.received(bob), b"You are number 1 in the queue.\n");
/// sim.console(b"hello ann");
/// assert_eq!(sim.received(ann), b"hello ann\n");
/// ```
#[derive(Debug)]
pub struct Talk {
    options: TalkOptions,
    /// The client that has the turn.
    guest: Option<Guest>,
    /// The waiting clients, by ticket. Empty if no client has the turn.
    queue: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    /// The line that the operator typed for the next client.
    held: Vec<u8>,
    /// The timer for notices of new positions, if positions have changed.
    positions_timer: Option<TimerId>,
}

#[derive(Debug)]
struct Guest {
    ticket: u64,
    token: Token,
    name: String,
}

#[derive(Debug)]
struct Waiting {
    guest: Guest,
    /// The position in the last notice.
    position: usize,
    /// The lines so far, each with an LF.
    kept: Vec<u8>,
    has_ended: bool,
}

/// The state of a connection.
#[derive(Debug)]
pub struct TalkSession {
    ticket: u64,
    has_spoken: bool,
}

const GREETING: &str = "Welcome to my chat room!\n";
const KEPT: &str = "It is not your turn yet. What you type is kept until then.\n";
const NOT_KEPT: &str = "It is not your turn yet, and you have typed too much. This line was not kept.\n";
const BYE: &str = "Good bye!\n";
const NO_HTTP: &str = "This is a chat server and does not speak HTTP.\n";
const NOT_SENT: &str = "no client is here: that was not sent (quit stops the server)";
const HELD: &str = "no client is here: that is kept for the next one";
const NO_TALK: &str = "no client is here: there is no talk to end (quit stops the server)";

impl Talk {
    /// Creates a server whose clients send lines.
    #[must_use]
    pub fn lines(options: TalkOptions) -> Lines<Talk> {
        let talk = Talk {
            options,
            guest: None,
            queue: BTreeMap::new(),
            next_ticket: 0,
            held: Vec::new(),
            positions_timer: None,
        };
        Lines::new(talk, options.max_line)
    }

    /// Returns the number of clients that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl MessageHandler for Talk {
    type Session = TalkSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> TalkSession {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let guest = Guest { ticket, token: origin.token, name: origin.peer.to_string() };
        if self.guest.is_none() {
            self.welcome(guest, cx);
        } else {
            self.queue_up(guest, cx);
        }
        TalkSession { ticket, has_spoken: false }
    }

    fn message<'a>(&mut self, session: &mut TalkSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        let is_first = !std::mem::replace(&mut session.has_spoken, true);
        if is_first && refuse_http(line, NO_HTTP, cx) {
            self.leave(session.ticket, "", cx);
        } else if is_quit(line) {
            self.dismiss(session.ticket, BYE, cx);
        } else if let Some(waiting) = self.queue.get_mut(&session.ticket) {
            cx.reply(waiting.keep(line).as_bytes());
        } else if let Some(guest) = self.guest.as_ref().filter(|guest| guest.ticket == session.ticket) {
            guest.show(line, cx);
        }
    }

    fn too_long(&mut self, _: &mut TalkSession, limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("Your line is over {limit} bytes and was not sent.\n").as_bytes());
    }

    fn eof(&mut self, session: &mut TalkSession, cx: &mut Context<'_>) {
        match self.queue.get_mut(&session.ticket) {
            // Its lines are shown in its turn. The client may still be there: `nc -N` waits until it is closed.
            Some(waiting) if !waiting.kept.is_empty() => waiting.has_ended = true,
            _ => {
                cx.close();
                self.leave(session.ticket, "", cx);
            }
        }
    }

    fn closed(&mut self, session: TalkSession, why: &Closed, cx: &mut Context<'_>) {
        match why {
            // No further turn begins, and the operator does not need a notice for each client.
            Closed::Stopping => {
                self.queue.clear();
                self.guest.take_if(|guest| guest.ticket == session.ticket);
            }
            _ => self.leave(session.ticket, &format!(": {why}"), cx),
        }
        // Every change of positions ends here. A timer that is set in another callback would belong to that session.
        if !self.queue.is_empty() && self.positions_timer.is_none() {
            self.positions_timer = Some(cx.set_timer(POSITIONS_AFTER));
        }
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        if !cx.is_at_console() {
            // The talk is with the operator at the console. The others only look after the connections.
            return commands::run(line, cx);
        }
        if line == b"quit" {
            return cx.stop();
        }
        match &self.guest {
            Some(guest) if is_quit(line) => {
                let ticket = guest.ticket;
                self.dismiss(ticket, BYE, cx);
            }
            Some(guest) => {
                cx.send(guest.token, line);
                cx.send(guest.token, b"\n");
            }
            None if is_quit(line) => cx.write_stderr(NO_TALK),
            None => self.say_without_client(line, cx),
        }
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        self.positions_timer = None;
        for (waiting, position) in self.queue.values_mut().zip(1..) {
            if waiting.position != position {
                waiting.position = position;
                cx.send(waiting.guest.token, position_text(position).as_bytes());
            }
        }
    }
}

impl Talk {
    /// Gives a client the turn.
    fn welcome(&mut self, guest: Guest, cx: &mut Context<'_>) {
        cx.write_stderr(&format!("talking to {} ({} waiting)", guest.name, self.queue.len()));
        cx.send(guest.token, GREETING.as_bytes());
        if !self.held.is_empty() {
            cx.send(guest.token, &std::mem::take(&mut self.held));
            cx.resume_console();
        }
        self.guest = Some(guest);
    }

    fn queue_up(&mut self, guest: Guest, cx: &mut Context<'_>) {
        let position = self.queue.len() + 1;
        cx.write_stderr(&format!("{} waits ({position} waiting)", guest.name));
        cx.send(guest.token, position_text(position).as_bytes());
        let waiting = Waiting { position, kept: Vec::new(), has_ended: false, guest };
        self.queue.insert(waiting.guest.ticket, waiting);
    }

    /// Sends a client a last line and closes its connection.
    fn dismiss(&mut self, ticket: u64, word: &str, cx: &mut Context<'_>) {
        let guest = self.guest.as_ref().filter(|guest| guest.ticket == ticket);
        let Some(guest) = guest.or_else(|| self.queue.get(&ticket).map(|waiting| &waiting.guest)) else { return };
        cx.send(guest.token, word.as_bytes());
        cx.close_other(guest.token);
        self.leave(ticket, "", cx);
    }

    /// Removes a client that has the turn or waits. Has no effect on a client that was removed before.
    fn leave(&mut self, ticket: u64, reason: &str, cx: &mut Context<'_>) {
        if let Some(guest) = self.guest.take_if(|guest| guest.ticket == ticket) {
            self.report_end(&guest, reason, cx);
            self.next_turn(cx);
        } else if let Some(Waiting { guest, .. }) = self.queue.remove(&ticket) {
            cx.write_stderr(&format!("{} has left the queue{reason} ({} waiting)", guest.name, self.queue.len()));
        }
    }

    fn report_end(&self, guest: &Guest, reason: &str, cx: &mut Context<'_>) {
        cx.write_stderr(&format!("the talk with {} is over{reason} ({} waiting)", guest.name, self.queue.len()));
    }

    /// Gives the turn to the client that has waited longest. If it has ended its side, its lines are shown and the turn
    /// moves on.
    fn next_turn(&mut self, cx: &mut Context<'_>) {
        while let Some((_, waiting)) = self.queue.pop_first() {
            let Waiting { guest, kept, has_ended, .. } = waiting;
            let token = guest.token;
            self.welcome(guest, cx);
            if let Some(guest) = &self.guest {
                for line in kept.split_inclusive(|&byte| byte == b'\n') {
                    guest.show(&line[..line.len() - 1], cx);
                }
            }
            if !has_ended {
                return;
            }
            cx.close_other(token);
            if let Some(guest) = self.guest.take() {
                self.report_end(&guest, "", cx);
            }
        }
    }

    fn say_without_client(&mut self, line: &[u8], cx: &mut Context<'_>) {
        match self.options.unheard {
            Unheard::Refused => cx.write_stderr(NOT_SENT),
            Unheard::Held => {
                cx.write_stderr(HELD);
                self.held.extend_from_slice(line);
                self.held.push(b'\n');
                cx.pause_console();
            }
        }
    }
}

impl Guest {
    /// Shows a line of the client to the operator.
    fn show(&self, line: &[u8], cx: &mut Context<'_>) {
        cx.write_stdout(format!("{}: {}\n", self.name, sanitize(line)).as_bytes());
    }
}

impl Waiting {
    /// Keeps a line until the client's turn. Returns the notice for the client, which may be empty.
    fn keep(&mut self, line: &[u8]) -> &'static str {
        if self.kept.len() + line.len() >= MOST_KEPT {
            return NOT_KEPT;
        }
        let is_first = self.kept.is_empty();
        self.kept.extend_from_slice(line);
        self.kept.push(b'\n');
        if is_first { KEPT } else { "" }
    }
}

/// Whether a line ends the talk. Holds for the operator and for clients.
fn is_quit(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"q")
}

fn position_text(position: usize) -> String {
    format!("You are number {position} in the queue.\n")
}

#[cfg(test)]
mod tests;
