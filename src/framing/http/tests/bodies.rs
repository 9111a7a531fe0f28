//! Bodies with a length, bodies in chunks, and trailers.

use super::super::HttpOptions;
use super::{Show, answers, answers_of, assert_rejected};
use crate::sim::{Sim, assert_chunking_law};

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn ok(text: &str) -> String {
    format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{text}", text.len())
}

/// RFC 9112, section 6.2.
#[test]
fn a_body_has_the_length_of_its_header() {
    let input = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_eq!(answers(input), ok("PUT / at a <hello>") + &ok("GET / at b"));
    assert_chunking_law(Show::default, input.as_bytes());
}

/// RFC 9112, section 7.1.
#[test]
fn a_body_in_chunks_is_joined() {
    for (body, want) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5;name=value;\"x\"\r\nhello\r\n1 ; x\r\n!\r\n000\r\n\r\n", "hello!"),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        ("0000000000000000000002\r\n0;\r\n0\r\n\r\n", "0;"),
    ] {
        let input = format!("{CHUNKED}{body}");
        assert_eq!(answers(&input), ok(&format!("POST / at a <{want}>")), "{body:?}");
        assert_chunking_law(Show::default, input.as_bytes());
    }
}

/// RFC 9112, section 7.1.2.
#[test]
fn trailers_follow_the_last_chunk() {
    let input = format!("{CHUNKED}1\r\nx\r\n0\r\nDigest: abc\r\nEmpty:\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(answers(&input), ok("POST / at a <x> Digest=abc Empty=") + &ok("GET / at b"));
    assert_chunking_law(Show::default, input.as_bytes());
}

/// RFC 9112, section 7.1: servers that disagree about any of these can be made to see different requests.
#[test]
fn a_bad_chunk_is_refused() {
    for (body, page) in [
        ("\r\n", "the size of a chunk is not a hexadecimal number"),
        ("x\r\n", "the size of a chunk is not a hexadecimal number"),
        ("-1\r\n", "the size of a chunk is not a hexadecimal number"),
        ("+1\r\nx\r\n", "the size of a chunk is not a hexadecimal number"),
        (" 1\r\nx\r\n", "the size of a chunk is not a hexadecimal number"),
        (";x\r\n", "the size of a chunk is not a hexadecimal number"),
        ("0x1\r\nx\r\n", "the size of a chunk is followed by more than extensions"),
        ("1 \r\nx\r\n", "the size of a chunk is followed by more than extensions"),
        ("1 1\r\nx\r\n", "the size of a chunk is followed by more than extensions"),
        ("1_0\r\nx\r\n", "the size of a chunk is followed by more than extensions"),
        ("1;\0\r\nx\r\n", "the size of a chunk is followed by more than extensions"),
        ("1;a\rb\r\nx\r\n", "the size of a chunk is followed by more than extensions"),
        ("10000000000000000\r\n", "the size of a chunk is too large"),
        ("1\nx\r\n", "the line of a chunk ends in LF without CR"),
        ("1;\nx\r\n", "the line of a chunk ends in LF without CR"),
        ("1\r\nxy\r\n", "a chunk does not end where its size says"),
        ("1\r\nx\n0\r\n", "a chunk does not end where its size says"),
        ("1\r\nx\r0\r\n", "a chunk does not end where its size says"),
        ("2\r\nx\r\n0\r\n\r\n", "a chunk does not end where its size says"),
        ("0\r\n a: b\r\n\r\n", "a line begins with white space"),
        ("0\r\na: b\n\r\n", "a line ends in LF without CR"),
        ("0\r\na\r\n\r\n", "the name of a header is not a token"),
        ("0\r\nContent-Length: 5\r\n\r\n", "a trailer field is not allowed"),
        ("0\r\ntransfer-encoding: chunked\r\n\r\n", "a trailer field is not allowed"),
    ] {
        assert_rejected(format!("{CHUNKED}{body}").as_bytes(), &format!("400 Bad Request: {page}"));
    }
    assert_chunking_law(Show::default, format!("{CHUNKED}1;x\r\nxy\r\n0\r\n\r\n").as_bytes());
}

/// RFC 9112, section 6.1 and 6.3; RFC 9110, section 8.6.
#[test]
fn an_ambiguous_length_is_refused() {
    for (version, lines, page) in [
        (
            1,
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "400 Bad Request: there are both Content-Length and Transfer-Encoding",
        ),
        (
            1,
            "Transfer-Encoding: chunked\r\nContent-Length: 0",
            "400 Bad Request: there are both Content-Length and Transfer-Encoding",
        ),
        (1, "Content-Length: 5\r\nContent-Length: 5", "400 Bad Request: there are two Content-Length headers"),
        (1, "Content-Length: 5\r\nContent-Length: 6", "400 Bad Request: there are two Content-Length headers"),
        (1, "Content-Length: 5, 5", "400 Bad Request: the value of Content-Length is not a number"),
        (1, "Content-Length: +5", "400 Bad Request: the value of Content-Length is not a number"),
        (1, "Content-Length: -5", "400 Bad Request: the value of Content-Length is not a number"),
        (1, "Content-Length: 0x5", "400 Bad Request: the value of Content-Length is not a number"),
        (1, "Content-Length: 5 5", "400 Bad Request: the value of Content-Length is not a number"),
        (1, "Content-Length:", "400 Bad Request: the value of Content-Length is not a number"),
        (1, "Content-Length: 99999999999999999999", "413 Content Too Large: the body is too large"),
        (
            1,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "400 Bad Request: there are two Transfer-Encoding headers",
        ),
        (1, "Transfer-Encoding: gzip, chunked", "501 Not Implemented: the only transfer coding is chunked"),
        (1, "Transfer-Encoding: chunked, chunked", "501 Not Implemented: the only transfer coding is chunked"),
        (1, "Transfer-Encoding: identity", "501 Not Implemented: the only transfer coding is chunked"),
        (1, "Transfer-Encoding: xchunked", "501 Not Implemented: the only transfer coding is chunked"),
        (1, "Transfer-Encoding: chunked;a=b", "501 Not Implemented: the only transfer coding is chunked"),
        (1, "Transfer-Encoding: \x0bchunked", "400 Bad Request: a character is not allowed in the value of a header"),
        (1, "Transfer-Encoding :chunked", "400 Bad Request: the name of a header is not a token"),
        (0, "Transfer-Encoding: chunked", "400 Bad Request: HTTP/1.0 has no Transfer-Encoding"),
        (0, "X: y", "411 Length Required: there is no Content-Length header"),
    ] {
        let input = format!("POST / HTTP/1.{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        assert_rejected(input.as_bytes(), page);
    }
}

#[test]
fn bodies_have_a_limit() {
    let options = HttpOptions { max_body: Some(5), ..HttpOptions::default() };
    let show = || Show::with(options.clone());
    let length = |length| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nhello!");
    assert!(answers_of(show(), length(5).as_bytes()).starts_with(&ok("POST / at a <hello>")));
    let chunks = format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(answers_of(show(), chunks.as_bytes()), ok("POST / at a <hello>"));
    for input in [length(6), format!("{CHUNKED}6\r\nhello!\r\n"), format!("{CHUNKED}5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")]
    {
        let got = answers_of(show(), input.as_bytes());
        assert!(got.ends_with("Connection: close\n\n413 Content Too Large: the body is too large\n"), "{got}");
        assert_chunking_law(show, input.as_bytes());
    }
}

/// A few bytes of a body with long extensions could take any amount of work and traffic.
#[test]
fn what_surrounds_chunks_has_a_limit() {
    let options =
        HttpOptions { max_chunk_line: 30, max_chunk_extensions: 20, max_trailers: 50, ..HttpOptions::default() };
    let show = || Show::with(options.clone());
    let fits = format!("{CHUNKED}1;{}\r\nx\r\n0;{}\r\nX: y\r\n\r\n", "e".repeat(28), "e".repeat(12));
    assert_eq!(answers_of(show(), fits.as_bytes()), ok("POST / at a <x> X=y"));
    for (body, page) in [
        (format!("1;{}\r\n", "e".repeat(29)), "400 Bad Request: the line of a chunk is too long"),
        (
            format!("1;{0}\r\nx\r\n1;{0}\r\nx\r\n", "e".repeat(28)),
            "400 Bad Request: the extensions of chunks are too long",
        ),
        (
            format!("0\r\nX: {}\r\nX: {}\r\n\r\n", "y".repeat(20), "y".repeat(20)),
            "431 Request Header Fields Too Large: the head is too large",
        ),
    ] {
        let input = format!("{CHUNKED}{body}");
        let got = answers_of(show(), input.as_bytes());
        assert!(got.ends_with(&format!("Connection: close\n\n{page}\n")), "{body:?}: {got}");
        assert_chunking_law(show, input.as_bytes());
    }
}

#[test]
fn a_body_that_is_cut_off_is_answered() {
    for body in ["5", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\nX: y\r\n"] {
        let got = answers(&format!("{CHUNKED}{body}"));
        assert!(got.ends_with("\n\n400 Bad Request: the input ends within a request\n"), "{body:?}: {got}");
    }
}

/// A long body takes no memory of the framing: the inbox is smaller than a chunk.
#[test]
fn a_long_chunk_is_passed_on_in_pieces() {
    const CHUNK: usize = 300_000;
    let options = HttpOptions { max_body: None, ..HttpOptions::default() };
    let mut sim = Sim::new(Show::with(options));
    let peer = sim.connect();
    sim.send(peer, CHUNKED.as_bytes());
    sim.send(peer, format!("{CHUNK:x}\r\n").as_bytes());
    for piece in vec![b'x'; CHUNK].chunks(100_000) {
        sim.send(peer, piece);
        assert_eq!(sim.unread(peer), 0);
    }
    sim.send(peer, b"\r\n0\r\n\r\n");
    let received = sim.received(peer);
    assert!(received.ends_with(b"x>") && received.len() > CHUNK, "{} bytes", received.len());
    assert_eq!(sim.ending(peer), None);
}
