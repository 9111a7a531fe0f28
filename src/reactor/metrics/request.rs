//! Requests to the metrics listener, and their answers: HTTP/1.1 without bodies of requests (RFC 9112).

use std::fmt::Write;
use std::time::SystemTime;

/// Longest head of a request, in bytes. 8 KiB: RFC 9112, section 3, wants 8,000 bytes for the first line.
pub(super) const MOST_HEAD: usize = 8 * 1024;

/// Most fields of a head.
const MOST_FIELDS: usize = 64;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Metrics,
    Health,
    Unknown,
    WrongMethod,
    Malformed,
    TooLarge,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    target: Target,
    is_head: bool,
    /// The connection ends after the answer.
    pub(super) is_last: bool,
}

/// The state of the request at the beginning of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// More of it has to come.
    Partial,
    /// A request, and its length in bytes.
    Request(usize, Request),
}

impl Request {
    /// A request whose head is longer than [`MOST_HEAD`].
    pub(super) fn too_large() -> Self {
        Request::bad(Target::TooLarge)
    }

    /// A request after which nothing can be read.
    fn bad(target: Target) -> Self {
        Request { target, is_head: false, is_last: true }
    }
}

/// Parses the request at the beginning of `text`.
pub(super) fn parse(text: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    match head.parse(text) {
        Ok(httparse::Status::Complete(length)) => Parsed::Request(length, read(&head)),
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(httparse::Error::TooManyHeaders) => Parsed::Request(text.len(), Request::too_large()),
        Err(_) => Parsed::Request(text.len(), Request::bad(Target::Malformed)),
    }
}

fn read(head: &httparse::Request<'_, '_>) -> Request {
    let values = |name: &'static str| {
        let fields = head.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value.trim_ascii())
    };
    let is_old = head.version == Some(0);
    // RFC 9112, section 3.2.
    if values("host").count() != 1 && !is_old {
        return Request::bad(Target::Malformed);
    }
    // A body is not read, so nothing after it is either.
    let has_body = values("content-length").any(|value| value != b"0") || values("transfer-encoding").next().is_some();
    let wants_end = values("connection")
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
    let method = head.method.unwrap_or_default();
    let target = match method {
        "GET" | "HEAD" => target(head.path.unwrap_or_default()),
        _ => Target::WrongMethod,
    };
    Request { target, is_head: method == "HEAD", is_last: is_old || has_body || wants_end }
}

/// What a path names. A query is ignored, and so are the scheme and the host of a whole URL (RFC 9112, section 3.2.2).
fn target(path: &str) -> Target {
    let path = match path.split_once("://") {
        Some((_, rest)) if !path.starts_with('/') => rest.find('/').map_or("/", |start| &rest[start..]),
        _ => path,
    };
    match path.split('?').next() {
        Some("/metrics") => Target::Metrics,
        Some("/healthz") => Target::Health,
        _ => Target::Unknown,
    }
}

/// The page at `/healthz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Healthy,
    Stopping,
}

/// The answer to a request at the time `now`. `figures` returns the text at `/metrics`.
pub(super) fn answer<'a>(
    request: Request,
    now: SystemTime,
    health: Page,
    figures: impl FnOnce() -> &'a mut String,
) -> Vec<u8> {
    let (status, body) = match (request.target, health) {
        (Target::Metrics, _) => ("200 OK", figures().as_str()),
        (Target::Health, Page::Healthy) => ("200 OK", "ok\n"),
        (Target::Health, Page::Stopping) => ("503 Service Unavailable", "stopping\n"),
        (Target::Unknown, _) => ("404 Not Found", "there are /metrics and /healthz\n"),
        (Target::WrongMethod, _) => ("405 Method Not Allowed", "use GET or HEAD\n"),
        (Target::Malformed, _) => ("400 Bad Request", "this is no request of HTTP/1.1\n"),
        (Target::TooLarge, _) => ("431 Request Header Fields Too Large", "the head of the request is too long\n"),
    };
    let (media, date) = (media_type(request.target), httpdate::fmt_http_date(now));
    let length = body.len();
    let mut text =
        format!("HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n");
    if request.target == Target::WrongMethod {
        text.push_str("allow: GET, HEAD\r\n");
    }
    if request.is_last {
        text.push_str("connection: close\r\n");
    }
    // Writing to a `String` does not fail.
    let _ = write!(text, "cache-control: no-store\r\n\r\n{}", if request.is_head { "" } else { body });
    text.into_bytes()
}

