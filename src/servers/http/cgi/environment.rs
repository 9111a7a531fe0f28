//! The environment of a script: the meta-variables of RFC 3875, section 4.1, and those that scripts expect beside them.
//!
//! Invariant: a client decides about values, and of names only about those that begin with `HTTP_`.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::connection::origin::Peer;
use crate::framing::http::{Request, Version};

/// Names and values, each name once.
pub(super) type Variables = Vec<(OsString, OsString)>;

/// A request for a script, and what is known about both.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptRequest<'a> {
    pub(super) request: &'a Request<'a>,
    /// The path of the URL that leads to the script, decoded: `/cgi-bin/hello.py`.
    pub(super) name: &'a [u8],
    /// The path after that, decoded. It is empty, or begins with `/`.
    pub(super) path_info: &'a [u8],
    /// The absolute path of the script's file.
    pub(super) file: &'a Path,
    /// The absolute path of the directory that is served.
    pub(super) root: &'a Path,
    /// Whether a handler of its extension runs the script.
    pub(super) has_handler: bool,
    pub(super) peer: Peer,
    /// The address that the client has connected to, if it is no Unix path.
    pub(super) local: Option<SocketAddr>,
    pub(super) is_tls: bool,
    /// The length of the body, without the framing of chunks.
    pub(super) body: u64,
}

/// Where scripts find programs: most begin with `#!/usr/bin/env`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

const SOFTWARE: &str = concat!("Switchboard/", env!("CARGO_PKG_VERSION"));

/// Headers that no script gets under `HTTP_`, in small letters.
///
/// `Content-Length` and `Content-Type` have variables of their own. `Proxy` would become `HTTP_PROXY`, which many
/// clients obey (<https://httpoxy.org>). The others are about the connection or the framing, both of which end here
/// (RFC 3875, section 4.1.18). `Authorization` is passed on, because only the script can check it.
const NOT_PASSED_ON: [&str; 11] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "proxy",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
];

