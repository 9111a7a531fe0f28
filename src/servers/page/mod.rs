//! What the web doors of all servers share: a socket at `/` and `/ws`, and a page at `/` or a hint in its place.

use crate::framing::http::{Exchange, Request, Status};
use crate::framing::websocket::Socket;
use crate::handler::context::Context;

/// Whether a request opens the socket of a server.
pub(crate) fn wants_socket(request: &Request<'_>) -> bool {
    Socket::is_requested(request) && matches!(request.path(), "/" | "/ws")
}

/// Answers a request to a server that has no page: says what it does, in one line, and how to connect.
pub(crate) fn hint(what: &str, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
    match (request.method(), request.path()) {
        ("GET" | "HEAD", "/") => {
            let host = request.host().unwrap_or("HOST");
            let how = format!("Connect with a WebSocket to ws://{host}/, or over TLS to wss://{host}/.");
            exchange.respond(Status::OK, cx).text(&format!("{what}\n{how}\n"));
        }
        (_, "/") => {
            exchange.respond(Status::METHOD_NOT_ALLOWED, cx).header("Allow", "GET, HEAD").page("");
        }
        _ => exchange.respond_error(Status::NOT_FOUND, "the WebSocket is at /", cx),
    }
}
