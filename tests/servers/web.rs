//! The web door: WebSocket on the servers that have it, for pages and programs, beside their other clients.

use super::http::curl_at;
use crate::docs::script::page;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::{pass_through, tool};
use crate::support::websocket::{frame, request};
use std::fs;
use std::time::Duration;
use switchboard_harness::{Browser, Certificates, Launch, SERVER, Stop};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");

/// The address of the socket, without the door.
#[track_caller]
pub(super) fn socket(address: &str) -> &str {
    address.strip_prefix("web:").unwrap_or_else(|| panic!("{address} has no web door"))
}

/// Asks for a WebSocket, and returns the status line of the answer. The rest of its head is read.
#[track_caller]
pub(super) fn ask(peer: &mut Peer, target: &str, host: &str, more: &str) -> String {
    peer.send(request(target, host, more));
    let status = peer.line();
    peer.line_where(str::is_empty);
    status
}

/// Opens a WebSocket at an address of the web door.
#[track_caller]
pub(super) fn open(address: &str) -> Peer {
    let mut peer = Peer::connect(socket(address));
    assert_eq!(ask(&mut peer, "/", "localhost", ""), "HTTP/1.1 101 Switching Protocols");
    peer
}

/// The code of the close frame that comes next, before the end of the connection.
#[track_caller]
pub(super) fn close_code(mut peer: Peer) -> u16 {
    let rest = peer.rest().expect("an orderly end");
    assert!(rest[0] == 0x88 && rest.len() == 2 + usize::from(rest[1]), "{rest:?} is not one close frame");
    u16::from_be_bytes([rest[2], rest[3]])
}

#[test]
fn pages_and_netcats_are_served_side_by_side() {
    let mut server = Program::Echo.launch().listen("127.0.0.1:0").listen("web:0").args("-v").start();
    let at = server.addresses(2);
    let (mut nc, mut page) = (Peer::connect(&at[0]), open(&at[1]));
    nc.echo(request("/", "localhost", ""));
    page.send([frame(0x81, "é".as_bytes()), frame(0x82, b"\xff\0"), frame(0x89, b"?")].concat());
    page.expect(b"\x81\x02\xc3\xa9\x82\x02\xff\0\x8a\x01?");
    page.send(frame(0x01, &b"x".repeat(40_000)));
    page.send(frame(0x80, &b"y".repeat(40_000)));
    assert_eq!(close_code(page), 1009);
    let mut other = open(&at[1]);
    server.expect_manners();
    server.stop_by(Stop::Terminate);
    other.expect(b"\x88\x02\x03\xe9");
    nc.expect_eof();
}

#[test]
fn long_messages_need_a_flag() {
    let server = Program::Echo.launch().listen("web:127.0.0.1:0").args("--max-line 1MB").start();
    let mut page = open(&server.address());
    let text = "a€".repeat(250_000);
    let mut writer = page.twin();
    std::thread::scope(|scope| {
        scope.spawn(|| writer.send(frame(0x81, text.as_bytes())));
        page.expect([&b"\x81\x7f"[..], &1_000_000u64.to_be_bytes(), text.as_bytes()].concat());
    });
    page.send([&b"\x81\xff"[..], &1_000_001u64.to_be_bytes(), b"mask"].concat());
    assert_eq!(close_code(page), 1009);
}

#[test]
fn capitals_are_for_texts() {
    let server = Program::Uppercase.launch().listen("web:0").arg("--unicode").start();
    let mut page = open(&server.address());
    page.send([frame(0x81, "straße".as_bytes()), frame(0x82, b"a")].concat());
    page.expect(b"\x81\x07STRASSE\x88\x0b\x03\xebonly text");
}

#[test]
fn lines_of_a_conversation_are_messages() {
    let words = "--reply-prefix > --quit-on q --max-line 5";
    let server = Program::Echo.launch().args(words).listen("web:0").listen("127.0.0.1:0").start();
    let at = server.addresses(2);
    let (mut page, mut nc) = (open(&at[0]), Peer::connect(&at[1]));
    page.send(frame(0x81, b"hello"));
    page.expect(b"\x81\x06>hello");
    nc.send("hello\n");
    nc.expect(">hello\n");
    page.send(frame(0x81, b"Q"));
    page.expect(b"\x88\x02\x03\xe8");
    let mut page = open(&at[0]);
    page.send(frame(0x81, b"hello!"));
    assert_eq!(close_code(page), 1009);
}

