//! Files over HTTP, for curl and for clients that are not polite.

use crate::docs::examples;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::fs;
use std::path::Path;
use switchboard_harness::Server;
use tempfile::TempDir;

fn start(place: &Path) -> Server {
    Program::Http.launch().arg(place).args("--slow-turn off").start()
}

/// Runs curl with `words` before the URL of `path`, and returns what it writes.
#[track_caller]
pub(super) fn curl(server: &Server, words: &[&str], path: &str) -> Vec<u8> {
    curl_at(&format!("http://{}{path}", server.address()), words)
}

/// Runs curl with `words` before `url`, and returns what it writes.
#[track_caller]
pub(super) fn curl_at(url: &str, words: &[&str]) -> Vec<u8> {
    pass_through(&[&["curl", "-s", "--path-as-is"], words, &[url]].concat(), b"")
}

/// The status of the answer to curl.
#[track_caller]
fn status(server: &Server, words: &[&str], path: &str) -> String {
    let words = [words, &["-o", "/dev/null", "-w", "%{http_code}"]].concat();
    String::from_utf8(curl(server, &words, path)).expect("a number")
}

/// Bytes that differ from place to place.
fn bytes(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

#[test]
fn curl_gets_files_and_parts_of_them() {
    let place = TempDir::new().expect("room");
    let at = |name: &str| place.path().join(name);
    let (small, large) = (bytes(1000), bytes(600_000));
    fs::write(at("small"), &small).expect("room");
    fs::write(at("large"), &large).expect("room");
    let server = start(place.path());
    for (name, want) in [("/small", &small), ("/large", &large)] {
        for words in [&[][..], &["-0"], &["--http1.1", "-H", "Connection: close"], &["--limit-rate", "20M"]] {
            assert!(curl(&server, words, name) == *want, "{name} {words:?}");
        }
        assert!(curl(&server, &["-r", "1000-1999"], name) == want[1000..2000], "{name}");
        assert!(curl(&server, &["-r", "-10"], name) == want[want.len() - 10..], "{name}");
        assert!(curl(&server, &["-I"], name).starts_with(b"HTTP/1.1 200 OK\r\n"), "{name}");
    }
    // A download that was broken off is resumed.
    fs::write(at("copy"), &large[..1_000_000]).expect("room");
    let copy = at("copy").display().to_string();
    curl(&server, &["-C", "-", "-o", &copy], "/large");
    assert!(fs::read(at("copy")).expect("a file") == large);
    // Both files over one connection.
    let url = format!("http://{}/small", server.address());
    let both = curl(&server, &["-w", "%{num_connects}", &url], "/small");
    assert_eq!(both.len(), 2 * small.len() + 2);
    assert!(both.ends_with(b"0"), "the second one needs no connection of its own");
    server.expect_manners();
}

#[test]
fn curl_follows_a_directory_and_sees_changes() {
    let place = TempDir::new().expect("room");
    fs::create_dir(place.path().join("dir")).expect("room");
    fs::write(place.path().join("dir/index.html"), "<p>hi").expect("room");
    let server = start(place.path());
    assert_eq!(curl(&server, &["-L"], "/dir"), b"<p>hi");
    let copy = place.path().join("copy").display().to_string();
    let times = ["-R", "-o", &copy];
    curl(&server, &times, "/dir/");
    assert_eq!(status(&server, &["-z", &copy], "/dir/"), "304");
    assert_eq!(status(&server, &["-z", "yesterday"], "/dir/"), "200");
    assert!(String::from_utf8_lossy(&curl(&server, &[], "/")).contains("<a href=\"./dir/\">dir/</a>"));
}

#[test]
fn nothing_outside_is_served() {
    let place = TempDir::new().expect("room");
    fs::create_dir(place.path().join("site")).expect("room");
    fs::write(place.path().join("secret"), "secret").expect("room");
    std::os::unix::fs::symlink("../secret", place.path().join("site/link")).expect("a link");
    let server = start(&place.path().join("site"));
    for path in ["/../secret", "/%2e%2e/secret", "/..%2fsecret", "/..%5csecret", "/link", "/.//../secret", "/%00"] {
        let got = curl(&server, &[], path);
        assert!(got.starts_with(b"40"), "{path}: {}", got.escape_ascii());
    }
    let mut peer = Peer::connect(&server.address());
    peer.send("GET ../secret HTTP/1.0\r\n\r\n");
    assert!(peer.rest().expect("an orderly end").starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
}

/// The bytes that are written in the first column of a table, and the status in the second.
fn rows(table: &str) -> Vec<(Vec<u8>, &str)> {
    let lines = table.lines().filter_map(|line| line.strip_prefix("| `"));
    lines
        .map(|line| {
            let (bytes, rest) = line.split_once("` | ").expect("a second column");
            (unescape(bytes), &rest[..3])
        })
        .collect()
}

/// The bytes for `\\r`, `\\n`, `\\t`, `\\0`, and two digits after `\\x`.
fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split('\\');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (escape, rest) = piece.split_at(if piece.starts_with('x') { 3 } else { 1 });
        bytes.push(match escape {
            "r" => b'\r',
            "n" => b'\n',
            "t" => b'\t',
            "0" => 0,
            _ => u8::from_str_radix(&escape[1..], 16).expect("two hexadecimal digits"),
        });
        bytes.extend(rest.as_bytes());
    }
    bytes
}

