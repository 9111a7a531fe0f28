//! An echo for web pages. Run it with `cargo run --features websocket --example websocket`, and open
//! <http://127.0.0.1:7000/> in a browser.

use switchboard::framing::http::{Exchange, HttpOptions, Request, Status};
use switchboard::framing::websocket::{Message, WebSocket, WebSocketHandler, WebSocketOptions};
use switchboard::{ConsoleMode, Context, Limits, Origin, Reactor};

/// Sends each message back.
struct Echo;

const PAGE: &str = "<!doctype html><title>Echo</title>
<form><input autofocus> <button>Send</button></form> <pre></pre>
<script>
    const socket = new WebSocket(`ws://${location.host}/`);
    socket.onmessage = event => document.querySelector('pre').append(event.data + '\\n');
    socket.onclose = event => document.querySelector('pre').append(`closed: ${event.code}\\n`);
    document.querySelector('form').onsubmit = event => {
        event.preventDefault();
        socket.send(document.querySelector('input').value);
        event.target.reset();
    };
</script>
";

impl WebSocketHandler for Echo {
    type Session = (); // what the handler keeps for each socket: nothing

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        cx.reply(&message.to_frame());
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        match request.path() {
            "/" => exchange.respond(Status::OK, cx).header("Content-Type", "text/html").body(PAGE.as_bytes()),
            _ => exchange.respond_error(Status::NOT_FOUND, "the page is at /", cx),
        }
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    let mut options = WebSocketOptions::default();
    options.max_message = 16 * 1024 * 1024; // a longer one ends the connection with the close code 1009
    options.hosts = Some(Vec::new()); // only 127.0.0.1 and localhost, whatever other names point here
    let mut reactor = Reactor::new(WebSocket::new(Echo, options, HttpOptions::default()), Limits::default())?;
    for listening in reactor.bind(&address)? {
        println!("listening on {listening}");
    }
    reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
    reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
    reactor.run()?;
    Ok(())
}
