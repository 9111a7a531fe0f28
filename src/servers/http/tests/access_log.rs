//! The access log: what a line says, and when it is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::servers::{AccessLog, LocalDate, LocalTime};

/// What was written to a log.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    /// The lines since the last call, without the host and the time.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().expect("no panic"))).expect("ASCII");
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let rest = |line: &str| line.split_once("] ").expect("a time").1.to_owned();
        text.lines().map(rest).collect()
    }
}

/// A site with a log, in a directory with the files of [`Place`].
fn logged() -> (Place, Sim<Site>, Paper) {
    let (place, paper) = (Place::new(), Paper::default());
    let date = LocalDate { year: 2000, month: 1, day: 1 };
    let clock = move |_| LocalTime { date, hour: 13, minute: 0, second: 0, offset: -570 };
    let site = place.site().with_access_log(AccessLog::new("access.log", paper.clone(), clock));
    (place, Sim::new(site), paper)
}

#[test]
fn a_line_is_that_of_the_combined_format() {
    let (_place, mut sim, paper) = logged();
    let peer = sim.connect_from("2001:db8::1".parse().expect("an address"));
    let headers = ["Referer: http://a/", "User-Agent: Mozilla/5.0 (X11)"];
    ask_as(&mut sim, peer, "GET /a.txt?q=1", &headers);
    let text = String::from_utf8(std::mem::take(&mut *paper.0.lock().expect("no panic"))).expect("ASCII");
    let want = "2001:db8::1 - - [01/Jan/2000:13:00:00 -0930] \"GET /a.txt?q=1 HTTP/1.1\" 200 10 \"http://a/\" \
                \"Mozilla/5.0 (X11)\"\n";
    assert_eq!(text, want);
}

#[test]
fn each_answer_has_its_status_and_the_bytes_of_its_body() {
    let (_place, mut sim, paper) = logged();
    for (line, headers, want) in [
        ("GET /a.txt", &[][..], "200 10"),
        ("GET /a.txt", &["Range: bytes=2-4"], "206 3"),
        ("GET /big.bin", &["Range: bytes=5-"], "206 3145723"),
        ("GET /a.txt", &["If-None-Match: *"], "304 0"),
        ("HEAD /a.txt", &[], "200 0"),
        ("HEAD /big.bin", &[], "200 0"),
        ("GET /missing", &[], "404 14"),
        ("POST /a.txt", &["Content-Length: 0"], "405 23"),
        ("OPTIONS /", &[], "204 0"),
    ] {
        ask(&mut sim, line, headers);
        assert_eq!(paper.lines(), [format!("\"{line} HTTP/1.1\" {want} \"-\" \"-\"")]);
    }
}

#[test]
fn values_of_clients_are_escaped() {
    let (_place, mut sim, paper) = logged();
    let peer = sim.connect();
    sim.send(peer, b"GET /\"\\ HTTP/1.1\r\nHost: a\r\nUser-Agent: a\t\"b\\c\xe9\x1b\r\nReferer: \r\n\r\n");
    sim.run();
    assert_eq!(paper.lines(), [r#""GET /\"\\ HTTP/1.1" 400 69 "-" "-""#], "a value has no control characters");
    let peer = sim.connect();
    sim.send(peer, b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\nUser-Agent: a\t\"b\\c\xe9\r\nReferer: \r\n\r\n");
    sim.run();
    assert_eq!(paper.lines(), [r#""GET /\xc3\xa9 HTTP/1.1" 404 14 "-" "a\t\"b\\c\xe9""#]);
}

#[test]
fn input_that_is_no_request_is_shown_as_it_arrived() {
    let (_place, mut sim, paper) = logged();
    for (input, want) in [
        (&b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"[..], "\"GET  / HTTP/1.1\" 400 "),
        (b"GET / HTTP/1.1\r\nReferer: x\r\n\r\n", "\"GET / HTTP/1.1\" 400 "),
        (b"\r\nGET / HTTP/1.1\r\n Host: a\r\n\r\n", "\"GET / HTTP/1.1\" 400 "),
        (b"\x16\x03\x01\x02\"", "\"\\x16\\x03\\x01\\x02\\\"\" 400 "),
        (b"GET / HTTP/3.0\r\n", "\"GET / HTTP/3.0\" 505 "),
    ] {
        let peer = sim.connect();
        sim.send(peer, input);
        sim.run();
        let lines = paper.lines();
        assert!(lines.len() == 1 && lines[0].starts_with(want), "{want}: {lines:?}");
        assert!(lines[0].ends_with(" \"-\" \"-\""), "{lines:?}");
    }
    // A head that is late, and one that never began.
    let (late, silent) = (sim.connect(), sim.connect());
    sim.send(late, b"GET /a.t");
    sim.advance(Duration::from_secs(20));
    assert_eq!(paper.lines(), ["\"GET /a.t\" 408 44 \"-\" \"-\""]);
    assert_eq!(sim.ending(silent), Some(Ending::Eof));
}

#[test]
fn a_line_waits_until_its_answer_is_sent() {
    let (_place, mut sim, paper) = logged();
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.run();
    assert_eq!(paper.lines(), [""; 0]);
    sim.allow(peer, 300);
    sim.run();
    assert_eq!(paper.lines(), ["\"GET /a.txt HTTP/1.1\" 200 10 \"-\" \"-\""]);
    sim.resume(peer);
    sim.run();
    assert_eq!(paper.lines(), ["\"GET /b HTTP/1.1\" 404 14 \"-\" \"-\""]);
}

#[test]
fn a_client_that_leaves_has_the_bytes_that_it_got() {
    let big = "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, taken) in [(big, 100_000), (big, 3_100_000), ("GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n", 5)] {
        for leaves in [Sim::reset, |sim: &mut Sim<Site>, _| sim.advance(Duration::from_secs(120))] {
            let (_place, mut sim, paper) = logged();
            let peer = sim.connect();
            sim.stall(peer);
            sim.send(peer, request.as_bytes());
            sim.allow(peer, taken);
            let received = sim.received(peer);
            let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(received.len(), |at| at + 4);
            leaves(&mut sim, peer);
            sim.run();
            let (line, body) = (request.lines().next().expect("a line"), received.len() - end);
            assert_eq!(paper.lines(), [format!("\"{line}\" 200 {body} \"-\" \"-\"")], "{taken}");
        }
    }
}

#[test]
fn a_client_that_leaves_before_its_answer_has_no_bytes() {
    let (_place, mut sim, paper) = logged();
    let peer = sim.connect();
    sim.hold_jobs();
    sim.send(peer, b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.run();
    sim.reset(peer);
    sim.run();
    sim.release_jobs();
    sim.run();
    assert_eq!(paper.lines(), ["\"GET /a.txt HTTP/1.1\" 200 0 \"-\" \"-\""]);
}

#[test]
fn a_download_that_a_stop_lets_end_is_logged_as_a_whole() {
    let (_place, mut sim, paper) = logged();
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.allow(peer, 1000);
    sim.run();
    sim.stop();
    sim.run();
    assert_eq!(paper.lines(), [""; 0]);
    sim.resume(peer);
    sim.shut_down(peer);
    sim.run();
    assert!(sim.is_stopped());
    assert_eq!(paper.lines(), ["\"GET /big.bin HTTP/1.1\" 200 3145728 \"-\" \"-\""]);
}
