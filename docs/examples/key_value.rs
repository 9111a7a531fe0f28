//! A key-value store in memory: `SET KEY VALUE`, `GET KEY` and `DEL KEY`, a line each.
//! Run it with `cargo run --example key_value`, and talk to it with `nc 127.0.0.1 7000`.

use std::collections::HashMap;
use switchboard::framing::{Lines, MessageHandler};
use switchboard::{ConsoleMode, Context, Limits, Origin, Reactor};

/// The longest line, in bytes.
const MAX_LINE: usize = 1000;
/// The most keys. With the limit of a line, it bounds the memory that clients can use.
const MAX_KEYS: usize = 10_000;

/// One store for all clients. It needs no lock, because one method runs at a time.
#[derive(Default)]
struct Store {
    values: HashMap<Vec<u8>, Vec<u8>>,
}

impl Store {
    fn set(&mut self, key: &[u8], value: &[u8]) -> &[u8] {
        if self.values.len() >= MAX_KEYS && !self.values.contains_key(key) {
            return b"ERROR the store is full";
        }
        self.values.insert(key.to_vec(), value.to_vec());
        b"OK"
    }
}

impl MessageHandler for Store {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let reply: &[u8] = match (words.next(), words.next(), words.next()) {
            (Some(b"SET"), Some(key), Some(value)) => self.set(key, value),
            (Some(b"GET"), Some(key), None) => self.values.get(key).map_or(b"NONE", |value| value),
            (Some(b"DEL"), Some(key), None) => self.values.remove(key).map_or(b"NONE", |_| b"OK"),
            _ => b"ERROR send SET KEY VALUE, GET KEY or DEL KEY",
        };
        cx.reply(reply);
        cx.reply(b"\n"); // all replies of a message go out in one write
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    let mut reactor = Reactor::new(Lines::new(Store::default(), MAX_LINE), Limits::default())?;
    for bound in reactor.bind(&address)? {
        println!("listening on {bound}");
    }
    reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
    reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
    reactor.run()?;
    Ok(())
}
