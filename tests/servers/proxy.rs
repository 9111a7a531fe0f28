//! Behind a proxy: the client in the PROXY header is the one that limits, rules and the log see.

use crate::docs::script::page;
use crate::support::peer::Peer;
use crate::support::server::Program;
use rustix::process::Signal;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;
use switchboard_harness::{Certificates, Input, Launch, Pair, SERVER, Server, Stop, until, until_some};
use tempfile::TempDir;

const LINE: &str = "PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\r\n";
/// The same client, in version 2.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x63\xdc\x04\x13\x88";
/// A health check, in version 2.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// An echo server whose proxies are at 127.0.0.1.
fn behind_proxies(flags: &str) -> Server {
    Program::Echo.launch().args("--proxy-protocol 127.0.0.1/32").args(flags).start()
}

/// A proxy in front of a server.
struct Front {
    _program: Server,
    _place: TempDir,
    address: String,
}

/// Starts haproxy in front of `server`. It listens on the descriptor 3.
fn haproxy(server: &Server, options: &str) -> Front {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("haproxy.cfg");
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
         listen front\n bind fd@3\n server back 127.0.0.1:{} {options}\n",
        server.port()
    );
    fs::write(&file, config).expect("room for a file");
    let launch = Launch::of("haproxy").args("-db -f").arg(&file).input(Input::Open(listener.into()));
    Front { _program: launch.redirected("3<&0 0</dev/null").spawn(), _place: place, address }
}

/// Starts stunnel in front of `server`: a TLS proxy.
fn stunnel(server: &Server, pair: &Pair) -> Front {
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("stunnel.conf");
    let config = format!(
        "foreground = yes\npid =\ndebug = info\n[front]\naccept = 127.0.0.1:0\nconnect = {}\ncert = {}\n\
         key = {}\nprotocol = proxy\n",
        server.address(),
        pair.cert.display(),
        pair.key.display()
    );
    fs::write(&file, config).expect("room for a file");
    let program = Launch::of("stunnel4").arg(&file).spawn();
    let address = until_some("the port of stunnel", || {
        let log = program.stderr.text();
        let (_, after) = log.split_once("bound to 127.0.0.1:")?;
        let port: u16 = after.split_once('\n')?.0.trim().parse().ok()?;
        Some(format!("127.0.0.1:{port}"))
    });
    Front { _program: program, _place: place, address }
}

/// Starts nginx with this in its `http` block. It listens on the Unix path of the answer.
fn nginx(settings: &str) -> Front {
    let place = TempDir::new().expect("room for a directory");
    let path = place.path().display();
    let address = format!("unix:{path}/front");
    let settings = settings.replace("server {", &format!("server {{ listen {address};"));
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("{kind}_temp_path {path}/{kind};\n")).concat();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{settings}}}\n"
    );
    let file = place.path().join("nginx.conf");
    fs::write(&file, config).expect("room for a file");
    let program = Launch::of("nginx").args("-e stderr -p").arg(place.path()).args("-c").arg(&file).spawn();
    until("nginx", || Peer::attempt(&address, |_| Ok(())).is_ok());
    Front { _program: program, _place: place, address }
}

