//! Output of a script, of any bytes, whole and in pieces: the client gets the answer that a plain reading of RFC 3875
//! finds, or 500, and the next request on the connection gets its own answer.

use std::path::Path;
use std::time::Duration;

use switchboard::servers::{Site, SiteOptions};
use switchboard::{Ending, Limits, Sim};

/// A file that every checkout has. A handler of its extension makes it a script, which the simulation does not run.
const SCRIPT: &str = "/Cargo.toml";

/// Takes the request from the first byte and the size of the pieces from the second one. The others are the output.
pub fn run(bytes: &[u8]) {
    let &[choice, size, ref output @ ..] = bytes else { return };
    let request = REQUESTS[usize::from(choice) % REQUESTS.len()];
    let received = request.play(output, output.len());
    crate::show(&String::from_utf8_lossy(&received));
    for size in [usize::from(size), 1] {
        if size > 0 && size < output.len() {
            let (pieces, whole) = (request.play(output, size), request.read(&received));
            assert_eq!(request.read(&pieces), whole, "in pieces of {size} bytes");
        }
    }
    request.check(&received, output);
}

const REQUESTS: [Request; 4] = [
    Request { method: "GET", version: "1.1" },
    Request { method: "HEAD", version: "1.1" },
    Request { method: "POST", version: "1.1" },
    Request { method: "GET", version: "1.0" },
];

#[derive(Clone, Copy)]
struct Request {
    method: &'static str,
    version: &'static str,
}

/// What a client receives.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// Whether its end arrived.
    is_whole: bool,
    /// The status of the answer to the next request, if it got one.
    next: Option<u16>,
}

