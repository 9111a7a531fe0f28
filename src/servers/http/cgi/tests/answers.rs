//! What becomes of the output of a script.

use super::*;
use crate::connection::spawn::StdinMode;
use crate::servers::http::cgi::script::HOLD;
use crate::sim::Ending;

#[test]
fn a_script_answers_and_the_connection_is_kept() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, b"Content-Type: text/plain\nX-Content-Type-Options: none\n\nhel");
    assert_eq!(stage.received(client), "", "an end within moments would give it a length");
    stage.sim.advance(HOLD);
    let mut answer = stage.received(client);
    assert!(answer.ends_with("\r\n3\r\nhel\r\n"), "{answer}");
    stage.end(script, "lo");
    answer += &stage.received(client);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nDate: "), "{answer}");
    assert!(answer.contains("\r\nContent-Type: text/plain\r\nX-Content-Type-Options: none\r\nTransfer-"), "{answer}");
    assert!(!answer.contains("nosniff"), "the header of the script replaces it: {answer}");
    assert_eq!(body_of(&answer), ("hello".to_owned(), true));
    stage.send(client, "GET /a.txt");
    assert!(stage.received(client).ends_with("a file"));
    assert_eq!(stage.sim.ending(client), None);
    assert!(stage.answer("GET /cgi-bin/hello", "Status: 404\n\nnone").contains("X-Content-Type-Options: nosniff\r\n"));
    stage.sim.reset(client);
}

#[test]
fn a_length_of_the_script_frames_its_answer() {
    let mut stage = Stage::new();
    for (body, want) in [("hello", "hello"), ("hello, world", "hello"), ("", "")] {
        let length = want.len();
        let (client, script, _) = stage.request("GET /cgi-bin/hello");
        stage.end(script, &format!("Content-Type: a/b\nContent-Length: {length}\n\n{body}"));
        let answer = stage.received(client);
        assert!(answer.ends_with(&format!("\r\nContent-Length: {length}\r\n\r\n{want}")), "{answer}");
        assert_eq!(stage.sim.ending(client), None, "{body}");
    }
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.end(script, "Content-Type: a/b\nContent-Length: 9\n\nhello");
    assert!(stage.received(client).ends_with("\r\nContent-Length: 9\r\n\r\nhello"));
    assert_eq!(stage.sim.ending(client), Some(Ending::Eof), "the client notices that bytes are missing");
}

/// The length of output that has ended already is known.
#[test]
fn an_answer_that_is_there_as_a_whole_has_a_length() {
    let mut stage = Stage::new();
    let answer = stage.answer("GET /cgi-bin/hello", "Content-Type: a/b\n\nhello");
    assert!(answer.ends_with("\r\nContent-Length: 5\r\n\r\nhello"), "{answer}");
    let large = "x".repeat(70_000);
    let answer = stage.answer("GET /cgi-bin/hello", &format!("Content-Type: a/b\n\n{large}"));
    assert!(answer.contains("\r\nTransfer-Encoding: chunked\r\n"));
    assert_eq!(body_of(&answer), (large, true));
}

/// Ranges and conditions are the script's to answer.
#[test]
fn a_range_of_a_script_is_all_of_its_answer() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    let request = "GET /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nIf-None-Match: *\r\n\r\n";
    stage.sim.send(client, request.as_bytes());
    let (script, spawn) = stage.sim.spawned().pop().expect("it is run, and not shown");
    assert!(spawn.env.contains(&("HTTP_RANGE".into(), "bytes=0-1".into())));
    stage.end(script, "Content-Type: a/b\n\nhello");
    let answer = stage.received(client);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhello"), "{answer}");
}

#[test]
fn an_answer_to_head_has_no_body() {
    let mut stage = Stage::new();
    for (output, want) in [
        ("Content-Type: a/b\n\nhello", "Content-Length: 5\r\n\r\n"),
        ("Content-Type: a/b\nContent-Length: 5\n\nhello", "Content-Length: 5\r\n\r\n"),
        ("Status: 204\n\nhello", "nosniff\r\n\r\n"),
    ] {
        let (client, script, _) = stage.request("HEAD /cgi-bin/hello");
        stage.end(script, output);
        let answer = stage.received(client);
        assert!(answer.ends_with(want), "{answer}");
        stage.send(client, "GET /a.txt");
        assert!(stage.received(client).ends_with("a file"), "{output}");
    }
}