#[test]
fn nginx_with_the_settings_on_the_page_serves_pages() {
    let server = Program::Chat.launch().listen("web:127.0.0.1:0").args("--host www.example.com").start();
    let page = page("docs/proxy.md");
    let (_, settings) = page.split_once("```nginx\n").expect("settings");
    let (settings, _) = settings.split_once("```").expect("their end");
    let front = nginx(&settings.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", server.port())));
    let ask = |headers: &str| {
        let mut peer = Peer::connect(&front.address);
        peer.send(format!("GET /chat/ HTTP/1.1\r\nHost: www.example.com\r\n{headers}\r\n"));
        let status = peer.line();
        (peer, status)
    };
    let (mut peer, status) = ask("Connection: close\r\n");
    assert_eq!(status, "HTTP/1.1 200 OK");
    peer.line_where(|line| line.contains("<title>"));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let origin = |host: &str| format!("{upgrade}Origin: http://{host}\r\n");
    assert_eq!(ask(&origin("www.example.com")).1, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(ask(&origin("evil.example")).1, "HTTP/1.1 403 Forbidden");
}

/// Fails unless the server ends the connection without an answer. With unread input, the end is a reset.
#[track_caller]
fn expect_refused(peer: &mut Peer) {
    match peer.rest() {
        Ok(rest) => assert_eq!(rest, b""),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn without_the_header_all_clients_of_a_proxy_are_one_host() {
    let server = Program::Echo.launch().args("--max-per-host 1").start();
    let front = haproxy(&server, "");
    let mut first = Peer::connect_from("127.0.0.2", &front.address);
    first.echo("hello\n");
    Peer::connect_from("127.0.0.3", &front.address).expect_eof();
    first.echo("still here\n");
}

#[test]
fn haproxy_names_the_client_in_both_versions() {
    for options in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl"] {
        let server = behind_proxies("-v --max-per-host 1 --deny 127.0.0.4");
        let front = haproxy(&server, options);
        let mut first = Peer::connect_from("127.0.0.2", &front.address);
        first.echo("hello\n");
        Peer::connect_from("127.0.0.2", &front.address).expect_eof();
        server.stderr.wait_for("too many connections from this host (--max-per-host)");
        let mut second = Peer::connect_from("127.0.0.3", &front.address);
        second.echo("hello\n");
        Peer::connect_from("127.0.0.4", &front.address).expect_eof();
        server.stderr.wait_for("not allowed (--allow, --deny)");
        for peer in [&first, &second] {
            server.stderr.wait_for(&format!(":{} connected", peer.local_port()));
        }
        first.echo("still here\n");
    }
}

/// Starts a TLS client at 127.0.0.2 which says hello, and waits for the echo.
fn hello_over_tls(address: &str) -> Server {
    let words = format!("s_client -quiet -no_ign_eof -connect {address} -bind 127.0.0.2:0");
    let mut client = Launch::of("openssl").args(&words).spawn();
    client.say("hello\n");
    client.stdout.wait_for("hello");
    client
}

#[test]
fn stunnel_names_the_client() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("front", SERVER);
    let server = behind_proxies("-v");
    let front = stunnel(&server, &pair);
    let _client = hello_over_tls(&front.address);
    server.stderr.wait_for("127.0.0.2:");
    server.stderr.wait_for("connected (connections: 1)");
}

#[test]
fn the_header_comes_before_the_tls_handshake() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let launch = Program::Echo.launch().args("-v --proxy-protocol 127.0.0.1/32").listen("tls:127.0.0.1:0");
    let server = launch.arg("--tls-cert").arg(&pair.cert).arg("--tls-key").arg(&pair.key).start();
    let front = haproxy(&server, "send-proxy-v2");
    let _client = hello_over_tls(&front.address);
    server.stderr.wait_for("127.0.0.2:");
    server.stderr.wait_for("connected (connections: 1)");
    let mut stranger = Peer::connect_from("127.0.0.3", &format!("127.0.0.1:{}", server.port()));
    stranger.send(LINE);
    expect_refused(&mut stranger);
    server.stderr.wait_for("plain text instead of TLS");
}

#[test]
fn a_client_behind_a_unix_socket_is_named_too() {
    let place = TempDir::new().expect("room for a directory");
    let address = format!("unix:{}", place.path().join("socket").display());
    let server =
        Program::Echo.launch().args("-v --proxy-protocol unix --deny 198.51.100.0/24").listen(&address).start();
    let mut peer = Peer::connect(&address);
    peer.send(LINE);
    peer.echo("hello\n");
    server.stderr.wait_for("192.0.2.1:56324 connected");
    let mut denied = Peer::connect(&address);
    denied.send("PROXY TCP4 198.51.100.7 192.0.2.99 56324 5000\r\n");
    denied.expect_eof();
    server.stderr.wait_for("198.51.100.7:56324 refused: not allowed");
}

#[test]
fn the_header_may_come_in_pieces_and_with_input_behind_it() {
    let server = behind_proxies("-v");
    for header in [LINE.as_bytes(), BINARY] {
        let mut peer = Peer::connect(&server.address());
        peer.send([header, b"hello\n"].concat());
        peer.expect("hello\n");
        peer.echo("and more\n");
        for at in [1, 6, 13, header.len() - 1] {
            let mut peer = Peer::connect(&server.address());
            peer.send(&header[..at]);
            assert!(!peer.hears_within(Duration::from_millis(20)));
            peer.send([&header[at..], b"hello\n"].concat());
            peer.expect("hello\n");
        }
    }
    assert_eq!(server.stderr.text().matches("192.0.2.1:56324 connected").count(), 10, "{}", server.stderr.text());
}

#[test]
fn a_server_that_speaks_first_waits_for_the_header() {
    let server = Program::Chat.launch().args("-v --proxy-protocol 127.0.0.1/32").start();
    let mut peer = Peer::connect(&server.address());
    assert!(!peer.hears_within(Duration::from_millis(50)), "the server spoke before the header");
    peer.send(LINE);
    peer.expect("Enter your nickname: ");
    peer.send("ann\n");
    peer.expect("Welcome ann");
    server.stderr.wait_for("192.0.2.1:56324");
}

#[test]
fn a_missing_or_malformed_header_is_refused() {
    let server = behind_proxies("");
    for (bytes, reason) in [
        (&b"hello\n"[..], "no PROXY header"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\n", "malformed PROXY line"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x41\x00\x00", "malformed PROXY header: address family 0x41"),
    ] {
        let server = behind_proxies("");
        let mut peer = Peer::connect(&server.address());
        peer.send(bytes);
        expect_refused(&mut peer);
        server.stderr.wait_for(&format!("{} refused: {reason} (--proxy-protocol)", peer.local_port()));
    }
    // Others are served meanwhile.
    let mut peer = Peer::connect(&server.address());
    peer.send(LINE);
    peer.echo("hello\n");
}

#[test]
fn a_header_of_a_stranger_closes_its_connection() {
    let server = behind_proxies("-v");
    let mut stranger = Peer::connect_from("127.0.0.2", &server.address());
    stranger.echo("hello\n");
    stranger.echo(LINE);
    for header in [LINE.as_bytes(), BINARY] {
        let mut stranger = Peer::connect_from("127.0.0.3", &server.address());
        stranger.send(header);
        expect_refused(&mut stranger);
    }
    server.stderr.wait_for("closed: a PROXY header of a peer that is no proxy (--proxy-protocol)");
    assert!(!server.stderr.text().contains("192.0.2.1"), "{}", server.stderr.text());
}

/// The number of accepted connections, by the figures that SIGUSR1 logs.
fn accepted(server: &Server) -> u64 {
    server.signal(Signal::USR1);
    let text = server.stderr.text();
    let before = text.rsplit_once(" accepted").map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[test]
fn health_checks_leave_the_log_alone() {
    let server = behind_proxies("");
    let fronts = ["check inter 20ms", "send-proxy check inter 20ms", "send-proxy-v2 check inter 20ms"]
        .map(|options| haproxy(&server, options));
    until("some health checks", || accepted(&server) >= 20);
    drop(fronts);
    for _ in 0..20 {
        drop(Peer::connect(&server.address()));
        let mut check = Peer::connect(&server.address());
        check.send(LOCAL);
        check.echo("are you there?\n");
    }
    let text = server.stderr.text();
    assert!(!text.contains("refused:") && !text.contains("WARN") && !text.contains("handshake"), "{text}");
}

#[test]
fn connections_before_their_header_count_among_all() {
    let server = behind_proxies("--max-connections 2");
    let silent = Peer::connect(&server.address());
    let mut peer = Peer::connect(&server.address());
    peer.send(LINE);
    peer.echo("hello\n");
    Peer::connect(&server.address()).expect_eof();
    server.stderr.wait_for("refused: full (--max-connections)");
    drop(silent);
    peer.echo("still here\n");
}

#[test]
fn a_stop_does_not_wait_for_a_header() {
    let mut server = behind_proxies("");
    let mut silent = Peer::connect(&server.address());
    until("the connection", || accepted(&server) == 1);
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(2));
    silent.expect_eof();
}
