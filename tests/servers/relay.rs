//! The relay with real programs: both directions, both ends, a slow side, and a server that is gone.

use crate::support::data::{assert_same, noise};
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::silence::silence;
use crate::support::tools::pass_through;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use switchboard_harness::{Certificates, SERVER, Server, Stop, TIMEOUT, alone, until};
use tempfile::TempDir;

/// Starts a relay to an address in the form of `listening on`.
fn relay_to(to: &str) -> Server {
    Program::Relay.launch().arg("--to").arg(to).start()
}

/// An upstream server of the test.
fn upstream() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("the relay connects");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    stream
}

#[test]
fn netcats_get_whole_answers_through_a_relay() {
    let echo = Program::Echo.start();
    let relay = relay_to(&echo.address());
    let port = relay.port().to_string();
    let data = noise(3_000_000, 60);
    for words in [&["nc", "-N", "127.0.0.1", &port][..], &["ncat", "127.0.0.1", &port]] {
        assert_same(&pass_through(words, &data), &data);
    }
    relay.expect_manners();
}

#[test]
fn curl_gets_a_file_of_pythons_server_through_a_relay() {
    let place = TempDir::new().expect("room for a file");
    let data = noise(500_000, 61);
    std::fs::write(place.path().join("file"), &data).expect("room for a file");
    let directory = place.path().display().to_string();
    let script = "import http.server as h, functools as f, sys; \
        s = h.ThreadingHTTPServer(('127.0.0.1', 0), f.partial(h.SimpleHTTPRequestHandler, directory=sys.argv[1])); \
        print(s.server_address[1], flush=True); s.serve_forever()";
    let python = crate::support::tools::tool(&["python3", "-c", script, &directory]);
    python.stdout.wait_for("\n");
    let relay = relay_to(&format!("127.0.0.1:{}", python.stdout.text().trim()));
    let url = format!("http://{}/file", relay.address());
    let got = pass_through(&["curl", "--silent", "--show-error", "--fail", &url, &url], b"");
    assert_same(&got, &[&data[..], &data].concat());
}

#[test]
fn each_side_may_end_first_and_still_hears_the_other() {
    let (listener, address) = upstream();
    let relay = Program::Relay.launch().arg("-v").arg("--to").arg(&address).start();
    for client_first in [true, false] {
        let mut client = Peer::connect(&relay.address());
        client.send("hello");
        let mut server = accepted(&listener);
        let mut got = [0; 5];
        server.read_exact(&mut got).expect("what the client sent");
        if client_first {
            client.finish();
            assert_eq!(server.read(&mut got).expect("an orderly end"), 0);
            server.write_all(b"an answer").expect("the other direction continues");
            server.shutdown(Shutdown::Write).expect("connected");
            assert_eq!(client.rest().expect("an orderly end"), b"an answer");
        } else {
            server.write_all(b"an answer").expect("connected");
            server.shutdown(Shutdown::Write).expect("connected");
            assert_eq!(client.rest().expect("an orderly end"), b"an answer");
            client.send("more");
            client.finish();
            let mut rest = Vec::new();
            server.read_to_end(&mut rest).expect("an orderly end");
            assert_eq!(rest, b"more");
        }
    }
    until("both relays to be closed", || relay.stderr.text().matches(" closed: done ").count() == 4);
}

#[test]
fn a_half_closed_relay_waits_without_using_the_processor() {
    let (listener, address) = upstream();
    let relay = relay_to(&address);
    let client = Peer::connect(&relay.address());
    client.finish();
    let mut server = accepted(&listener);
    assert_eq!(server.read(&mut [0; 5]).expect("an orderly end"), 0);
    let used = relay.cpu_during(Duration::from_millis(300));
    assert!(used < Duration::from_millis(50), "{used:?} of processor time in idle 300 ms");
}

#[test]
fn unix_sockets_work_on_either_side() {
    let place = TempDir::new().expect("room for sockets");
    let (inner, outer) = (place.path().join("inner"), place.path().join("outer"));
    let echo = Program::Echo.launch().listen(&format!("unix:{}", inner.display())).start();
    let to_tcp = relay_to(&echo.address());
    let to_unix = Program::Relay.launch().arg("--to").arg(to_tcp.address());
    let to_unix = to_unix.listen(&format!("unix:{}", outer.display())).start();
    let data = noise(1_000_000, 62);
    let mut client = Peer::connect(&to_unix.address());
    let mut writer = client.twin();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.send(&data);
            writer.finish();
        });
        assert_same(&client.rest().expect("an orderly end"), &data);
    });
}

#[cfg(feature = "tls")]
#[test]
fn tls_works_on_either_side() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let secure = |launch: switchboard_harness::Launch| {
        launch.listen("tls:127.0.0.1:0").arg("--tls-cert").arg(&pair.cert).arg("--tls-key").arg(&pair.key)
    };
    let echo = secure(Program::Echo.launch()).start();
    let trusting = |to: &Server| Program::Relay.launch().arg("--to").arg(to.address()).arg("--tls-ca").arg(&pair.cert);
    let inner = secure(trusting(&echo)).start();
    let outer = trusting(&inner).start();
    let data = noise(500_000, 63);
    let port = outer.port().to_string();
    assert_same(&pass_through(&["nc", "-N", "127.0.0.1", &port], &data), &data);
    let distrustful = relay_to(&echo.address());
    let mut client = Peer::connect(&distrustful.address());
    client.expect_eof();
    distrustful.stderr.wait_for("cannot relay 127.0.0.1:");
}

