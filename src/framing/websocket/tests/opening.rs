//! Requests for a WebSocket, and their answers.

use super::*;
use crate::sim::Ending;

/// The answer to a request, with LF for CRLF and without its date.
fn answer(options: &WebSocketOptions, request: &str) -> String {
    let (output, ending) = whole(show_with(options.clone()), request.as_bytes());
    assert_eq!(ending, Some(Ending::Eof));
    let text = String::from_utf8(output).expect("a text").replace("\r\n", "\n");
    text.split_inclusive('\n').filter(|line| !line.starts_with("Date: ")).collect()
}

fn default_answer(request: &str) -> String {
    answer(&WebSocketOptions::default(), request)
}

/// The request with another line in the place of one that begins with `name`, or with a further line.
fn changed(name: &str, line: &str) -> String {
    let line = if line.is_empty() { String::new() } else { format!("{line}\r\n") };
    let lines = REQUEST.split_inclusive("\r\n");
    if lines.clone().any(|old| old.starts_with(name) && !name.is_empty()) {
        lines.map(|old| if old.starts_with(name) { &*line } else { old }).collect()
    } else {
        REQUEST.replacen("\r\n\r\n", &format!("\r\n{line}\r\n"), 1)
    }
}

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nConnection: Upgrade\n\n";

/// RFC 6455, section 1.3 and 4.2.2.
#[test]
fn a_valid_request_opens_a_socket() {
    for (name, line) in [
        ("", ""),
        ("Connection", "connection: keep-alive, UPGRADE"),
        ("Upgrade", "Upgrade: h2c, WebSocket"),
        ("", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        ("", "Sec-WebSocket-Protocol: chat, superchat"),
        ("Host", "Host: elsewhere.example"),
    ] {
        assert_eq!(default_answer(&changed(name, line)), ACCEPTED, "{line}");
    }
}

#[test]
fn a_request_that_is_not_valid_is_refused() {
    let key = "Sec-WebSocket-Key";
    for (name, line, page) in [
        ("GET", "POST /room HTTP/1.1", "the method of a WebSocket is GET"),
        ("", "Content-Length: 1", "a request for a WebSocket has no body"),
        ("Connection", "", "there is no Connection: Upgrade, which a proxy has to pass on"),
        ("Connection", "Connection: keep-alive", "there is no Connection: Upgrade, which a proxy has to pass on"),
        (key, "", "there is not one Sec-WebSocket-Key"),
        ("", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "there is not one Sec-WebSocket-Key"),
        (key, "Sec-WebSocket-Key:", "the Sec-WebSocket-Key is not 16 bytes in base64"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", "the Sec-WebSocket-Key is not 16 bytes in base64"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", "the Sec-WebSocket-Key is not 16 bytes in base64"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=", "the Sec-WebSocket-Key is not 16 bytes in base64"),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", "the Sec-WebSocket-Key is not 16 bytes in base64"),
        (key, "Sec-WebSocket-Key: \u{e9}", "the Sec-WebSocket-Key is not 16 bytes in base64"),
    ] {
        let want = format!("\n\n400 Bad Request: {page}\n");
        let answer = default_answer(&changed(name, line));
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(&want), "{line}: {answer}");
    }
}

/// Section 4.4; RFC 9110, section 15.5.22.
#[test]
fn another_version_is_told_the_right_one() {
    let required =
        "HTTP/1.1 426 Upgrade Required\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n";
    let version = "Sec-WebSocket-Version";
    for line in ["", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 013", "Sec-WebSocket-Version: 13, 8"] {
        let answer = default_answer(&changed(version, line));
        assert!(answer.starts_with(required), "{line}: {answer}");
        assert!(answer.ends_with("\n\n426 Upgrade Required: the version of WebSocket is 13\n"), "{line}: {answer}");
    }
    // Without a page, other requests are answered the same way. RFC 9110, section 7.8: HTTP/1.0 cannot upgrade.
    for request in [changed("Upgrade", ""), changed("Upgrade", "Upgrade: h2c"), changed("GET", "GET / HTTP/1.0")] {
        let answer = default_answer(&request);
        assert!(answer.starts_with(required), "{answer}");
        assert!(answer.ends_with("\n\n426 Upgrade Required: connect with a WebSocket\n"), "{answer}");
    }
}

/// The opening and the first frame may come in one piece, in any pieces, and to a slow reader.
#[test]
fn a_request_and_frames_may_come_in_any_pieces() {
    let sent = [REQUEST.as_bytes(), &client_frame(TEXT, b"hi"), &client_frame(CLOSE, b"")].concat();
    let answers = whole(show(), &sent);
    assert_eq!(readable(&answers.0), "text <hi>\nclose\n");
    for size in 1..sent.len() {
        let steps: Vec<_> = sent.chunks(size).map(|piece| Step::Look(piece.len())).collect();
        assert_eq!(in_pieces(show(), &sent, &steps), answers, "in pieces of {size} bytes");
    }
}