#[test]
fn curl_is_told_how_to_connect() {
    let server = Program::Echo.launch().listen("web:127.0.0.1:0").start();
    let at = server.address();
    let get = |words: &[&str], path: &str| {
        String::from_utf8(curl_at(&format!("http://{}{path}", socket(&at)), words)).expect("text")
    };
    let told = format!("Connect with a WebSocket to ws://{0}/, or over TLS to wss://{0}/.\n", socket(&at));
    assert_eq!(get(&[], "/"), format!("This echo-server sends each message back.\n{told}"));
    assert!(get(&["-I"], "/").starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(get(&["-d", "x"], "/"), "405 Method Not Allowed\n");
    assert_eq!(get(&[], "/page"), "404 Not Found: the WebSocket is at /\n");
    assert_eq!(get(&["-H", "Host: evil.example"], "/"), "403 Forbidden: the host is not a name of this server\n");
}

#[test]
fn pages_of_other_sites_need_a_flag() {
    let strict = Program::Echo.launch().listen("web:127.0.0.1:0").start();
    let words = "--origin https://b.example:443 --host a.example";
    let open = Program::Echo.launch().listen("web:127.0.0.1:0").args(words).start();
    for (host, origin, at_strict, at_open) in [
        ("127.0.0.1:1", "", 101, 101),
        ("localhost", "Origin: http://localhost\r\n", 101, 101),
        ("localhost", "Origin: https://b.example\r\n", 403, 101),
        ("a.example", "Origin: http://a.example\r\n", 403, 101),
        ("a.example", "Origin: http://b.example\r\n", 403, 403),
        ("b.example", "", 403, 403),
    ] {
        for (server, status) in [(&strict, at_strict), (&open, at_open)] {
            let answer = ask(&mut Peer::connect(socket(&server.address())), "/ws", host, origin);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {origin}: {answer}");
        }
    }
}

#[test]
fn a_path_has_a_web_door_for_a_proxy() {
    let place = TempDir::new().expect("room");
    let path = format!("web:unix:{}", place.path().join("web.sock").display());
    let server = Program::Uppercase.launch().listen(&path).start();
    assert_eq!(server.address(), path);
    let mut page = Peer::connect(socket(&path));
    assert_eq!(ask(&mut page, "/", "any.example", "Origin: https://any.example\r\n")[..12], *"HTTP/1.1 101");
    page.send(frame(0x81, b"hi"));
    page.expect(b"\x81\x02HI");
}

#[test]
fn openssl_and_curl_enter_by_tls() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let launch = Program::Uppercase.launch().listen("web+tls:127.0.0.1:0").listen("tls:127.0.0.1:0");
    let server = launch.arg("--tls-cert").arg(&pair.cert).arg("--tls-key").arg(&pair.key).start();
    let lines = server.addresses(2)[1].replace("tls:127.0.0.1", "localhost");
    assert!(server.address().starts_with("web+tls:127.0.0.1:"), "{}", server.address());
    let (to, ca) = (format!("localhost:{}", server.port()), pair.cert.display().to_string());
    let hint = pass_through(&["curl", "-s", "--cacert", &ca, &format!("https://{to}/")], b"");
    assert!(String::from_utf8_lossy(&hint).contains(&format!("or over TLS to wss://{to}/.")), "{hint:?}");
    let openssl = |to: &str, alpn: &str| {
        tool(&["openssl", "s_client", "-connect", to, "-CAfile", &ca, "-no_ign_eof", "-alpn", alpn])
    };
    let mut page = openssl(&to, "http/1.1");
    page.stdout.wait_for("ALPN protocol: http/1.1");
    page.say(
        request("/", "localhost", &format!("Origin: https://{to}\r\n"))
            .replace("Host: localhost", &format!("Host: {to}")),
    );
    page.stdout.wait_for("HTTP/1.1 101 Switching Protocols");
    page.say(frame(0x81, b"hello over tls"));
    page.stdout.wait_for("HELLO OVER TLS");
    let mut stranger = openssl(&to, "h2");
    stranger.hang_up();
    let shown = stranger.finish();
    assert!(format!("{}{}", shown.stdout, shown.stderr).contains("no application protocol"), "{shown:?}");
    // The line door of the same server has no names of protocols.
    let mut netcat = openssl(&lines, "h2");
    netcat.stdout.wait_for("No ALPN negotiated");
    netcat.say("hello by tls\n");
    netcat.stdout.wait_for("HELLO BY TLS");
}

#[test]
fn one_process_has_services_with_and_without_the_door() {
    let mut server = Launch::of(SWITCHBOARD).args("echo=web:127.0.0.1:0 echo=127.0.0.1:0 uppercase=web:0").spawn();
    let at = server.addresses(3);
    let (mut echo, mut upper) = (open(&at[0]), open(&at[2]));
    for page in [&mut echo, &mut upper] {
        page.send(frame(0x81, b"hi"));
    }
    echo.expect(b"\x81\x02hi");
    upper.expect(b"\x81\x02HI");
    Peer::connect(&at[1]).echo("by lines");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
    echo.expect(b"\x88\x02\x03\xe9");
}