impl ScriptRequest<'_> {
    /// Returns the whole environment. `extra` replaces variables of the same name.
    pub(super) fn environment(&self, extra: &[(OsString, OsString)]) -> Variables {
        let mut variables = self.headers();
        self.add_request(&mut variables);
        self.add_script(&mut variables);
        self.add_ends(&mut variables);
        put(&mut variables, "PATH", DEFAULT_PATH);
        for (name, value) in extra {
            variables.retain(|(known, _)| known != name);
            variables.push((name.clone(), value.clone()));
        }
        variables
    }

    fn add_request(&self, variables: &mut Variables) {
        let request = self.request;
        let query = request.query();
        let uri = query.map_or_else(|| request.path().to_owned(), |query| format!("{}?{query}", request.path()));
        let protocol = if request.version() == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
        put(variables, "GATEWAY_INTERFACE", "CGI/1.1");
        put(variables, "SERVER_PROTOCOL", protocol);
        put(variables, "REQUEST_METHOD", request.method());
        put(variables, "REQUEST_URI", &uri);
        put(variables, "QUERY_STRING", query.unwrap_or_default());
        // A client that announces an empty body gets a length of 0.
        if request.has_body() || request.header("Content-Length").is_some() {
            put(variables, "CONTENT_LENGTH", self.body.to_string());
        }
        if let Some(kind) = request.header("Content-Type") {
            put(variables, "CONTENT_TYPE", OsStr::from_bytes(kind));
        }
    }

    fn add_script(&self, variables: &mut Variables) {
        put(variables, "SCRIPT_NAME", OsStr::from_bytes(self.name));
        put(variables, "SCRIPT_FILENAME", self.file);
        put(variables, "DOCUMENT_ROOT", self.root);
        if !self.path_info.is_empty() {
            let mut translated = self.root.as_os_str().to_owned();
            translated.push(OsStr::from_bytes(self.path_info));
            put(variables, "PATH_INFO", OsStr::from_bytes(self.path_info));
            put(variables, "PATH_TRANSLATED", &translated);
        }
        if self.has_handler {
            // php-cgi runs no script without it.
            put(variables, "REDIRECT_STATUS", "200");
        }
    }

    /// Adds what is known about both ends of the connection. A client of a Unix path has an empty address, which RFC
    /// 3875, section 4.1, treats as one that is unknown.
    fn add_ends(&self, variables: &mut Variables) {
        let client = if let Peer::Inet(address) = self.peer { Some(address) } else { None };
        let ip = client.map(|client| client.ip().to_canonical().to_string()).unwrap_or_default();
        put(variables, "REMOTE_ADDR", &ip);
        put(variables, "REMOTE_HOST", &ip);
        if let Some(client) = client {
            put(variables, "REMOTE_PORT", client.port().to_string());
        }
        let port = self.local.map_or(if self.is_tls { 443 } else { 80 }, |local| local.port());
        put(variables, "SERVER_SOFTWARE", SOFTWARE);
        put(variables, "SERVER_NAME", self.server_name());
        put(variables, "SERVER_PORT", port.to_string());
        if self.is_tls {
            put(variables, "HTTPS", "on");
        }
    }

    /// The host of the request, or else the address of the server. An IPv6 address is in brackets.
    fn server_name(&self) -> String {
        let host = self.request.host().map(without_port).filter(|host| !host.is_empty());
        match (host, self.local.map(|local| local.ip().to_canonical())) {
            (Some(host), _) => host.to_owned(),
            (None, Some(ip)) if ip.is_ipv6() => format!("[{ip}]"),
            (None, Some(ip)) => ip.to_string(),
            (None, None) => "localhost".to_owned(),
        }
    }

    /// The variables of headers: `User-Agent` becomes `HTTP_USER_AGENT`.
    ///
    /// A name that has other characters than letters, digits and `-` is left out: with `_`, for example, it would be
    /// taken for another one.
    fn headers(&self) -> Variables {
        let mut variables: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, value) in self.request.headers().iter() {
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_plain || NOT_PASSED_ON.iter().any(|header| name.eq_ignore_ascii_case(header)) {
                continue;
            }
            let value = match self.request.host() {
                // The host of an absolute target replaces the header (RFC 9112, section 3.2.2).
                Some(host) if name.eq_ignore_ascii_case("host") => host.as_bytes(),
                _ => value,
            };
            let name = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
            // RFC 9110, section 5.3, and RFC 6265, section 5.4.
            let separator: &[u8] = if name == "HTTP_COOKIE" { b"; " } else { b", " };
            match variables.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.extend([separator, value].concat()),
                None => variables.push((name, value.to_vec())),
            }
        }
        variables.into_iter().map(|(name, value)| (name.into(), OsString::from_vec(value))).collect()
    }
}

fn put(variables: &mut Variables, name: &str, value: impl AsRef<OsStr>) {
    variables.push((name.into(), value.as_ref().to_owned()));
}

