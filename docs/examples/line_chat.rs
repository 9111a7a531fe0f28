//! A chat room: each line goes to all other clients, after the number of its sender.
//! Run it with `cargo run --example line_chat`, and join it from two terminals with `nc 127.0.0.1 7000`.

use switchboard::framing::{Lines, MessageHandler};
use switchboard::{Closed, ConsoleMode, Context, FeedId, Limits, Origin, Reactor, sanitize};

/// The longest line, in bytes.
const MAX_LINE: usize = 1000;

#[derive(Default)]
struct Chat {
    /// The stream that every client follows. One line published to it reaches all of them.
    room: Option<FeedId>,
    /// How many clients have come so far.
    count: u64,
}

/// What the room keeps for each client.
struct Client {
    number: u64,
    room: FeedId,
}

impl MessageHandler for Chat {
    type Session = Client;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> Client {
        self.count += 1;
        let client = Client { number: self.count, room: *self.room.get_or_insert_with(|| cx.create_feed()) };
        cx.follow(client.room);
        cx.reply(format!("You are client {}.\n", client.number).as_bytes());
        cx.publish_others(client.room, format!("Client {} is here.\n", client.number).as_bytes());
        client
    }

    fn message<'a>(&mut self, client: &mut Client, line: &'a mut [u8], cx: &mut Context<'a>) {
        // A line may hold escape sequences, which would steer the terminals of the others.
        let text = sanitize(line);
        cx.publish_others(client.room, format!("{}: {text}\n", client.number).as_bytes());
    }

    fn closed(&mut self, client: Client, _: &Closed, cx: &mut Context<'_>) {
        cx.publish(client.room, format!("Client {} has left.\n", client.number).as_bytes());
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    let mut reactor = Reactor::new(Lines::new(Chat::default(), MAX_LINE), Limits::default())?;
    for bound in reactor.bind(&address)? {
        println!("listening on {bound}");
    }
    reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
    reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
    reactor.run()?;
    Ok(())
}
