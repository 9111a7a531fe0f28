//! Talk: the operator at standard input and one client at a time; the others wait in a queue.
//!
//! Invariants: while anybody is connected, somebody has the turn; turns come in the order of connecting; what is said is shown
//! once, in order, whether it was typed in the turn or before it; nothing that a client typed reaches the operator but through
//! [`sanitize`], behind the client's name. A client that waits holds at most [`MOST_KEPT`] bytes.

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
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::text::refuse_http;

/// Typed before its turn, a client's lines are kept up to this many bytes. 16 KiB: four of the longest lines, by default.
const MOST_KEPT: usize = 16 * 1024;

/// How long after somebody has left the others are told their new places. 100 ms: when many leave at once, each of the
/// others is told once.
const PLACES_AFTER: Duration = Duration::from_millis(100);

/// What can be chosen about a talk server.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TalkOptions {
    /// The longest line, in bytes, its end not counted. A longer one gets a notice and is not shown.
    pub max_line: usize,
    /// What becomes of lines that the operator types while nobody is there.
    pub unheard: Unheard,
}

impl Default for TalkOptions {
    fn default() -> Self {
        TalkOptions { max_line: 4096, unheard: Unheard::Refused }
    }
}

/// What becomes of a line that the operator types while nobody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// The operator is told that it was not sent: for a person, whose words were meant for somebody else.
    Refused,
    /// It is for whoever comes next, and what follows it is not read before that: for a program.
    Held,
}

/// A talk between the operator and one client after the other: what [`Talk::room`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Talk, TalkOptions};
///
/// let mut sim = Sim::new(Talk::room(TalkOptions::default()));
/// let (ann, bob) = (sim.connect(), sim.connect());
/// assert_eq!(sim.received(ann), b"Welcome to my chat room!\n");
/// assert_eq!(sim.received(bob), b"You are number 1 in the queue.\n");
/// sim.console(b"hello ann");
/// assert_eq!(sim.received(ann), b"hello ann\n");
/// ```
#[derive(Debug)]
pub struct Talk {
    options: TalkOptions,
    /// Who has the turn.
    guest: Option<Guest>,
    /// Who waits, by ticket. Empty when nobody has the turn.
    queue: BTreeMap<u64, Waiting>,
    next_ticket: u64,
    /// What the operator typed for whoever comes next.
    held: Vec<u8>,
    /// Places have changed, and are told then.
    places_due: Option<TimerId>,
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
    /// As it was told.
    place: usize,
    /// Its lines so far, each with an LF.
    kept: Vec<u8>,
    has_ended: bool,
}

/// What is kept for each connection.
#[derive(Debug)]
pub struct TalkSession {
    ticket: u64,
    has_spoken: bool,
}

const GREETING: &str = "Welcome to my chat room!\n";
const KEPT: &str = "It is not your turn yet. What you type is kept until then.\n";
const NOT_KEPT: &str = "It is not your turn yet, and you have typed much. This line was not kept.\n";
const BYE: &str = "Good bye!\n";
const NO_HTTP: &str = "This is a chat server and does not speak HTTP.\n";
const NOBODY: &str = "nobody is here: that was not sent (quit stops the server)";
const HELD: &str = "nobody is here: that is for whoever comes next";
const NO_TALK: &str = "nobody is here: there is no talk to end (quit stops the server)";

impl Talk {
    /// Nobody is here yet. By lines.
    #[must_use]
    pub fn room(options: TalkOptions) -> Lines<Talk> {
        let talk =
            Talk { options, guest: None, queue: BTreeMap::new(), next_ticket: 0, held: Vec::new(), places_due: None };
        Lines::new(talk, options.max_line)
    }

    /// How many wait for their turn.
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
            // It has something to say, and may be there still: `nc -N` is, until it is closed.
            Some(waiting) if !waiting.kept.is_empty() => waiting.has_ended = true,
            _ => {
                cx.close();
                self.leave(session.ticket, "", cx);
            }
        }
    }

    fn closed(&mut self, session: TalkSession, why: &Closed, cx: &mut Context<'_>) {
        match why {
            // Nobody's turn comes any more. To tell of each would be long, and is no news.
            Closed::Stopping => {
                self.queue.clear();
                self.guest.take_if(|guest| guest.ticket == session.ticket);
            }
            _ => self.leave(session.ticket, &format!(": {why}"), cx),
        }
        // Here, where every change of places ends up: a timer set in a session's own callback would go with it.
        if !self.queue.is_empty() && self.places_due.is_none() {
            self.places_due = Some(cx.set_timer(PLACES_AFTER));
        }
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
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
            None => self.typed_to_nobody(line, cx),
        }
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        self.places_due = None;
        for (waiting, place) in self.queue.values_mut().zip(1..) {
            if waiting.place != place {
                waiting.place = place;
                cx.send(waiting.guest.token, place_text(place).as_bytes());
            }
        }
    }
}

impl Talk {
    /// Gives somebody the turn.
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
        let place = self.queue.len() + 1;
        cx.write_stderr(&format!("{} waits ({place} waiting)", guest.name));
        cx.send(guest.token, place_text(place).as_bytes());
        let waiting = Waiting { place, kept: Vec::new(), has_ended: false, guest };
        self.queue.insert(waiting.guest.ticket, waiting);
    }

    /// Closes somebody's connection with a last word.
    fn dismiss(&mut self, ticket: u64, word: &str, cx: &mut Context<'_>) {
        let guest = self.guest.as_ref().filter(|guest| guest.ticket == ticket);
        let Some(guest) = guest.or_else(|| self.queue.get(&ticket).map(|waiting| &waiting.guest)) else { return };
        cx.send(guest.token, word.as_bytes());
        cx.close_other(guest.token);
        self.leave(ticket, "", cx);
    }

    /// Takes somebody off, wherever that is. Once is enough; more does no harm.
    fn leave(&mut self, ticket: u64, reason: &str, cx: &mut Context<'_>) {
        if let Some(guest) = self.guest.take_if(|guest| guest.ticket == ticket) {
            self.tell_over(&guest, reason, cx);
            self.next_turn(cx);
        } else if let Some(Waiting { guest, .. }) = self.queue.remove(&ticket) {
            cx.write_stderr(&format!("{} has left the queue{reason} ({} waiting)", guest.name, self.queue.len()));
        }
    }

    fn tell_over(&self, guest: &Guest, reason: &str, cx: &mut Context<'_>) {
        cx.write_stderr(&format!("the talk with {} is over{reason} ({} waiting)", guest.name, self.queue.len()));
    }

    /// The turn goes to who has waited longest. One that has ended meanwhile is heard, and the turn goes on.
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
                self.tell_over(&guest, "", cx);
            }
        }
    }

    fn typed_to_nobody(&mut self, line: &[u8], cx: &mut Context<'_>) {
        match self.options.unheard {
            Unheard::Refused => cx.write_stderr(NOBODY),
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
    /// Shows the operator what it says.
    fn show(&self, line: &[u8], cx: &mut Context<'_>) {
        cx.write_stdout(format!("{}: {}\n", self.name, sanitize(line)).as_bytes());
    }
}

impl Waiting {
    /// Keeps a line until its turn comes. Returns what the client is to be told.
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

/// Whether a line ends the talk, on either side.
fn is_quit(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"q")
}

fn place_text(place: usize) -> String {
    format!("You are number {place} in the queue.\n")
}

#[cfg(test)]
mod tests;
