//! Sum: each client sends one integer; once enough have arrived, their total is printed and the next round begins.
//!
//! Invariants: a client has at most one number in the round, which counts while its connection is open. A round ends
//! with the number that completes it, and no total follows the last round. Memory is bounded by the clients of a round
//! times the longest line.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::SumServer;

mod number;

use std::collections::BTreeMap;

use num_bigint::BigInt;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::token::Token;
use crate::framing::{Lines, MessageHandler};
use crate::handler::context::Context;
use crate::servers::text::refuse_http;

use number::{MOST_DIGITS, Refusal};

/// The options of a sum server.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SumOptions {
    /// How many numbers make a round; 0 means 1.
    pub clients: usize,
    /// The number of rounds, after which the reactor is stopped. `None` sets no limit.
    pub rounds: Option<usize>,
    /// Whether the total is also sent to the clients of the round.
    pub reply: bool,
    /// The longest line, in bytes, without its end. A longer line gets a notice and does not count.
    pub max_line: usize,
}

impl Default for SumOptions {
    fn default() -> Self {
        SumOptions { clients: 2, rounds: None, reply: false, max_line: 4096 }
    }
}

/// Adds up the integers of its clients; the handler that [`Sum::lines`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Sum, SumOptions};
///
/// let mut options = SumOptions::default();
/// options.reply = true;
/// let mut sim = Sim::new(Sum::lines(options));
/// let (ann, bob) = (sim.connect(), sim.connect());
/// sim.send(ann, b"40\n");
/// sim.send(bob, b"2\n");
/// assert_eq!(sim.received(ann), b"42\n");
/// assert_eq!(sim.stdout(), b"42\n");
/// ```
#[derive(Debug)]
pub struct Sum {
    /// `rounds` counts down.
    options: SumOptions,
    /// The numbers of the current round, by client.
    numbers: BTreeMap<Token, BigInt>,
}

impl Sum {
    /// Creates a server that reads lines and adds up round after round.
    #[must_use]
    pub fn lines(options: SumOptions) -> Lines<Sum> {
        Lines::new(Sum { options, numbers: BTreeMap::new() }, options.max_line)
    }

    /// Returns the number of integers in the current round.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.numbers.len()
    }
}

const NOT_AN_INTEGER: &str = "That is not an integer: send digits, such as 42 or -7.\n";
const ALREADY_SENT: &str = "You have already sent your number.\n";
const NO_HTTP: &str = "This is a sum server and does not speak HTTP.\n";

impl MessageHandler for Sum {
    type Session = Token;

    fn open(&mut self, origin: &Origin, _: &mut Context<'_>) -> Token {
        origin.token
    }

    fn message<'a>(&mut self, client: &mut Token, line: &'a mut [u8], cx: &mut Context<'a>) {
        if self.options.rounds == Some(0) {
            // The stop takes effect after this turn, in which other input may still arrive.
            return;
        }
        if self.numbers.contains_key(client) {
            cx.reply(ALREADY_SENT.as_bytes());
            return;
        }
        match number::parse(line) {
            Ok(number) => self.add(*client, number, cx),
            Err(Refusal::NotAnInteger) => {
                if !refuse_http(line, NO_HTTP, cx) {
                    cx.reply(NOT_AN_INTEGER.as_bytes());
                }
            }
            Err(Refusal::TooManyDigits) => {
                cx.reply(format!("Your integer has over {MOST_DIGITS} digits: send a shorter one.\n").as_bytes());
            }
        }
    }

    fn too_long(&mut self, _: &mut Token, limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("Your line is over {limit} bytes: send a shorter one.\n").as_bytes());
    }

    /// Keeps a client whose number counts: `nc -N` ends its side first and then waits for the answer.
    fn eof(&mut self, client: &mut Token, cx: &mut Context<'_>) {
        if !self.numbers.contains_key(client) {
            cx.close();
        }
    }

    fn closed(&mut self, client: Token, _: &Closed, _: &mut Context<'_>) {
        self.numbers.remove(&client);
    }
}

impl Sum {
    fn add(&mut self, client: Token, number: BigInt, cx: &mut Context<'_>) {
        self.numbers.insert(client, number);
        if self.numbers.len() < self.options.clients {
            return;
        }
        let round = std::mem::take(&mut self.numbers);
        let total = format!("{}\n", round.values().sum::<BigInt>());
        cx.write_stdout(total.as_bytes());
        for &client in round.keys() {
            if self.options.reply {
                cx.send(client, total.as_bytes());
            }
            cx.close_other(client);
        }
        if let Some(rounds) = &mut self.options.rounds {
            *rounds = rounds.saturating_sub(1);
            if *rounds == 0 {
                cx.stop_because("the last round is over");
            }
        }
    }
}

#[cfg(test)]
mod tests;
