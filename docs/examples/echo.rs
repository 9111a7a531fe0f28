//! Sends every byte back. Run it with `cargo run --example echo`, and talk to it with `nc 127.0.0.1 7000`.

use switchboard::{ConsoleMode, Context, Handler, Limits, Origin, Reactor};

struct Echo;

impl Handler for Echo {
    type Session = (); // what the handler keeps for each client: nothing

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        cx.reply_input(input);
        input.len() // all of it was used
    }
}

fn main() {
    if let Err(error) = serve() {
        eprintln!("{error}"); // one line, with the remedy
        std::process::exit(1);
    }
}

fn serve() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    let mut reactor = Reactor::new(Echo, Limits::default())?;
    for bound in reactor.bind(&address)? {
        println!("listening on {bound}");
    }
    reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
    reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
    reactor.run()?;
    Ok(())
}