/// Returns the host of `HOST`, `HOST:PORT` or `[V6]:PORT`.
fn without_port(host: &str) -> &str {
    let end = if host.starts_with('[') { host.find(']').map(|at| at + 1) } else { host.rfind(':') };
    &host[..end.unwrap_or(host.len())]
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::framing::http::HttpOptions;

    /// Changes a request before its environment is made.
    type Change = fn(&mut ScriptRequest<'_>);

    fn as_is(_: &mut ScriptRequest<'_>) {}

    /// The environment of a request with these lines, as lines in order of their names.
    fn environment_of(lines: &str, change: Change, extra: &[(&str, &str)]) -> Vec<String> {
        let head = format!("{}\r\n\r\n", lines.replace('\n', "\r\n"));
        let request = Request::parse(head.as_bytes(), &HttpOptions::default()).expect("a request");
        let mut script = ScriptRequest {
            request: &request,
            name: b"/cgi-bin/a b",
            path_info: b"",
            file: Path::new("/srv/cgi-bin/a b"),
            root: Path::new("/srv"),
            has_handler: false,
            peer: Peer::Inet((Ipv4Addr::LOCALHOST, 40000).into()),
            local: Some((Ipv4Addr::LOCALHOST, 8080).into()),
            is_tls: false,
            body: 0,
        };
        change(&mut script);
        let extra: Vec<_> = extra.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let variables = script.environment(&extra);
        let mut lines: Vec<_> = variables
            .iter()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        lines.sort();
        lines
    }

    /// The variables with these names, for a GET request with these headers.
    fn some(headers: &str, names: &[&str], change: Change) -> Vec<String> {
        let all = environment_of(&format!("GET / HTTP/1.0{headers}"), change, &[]);
        let is_meant = |line: &&String| names.contains(&line.split_once('=').expect("a variable").0);
        all.iter().filter(is_meant).cloned().collect()
    }

    /// The variables of headers only.
    fn http(headers: &str) -> Vec<String> {
        let all = environment_of(&format!("GET / HTTP/1.0{headers}"), as_is, &[]);
        all.into_iter().filter(|line| line.starts_with("HTTP_")).collect()
    }

    #[test]
    fn a_get_request_has_the_variables_of_the_rfc() {
        let software = format!("SERVER_SOFTWARE={SOFTWARE}");
        let want = [
            "DOCUMENT_ROOT=/srv",
            "GATEWAY_INTERFACE=CGI/1.1",
            "HTTP_HOST=a.example:81",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "QUERY_STRING=x=1&y=%20?",
            "REMOTE_ADDR=127.0.0.1",
            "REMOTE_HOST=127.0.0.1",
            "REMOTE_PORT=40000",
            "REQUEST_METHOD=GET",
            "REQUEST_URI=/cgi-bin/a%20b?x=1&y=%20?",
            "SCRIPT_FILENAME=/srv/cgi-bin/a b",
            "SCRIPT_NAME=/cgi-bin/a b",
            "SERVER_NAME=a.example",
            "SERVER_PORT=8080",
            "SERVER_PROTOCOL=HTTP/1.1",
            &software,
        ];
        let lines = "GET /cgi-bin/a%20b?x=1&y=%20? HTTP/1.1\nHost: a.example:81";
        assert_eq!(environment_of(lines, as_is, &[]), want);
    }

    #[test]
    fn a_body_has_its_length_and_type() {
        let names = |lines: &str| {
            let all = environment_of(lines, |script| script.body = 9, &[]);
            all.into_iter()
                .filter(|line| line.starts_with("CONTENT_") || line.starts_with("HTTP_C"))
                .collect::<Vec<_>>()
        };
        let length = "POST / HTTP/1.1\nHost: a\nContent-Length: 9\nContent-Type: text/plain";
        assert_eq!(names(length), ["CONTENT_LENGTH=9", "CONTENT_TYPE=text/plain"]);
        assert_eq!(names("PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"), ["CONTENT_LENGTH=9"]);
        assert_eq!(names("POST / HTTP/1.1\nHost: a"), [""; 0]);
        assert_eq!(some("\nContent-Length: 0", &["CONTENT_LENGTH"], as_is), ["CONTENT_LENGTH=0"]);
    }

    #[test]
    fn a_path_after_the_script_is_translated() {
        let names = ["PATH_INFO", "PATH_TRANSLATED", "REDIRECT_STATUS"];
        assert_eq!(some("", &names, as_is), [""; 0]);
        let with_path: Change = |script| (script.path_info, script.has_handler) = ("/ä/b".as_bytes(), true);
        assert_eq!(some("", &names, with_path), ["PATH_INFO=/ä/b", "PATH_TRANSLATED=/srv/ä/b", "REDIRECT_STATUS=200"]);
    }

    #[test]
    fn a_header_becomes_a_variable() {
        let headers = "\nUser-Agent: curl\nX-1: \u{e9}\nAuthorization: Basic eDp5\nEmpty:";
        let want = ["HTTP_AUTHORIZATION=Basic eDp5", "HTTP_EMPTY=", "HTTP_USER_AGENT=curl", "HTTP_X_1=\u{e9}"];
        assert_eq!(http(headers), want);
    }

    #[test]
    fn repeated_headers_are_joined() {
        let headers = "\nAccept: a\nCookie: x=1\nACCEPT: b, c\ncookie: y=2\nAccept:";
        assert_eq!(http(headers), ["HTTP_ACCEPT=a, b, c, ", "HTTP_COOKIE=x=1; y=2"]);
    }

    #[test]
    fn headers_that_could_deceive_are_left_out() {
        let headers = "\nProxy: http://evil\npROXY: b\nX_Forwarded_For: c\nX.y: d\nX!: e\nProxy-Authorization: f";
        assert_eq!(http(headers), [""; 0]);
        let headers = "\nConnection: close\nKeep-Alive: 1\nTE: trailers\nTrailer: x\nExpect: 100-continue";
        assert_eq!(http(headers), [""; 0]);
    }

    /// RFC 9112, section 3.2.2.
    #[test]
    fn an_absolute_target_names_the_host() {
        let all = environment_of("GET http://b:81/c?d HTTP/1.1\nHost: a", as_is, &[]);
        for want in ["HTTP_HOST=b:81", "SERVER_NAME=b", "REQUEST_URI=/c?d"] {
            assert!(all.iter().any(|line| line == want), "{want}: {all:?}");
        }
    }

    #[test]
    fn a_server_has_a_name_without_a_host_header() {
        let names = ["SERVER_NAME", "SERVER_PORT", "HTTPS"];
        assert_eq!(some("\nHost: [::1]:80", &names, as_is), ["SERVER_NAME=[::1]", "SERVER_PORT=8080"]);
        assert_eq!(some("\nHost: [::1]", &names, as_is), ["SERVER_NAME=[::1]", "SERVER_PORT=8080"]);
        assert_eq!(some("\nHost:", &names, as_is), ["SERVER_NAME=127.0.0.1", "SERVER_PORT=8080"]);
        let v6: Change = |script| script.local = Some((Ipv6Addr::LOCALHOST, 8080).into());
        assert_eq!(some("", &names, v6), ["SERVER_NAME=[::1]", "SERVER_PORT=8080"]);
        let unix: Change = |script| script.local = None;
        assert_eq!(some("", &names, unix), ["SERVER_NAME=localhost", "SERVER_PORT=80"]);
        let secure: Change = |script| (script.local, script.is_tls) = (None, true);
        assert_eq!(some("", &names, secure), ["HTTPS=on", "SERVER_NAME=localhost", "SERVER_PORT=443"]);
    }

    #[test]
    fn a_client_is_shown_by_its_plain_address() {
        let names = ["REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT"];
        let mapped: Change = |script| {
            let ip = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
            script.peer = Peer::Inet((ip, 5).into());
        };
        assert_eq!(some("", &names, mapped), ["REMOTE_ADDR=192.0.2.1", "REMOTE_HOST=192.0.2.1", "REMOTE_PORT=5"]);
        let unix: Change = |script| script.peer = Peer::Unix;
        assert_eq!(some("", &names, unix), ["REMOTE_ADDR=", "REMOTE_HOST="]);
    }

    #[test]
    fn the_operator_replaces_variables() {
        let extra = [("PATH", "/opt"), ("HTTP_X", "op"), ("NEW", "1"), ("NEW", "2")];
        let all = environment_of("GET / HTTP/1.0\nX: client", as_is, &extra);
        for want in ["PATH=/opt", "HTTP_X=op", "NEW=2"] {
            let (name, _) = want.split_once('=').expect("a variable");
            let found: Vec<_> =
                all.iter().filter(|line| line.split_once('=').is_some_and(|line| line.0 == name)).collect();
            assert_eq!(found, [want]);
        }
    }

    proptest! {
        /// No header decides about another name, each name is unique, and no value ends early.
        #[test]
        fn a_client_chooses_no_other_name(
            names in prop::collection::vec("[A-Za-z_.!-]{1,9}", 0..9),
            value in "[ -~]*",
        ) {
            let headers: String = names.iter().flat_map(|name| ["\nX", name, ": ", &value]).collect();
            let bare = environment_of("GET / HTTP/1.0", as_is, &[]);
            let all = environment_of(&format!("GET / HTTP/1.0{headers}"), as_is, &[]);
            let (http, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|line| line.starts_with("HTTP_X"));
            prop_assert_eq!(others, bare);
            let mut found: Vec<_> = http.iter().map(|line| line.split_once('=').expect("a variable").0).collect();
            found.dedup();
            prop_assert_eq!(found.len(), http.len());
        }
    }
}