#[test]
fn an_old_client_gets_the_body_up_to_the_end() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    stage.sim.send(client, b"GET /cgi-bin/hello HTTP/1.0\r\n\r\n");
    let (script, spawn) = stage.started();
    assert_eq!(variable(&spawn, "SERVER_PROTOCOL"), Some("HTTP/1.0"));
    stage.end(script, "Content-Type: a/b\n\nhello");
    assert!(stage.received(client).ends_with("Connection: close\r\n\r\nhello"));
    assert_eq!(stage.sim.ending(client), Some(Ending::Eof));
}

#[test]
fn output_without_a_head_is_an_error() {
    let mut stage = Stage::new();
    for output in ["", "hello\n", "Content-Type: a/b\n", "no colon\n\nhello", "X-A: b\n\n"] {
        let (client, script, _) = stage.request("GET /cgi-bin/hello");
        stage.end(script, output);
        let answer = stage.received(client);
        assert_eq!(status(&answer), "500", "{output:?}: {answer}");
        assert!(
            answer.ends_with("500 Internal Server Error: the script gave no answer; see the server's log\n"),
            "{answer}"
        );
        stage.send(client, "GET /a.txt");
        assert!(stage.received(client).ends_with("a file"), "{output:?}: the connection is kept");
    }
    stage.sim.advance(std::time::Duration::from_secs(100));
    stage.assert_idle();
}

#[test]
fn a_crash_is_noticed_and_a_code_is_not() {
    let mut stage = Stage::new();
    for (output, want) in [("", "500"), ("Content-Type: a/b\n\nhel", "200")] {
        let (client, script, _) = stage.request("GET /cgi-bin/hello");
        stage.sim.send(script, output.as_bytes());
        stage.sim.advance(HOLD);
        stage.received(client);
        stage.sim.shut_down(script);
        stage.sim.stats();
        stage.sim.crash(script, 11);
        let ending = stage.sim.ending(client);
        assert_eq!(ending, (want == "200").then_some(Ending::Reset), "{output:?}");
    }
    // Nothing was sent yet.
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, b"Content-Type: a/b\n\nhel");
    stage.sim.shut_down(script);
    stage.sim.crash(script, 11);
    assert_eq!(status(&stage.received(client)), "500");
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, b"Content-Type: a/b\n\nhello");
    stage.sim.shut_down(script);
    stage.sim.exit(script, 1);
    assert_eq!(body_of(&stage.received(client)), ("hello".to_owned(), true));
}

#[test]
fn a_script_without_parsed_headers_answers_itself() {
    let mut stage = Stage::new();
    let raw = "HTTP/1.1 299 Mine\r\n\r\nall of it";
    assert_eq!(stage.answer("HEAD /cgi-bin/nph-raw", raw), raw);
    let (client, script, _) = stage.request("GET /cgi-bin/nph-raw");
    stage.send(client, "GET /a.txt");
    stage.end(script, raw);
    assert_eq!(stage.received(client), raw);
    assert_eq!(stage.sim.ending(client), Some(Ending::Eof));
    assert_eq!(status(&stage.answer("GET /cgi-bin/nph-raw", "")), "500");
}

#[test]
fn a_local_redirect_is_served_by_the_server() {
    let mut stage = Stage::new();
    assert!(stage.answer("GET /cgi-bin/hello", "Location: /a.txt\n\n").ends_with("\r\n\r\na file"));
    assert_eq!(status(&stage.answer("GET /cgi-bin/hello", "Location: /none\n\n")), "404");
    let client = stage.sim.connect();
    stage.sim.send(client, b"POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc");
    let (script, _) = stage.started();
    stage.end(script, "Location: /cgi-bin/nph-raw/x?y\n\n");
    let (script, spawn) = stage.started();
    for (name, value) in [
        ("REQUEST_METHOD", Some("GET")),
        ("PATH_INFO", Some("/x")),
        ("QUERY_STRING", Some("y")),
        ("HTTP_X_A", Some("b")),
        ("CONTENT_LENGTH", None),
    ] {
        assert_eq!(variable(&spawn, name), value, "{name}");
    }
    stage.end(script, "raw");
    assert_eq!(stage.received(client), "raw");
}

#[test]
fn local_redirects_do_not_go_on_for_ever() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    stage.send(client, "GET /cgi-bin/hello");
    for _ in 0..=10 {
        let (script, _) = stage.started();
        assert_eq!(stage.received(client), "");
        stage.end(script, "Location: /cgi-bin/hello\n\n");
    }
    assert_eq!(status(&stage.received(client)), "500");
    assert!(stage.sim.spawned().is_empty());
}