#[test]
fn a_server_that_is_gone_is_named_in_the_log_and_counted() {
    let (listener, address) = upstream();
    let mut relay = Program::Relay.launch().args("--stdin commands").arg("--to").arg(&address).start();
    drop(listener);
    let mut client = Peer::connect(&relay.address());
    client.expect_eof();
    let port = client.local_port();
    relay.stderr.wait_for(&format!("cannot relay 127.0.0.1:{port} to {address}: Connection refused"));
    Peer::connect(&relay.address()).expect_eof();
    relay.say("stats\n");
    relay.stderr.wait_for("outbound     0 open, 2 requested, 2 failed\n");
    assert_eq!(relay.stderr.text().matches("cannot relay").count(), 1, "one warning in ten seconds");
}

#[test]
fn a_server_that_does_not_accept_in_time_is_given_up() {
    let (_listener, _queue, address) = silence();
    let relay = Program::Relay.launch().args("--connect-timeout 200ms --to").arg(&address).start();
    let mut client = Peer::connect(&relay.address());
    client.send("a request");
    client.expect_eof();
    relay.stderr.wait_for(&format!("to {address}: timed out"));
    relay.expect_manners();
}

#[test]
fn a_server_that_resets_ends_the_client_after_its_last_bytes() {
    let (listener, address) = upstream();
    let relay = relay_to(&address);
    let mut client = Peer::connect(&relay.address());
    let mut server = accepted(&listener);
    server.write_all(b"half an answer").expect("connected");
    client.expect(b"half an answer");
    socket2::SockRef::from(&server).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    drop(server);
    client.expect_eof();
    relay.stderr.wait_for(&format!("{address} has broken the relay of 127.0.0.1:"));
}

#[test]
fn a_stop_lets_a_relay_finish() {
    let (listener, address) = upstream();
    let mut relay = Program::Relay.launch().args("--drain 20s --to").arg(&address).start();
    let mut client = Peer::connect_narrow(&relay.address(), 4096);
    client.send("a request");
    let mut server = accepted(&listener);
    let data = noise(2_000_000, 64);
    thread::scope(|scope| {
        scope.spawn(|| {
            server.read_exact(&mut [0; 9]).expect("the request");
            server.write_all(&data[..1_000_000]).expect("connected");
            relay.ask(Stop::Terminate);
            relay.stderr.wait_for("stopping");
            server.write_all(&data[1_000_000..]).expect("connected");
            server.shutdown(Shutdown::Write).expect("connected");
        });
        let mut got = vec![0; data.len()];
        let mut socket = client.socket();
        socket.read_exact(&mut got).expect("all of it");
        assert_same(&got, &data);
        client.finish();
        client.expect_eof();
    });
    assert!(relay.wait().status.success());
}

#[test]
fn a_relay_to_itself_is_refused() {
    for words in ["--to 5010", "--to 7000 -l 7000", "--to 127.0.0.1:7000 -l *:7000"] {
        let finished = switchboard_harness::Launch::of(Program::Relay.path()).args(words).spawn().finish();
        assert_eq!(finished.code, Some(2), "{words}");
        assert!(finished.stderr.contains("is an address of this server itself"), "{}", finished.stderr);
    }
}

/// Sends `volume` bytes in each direction at the same time. The upstream server has a small window and reads in small
/// steps.
fn both_ways_through_a_slow_side(volume: usize) {
    const GROWTH: usize = 4 << 20;
    let _alone = alone();
    let (listener, address) = upstream();
    socket2::SockRef::from(&listener).set_recv_buffer_size(16 * 1024).expect("a socket");
    let relay = relay_to(&address);
    let up = noise(volume, 65);
    let down = noise(volume, 66);
    let mut client = Peer::connect(&relay.address());
    client.send("warm");
    let mut server = accepted(&listener);
    server.read_exact(&mut [0; 4]).expect("the first bytes");
    let before = relay.resident();
    let (mut client_writer, mut server_writer) = (client.twin(), server.try_clone().expect("a descriptor is free"));
    thread::scope(|scope| {
        scope.spawn(|| {
            client_writer.send(&up);
            client_writer.finish();
        });
        scope.spawn(|| {
            server_writer.write_all(&down).expect("connected");
            server_writer.shutdown(Shutdown::Write).expect("connected");
        });
        scope.spawn(|| {
            let (mut step, mut at) = ([0; 4096], 0);
            while at < up.len() {
                let count = server.read(&mut step).expect("connected");
                assert!(count > 0 && step[..count] == up[at..at + count], "the upstream bytes differ after {at}");
                at += count;
            }
            assert_eq!(server.read(&mut step).expect("an orderly end"), 0);
        });
        assert_same(&client.rest_in_steps(4096).expect("an orderly end"), &down);
    });
    let growth = relay.peak_resident().saturating_sub(before);
    eprintln!("{volume} bytes each way: grown by {growth} bytes");
    assert!(growth < GROWTH, "grown by {growth} bytes");
    relay.expect_manners();
}

#[test]
fn ten_megabytes_pass_both_ways_through_a_slow_side() {
    both_ways_through_a_slow_side(10_000_000);
}

/// Takes a minute, and 800 MB of memory.
#[test]
#[ignore = "takes a minute"]
fn two_hundred_megabytes_pass_both_ways_through_a_slow_side() {
    both_ways_through_a_slow_side(200_000_000);
}
