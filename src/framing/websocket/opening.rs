//! The opening handshake: a request of HTTP, and the answer 101 (RFC 6455, section 4.2).

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};

use super::options::WebSocketOptions;
use crate::framing::http::{Exchange, Request, Status, Version};
use crate::handler::context::Context;

/// What a server appends to the key, so that no other server answers the request by accident.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The reason of the answer to a request that asks for no WebSocket.
pub(super) const NOT_REQUESTED: &str = "connect with a WebSocket";

/// The reason of the answer to a request for another host.
pub(super) const UNKNOWN_HOST: &str = "the host is not a name of this server";

/// RFC 9110, section 7.8: the header is ignored in HTTP/1.0.
pub(super) fn is_requested(request: &Request<'_>) -> bool {
    request.version() >= Version::Http11 && request.headers().has_token("Upgrade", "websocket")
}

/// Answers the request. Returns whether the connection is a WebSocket from now on.
pub(super) fn answer(
    options: &WebSocketOptions,
    request: &Request<'_>,
    exchange: &mut Exchange,
    cx: &mut Context<'_>,
) -> bool {
    match check(options, request) {
        Ok(key) => {
            let mut response = exchange.respond(Status::SWITCHING_PROTOCOLS, cx);
            response = response.header("Upgrade", "websocket").header("Sec-WebSocket-Accept", accept_key(key));
            if let Some(protocol) = options.protocol(request) {
                response = response.header("Sec-WebSocket-Protocol", protocol);
            }
            response.switch_protocols();
            true
        }
        Err((status, reason)) => {
            log::debug!("{}: no WebSocket: {status}: {reason}", cx.peer());
            if status == Status::UPGRADE_REQUIRED {
                require_upgrade(reason, exchange, cx);
            } else {
                exchange.respond_error(status, reason, cx);
            }
            false
        }
    }
}

/// Answers with 426, and says what to ask for instead (RFC 9110, section 15.5.22; RFC 6455, section 4.4).
pub(super) fn require_upgrade(reason: &str, exchange: &mut Exchange, cx: &mut Context<'_>) {
    let response = exchange.respond(Status::UPGRADE_REQUIRED, cx).header("Connection", "Upgrade");
    response.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13").page(reason);
}

/// Returns the key of a valid request.
fn check<'r>(options: &WebSocketOptions, request: &Request<'r>) -> Result<&'r str, (Status, &'static str)> {
    const fn bad<T>(reason: &'static str) -> Result<T, (Status, &'static str)> {
        Err((Status::BAD_REQUEST, reason))
    }
    let headers = request.headers();
    if !is_requested(request) {
        return Err((Status::UPGRADE_REQUIRED, NOT_REQUESTED));
    }
    if request.method() != "GET" {
        return bad("the method of a WebSocket is GET");
    }
    if request.has_body() {
        return bad("a request for a WebSocket has no body");
    }
    if !headers.has_token("Connection", "upgrade") {
        return bad("there is no Connection: Upgrade, which a proxy has to pass on");
    }
    if request.header("Sec-WebSocket-Version") != Some(b"13") {
        return Err((Status::UPGRADE_REQUIRED, "the version of WebSocket is 13"));
    }
    let mut keys = headers.all("Sec-WebSocket-Key");
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return bad("there is not one Sec-WebSocket-Key");
    };
    if !options.admits_host(request) {
        return Err((Status::FORBIDDEN, UNKNOWN_HOST));
    }
    if !options.admits_origin(request) {
        return Err((Status::FORBIDDEN, "pages of this origin may not connect"));
    }
    match str::from_utf8(key).map(|key| (key, Base64::decode(key, &mut [0; 16]).map(<[u8]>::len))) {
        Ok((key, Ok(16))) => Ok(key),
        _ => bad("the Sec-WebSocket-Key is not 16 bytes in base64"),
    }
}

/// Returns the value of `Sec-WebSocket-Accept` for a key.
fn accept_key(key: &str) -> String {
    Base64::encode_string(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, section 1.3.
    #[test]
    fn the_key_is_answered_as_in_the_example() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
