//! The programs in `docs/examples` run, and answer as their first lines say.

use super::replay::binaries;
use super::script;
use crate::source::files::below;
use crate::support::peer::Peer;
use crate::support::tools::pass_through;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use switchboard_harness::{Launch, Server, Stop};

/// Starts an example on a free port.
pub(crate) fn start(name: &str) -> Server {
    example(name).arg("127.0.0.1:0").spawn()
}

/// The command line of an example without its address.
fn example(name: &str) -> Launch {
    Launch::of(make_current(name))
}

/// Builds an example if it is absent or older than its source. Returns its path.
pub(crate) fn make_current(name: &str) -> PathBuf {
    let path = binaries().join("examples").join(name);
    if is_outdated(&path, &format!("docs/examples/{name}.rs")) {
        build(name);
    }
    path
}

/// `cargo test` builds all examples, but `cargo test --test all` builds none.
fn is_outdated(program: &Path, source: &str) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let source = changed(&Path::new(env!("CARGO_MANIFEST_DIR")).join(source)).expect("the source of the example");
    !changed(program).is_ok_and(|built| built >= source)
}

fn build(name: &str) {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--offline", "--features", "full", "--example", name]);
    if binaries().ends_with("release") {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "{command:?}");
}

fn stop(mut server: Server) {
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
}

#[test]
fn the_echo_example_returns_every_byte() {
    let server = start("echo");
    Peer::connect(&server.address()).echo("hello\n");
    stop(server);
}

#[test]
fn the_echo_example_reports_an_error_in_one_line() {
    let server = start("echo");
    let finished = example("echo").arg(server.address()).run();
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
    assert!(finished.stderr.starts_with(&format!("cannot listen on {}: ", server.address())), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    stop(server);
}

#[test]
fn the_chat_example_shows_each_line_to_the_others() {
    let server = start("line_chat");
    let mut ann = Peer::connect(&server.address());
    ann.expect("You are client 1.\n");
    let mut bob = Peer::connect(&server.address());
    bob.expect("You are client 2.\n");
    ann.expect("Client 2 is here.\n");
    bob.send("good \x1b[2Jday\r\n");
    ann.expect("2: good \u{FFFD}[2Jday\n");
    ann.send("hello\n");
    bob.expect("1: hello\n");
    drop(bob);
    ann.expect("Client 2 has left.\n");
    stop(server);
}

#[test]
fn the_key_value_example_keeps_values() {
    let server = start("key_value");
    let mut ann = Peer::connect(&server.address());
    ann.send("SET colour dark blue\nGET colour\n");
    ann.expect("OK\ndark blue\n");
    let mut bob = Peer::connect(&server.address());
    bob.send("GET colour\nDEL colour\nDEL colour\nGET colour\n");
    bob.expect("dark blue\nOK\nNONE\nNONE\n");
    bob.send("SET colour\n");
    bob.expect("ERROR send SET KEY VALUE, GET KEY or DEL KEY\n");
    stop(server);
}

#[test]
fn the_framing_example_counts_paragraphs() {
    let server = start("custom_framing");
    let mut peer = Peer::connect(&server.address());
    peer.send("one\ntwo\n");
    peer.send("\n\n\nthree\n\nlast");
    peer.expect("lines: 2, bytes: 7\nlines: 1, bytes: 5\n");
    peer.finish();
    peer.expect("lines: 1, bytes: 4\n");
    peer.expect_eof();
    stop(server);
}

#[test]
fn the_http_example_counts_in_json() {
    let server = start("http");
    let address = server.address();
    let curl = |words: &str, path: &str| {
        let url = format!("http://{address}{path}");
        let words: Vec<&str> = ["curl", "-s", "-w", "%{http_code}"].into_iter().chain(words.split('|')).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).chain([&*url]).collect();
        String::from_utf8(pass_through(&words, b"")).expect("a text")
    };
    assert_eq!(curl("", "/counter"), "{\"count\": 0}\n200");
    assert_eq!(curl("-d|{\"add\": 5}", "/counter"), "{\"count\": 5}\n200");
    assert_eq!(curl("-H|Transfer-Encoding: chunked|-d|{ \"add\" : -7 }", "/counter"), "{\"count\": -2}\n200");
    assert_eq!(curl("-0", "/counter"), "{\"count\": -2}\n200");
    assert_eq!(curl("-d|5", "/counter"), "400 Bad Request: send {\"add\": NUMBER}\n400");
    assert_eq!(curl("", "/other"), "404 Not Found: try /counter\n404");
    assert_eq!(curl("-X|DELETE", "/counter"), "try GET or POST\n405");
    let long = "x".repeat(1001);
    assert_eq!(curl(&format!("-d|{long}"), "/counter"), "413 Content Too Large: the body is too large\n413");
    let head = curl("-I", "/counter");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 14\r\n"), "{head}");
    stop(server);
}