#[test]
fn another_location_redirects_the_client() {
    let mut stage = Stage::new();
    let answer = stage.answer("GET /cgi-bin/hello", "Location: https://a.example/b\n\n");
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\n"), "{answer}");
    assert!(answer.contains("\r\nLocation: https://a.example/b\r\n"), "{answer}");
}

#[test]
fn a_body_is_received_before_the_script_starts() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    stage.sim.send(client, b"POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    assert!(stage.sim.spawned().is_empty());
    stage.sim.send(client, b"c\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n");
    let (script, spawn) = stage.started();
    assert_eq!((variable(&spawn, "CONTENT_LENGTH"), &spawn.stdin), (Some("5"), &StdinMode::Piped));
    assert_eq!(stage.sim.received(script), b"abcde");
    assert_eq!(stage.sim.ending(script), Some(Ending::Eof));
    stage.end(script, "Content-Type: a/b\n\nthanks");
    assert_eq!(body_of(&stage.received(client)), ("thanks".to_owned(), true));
}

#[test]
fn a_large_body_is_the_input_of_the_script() {
    use std::io::Read;
    let mut stage = Stage::new();
    for framing in ["Content-Length: 300000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n493e0\r\n"] {
        let client = stage.sim.connect();
        stage.sim.send(client, format!("PUT /cgi-bin/hello HTTP/1.1\r\nHost: a\r\n{framing}").as_bytes());
        for _ in 0..30 {
            stage.sim.send(client, &[b'x'; 10_000]);
            assert_eq!(stage.sim.unread(client), 0);
        }
        if framing.starts_with('T') {
            stage.sim.send(client, b"\r\n0\r\n\r\n");
        }
        let (script, spawn) = stage.started();
        assert_eq!(variable(&spawn, "CONTENT_LENGTH"), Some("300000"));
        let StdinMode::File(file) = &spawn.stdin else { panic!("{:?}", spawn.stdin) };
        let mut body = Vec::new();
        (&**file).read_to_end(&mut body).expect("a readable file");
        assert!(body == vec![b'x'; 300_000]);
        stage.end(script, "Status: 201\n\n");
        assert_eq!(status(&stage.received(client)), "201");
    }
}

#[test]
fn a_slow_disk_slows_down_the_client() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    stage.sim.send(client, b"PUT /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    stage.sim.received(client);
    stage.sim.hold_jobs();
    for _ in 0..100 {
        stage.sim.send(client, &[b'x'; 10_000]);
    }
    assert!(stage.sim.unread(client) > 700_000, "{} bytes unread", stage.sim.unread(client));
    stage.sim.release_jobs();
    let (_, spawn) = stage.started();
    assert_eq!((stage.sim.unread(client), variable(&spawn, "CONTENT_LENGTH")), (0, Some("1000000")));
}

#[test]
fn a_body_is_asked_for_when_its_script_was_found() {
    let mut stage = Stage::new();
    for (path, want) in [("/cgi-bin/hello", "100"), ("/cgi-bin/none", "404"), ("/a.txt", "405")] {
        let client = stage.sim.connect();
        let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        stage.sim.send(client, format!("POST {path} {head}").as_bytes());
        assert_eq!(status(&stage.received(client)), want, "{path}");
        if want == "100" {
            stage.sim.send(client, b"abc");
            let (script, _) = stage.started();
            stage.end(script, "Status: 201\n\n");
            assert_eq!(status(&stage.received(client)), "201");
        }
    }
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    stage.sim.send(client, b"POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n");
    assert_eq!(status(&stage.received(client)), "413");
    let client = stage.sim.connect();
    stage.sim.send(client, b"POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000001\r\n");
    assert_eq!(status(&stage.received(client)), "413");
    assert!(stage.sim.spawned().is_empty());
}

#[test]
fn a_pipelined_request_waits_for_the_answer() {
    let mut stage = Stage::new();
    let client = stage.sim.connect();
    for _ in 0..3 {
        stage.send(client, "GET /cgi-bin/hello");
        stage.send(client, "GET /a.txt");
    }
    for round in 0..3 {
        let (script, _) = stage.started();
        stage.sim.send(script, b"Content-Type: a/b\nContent-Length: 5\n\nhel");
        assert!(stage.received(client).ends_with("hel"), "{round}");
        stage.sim.send(script, b"lo");
        stage.sim.shut_down(script);
        stage.sim.exit(script, 0);
        let answer = stage.received(client);
        assert!(answer.starts_with("loHTTP/1.1 200 OK\r\n") && answer.ends_with("\r\na file"), "{round}: {answer}");
    }
    stage.sim.shut_down(client);
    assert_eq!(stage.sim.ending(client), Some(Ending::Eof));
    stage.assert_idle();
}