#[test]
fn malformed_requests_are_answered_as_the_page_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/http-server.md")).expect("the page");
    let (_, table) = page.split_once("\n## Malformed requests\n").expect("the heading");
    let (table, _) = table.split_once("\n## ").expect("another heading");
    let (whole, chunks) = table.split_once("| chunks |").expect("two tables");
    let server = Program::Http.start();
    let example = examples::start("http");
    let head = b"POST /counter HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = rows(whole).into_iter().map(|row| (&server, &b""[..], row));
    let chunks = rows(chunks).into_iter().map(|row| (&example, &head[..], row));
    let mut count = 0;
    for (server, head, (bytes, status)) in whole.chain(chunks) {
        let mut peer = Peer::connect(&server.address());
        peer.send([head, &bytes, b"GET /counter HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        let answer = String::from_utf8(peer.rest().expect("an orderly end")).expect("a text");
        let shown = bytes.escape_ascii();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{shown}: {answer}");
        assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{shown}: {answer}");
        count += 1;
    }
    assert!(count >= 80, "only {count} rows");
}

#[test]
fn a_netcat_that_ends_its_side_gets_all_answers() {
    let place = TempDir::new().expect("room");
    fs::write(place.path().join("a"), "the file a").expect("room");
    let server = start(place.path());
    let port = server.port().to_string();
    let requests = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50);
    let got = pass_through(&["nc", "-N", "127.0.0.1", &port], requests.as_bytes());
    assert_eq!(String::from_utf8_lossy(&got).matches("the file a").count(), 50);
}

#[test]
fn a_file_that_is_truncated_while_it_is_sent_resets() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("large");
    fs::write(&path, vec![0; 64 << 20]).expect("room");
    let server = start(place.path());
    let mut peer = Peer::connect(&server.address());
    peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    peer.expect("HTTP/1.1 200 OK\r\n");
    fs::File::options().write(true).open(&path).expect("a file").set_len(1000).expect("a file");
    peer.rest().expect_err("a reset");
    // The next client gets what the file is now, after a second at most.
    let patience = ["--retry", "5", "--retry-delay", "1", "--retry-all-errors", "--fail"];
    let got = curl(&server, &patience, "/large");
    assert_eq!(got, vec![0; 1000]);
}

#[test]
fn the_other_flags_of_the_server_apply() {
    let place = TempDir::new().expect("room");
    let at = |name: &str| place.path().join(name);
    fs::write(at(".hidden"), "a dot").expect("room");
    fs::write(at("start.txt"), "the start").expect("room");
    fs::create_dir(at("empty")).expect("room");
    let socket = at("socket").display().to_string();
    let flags = "--dotfiles --no-listing --index start.txt --type txt=text/x-own --cache-control no-store --cache off";
    let launch = Program::Http.launch().arg(place.path()).args(flags).arg("--header").arg("X-Own: a value");
    let server = launch.listen("127.0.0.1:0").listen(&format!("unix:{socket}")).start();
    assert_eq!(curl(&server, &[], "/.hidden"), b"a dot");
    assert_eq!(curl(&server, &["--unix-socket", &socket], "/"), b"the start");
    assert_eq!(status(&server, &[], "/empty/"), "404");
    let head = String::from_utf8(curl(&server, &["-I"], "/")).expect("a text");
    for line in ["Content-Type: text/x-own", "Cache-Control: no-store", "X-Own: a value"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    server.expect_manners();
}

#[test]
fn wrong_flags_are_usage_errors() {
    for (flag, value) in [
        ("--header", "no colon"),
        ("--header", "a b: c"),
        ("--header", "Connection: close"),
        ("--header", "X: a\r\nY: b"),
        ("--type", "txt"),
        ("--type", "=a/b"),
        ("--index", "a/b"),
        ("--index", ".."),
        ("--cache-control", "a\nb"),
        ("--cache", "x"),
    ] {
        let finished = Program::Http.launch().arg(flag).arg(value).run();
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{flag} {value}: {finished:?}");
    }
    let finished = Program::Http.launch().arg("/dev/null").run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("cannot serve /dev/null: Not a directory"), "{finished:?}");
}