/// After a refusal the connection still speaks HTTP.
#[test]
fn a_request_may_follow_one_that_was_refused() {
    let answers = default_answer(&(changed("Sec-WebSocket-Version", "") + REQUEST));
    assert!(answers.starts_with("HTTP/1.1 426 ") && answers.ends_with(ACCEPTED), "{answers}");
}

/// RFC 6455, section 10.2.
#[test]
fn only_own_and_listed_pages_may_connect() {
    let origins = vec!["https://friend.example".to_owned(), "null".to_owned()];
    let options = WebSocketOptions { origins, ..WebSocketOptions::default() };
    for (host, origin, is_accepted) in [
        ("localhost:8080", "http://localhost:8080", true),
        ("localhost:8080", "https://LOCALHOST:8080", true),
        ("localhost:8080", "http://localhost", false),
        ("localhost:8080", "http://localhost:8081", false),
        ("localhost:8080", "http://localhost:80800", false),
        ("localhost:8080", "http://evil.example", false),
        ("localhost:8080", "http://localhost:8080.evil.example", false),
        ("localhost:8080", "http://evil.example/localhost:8080", false),
        ("localhost:8080", "localhost:8080", false),
        ("localhost:8080", "ftp://localhost:8080", false),
        ("localhost:8080", "file://", false),
        ("localhost:8080", "", false),
        ("localhost:8080", "\u{e9}", false),
        ("chat.example", "http://chat.example", true),
        ("chat.example", "https://chat.example", true),
        ("chat.example:443", "https://chat.example", true),
        ("chat.example:80", "https://chat.example", false),
        ("chat.example", "https://chat.example:443", true),
        ("[::1]:8080", "http://[::1]:8080", true),
        ("[::1]", "http://[::1]", true),
        ("[::1]", "http://[::2]", false),
        ("localhost:8080", "https://friend.example", true),
        ("localhost:8080", "https://Friend.example", true),
        ("localhost:8080", "http://friend.example", false),
        ("localhost:8080", "null", true),
    ] {
        let request = changed("Host", &format!("Host: {host}\r\nOrigin: {origin}"));
        let answer = answer(&options, &request);
        let refused = "\n\n403 Forbidden: pages of this origin may not connect\n";
        assert_eq!(answer == ACCEPTED, is_accepted, "{origin} at {host}: {answer}");
        assert_eq!(answer.ends_with(refused), !is_accepted, "{origin} at {host}: {answer}");
    }
    let two = changed("", "Origin: http://localhost:8080\r\nOrigin: http://localhost:8080");
    assert!(default_answer(&two).starts_with("HTTP/1.1 403 "), "one origin, or none");
    assert!(default_answer(&changed("", "Origin: null")).starts_with("HTTP/1.1 403 "));
}

/// A stranger can make a name of its own point to this machine.
#[test]
fn the_host_may_have_to_be_a_known_name() {
    let hosts = Some(vec!["chat.example".to_owned()]);
    let options = WebSocketOptions { hosts, ..WebSocketOptions::default() };
    for (host, is_accepted) in [
        ("127.0.0.1", true),
        ("127.0.0.1:8080", true),
        ("[::1]:8080", true),
        ("LocalHost:1", true),
        ("Chat.Example", true),
        ("chat.example:8080", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("localhost.evil.example", false),
        ("chat.example.evil.example:8080", false),
        ("2130706433", false),
        ("", false),
    ] {
        let answer = answer(&options, &changed("Host", &format!("Host: {host}\r\nOrigin: http://{host}")));
        let refused = "\n\n403 Forbidden: the host is not a name of this server\n";
        assert_eq!((answer == ACCEPTED, answer.ends_with(refused)), (is_accepted, !is_accepted), "{host}: {answer}");
    }
}

/// Section 1.9.
#[test]
fn the_first_protocol_of_the_client_that_is_known_is_chosen() {
    let protocols = vec!["v1.chat".to_owned(), "v2.chat".to_owned()];
    let options = WebSocketOptions { protocols, ..WebSocketOptions::default() };
    for (lines, chosen) in [
        ("Sec-WebSocket-Protocol: v3.chat, v2.chat,v1.chat", Some("v2.chat")),
        ("Sec-WebSocket-Protocol: v3.chat\r\nSec-WebSocket-Protocol: v1.chat", Some("v1.chat")),
        ("Sec-WebSocket-Protocol: V1.chat", None),
        ("Sec-WebSocket-Protocol:", None),
        ("X: v1.chat", None),
    ] {
        let answer = answer(&options, &changed("", lines));
        let line = chosen.map(|name| format!("\nSec-WebSocket-Protocol: {name}\n"));
        assert_eq!(answer.contains("Sec-WebSocket-Protocol"), line.is_some(), "{lines}: {answer}");
        assert!(line.is_none_or(|line| answer.contains(&line)), "{lines}: {answer}");
    }
}
