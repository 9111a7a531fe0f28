//! The figures at `--metrics`, as curl and Prometheus get them.

#![expect(clippy::float_cmp, reason = "figures are whole numbers")]

use crate::docs::script::page;
use crate::servers::http::curl_at;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use switchboard_harness::{Input, Launch, Server, TIMEOUT, until};
use tempfile::TempDir;

/// Starts a server with a metrics listener on a free port. Returns it with the address of the listener.
fn start(launch: Launch) -> (Server, String) {
    let server = launch.args("--metrics 127.0.0.1:0").start();
    let address = address(&server);
    (server, address)
}

/// The address that the server has told.
fn address(server: &Server) -> String {
    server.stderr.wait_for("metrics on ");
    until("a whole line", || {
        server.stderr.text().split_once("metrics on ").is_some_and(|(_, rest)| rest.contains('\n'))
    });
    let text = server.stderr.text();
    let (_, rest) = text.split_once("metrics on ").expect("it was waited for");
    rest.lines().next().expect("a line").to_owned()
}

/// The text at `/metrics`.
fn text(address: &str) -> String {
    String::from_utf8(curl_at(&format!("http://{address}/metrics"), &[])).expect("text")
}

/// The samples at `/metrics`, by name and labels.
fn samples(address: &str) -> BTreeMap<String, f64> {
    let text = text(address);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

/// Waits until each figure has its value. A short name is that of a figure of the service `service`.
#[track_caller]
fn expect(address: &str, service: &str, wanted: &[(&str, f64)]) {
    let value = |samples: &BTreeMap<String, f64>, name: &str| {
        let labelled = match name.split_once('{') {
            Some((name, labels)) => format!("switchboard_{name}{{service=\"{service}\",{labels}"),
            None => format!("switchboard_{name}{{service=\"{service}\"}}"),
        };
        samples.get(&labelled).or_else(|| samples.get(&format!("switchboard_{name}"))).copied()
    };
    let mut found = Vec::new();
    until(&format!("{wanted:?} at {service}"), || {
        let samples = samples(address);
        found = wanted.iter().map(|&(name, _)| (name, value(&samples, name).unwrap_or(f64::NAN))).collect();
        found == wanted
    });
}

/// The status of the answer to curl.
fn status(url: &str, words: &[&str]) -> String {
    let words = [words, &["-o", "/dev/null", "-w", "%{http_code}"]].concat();
    String::from_utf8(curl_at(url, &words)).expect("a number")
}

/// The names of the families of a text, with their types.
fn families(text: &str) -> BTreeSet<(String, String)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn promtool_finds_nothing_to_improve() {
    let (server, address) = start(Program::Chat.launch().args("--max-connections 5"));
    let mut ann = Peer::connect(&server.address());
    ann.send("ann\n");
    ann.line_where(|line| line == "1 person is here.");
    // It ends with a status other than 0 if a name or a text is not as Prometheus recommends.
    assert_eq!(pass_through(&["promtool", "check", "metrics"], text(&address).as_bytes()), b"");
}

#[test]
fn the_page_lists_each_metric_with_its_type() {
    let (_server, address) = start(Program::Echo.launch().args("--max-connections 5"));
    let page = page("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let listed: BTreeSet<_> = rows
        .filter(|(name, _)| name.starts_with("switchboard_") || name.starts_with("process_"))
        .map(|(name, rest)| (name.to_owned(), rest.split(" | ").next().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(listed, families(&text(&address)));
}

#[test]
fn figures_follow_what_clients_do() {
    let (server, address) = start(Program::Echo.launch().args("--max-connections 2"));
    expect(&address, "echo", &[("connections", 0.0), ("connections_accepted_total", 0.0), ("max_connections", 2.0)]);
    let mut first = Peer::connect(&server.address());
    first.echo("hello\n");
    let second = Peer::connect(&server.address());
    expect(
        &address,
        "echo",
        &[
            ("connections", 2.0),
            ("connections_accepted_total", 2.0),
            ("received_bytes_total", 6.0),
            ("sent_bytes_total", 6.0),
            ("connections_refused_total{reason=\"max_connections\"}", 0.0),
        ],
    );
    Peer::connect(&server.address()).expect_eof();
    drop(second);
    expect(
        &address,
        "echo",
        &[
            ("connections", 1.0),
            ("connections_accepted_total", 2.0),
            ("connections_refused_total{reason=\"max_connections\"}", 1.0),
            ("connections_refused_total{reason=\"denied\"}", 0.0),
        ],
    );
    let samples = samples(&address);
    let turns = samples["switchboard_turn_duration_seconds_count"];
    assert!(turns >= 4.0 && turns == samples["switchboard_turn_duration_seconds_bucket{le=\"+Inf\"}"], "{samples:?}");
    assert!(samples["switchboard_turn_duration_seconds_sum"] > 0.0);
    assert!(samples["switchboard_longest_turn_seconds"] <= samples["switchboard_turn_duration_seconds_sum"]);
}

#[test]
fn each_cause_of_a_refusal_has_its_figure() {
    for (flags, reason) in [
        ("--deny 127.0.0.0/8", "denied"),
        ("--max-per-host 1", "max_per_host"),
        ("--max-connections 1", "max_connections"),
        ("--connect-rate 1/1h", "connect_rate"),
    ] {
        let (server, address) = start(Program::Echo.launch().args(flags));
        // A rate has a burst of ten.
        let peers: Vec<_> = (0..11).map(|_| Peer::connect(&server.address())).collect();
        let name = format!("switchboard_connections_refused_total{{service=\"echo\",reason=\"{reason}\"}}");
        let total =
            |samples: &BTreeMap<String, f64>| samples["switchboard_connections_accepted_total{service=\"echo\"}"];
        until("every client to be counted", || {
            let samples = samples(&address);
            samples[&name] >= 1.0 && samples[&name] + total(&samples) == 11.0
        });
        drop(peers);
    }
}

#[test]
fn queues_and_rooms_have_figures() {
    let (server, address) = start(Program::Chat.launch());
    let mut ann = Peer::connect(&server.address());
    ann.send("ann\n");
    ann.line_where(|line| line == "1 person is here.");
    expect(&address, "chat", &[("connections", 1.0), ("feeds", 1.0)]);
    drop(ann);
    let (server, address) = start(Program::Echo.launch());
    let mut slow = Peer::connect_narrow(&server.address(), 4096);
    slow.send_until_refused(&[b'x'; 4096], 100 << 20);
    until("a queue", || samples(&address)["switchboard_queued_bytes{service=\"echo\"}"] > 0.0);
    slow.reset();
    expect(&address, "echo", &[("connections", 0.0), ("queued_bytes", 0.0)]);
}

#[test]
fn programs_workers_and_links_have_figures() {
    let (server, address) = start(Program::Exec.launch());
    let mut peer = Peer::connect(&server.address());
    peer.echo("hello\n");
    expect(&address, "exec", &[("children", 1.0), ("children_started_total", 1.0)]);
    drop(peer);
    expect(&address, "exec", &[("children", 0.0), ("children_started_total", 1.0), ("connections", 0.0)]);

    let (server, address) = start(Program::Phonebook.launch());
    Peer::connect(&server.address()).tell("find nobody");
    until("a result", || samples(&address)["switchboard_worker_results_total"] > 0.0);

    let (target, _) = start(Program::Echo.launch());
    let relay = Program::Relay.launch().arg("--to").arg(target.address());
    let (server, address) = start(relay);
    let mut peer = Peer::connect(&server.address());
    peer.echo("hello\n");
    expect(
        &address,
        "relay",
        &[("outbound_connections", 1.0), ("outbound_requested_total", 1.0), ("relayed_bytes_total", 12.0)],
    );
    drop(target);
    peer.expect_eof();
    drop(peer);
    Peer::connect(&server.address()).expect_eof();
    expect(&address, "relay", &[("outbound_connections", 0.0), ("outbound_failed_total", 1.0)]);
}

#[test]
fn datagrams_have_figures() {
    let launch = Program::Echo.launch().args("--listen udp:127.0.0.1:0 --datagram-rate 1/1h");
    let (server, address) = start(launch);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server.address().trim_start_matches("udp:")).expect("an address");
    // A rate has a burst of ten.
    for _ in 0..12 {
        socket.send(b"hello").expect("room");
    }
    let of_answers = [("messages_total", 10.0), ("received_bytes_total", 50.0), ("sent_bytes_total", 50.0)];
    expect(&address, "echo", &[&of_answers[..], &[("datagrams_dropped_total", 2.0), ("connections", 0.0)]].concat());
}

#[test]
fn each_service_of_a_switchboard_has_its_figures() {
    let launch = Launch::of(env!("CARGO_BIN_EXE_switchboard")).args("echo=127.0.0.1:0 uppercase=127.0.0.1:0");
    let server = launch.args("--stdin ignore --metrics 127.0.0.1:0").spawn();
    let addresses = server.addresses(2);
    let address = address(&server);
    Peer::connect(&addresses[0]).echo("one\n");
    let mut shout = Peer::connect(&addresses[1]);
    shout.send("three\n");
    shout.expect("THREE\n");
    let of =
        |bytes| [("connections_accepted_total", 1.0), ("received_bytes_total", bytes), ("sent_bytes_total", bytes)];
    expect(&address, "echo", &of(4.0));
    expect(&address, "uppercase", &of(6.0));
    assert!(!text(&address).contains("service=\"#0\""), "the process has no service of its own");
}

#[test]
fn curl_gets_the_answers_of_http() {
    let (_server, address) = start(Program::Echo.launch());
    let url = |path: &str| format!("http://{address}{path}");
    for (path, words, wanted) in [
        ("/metrics", &[][..], "200"),
        ("/metrics?name=up", &[], "200"),
        ("/metrics", &["-I"], "200"),
        ("/metrics", &["-0"], "200"),
        ("/healthz", &[], "200"),
        ("/", &[], "404"),
        ("/metrics/x", &[], "404"),
        ("/metrics", &["-X", "DELETE"], "405"),
        ("/metrics", &["-d", "a body"], "405"),
        ("/metrics", &["-H", "Host:"], "400"),
    ] {
        assert_eq!(status(&url(path), words), wanted, "{path} {words:?}");
    }
    let long = format!("a: {}", "x".repeat(9000));
    assert_eq!(status(&url("/metrics"), &["-H", &long]), "431");
    assert_eq!(curl_at(&url("/healthz"), &[]), b"ok\n");
    let head = String::from_utf8(curl_at(&url("/metrics"), &["-I"])).expect("text");
    assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    // Prometheus keeps its connection: the second request opens none.
    let words = ["-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects}\n", &url("/metrics")];
    assert_eq!(curl_at(&url("/metrics"), &words), b"1\n0\n");
}

#[test]
fn the_health_of_a_server_that_stops_is_503() {
    let (mut server, address) = start(Program::Echo.launch().args("--drain 60s"));
    let mut slow = Peer::connect_narrow(&server.address(), 4096);
    slow.send_until_refused(&[b'x'; 4096], 100 << 20);
    let url = format!("http://{address}/healthz");
    assert_eq!(status(&url, &[]), "200");
    server.signal(Signal::TERM);
    until("503", || status(&url, &[]) == "503");
    assert_eq!(curl_at(&url, &[]), b"stopping\n");
    assert_eq!(samples(&address)["switchboard_stopping"], 1.0);
    slow.reset();
    server.wait().expect_clean_within(TIMEOUT);
    assert!(Peer::attempt(&address, |_| Ok(())).is_err(), "the listener ends with the server");
}

#[test]
fn a_unix_path_serves_figures_too() {
    let place = TempDir::new().expect("room");
    let path = place.path().join("metrics");
    let listen = format!("unix:{}", path.display());
    let mut server = Program::Echo.launch().arg("--metrics").arg(&listen).start();
    let shown = path.display().to_string();
    assert_eq!(curl_at("http://localhost/healthz", &["--unix-socket", &shown]), b"ok\n");
    server.signal(Signal::TERM);
    server.wait().expect_clean_within(TIMEOUT);
    assert!(!path.exists(), "the path is removed");
    for (other, free) in [("--listen", ""), ("--control", "--listen 127.0.0.1:0")] {
        let launch = Program::Echo.launch().args(free).arg(other).arg(&listen);
        let run = launch.arg("--metrics").arg(&listen).run();
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(" is given twice: "), "{}", run.stderr);
    }
    for wrong in ["udp:9100", "tls:9100", "127.0.0.1"] {
        let run = Program::Echo.launch().arg("--metrics").arg(wrong).run();
        assert_eq!(run.code, Some(2), "{}", run.stderr);
    }
    let (_server, address) = start(Program::Echo.launch());
    let run = Program::Echo.launch().args("--listen 127.0.0.1:0 --metrics").arg(&address).run();
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("(--metrics ADDR)") && run.stdout.is_empty(), "{}{}", run.stdout, run.stderr);
}

#[test]
fn idle_clients_make_room_and_so_do_half_requests() {
    let (server, address) = start(Program::Echo.launch());
    let ask = |peer: &mut Peer| {
        peer.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        peer.line_where(|line| line == "ok");
    };
    let mut idle: Vec<_> = (0..16).map(|_| Peer::connect(&address)).collect();
    idle.iter_mut().for_each(ask);
    let mut new = Peer::connect(&address);
    ask(&mut new);
    idle[0].expect_eof();
    ask(&mut idle[15]);
    // Requests without an end keep no other client out: the first of them makes room.
    for peer in &mut idle[1..] {
        peer.send("GET /");
    }
    assert_eq!(curl_at(&format!("http://{address}/healthz"), &[]), b"ok\n");
    new.expect_eof();
    let mut half: Vec<_> = (0..16).map(|_| Peer::connect(&address)).collect();
    for peer in &mut half {
        peer.send("GET /");
    }
    idle[1..].iter_mut().for_each(Peer::expect_eof);
    assert_eq!(curl_at(&format!("http://{address}/healthz"), &[]), b"ok\n");
    Peer::connect(&server.address()).echo("hello\n");
}

#[test]
fn clients_that_read_nothing_leave_no_room_for_more() {
    let (server, address) = start(Program::Echo.launch());
    let requests = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let stuck = |_| {
        let mut peer = Peer::connect_narrow(&address, 4096);
        peer.send(&requests);
        peer
    };
    let url = format!("http://{address}/healthz");
    let stuck: Vec<_> = (0..16).map(stuck).collect();
    until("a refusal", || status(&url, &[]) == "503");
    Peer::connect(&server.address()).echo("hello\n");
    drop(stuck);
    until("room", || status(&url, &[]) == "200");
}

#[test]
fn prometheus_accepts_the_settings_on_the_page() {
    let page = page("docs/metrics.md");
    let blocks: Vec<_> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).collect();
    let place = TempDir::new().expect("room");
    for (kind, start, wanted) in [("config", "scrape_configs:", "is valid"), ("rules", "groups:", "6 rules found")] {
        let path = place.path().join(kind);
        let (block, _) = blocks.iter().find(|(block, _)| block.starts_with(start)).expect("a block");
        std::fs::write(&path, block).expect("room");
        let run = Launch::of("promtool").args("check").arg(kind).arg(&path).run();
        assert!(run.code == Some(0) && run.stdout.contains(wanted), "{run:?}");
    }
    assert_eq!(blocks.len(), 2);
}

#[test]
fn a_flood_of_requests_delays_no_client() {
    let (server, address) = start(Program::Echo.launch().args("--slow-turn off"));
    let mut client = Peer::connect(&server.address());
    let block = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    // A client that reads no answers is not read itself.
    let flood = |_| {
        let mut flood = Peer::connect_narrow(&address, 4096);
        let sent = flood.send_until_refused(&block, 100 << 20);
        assert!(sent < 20 << 20, "{sent} bytes of requests were taken");
        client.echo("hello\n");
        flood
    };
    let floods: Vec<_> = (0..3).map(flood).collect();
    assert!(server.resident() < 100 << 20);
    drop(floods);
    for _ in 0..100 {
        assert!(text(&address).contains("switchboard_turn_duration_seconds_count "));
        client.echo("hello\n");
    }
}

#[test]
fn metrics_leave_the_contract_of_standard_output_alone() {
    let (mut server, _) = start(Program::Echo.launch().input(Input::Null).args("--quiet"));
    server.signal(Signal::TERM);
    server.wait().expect_clean_within(TIMEOUT);
    assert_eq!(server.stdout.all_text().lines().count(), 1, "one line for each socket that serves clients");
}