impl Request {
    /// Sends the request, and another one. Returns what the client receives if the script writes this output in pieces
    /// of `size` bytes and exits.
    fn play(self, output: &[u8], size: usize) -> Vec<u8> {
        let mut limits = Limits::default();
        limits.read_buffer = 4096;
        let mut sim = Sim::with_limits(site(), limits);
        let client = sim.connect();
        let Request { method, version } = self;
        let requests =
            format!("{method} {SCRIPT} HTTP/{version}\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
        sim.send(client, requests.as_bytes());
        let mut output = Some(output);
        while let Some((script, _)) = sim.spawned().pop() {
            // The script of a local redirect writes nothing.
            for piece in output.take().unwrap_or_default().chunks(size.max(1)) {
                sim.send(script, piece);
                sim.run();
            }
            sim.exit(script, 0);
            sim.shut_down(script);
            sim.run();
        }
        sim.shut_down(client);
        // A script whose output is no answer has a grace of two seconds.
        sim.advance(Duration::from_secs(3));
        let (received, ending) = (sim.received(client), sim.ending(client));
        assert_eq!(ending, Some(Ending::Eof));
        assert_eq!(sim.stats().children, 0);
        received
    }

    /// Compares with what a plain reading of the output expects.
    fn check(self, received: &[u8], output: &[u8]) {
        let Request { method, version } = self;
        let answer = self.read(received);
        match read(output) {
            None => assert_eq!((answer.status, answer.is_whole), (500, true), "{answer:?}"),
            Some(Script::Redirect(path)) => {
                let head = format!("{} {path} HTTP/{version}\r\nHost: a\r\n\r\n", method.replace("POST", "GET"));
                assert_eq!(answer, Request::reread(self, &head), "{path:?}");
            }
            Some(Script::Document { status, headers, length, mut body }) => {
                let has_body = method != "HEAD" && !matches!(status, 204 | 304);
                let length = length.and_then(|length| usize::try_from(length).ok());
                let is_whole = !has_body || length.is_none_or(|length| body.len() >= length);
                body.truncate(if has_body { length.unwrap_or(usize::MAX) } else { 0 });
                assert_eq!((answer.status, answer.is_whole), (status, is_whole), "{answer:?}");
                assert_eq!(answer.body, body, "{answer:?}");
                assert_eq!(without_servers(answer.headers, &headers), headers);
            }
        }
        if version == "1.1" && answer.is_whole {
            assert_eq!(answer.next, Some(404));
        }
    }

    /// The answer to a request for what a script redirects to.
    fn reread(self, head: &str) -> Answer {
        let mut sim = Sim::new(site());
        let client = sim.connect();
        sim.send(client, format!("{head}GET /none HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        if let Some((script, _)) = sim.spawned().pop() {
            sim.exit(script, 0);
            sim.shut_down(script);
        }
        sim.shut_down(client);
        let received = sim.received(client);
        self.read(&received)
    }

    /// Reads an answer as a client does, by a plain reading of RFC 9112.
    fn read(self, received: &[u8]) -> Answer {
        let (head, rest) = split(received, b"\r\n\r\n").expect("the end of a head");
        let mut lines = lines(head);
        let status = lines.next().expect("a status line").strip_prefix(b"HTTP/1.1 ").expect("a version").get(..3);
        let status = str::from_utf8(status.expect("a code")).expect("a code").parse().expect("a code");
        let headers: Vec<_> = lines.map(|line| field(line).expect("a header")).collect();
        let value = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| &value[..]);
        let number = |value: &[u8]| str::from_utf8(value).expect("digits").parse::<usize>().expect("a number");
        let (body, rest) = match (value("content-length"), value("transfer-encoding")) {
            _ if self.method == "HEAD" || matches!(status, 204 | 304) => (Some(&[][..]), Some(rest)),
            (Some(length), None) => rest.split_at_checked(number(length)).unzip(),
            (None, Some(coding)) => {
                assert_eq!(coding, b"chunked");
                return chunked(status, headers, rest);
            }
            (None, None) => (Some(rest), Some(&[][..])),
            (Some(_), Some(_)) => panic!("two framings"),
        };
        let is_whole = body.is_some();
        let body = body.unwrap_or_else(|| split(received, b"\r\n\r\n").expect("a head").1).to_vec();
        Answer { status, headers, body, is_whole, next: next(rest) }
    }
}

/// The headers of an answer without those of the server, each once. A header of the script replaces one of the server.
fn without_servers(mut headers: Vec<(String, Vec<u8>)>, own: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    for name in ["date", "x-content-type-options", "content-length", "transfer-encoding", "connection"] {
        let is_own = own.iter().any(|(found, _)| found == name);
        if let Some(at) = headers.iter().position(|(found, _)| found == name).filter(|_| !is_own) {
            headers.remove(at);
        }
    }
    headers
}

fn site() -> Site {
    let mut options = SiteOptions::default();
    options.cgi.handlers.push((".toml".into(), "/bin/sh".into()));
    Site::new(Path::new(env!("CARGO_MANIFEST_DIR")), options).expect("the folder of this crate")
}

fn chunked(status: u16, headers: Vec<(String, Vec<u8>)>, mut rest: &[u8]) -> Answer {
    let mut body = Vec::new();
    loop {
        let Some((line, after)) = split(rest, b"\r\n") else {
            assert_eq!(rest, b"");
            return Answer { status, headers, body, is_whole: false, next: None };
        };
        let size = usize::from_str_radix(str::from_utf8(line).expect("digits"), 16).expect("a size");
        let (chunk, after) = after.split_at_checked(size).expect("a whole chunk");
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").expect("the end of a chunk");
        if size == 0 {
            return Answer { status, headers, body, is_whole: true, next: next(Some(rest)) };
        }
    }
}

/// The status of the next answer.
fn next(rest: Option<&[u8]>) -> Option<u16> {
    let rest = rest.filter(|rest| !rest.is_empty())?;
    let status = rest.strip_prefix(b"HTTP/1.1 ").expect("an answer").get(..3).expect("a code");
    str::from_utf8(status).expect("a code").parse().ok()
}

/// What a plain reading of RFC 3875, section 6, finds in the output of a script.
enum Script {
    Document { status: u16, headers: Vec<(String, Vec<u8>)>, length: Option<u64>, body: Vec<u8> },
    Redirect(String),
}

/// Reads output. `None` if it is no answer. The inputs are too short for the limit of a head.
fn read(output: &[u8]) -> Option<Script> {
    let (mut fields, mut rest) = (Vec::new(), output);
    let body = loop {
        let (line, after) = split(rest, b"\n")?;
        rest = after;
        match line.strip_suffix(b"\r").unwrap_or(line) {
            b"" => break rest.to_vec(),
            line => fields.push(field(line)?),
        }
    };
    let own = |name: &str| {
        let mut values = fields.iter().filter(|(found, _)| found == name).map(|(_, value)| &value[..]);
        let first = values.next();
        if values.next().is_some() { Err(()) } else { Ok(first) }
    };
    let (kind, status) = (own("content-type").ok()?, own("status").ok()?);
    let (location, length) = (own("location").ok()?, own("content-length").ok()?);
    let length = match length.map(str::from_utf8) {
        Some(Ok(digits)) if digits.starts_with(|c: char| c.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    let location = match location.map(str::from_utf8) {
        Some(Ok(location)) if !location.is_empty() => Some(location),
        Some(_) => return None,
        None => None,
    };
    let status = match status {
        Some(digits) if digits.len() >= 3 && matches!(digits.get(3), None | Some(b' ')) => {
            let code = digits[..3]
                .iter()
                .try_fold(0, |code, digit| digit.is_ascii_digit().then(|| 10 * code + u16::from(digit - b'0')));
            Some(code.filter(|code| *code >= 200)?)
        }
        Some(_) => return None,
        None => None,
    };
    if fields.len() > 100 || (kind, status, location) == (None, None, None) {
        return None;
    }
    if let (Some(path), 1) = (location, fields.len())
        && path.starts_with('/')
        && !path.contains(|c: char| c.is_ascii_control() || c == ' ' || c == '#')
    {
        return Some(Script::Redirect(path.to_owned()));
    }
    let status = status.unwrap_or(if location.is_some() { 302 } else { 200 });
    let servers = [
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "location",
        "proxy-connection",
        "status",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let location = location.map(|location| ("location".to_owned(), location.as_bytes().to_vec()));
    let mut headers = fields;
    headers.retain(|(name, _)| !servers.contains(&&**name));
    headers.extend(location);
    Some(Script::Document { status, headers, length, body })
}

/// The name in small letters and the value of a header.
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let (name, value) = split(line, b":")?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_value = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
    if name.is_empty() || !name.iter().all(is_name) || !value.iter().all(is_value) {
        return None;
    }
    Some((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

/// Lines that CRLF separates.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// What is before and after the first `separator`.
fn split<'b>(bytes: &'b [u8], separator: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