fn media_type(target: Target) -> &'static str {
    match target {
        // The version is that of the text exposition format of Prometheus.
        Target::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length, the target, and whether the connection ends.
    fn parsed(text: &str) -> (usize, Target, bool) {
        match parse(text.as_bytes()) {
            Parsed::Request(length, request) => (length, request.target, request.is_last),
            Parsed::Partial => panic!("partial: {text:?}"),
        }
    }

    fn get(path: &str, fields: &str) -> (usize, Target, bool) {
        parsed(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n{fields}\r\n"))
    }

    #[test]
    fn a_path_names_a_page() {
        for (path, wanted) in [
            ("/metrics", Target::Metrics),
            ("/metrics?name[]=up", Target::Metrics),
            ("/healthz", Target::Health),
            ("http://127.0.0.1:9100/metrics", Target::Metrics),
            ("http://127.0.0.1:9100", Target::Unknown),
            ("/x://y/metrics", Target::Unknown),
            ("/", Target::Unknown),
            ("/metrics/", Target::Unknown),
            ("*", Target::Unknown),
        ] {
            assert_eq!(get(path, "").1, wanted, "{path}");
        }
        assert_eq!(parsed("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n").1, Target::WrongMethod);
    }

    #[test]
    fn a_connection_ends_after_its_last_request() {
        for (fields, is_last) in [
            ("", false),
            ("connection: keep-alive\r\n", false),
            ("Connection: TE, Close\r\n", true),
            ("content-length: 0\r\n", false),
            ("content-length: 5\r\n", true),
            ("transfer-encoding: chunked\r\n", true),
        ] {
            assert_eq!(get("/metrics", fields).2, is_last, "{fields:?}");
        }
        assert_eq!(parsed("GET /metrics HTTP/1.0\r\n\r\n"), (25, Target::Metrics, true));
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        for text in [
            "hello\r\n\r\n",
            "\0",
            "GET /metrics HTTP/2.0\r\n\r\n",
            "GET /metrics HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nhost : a\r\n\r\n",
        ] {
            assert_eq!((parsed(text).1, parsed(text).2), (Target::Malformed, true), "{text:?}");
        }
        let fields = "a: b\r\n".repeat(MOST_FIELDS + 1);
        assert_eq!(get("/metrics", &fields).1, Target::TooLarge);
    }

    #[test]
    fn a_request_is_partial_until_its_last_byte() {
        let text = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\nGET /";
        let length = text.len() - 5;
        for end in 0..length {
            assert_eq!(parse(&text[..end]), Parsed::Partial, "{end}");
        }
        let Parsed::Request(used, _) = parse(text) else { panic!("it is complete") };
        assert_eq!(used, length);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let text = |method: &str, page| {
            let Parsed::Request(_, request) =
                parse(format!("{method} /healthz HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
            else {
                panic!("it is complete")
            };
            let answer = answer(request, SystemTime::UNIX_EPOCH, page, || panic!("no figures are needed"));
            String::from_utf8(answer).expect("text")
        };
        let get = text("GET", Page::Healthy);
        assert!(get.starts_with("HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), "{get}");
        assert_eq!(text("HEAD", Page::Healthy), get.strip_suffix("ok\n").expect("the body"));
        assert!(text("GET", Page::Stopping).starts_with("HTTP/1.1 503 "));
        assert!(text("PUT", Page::Healthy).contains("\r\nallow: GET, HEAD\r\n"));
    }
}
