//! A counter over HTTP, in JSON. Run it with `cargo run --features http --example http`, and use it with curl:
//! `curl 127.0.0.1:7000/counter`, and `curl -d '{"add": 5}' 127.0.0.1:7000/counter`.

use switchboard::framing::http::{Exchange, Http, HttpOptions, Request, RequestHandler, Status};
use switchboard::{ConsoleMode, Context, Limits, Reactor};

/// One counter for all clients. It needs no lock, because one method runs at a time.
#[derive(Default)]
struct Counter {
    count: i64,
}

impl RequestHandler for Counter {
    fn request(&mut self, request: &Request<'_>, body: &[u8], exchange: &mut Exchange, cx: &mut Context<'_>) {
        if request.path() != "/counter" {
            return exchange.respond_error(Status::NOT_FOUND, "try /counter", cx);
        }
        match request.method() {
            "GET" | "HEAD" => {} // the framing sends no body in the answer to HEAD
            "POST" => match number(body).and_then(|number| self.count.checked_add(number)) {
                Some(count) => self.count = count,
                None => return exchange.respond_error(Status::BAD_REQUEST, "send {\"add\": NUMBER}", cx),
            },
            _ => {
                let response = exchange.respond(Status::METHOD_NOT_ALLOWED, cx);
                return response.header("Allow", "GET, HEAD, POST").text("try GET or POST\n");
            }
        }
        let json = format!("{{\"count\": {}}}\n", self.count);
        exchange.respond(Status::OK, cx).header("Content-Type", "application/json").body(json.as_bytes());
    }
}

/// Reads the number of `{"add": NUMBER}`. A server with larger messages would use a JSON crate.
fn number(body: &[u8]) -> Option<i64> {
    let inner = str::from_utf8(body).ok()?.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (key, value) = inner.split_once(':')?;
    if key.trim() == "\"add\"" { value.trim().parse().ok() } else { None }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".into());
    let mut options = HttpOptions::default();
    options.max_body = Some(1000); // a longer one is answered with 413
    let mut reactor = Reactor::new(Http::new(Counter::default(), options), Limits::default())?;
    for bound in reactor.bind(&address)? {
        println!("listening on {bound}");
    }
    reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
    reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
    reactor.run()?;
    Ok(())
}