#[test]
fn the_websocket_example_returns_each_message() {
    let server = start("websocket");
    let address = server.address();
    let curl = |words: &[&str]| {
        let url = format!("http://{address}/");
        let words = [&["curl", "-s", "-w", "%{http_code}"], words, &[&url]].concat();
        String::from_utf8(pass_through(&words, b"")).expect("a text")
    };
    let page = curl(&[]);
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</script>\n200"), "{page}");
    let upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13"];
    let key = ["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
    for (header, reason) in [
        ("Origin: http://evil.example", "pages of this origin may not connect"),
        ("Host: evil.example", "the host is not a name of this server"),
    ] {
        assert_eq!(curl(&[&upgrade[..], &key, &["-H", header]].concat()), format!("403 Forbidden: {reason}\n403"));
    }
    assert_eq!(curl(&upgrade), "400 Bad Request: there is not one Sec-WebSocket-Key\n400");

    let mut peer = Peer::connect(&address);
    peer.send(format!("GET / HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n"));
    [&upgrade[..], &key]
        .concat()
        .iter()
        .filter(|word| **word != "-H")
        .for_each(|line| peer.send(format!("{line}\r\n")));
    peer.send("\r\n");
    assert_eq!(peer.line(), "HTTP/1.1 101 Switching Protocols");
    while !peer.line().is_empty() {}
    // A text, then binary in two fragments with a ping in between. The masks are zeros.
    peer.send(b"\x81\x85\0\0\0\0hello\x02\x81\0\0\0\0a\x89\x81\0\0\0\0?\x80\x81\0\0\0\0b");
    peer.expect(b"\x81\x05hello\x8a\x01?\x82\x02ab");
    stop(server);
    peer.expect(b"\x88\x02\x03\xe9");
    peer.expect_eof();
}

#[test]
fn every_example_is_short() {
    let paths = below("docs/examples", &["html", "php", "pl", "py", "rs"]);
    assert!(paths.len() >= 15, "only {} examples were found", paths.len());
    for path in paths {
        let lines = fs::read_to_string(&path).expect("a text").lines().count();
        assert!(lines < 80, "{}: {lines} lines", path.display());
    }
}

#[test]
fn the_page_on_cgi_shows_its_scripts() {
    let blocks = script::blocks(&script::page("docs/cgi.md")).into_iter();
    let shown = blocks.filter(|block| ["html", "python"].contains(&&*block.marker));
    let mut shown: Vec<_> = shown.map(|block| block.lines.join("\n") + "\n").collect();
    for path in below("docs/examples/cgi", &["html", "py"]) {
        let text = fs::read_to_string(&path).expect("a text");
        let before = shown.len();
        shown.retain(|shown| !text.contains(shown.as_str()));
        assert!(shown.len() < before, "the page does not show {}", path.display());
    }
    assert!(shown.is_empty(), "the page shows what is in no file:\n{}", shown.concat());
}
