//! Request lines and headers.

use super::super::HttpOptions;
use super::{Show, answers, answers_of, assert_rejected};
use crate::sim::assert_chunking_law;

const OK: &str = "HTTP/1.1 200 OK\nContent-Length: ";

#[test]
fn a_request_is_answered() {
    let text = "GET /path?query at a.example:80";
    let want = format!("{OK}{}\n\n{text}", text.len());
    assert_eq!(answers("GET /path?query HTTP/1.1\r\nHost: a.example:80\r\n\r\n"), want);
}

/// RFC 9112, section 2.2, asks for one empty line at least. Without a bound, a client could send them for ever.
#[test]
fn a_few_empty_lines_may_precede_a_request() {
    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let few = "\r\n".repeat(4);
    let input = format!("{few}{REQUEST}").repeat(2);
    assert_eq!(answers(&input), answers(&REQUEST.repeat(2)));
    assert_chunking_law(Show::default, input.as_bytes());
    assert_rejected(format!("{few}\r\n").as_bytes(), "400 Bad Request: too many empty lines precede the request");
}

/// RFC 9112, section 2.2: empty lines before a request. Section 5.1: white space around a value. RFC 9110, section 9.1:
/// any token is a method. Section 2.5: a later minor version.
#[test]
fn what_is_unusual_and_allowed_is_understood() {
    for (input, want) in [
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / at a"),
        ("GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET / at a"),
        ("GET / HTTP/1.1\r\nhOST: \t a \t\r\n\r\n", "GET / at a"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / at "),
        ("M-SEARCH! / HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH! / at a"),
        ("get / HTTP/1.9\r\nHost: [::1]:80\r\n\r\n", "get / at [::1]:80"),
        ("GET /a%20b|ü?a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a%20b|ü?a?b at a"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Any: \u{e9}\t\"'<\r\nEmpty:\r\n\r\n", "GET / at a"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "GET / at a"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n", "GET / at a"),
    ] {
        assert_eq!(answers(input), format!("{OK}{}\n\n{want}", want.len()), "{input:?}");
    }
}

/// RFC 9112, section 3.2: the four forms of a target.
#[test]
fn a_target_has_four_forms() {
    for (line, want) in [
        ("GET http://b.example/c?d HTTP/1.1", "GET /c?d at b.example"),
        ("GET HTTP://b.example:80 HTTP/1.1", "GET / at b.example:80"),
        ("GET https://b/ HTTP/1.1", "GET / at b"),
        ("OPTIONS * HTTP/1.1", "OPTIONS * at a"),
        ("OPTIONS http://b HTTP/1.1", "OPTIONS * at b"),
        ("OPTIONS /c HTTP/1.1", "OPTIONS /c at a"),
        ("CONNECT b:443 HTTP/1.1", "CONNECT b:443 at b:443"),
    ] {
        let input = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(answers(&input), format!("{OK}{}\n\n{want}", want.len()), "{line:?}");
    }
}

/// RFC 9112, section 3, and what this server does not do.
#[test]
fn a_bad_request_line_is_refused_at_its_end() {
    for (line, page) in [
        ("GET /", "400 Bad Request: the request line is not METHOD TARGET VERSION"),
        ("GET", "400 Bad Request: the request line is not METHOD TARGET VERSION"),
        ("GET  / HTTP/1.1", "400 Bad Request: the request line is not METHOD TARGET VERSION"),
        ("GET / HTTP/1.1 ", "400 Bad Request: the request line is not METHOD TARGET VERSION"),
        (" GET / HTTP/1.1", "400 Bad Request: the method is not a token"),
        ("\tGET / HTTP/1.1", "400 Bad Request: the method is not a token"),
        ("G@T / HTTP/1.1", "400 Bad Request: the method is not a token"),
        ("GET\t/ HTTP/1.1", "400 Bad Request: the request line is not METHOD TARGET VERSION"),
        ("GET /\t HTTP/1.1", "400 Bad Request: a character is not allowed in the target"),
        ("GET /a#b HTTP/1.1", "400 Bad Request: a character is not allowed in the target"),
        ("GET /\0 HTTP/1.1", "400 Bad Request: a character is not allowed in the target"),
        ("GET /\x7f HTTP/1.1", "400 Bad Request: a character is not allowed in the target"),
        ("GET /a\rb HTTP/1.1", "400 Bad Request: a character is not allowed in the target"),
        ("GET / HTTP/1.1\r", "400 Bad Request: the version is not HTTP/DIGIT.DIGIT"),
        ("GET / http/1.1", "400 Bad Request: the version is not HTTP/DIGIT.DIGIT"),
        ("GET / HTTP/1", "400 Bad Request: the version is not HTTP/DIGIT.DIGIT"),
        ("GET / HTTP/1.10", "400 Bad Request: the version is not HTTP/DIGIT.DIGIT"),
        ("GET / ICY/1.1", "400 Bad Request: the version is not HTTP/DIGIT.DIGIT"),
        ("PRI * HTTP/2.0", "505 HTTP Version Not Supported: this server speaks HTTP/1.1 and HTTP/1.0"),
        ("GET / HTTP/0.9", "505 HTTP Version Not Supported: this server speaks HTTP/1.1 and HTTP/1.0"),
    ] {
        assert_rejected(format!("{line}\r\n").as_bytes(), page);
    }
    assert_rejected(b"GET /\xff HTTP/1.1\r\n", "400 Bad Request: the request line is not UTF-8");
    assert_rejected(b"\x16\x03\x01\x02", "400 Bad Request: the method is not a token");
}

#[test]
fn a_target_in_no_form_is_refused() {
    for (line, page) in [
        ("GET * HTTP/1.1", "the target is neither a path nor an http URL"),
        ("GET path HTTP/1.1", "the target is neither a path nor an http URL"),
        ("GET b:80 HTTP/1.1", "the target is neither a path nor an http URL"),
        ("GET ftp://b/ HTTP/1.1", "the target is neither a path nor an http URL"),
        ("GET http:/// HTTP/1.1", "the host of the target is not a host"),
        ("GET http://user@b/ HTTP/1.1", "the host of the target is not a host"),
        ("GET http://b:x/ HTTP/1.1", "the host of the target is not a host"),
        ("GET http://b?c HTTP/1.1", "the target has a query without a path"),
        ("CONNECT /b HTTP/1.1", "the target is not HOST:PORT"),
        ("CONNECT b HTTP/1.1", "the target is not HOST:PORT"),
    ] {
        assert_rejected(format!("{line}\r\nHost: a\r\n\r\n").as_bytes(), &format!("400 Bad Request: {page}"));
    }
}

/// RFC 9112, section 2.2 (bare CR, bare LF) and section 5 (white space, obs-fold); RFC 9110, section 5.5 (values).
#[test]
fn a_bad_header_is_refused() {
    for (lines, page) in [
        ("Host: a\n\r\n", "a line ends in LF without CR"),
        ("Host: a\r\n\n", "a line ends in LF without CR"),
        ("Host: a\r\n b\r\n\r\n", "a line begins with white space"),
        ("Host: a\r\n\tb: c\r\n\r\n", "a line begins with white space"),
        (" Host: a\r\n\r\n", "a line begins with white space"),
        ("Host : a\r\n\r\n", "the name of a header is not a token"),
        ("Host\r\n\r\n", "the name of a header is not a token"),
        (": a\r\n\r\n", "the name of a header is not a token"),
        ("H(st: a\r\n\r\n", "the name of a header is not a token"),
        ("Höst: a\r\n\r\n", "the name of a header is not a token"),
        ("Host: a\rb\r\n\r\n", "a character is not allowed in the value of a header"),
        ("Host: a\r\r\n\r\n", "a character is not allowed in the value of a header"),
        ("Host: a\r\nX: \0\r\n\r\n", "a character is not allowed in the value of a header"),
        ("Host: a\r\nX: a\x7f\r\n\r\n", "a character is not allowed in the value of a header"),
        ("Host: a\r\nX: a\x0cb\r\n\r\n", "a character is not allowed in the value of a header"),
    ] {
        let input = format!("GET / HTTP/1.1\r\n{lines}");
        assert_rejected(input.as_bytes(), &format!("400 Bad Request: {page}"));
    }
    assert_rejected(b"GET / HTTP/1.1\nHost: a\r\n\r\n", "400 Bad Request: a line ends in LF without CR");
    assert_rejected(b"\nGET / HTTP/1.1\r\n", "400 Bad Request: the method is not a token");
}

/// RFC 9112, section 3.2.
#[test]
fn there_is_one_host() {
    for (lines, page) in [
        ("", "there is no Host header"),
        ("Host: a\r\nHost: a\r\n", "there are two Host headers"),
        ("Host: a\r\nhost: b\r\n", "there are two Host headers"),
        ("Host: a b\r\n", "the value of Host is not a host"),
        ("Host: a/b\r\n", "the value of Host is not a host"),
        ("Host: u@a\r\n", "the value of Host is not a host"),
        ("Host: a:b\r\n", "the value of Host is not a host"),
        ("Host: [::1\r\n", "the value of Host is not a host"),
        ("Host: [::1]x\r\n", "the value of Host is not a host"),
        ("Host: ::1\r\n", "the value of Host is not a host"),
        ("Host: \u{fc}\r\n", "the value of Host is not a host"),
    ] {
        for target in ["/", "http://b/"] {
            let input = format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
            assert_rejected(input.as_bytes(), &format!("400 Bad Request: {page}"));
        }
    }
    let want = "HTTP/1.1 200 OK\nContent-Length: 16\nConnection: close\n\nGET / at nowhere";
    assert_eq!(answers("GET / HTTP/1.0\r\n\r\n"), want);
}

/// RFC 9110, section 10.1.1.
#[test]
fn another_expectation_is_refused() {
    let page = "417 Expectation Failed: the only expectation is 100-continue";
    assert_rejected(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n", page);
    let ignored = answers("GET / HTTP/1.0\r\nExpect: something\r\n\r\n");
    assert!(ignored.starts_with("HTTP/1.1 200 OK\n"), "{ignored}");
}

/// RFC 9112, section 3 (414); RFC 6585, section 5 (431).
#[test]
fn lines_and_heads_have_a_limit() {
    let options = HttpOptions { max_line: 40, max_head: 100, ..HttpOptions::default() };
    let show = || Show::with(options.clone());
    let fits = format!("GET /{} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(26), "y".repeat(37));
    assert!(answers_of(show(), fits.as_bytes()).starts_with("HTTP/1.1 200 OK\n"));
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(27));
    let long_header = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(38));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\nY: {}\r\n\r\n", "y".repeat(33), "y".repeat(31));
    for (input, page) in [
        (&long_line, "414 URI Too Long: the request line is too long"),
        (&long_header, "431 Request Header Fields Too Large: a header line is too long"),
        (&large, "431 Request Header Fields Too Large: the head is too large"),
    ] {
        let got = answers_of(show(), input.as_bytes());
        assert!(got.ends_with(&format!("Connection: close\n\n{page}\n")), "{got}");
    }
    for input in [fits, long_line, long_header, large] {
        assert_chunking_law(show, input.as_bytes());
    }
}

#[test]
fn a_head_has_at_most_a_hundred_headers() {
    let input = |count| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert!(answers(&input(99)).starts_with("HTTP/1.1 200 OK\n"));
    let page = "431 Request Header Fields Too Large: there are too many headers";
    assert_rejected(input(100).as_bytes(), page);
}

#[test]
fn a_head_that_is_cut_off_is_answered() {
    for input in ["GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r", "\r"] {
        let got = answers(input);
        assert!(got.ends_with("\n\n400 Bad Request: the input ends within a request\n"), "{input:?}: {got}");
    }
    for input in ["", "\r\n", "\r\n\r\n"] {
        assert_eq!(answers(input), "");
    }
}

#[test]
fn heads_obey_the_chunking_law() {
    for input in [
        "\r\nGET /path?query HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / x\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n y\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nA:b\nHost: a\r\n\r\n",
    ] {
        assert_chunking_law(Show::default, input.as_bytes());
    }
}
