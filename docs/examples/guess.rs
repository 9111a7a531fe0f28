//! Thinks of a number for each client, and lets it guess. `docs/tutorial.md` builds this program step by step.

use switchboard::framing::{Lines, MessageHandler};
use switchboard::{ConsoleMode, Context, Handler, Limits, Origin, Reactor};

/// Thinks of a number for each client.
struct Game {
    /// The number for the next client.
    next: u32,
}

/// How far one client is.
struct Round {
    number: u32,
    guesses: u32,
}

impl MessageHandler for Game {
    type Session = Round;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> Round {
        let number = self.next;
        // Good enough for a game, and the same in every test.
        self.next = (self.next * 37 + 11) % 100 + 1;
        cx.reply(b"Guess my number, 1 to 100.\n");
        Round { number, guesses: 0 }
    }

    fn message<'a>(&mut self, round: &mut Round, line: &'a mut [u8], cx: &mut Context<'a>) {
        round.guesses += 1;
        let guess = std::str::from_utf8(line).ok().and_then(|text| text.trim().parse::<u32>().ok());
        match guess {
            None => cx.reply(b"That is not a number.\n"),
            Some(guess) if guess < round.number => cx.reply(b"higher\n"),
            Some(guess) if guess > round.number => cx.reply(b"lower\n"),
            Some(_) => {
                cx.reply(format!("right, after {} guesses\n", round.guesses).as_bytes());
                cx.close();
            }
        }
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    serve(Lines::new(Game { next: 37 }, 80), &address)
}

/// Serves at `address` until Enter or Ctrl-C stops it.
fn serve(handler: impl Handler, address: &str) -> std::io::Result<()> {
    let mut reactor = Reactor::new(handler, Limits::default())?;
    for bound in reactor.bind(address)? {
        println!("listening on {bound}");
    }
    reactor.open_console(ConsoleMode::Stop)?;
    reactor.handle_signals()?;
    reactor.run()?;
    Ok(())
}
