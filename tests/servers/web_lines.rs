//! The web doors of the doctor and the phone book: a message is a line, and both doors lead to the same data.

use super::http::curl_at;
use super::web::{ask, close_code, open, socket};
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::websocket::frame;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;
use switchboard_harness::{Certificates, Launch, SERVER, Stop};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");
const WELCOME: &str = "Welcome to the phone book. HELP lists the commands.";
const ASKED: &str = "Good day. What is your name?";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}

/// Waits for one text.
#[track_caller]
fn hears(page: &mut Peer, text: &str) {
    let head = u8::try_from(text.len()).ok().filter(|&length| length < 126);
    page.expect([&[0x81, head.expect("a short text")], text.as_bytes()].concat());
}

/// Says a line, and waits for the text that answers it.
#[track_caller]
fn talks(page: &mut Peer, line: &str, answer: &str) {
    page.send(frame(0x81, line.as_bytes()));
    hears(page, answer);
}

#[test]
fn a_page_and_a_netcat_use_one_phone_book() {
    let mut server = Program::Phonebook
        .launch()
        .args("--data :memory: --stdin commands")
        .listen("web:0")
        .listen("127.0.0.1:0")
        .start();
    let at = server.addresses(2);
    let (mut page, mut nc) = (open(&at[0]), Peer::connect(&at[1]));
    assert_eq!(nc.line(), WELCOME);
    hears(&mut page, WELCOME);
    talks(&mut page, "ADD \"<b>Zoë</b>\" 1", "Added: \"<b>Zoë</b>\" \"1\"");
    nc.send("CHANGE \"<B>ZOË</B>\" 2\n");
    assert_eq!(nc.line(), "Changed: \"<b>Zoë</b>\" \"2\" (was \"1\")");
    talks(&mut page, "LIST\n", "\"<b>Zoë</b>\" \"2\"\nTotal: 1");
    talks(&mut page, "GET / HTTP/1.1", "Unknown command: GET (HELP lists them)");
    talks(&mut page, "QUIT", "Good bye!");
    assert_eq!(close_code(page), 1000);
    let mut page = open(&at[0]);
    hears(&mut page, WELCOME);
    page.send(frame(0x82, b"LIST"));
    assert_eq!(close_code(page), 1003);
    let mut page = open(&at[0]);
    hears(&mut page, WELCOME);
    page.send(frame(0x81, &[b'x'; 4097]));
    assert_eq!(close_code(page), 1009);
    let (mut kicked, mut last) = (open(&at[0]), open(&at[0]));
    hears(&mut kicked, WELCOME);
    hears(&mut last, WELCOME);
    server.say("who\n");
    let address = format!("127.0.0.1:{} ", kicked.local_port());
    server.stderr.wait_for(&address);
    let rows = server.stderr.lines();
    let row = rows.iter().find(|row| row.contains(&address)).expect("a row");
    let number = row.split_whitespace().next().expect("a number");
    server.say(format!("kick {number} enough\n"));
    kicked.expect(b"\x88\x08\x03\xf0enough");
    server.expect_manners();
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(5));
    assert_eq!(close_code(last), 1001);
}

#[test]
fn a_change_that_a_page_was_told_survives_a_kill() {
    let place = TempDir::new().expect("room");
    let file = place.path().join("book.db");
    let start = || Program::Phonebook.launch().arg("--data").arg(&file).listen("web:0").start();
    let mut server = start();
    let mut page = open(&server.address());
    hears(&mut page, WELCOME);
    talks(&mut page, "ADD ann 1", "Added: \"ann\" \"1\"");
    server.signal(Signal::KILL);
    server.wait();
    let server = start();
    let mut page = open(&server.address());
    hears(&mut page, WELCOME);
    talks(&mut page, "FIND ann", "\"ann\" \"1\"");
}

#[test]
fn the_doctor_remembers_at_each_door() {
    let place = TempDir::new().expect("room");
    let launch = Program::Doctor.launch().arg("--data").arg(place.path().join("doctor.db")).args("--max-line 40");
    let mut server = launch.listen("127.0.0.1:0").listen("web:0").start();
    let at = server.addresses(2);
    let (mut nc, mut page) = (Peer::connect(&at[0]), open(&at[1]));
    hears(&mut page, ASKED);
    talks(&mut page, "Ann", "Welcome, Ann. What is on your mind?");
    talks(&mut page, "My garden is a desert.", "What does it mean to you: your garden is a desert?");
    talks(&mut page, "Goodbye.", "Goodbye, Ann. The door is open whenever you like.");
    assert_eq!(close_code(page), 1000);
    nc.send("ann\nHm.\n");
    nc.line_where(|line| line.starts_with("A while ago you said: your garden is a desert."));
    let mut page = open(&at[1]);
    hears(&mut page, ASKED);
    talks(&mut page, "GET", "Welcome, GET. What is on your mind?");
    page.send(frame(0x81, &[b'x'; 41]));
    assert_eq!(close_code(page), 1009);
    let mut page = open(&at[1]);
    hears(&mut page, ASKED);
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
    assert_eq!(close_code(page), 1001);
}