#[test]
fn a_file_opens_a_door_and_has_its_flags() {
    let place = TempDir::new().expect("room");
    let file = place.path().join("services.toml");
    let text =
        "[upper]\nserver = 'uppercase'\nlisten = ['web:127.0.0.1:0']\norigin = 'https://a.example'\nhost = ['me']\n";
    fs::write(&file, text).expect("room");
    let server = Launch::of(SWITCHBOARD).arg("--config").arg(&file).spawn();
    let mut page = Peer::connect(socket(&server.address()));
    let status = ask(&mut page, "/", "me", "Origin: https://a.example\r\n");
    assert!(status.starts_with("HTTP/1.1 101 "), "{status}");
}

#[test]
fn a_door_that_is_not_there_is_refused_in_one_line() {
    let refused = |launch: Launch, told: &str| {
        let finished = launch.run();
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.lines().next().is_some_and(|line| line.contains(told)), "{told}: {finished:?}");
    };
    let without = "this server has no web door; use ";
    let with = [Program::Chat, Program::Echo, Program::Uppercase, Program::Doctor, Program::Phonebook];
    for program in Program::ALL.into_iter().filter(|program| !with.contains(program)) {
        refused(program.launch().listen("web:0"), &format!("web:127.0.0.1:0: {without}127.0.0.1:0"));
        refused(program.launch().listen("web+tls:*:0"), &format!("web+tls:*:0: {without}tls:*:0"));
    }
    let to = |address: &str| Program::Relay.launch().arg("--to").arg(address).listen("127.0.0.1:0");
    refused(to("web:8080"), "web: is part only of an address to listen on");
    refused(Launch::of(SWITCHBOARD).args("talk=web:0"), &format!("talk: web:127.0.0.1:0: {without}127.0.0.1:0"));
    let echo = |words: &str| Program::Echo.launch().args(words).listen("127.0.0.1:0");
    refused(echo("-l web:udp:0"), "web: stands before a TCP address or unix:PATH; with TLS, it is web+tls:");
    refused(echo("-l web:tls:0"), "with TLS, it is web+tls:");
    refused(echo("-l web+tls:0"), "web+tls:127.0.0.1:0: TLS needs a certificate");
    refused(echo("--host a"), "--host is for addresses with web:; add one");
    refused(echo("--origin http://a"), "--origin is for addresses with web:; add one");
    refused(echo("--max-line 9"), "--max-line needs --reply-prefix, --quit-on or an address with web:");
    let taken = Program::Echo.start();
    let address = taken.address();
    let in_use = Program::Echo.launch().listen(&format!("web:{address}")).run();
    assert_eq!(in_use.code, Some(1), "{in_use:?}");
    drop(taken);
    refused(echo("").listen(&address).listen(&format!("web:{address}")), "is given twice: --listen ");
}

#[test]
fn the_operator_ends_a_page_with_a_reason() {
    let mut server = Program::Echo.launch().listen("web:0").args("--stdin commands").start();
    let mut page = open(&server.address());
    server.say("who\n");
    server.stderr.wait_for("     1  echo ");
    server.say("kick 1 enough\n");
    page.expect(b"\x88\x08\x03\xf0enough");
    page.expect_eof();
}

#[test]
fn a_browser_talks_to_its_own_server_only() {
    let server = Program::Echo.launch().listen("web:127.0.0.1:0").start();
    let browser = Browser::start();
    let window = browser.window();
    let connect = |url: &str| {
        window.run(&format!(
            "const socket = new WebSocket({url}); const show = text => document.body.append(text); \
             socket.onopen = () => socket.send('h\u{e9}llo <b>'); socket.onmessage = event => show(event.data); \
             socket.onerror = () => show('refused'); return ''"
        ));
    };
    window.open(&format!("http://{}/", socket(&server.address())));
    window.shows("Connect with a WebSocket to ws://127.0.0.1:");
    let page = page("docs/echo-server.md");
    let (_, typed) = page.split_once("```js\n").expect("what the reader types into the console");
    let (typed, _) = typed.split_once("```").expect("its end");
    let typed = typed.replace("console.log(event.data)", "document.body.append(event.data)");
    window.run(&format!("{typed}; return ''"));
    window.shows("hello");
    connect("location.href.replace('http', 'ws')");
    window.shows("h\u{e9}llo <b>");
    window.open(&format!("http://localhost:{}/", server.port()));
    connect(&format!("'ws://127.0.0.1:{}/'", server.port()));
    window.shows("refused");
}
