//! What the web doors of all servers share: a socket at `/` and `/ws`, and a page at `/` or a hint in its place.
//!
//! Invariant: a page needs nothing but its own files, which are a part of the program. Its policy forbids all else, so
//! no text of a stranger can become a script, even if the page shows it as markup by mistake.

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};

use crate::framing::http::{Exchange, Headers, Request, Status};
use crate::framing::websocket::Socket;
use crate::handler::context::Context;

/// The files that all pages may use: what they look like, and what connects them to their server.
const SHELL: [(&str, &str); 4] = [
    ("/shell.css", include_str!("shell.css")),
    ("/shell.js", include_str!("shell.js")),
    ("/conversation.js", include_str!("conversation.js")),
    ("/icon.svg", include_str!("icon.svg")),
];

/// What a page may load and do (Content Security Policy, level 3). A socket to the page's own server is `'self'`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// A page and its files.
#[derive(Debug)]
pub(crate) struct Page {
    files: Vec<PageFile>,
}

#[derive(Debug)]
struct PageFile {
    path: &'static str,
    text: &'static str,
    /// With its quotes. It is strong: it changes with each change of the text.
    etag: String,
}

impl Page {
    /// Creates a page of the text at `/`, the files of the shell, and more `files` by their paths.
    pub(crate) fn new(document: &'static str, files: &[(&'static str, &'static str)]) -> Page {
        let all = [("/", document)].into_iter().chain(SHELL).chain(files.iter().copied());
        Page { files: all.map(|(path, text)| PageFile::new(path, text)).collect() }
    }

    /// Answers a request with the file that it asks for.
    pub(crate) fn respond(&self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        match self.files.iter().find(|file| file.path == request.path()) {
            Some(file) if is_read(request) => file.respond(request, exchange, cx),
            Some(_) => refuse_method(exchange, cx),
            None => exchange.respond_error(Status::NOT_FOUND, "the page is at /", cx),
        }
    }
}

impl PageFile {
    fn new(path: &'static str, text: &'static str) -> PageFile {
        PageFile { path, text, etag: format!("\"{}\"", Base64::encode_string(&Sha1::digest(text))) }
    }

    fn respond(&self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        let is_known = self.is_known(request.headers());
        let status = if is_known { Status::NOT_MODIFIED } else { Status::OK };
        let response = exchange.respond(status, cx).header("ETag", &self.etag).header("Cache-Control", "no-cache");
        if is_known {
            return response.body(b"");
        }
        let response = response.header("Content-Type", self.content_type()).header("Content-Security-Policy", POLICY);
        response.header("X-Content-Type-Options", "nosniff").body(self.text.as_bytes());
    }

    /// Whether the client has this version of the file (RFC 9110, section 13.1.2).
    fn is_known(&self, headers: Headers<'_>) -> bool {
        let is_own = |tag: &[u8]| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes();
        headers.elements("If-None-Match").any(is_own)
    }

    fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        }
    }
}

/// Whether a request opens the socket of a server.
pub(crate) fn wants_socket(request: &Request<'_>) -> bool {
    Socket::is_requested(request) && matches!(request.path(), "/" | "/ws")
}

/// Answers a request to a server that has no page: says what the server does, in one line, and how to connect.
pub(crate) fn hint(what: &str, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
    if request.path() != "/" {
        exchange.respond_error(Status::NOT_FOUND, "the WebSocket is at /", cx);
    } else if is_read(request) {
        let host = request.host().unwrap_or("HOST");
        let how = format!("Connect with a WebSocket to ws://{host}/, or over TLS to wss://{host}/.");
        exchange.respond(Status::OK, cx).text(&format!("{what}\n{how}\n"));
    } else {
        refuse_method(exchange, cx);
    }
}

fn is_read(request: &Request<'_>) -> bool {
    matches!(request.method(), "GET" | "HEAD")
}

fn refuse_method(exchange: &mut Exchange, cx: &mut Context<'_>) {
    exchange.respond(Status::METHOD_NOT_ALLOWED, cx).header("Allow", "GET, HEAD").page("");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::http::{Http, HttpOptions, RequestHandler};
    use crate::sim::Sim;

    impl RequestHandler for Page {
        fn request(&mut self, request: &Request<'_>, _: &[u8], exchange: &mut Exchange, cx: &mut Context<'_>) {
            self.respond(request, exchange, cx);
        }
    }

    /// The answer to one request: its head, and its body.
    fn ask(line: &str, more: &str) -> (String, String) {
        let page = Page::new("<!doctype html>", &[("/own.js", "'use strict'")]);
        let mut sim = Sim::new(Http::new(page, HttpOptions::default()));
        let browser = sim.connect();
        sim.send(browser, format!("{line} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").as_bytes());
        let answer = String::from_utf8(sim.received(browser)).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (format!("{head}\r\n"), body.to_owned())
    }

    #[test]
    fn each_file_has_its_type_and_the_policy() {
        for (path, content_type, text) in [
            ("/", "text/html; charset=utf-8", "<!doctype html>"),
            ("/?a", "text/html; charset=utf-8", "<!doctype html>"),
            ("/own.js", "text/javascript; charset=utf-8", "'use strict'"),
            ("/shell.js", "text/javascript; charset=utf-8", include_str!("shell.js")),
            ("/shell.css", "text/css; charset=utf-8", include_str!("shell.css")),
            ("/icon.svg", "image/svg+xml", include_str!("icon.svg")),
        ] {
            let (head, body) = ask(&format!("GET {path}"), "");
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            for header in [
                format!("Content-Type: {content_type}"),
                format!("Content-Length: {}", text.len()),
                format!("Content-Security-Policy: {POLICY}"),
                "X-Content-Type-Options: nosniff".to_owned(),
                "Cache-Control: no-cache".to_owned(),
            ] {
                assert!(head.contains(&format!("\r\n{header}\r\n")), "{path}: {header}: {head}");
            }
            assert_eq!(body, text);
            let (without_body, body) = ask(&format!("HEAD {path}"), "");
            assert_eq!((without_body.len(), &*body), (head.len(), ""));
        }
        assert!(!POLICY.contains("unsafe") && !POLICY.contains('\n'), "{POLICY}");
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let (head, _) = ask("GET /own.js", "");
        let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("a tag");
        for known in [etag, "*", &format!("W/{etag}"), &format!("\"other\", {etag}")] {
            let (head, body) = ask("GET /own.js", &format!("If-None-Match: {known}\r\n"));
            assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n") && body.is_empty(), "{known}: {head}");
            assert!(
                head.contains(&format!("ETag: {etag}\r\n")) && head.contains("Cache-Control: no-cache\r\n"),
                "{head}"
            );
        }
        for other in ["\"other\"", &etag.replace('"', ""), ""] {
            let (head, _) = ask("GET /own.js", &format!("If-None-Match: {other}\r\n"));
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{other}: {head}");
        }
        let (other, _) = ask("GET /", "");
        assert!(!other.contains(etag), "each text has its own tag");
    }

    #[test]
    fn there_is_nothing_else() {
        for (line, status) in [
            ("GET /ws", "404 Not Found"),
            ("GET /own.css", "404 Not Found"),
            ("GET //own.js", "404 Not Found"),
            ("POST /nothing", "404 Not Found"),
            ("POST /", "405 Method Not Allowed"),
            ("DELETE /own.js", "405 Method Not Allowed"),
        ] {
            let (head, _) = ask(line, "Content-Length: 0\r\n");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}: {head}");
            assert_eq!(head.contains("Allow: GET, HEAD\r\n"), status.starts_with("405"), "{head}");
        }
    }
}