/// A server and the title of its page.
const PAGES: [(Program, &str, &str); 2] =
    [(Program::Doctor, "<title>Doctor</title>", ASKED), (Program::Phonebook, "<title>Phone book</title>", WELCOME)];

#[test]
fn curl_gets_the_page_by_each_address() {
    let place = TempDir::new().expect("room");
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let ca = pair.cert.display().to_string();
    for (program, title, _) in PAGES {
        let path = place.path().join(format!("{program:?}.sock"));
        let launch = program.launch().args("--data :memory:").listen("web:127.0.0.1:0").listen("web+tls:127.0.0.1:0");
        let launch = launch.listen(&format!("web:unix:{}", path.display())).arg("--tls-cert").arg(&pair.cert);
        let server = launch.arg("--tls-key").arg(&pair.key).start();
        let at = server.addresses(3);
        let plain = format!("http://{}", socket(&at[0]));
        let port = at[1].rsplit_once(':').expect("a port").1;
        let pages = [
            curl_at(&plain, &[]),
            curl_at(&format!("https://localhost:{port}/"), &["--cacert", &ca]),
            curl_at("http://any.example/", &["--unix-socket", text(&path), "-H", "Host: localhost"]),
        ];
        for page in pages {
            assert!(String::from_utf8_lossy(&page).contains(title), "{program:?}: {page:?}");
        }
        let head = String::from_utf8(curl_at(&plain, &["-I"])).expect("text");
        assert!(head.contains("\r\nContent-Security-Policy: default-src 'none';"), "{head}");
        for (name, kind) in [("shell.css", "text/css"), ("shell.js", "text/javascript")] {
            let head = String::from_utf8(curl_at(&format!("{plain}/{name}"), &["-I"])).expect("text");
            assert!(
                head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(&format!("Content-Type: {kind}")),
                "{head}"
            );
        }
        assert_eq!(curl_at(&format!("{plain}/nothing"), &[]), b"404 Not Found: the page is at /\n");
        server.expect_manners();
    }
}

#[test]
fn pages_of_other_sites_stay_out() {
    for (program, _, first) in PAGES {
        let server = program.launch().args("--data :memory:").listen("web:127.0.0.1:0").start();
        let words = "--data :memory: --host me.example --origin https://a.example";
        let open = program.launch().args(words).listen("web:127.0.0.1:0").start();
        for (host, origin, at_server, at_open) in [
            ("localhost", "Origin: http://localhost\r\n", 101, 101),
            ("localhost", "Origin: https://a.example\r\n", 403, 101),
            ("me.example", "", 403, 101),
            ("evil.example", "Origin: http://evil.example\r\n", 403, 403),
        ] {
            for (server, status) in [(&server, at_server), (&open, at_open)] {
                let mut page = Peer::connect(socket(&server.address()));
                let answer = ask(&mut page, "/ws", host, origin);
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{program:?} {host} {origin}: {answer}");
                if status == 101 {
                    hears(&mut page, first);
                }
            }
        }
        let url = format!("http://{}/", socket(&server.address()));
        let evil = curl_at(&url, &["-H", "Host: evil.example"]);
        assert_eq!(evil, b"403 Forbidden: the host is not a name of this server\n");
    }
}

#[test]
fn the_switchboard_has_the_pages_too() {
    let server = Launch::of(SWITCHBOARD).args("doctor=web:0 phonebook=127.0.0.1:0 phonebook=web:127.0.0.1:0").spawn();
    let at = server.addresses(3);
    for (address, (_, title, first)) in [(&at[0], PAGES[0]), (&at[2], PAGES[1])] {
        hears(&mut open(address), first);
        let page = curl_at(&format!("http://{}/", socket(address)), &[]);
        assert!(String::from_utf8_lossy(&page).contains(title));
    }
}

#[test]
fn the_help_has_the_flags_of_pages_apart() {
    for (program, ..) in PAGES {
        let help = program.launch().args("--help").run().stdout;
        let (_, web) = help.split_once("\nWeb:\n").unwrap_or_else(|| panic!("no group of its own: {help}"));
        for flag in ["--origin <URL>", "--host <NAME>"] {
            assert!(web.contains(flag), "{flag}: {web}");
        }
        let words: Vec<_> = help.split_whitespace().collect();
        assert!(words.join(" ").contains("web: before any of them, for pages in a browser"), "{help}");
    }
}
