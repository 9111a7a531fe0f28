//! TLS: the plaintext is what counts, however the ciphertext travels, and no handshake holds up a session.

use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, ClientConnection, SupportedProtocolVersion};
use switchboard_harness::{Certificates, SERVER};

use super::*;
use crate::connection::tls::TlsStream;
use crate::net::tls::client::NoVerification;
use crate::net::tls::{TlsServer, TlsServerOptions};
use crate::servers::Echo;

mod relay;

static TLS: LazyLock<TlsServer> = LazyLock::new(|| speaking(&[]));

/// The certificate of a server that speaks these protocols.
fn speaking(protocols: &[&str]) -> TlsServer {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let mut options = TlsServerOptions::new(pair.cert, pair.key);
    options.alpn = names(protocols);
    TlsServer::load(options).expect("a good pair")
}

fn names(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.as_bytes().to_vec()).collect()
}

/// The configuration of a client that takes any certificate, and the name of its server.
fn trusting(version: &'static SupportedProtocolVersion) -> (Arc<ClientConfig>, ServerName<'static>) {
    let provider = Arc::new(default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .expect("a version of the provider")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
        .with_no_client_auth();
    (Arc::new(config), ServerName::try_from("localhost").expect("a name"))
}

/// The stream of an outbound connection that takes any certificate.
fn outbound(stream: Stream) -> Stream {
    let (config, name) = trusting(&TLS13);
    Stream::Tls(Box::new(TlsStream::client(stream, config, name).expect("a client")))
}

/// A peer of a simulation that speaks TLS.
struct Client {
    peer: SimPeer,
    tls: rustls::Connection,
    /// Ciphertext is sent in pieces of at most this size.
    piece: usize,
    received: Vec<u8>,
    /// How the server has ended its side: in good order, or cut off.
    end: Option<Result<(), ErrorKind>>,
    /// It sends nothing more.
    is_mute: bool,
}

impl Client {
    fn new(peer: SimPeer, version: &'static SupportedProtocolVersion) -> Client {
        Client::offering(peer, version, &[])
    }

    /// A client that names these protocols (ALPN).
    fn offering(peer: SimPeer, version: &'static SupportedProtocolVersion, protocols: &[&str]) -> Client {
        let (mut config, name) = trusting(version);
        Arc::make_mut(&mut config).alpn_protocols = names(protocols);
        Client::of(peer, ClientConnection::new(config, name).expect("a client").into())
    }

    fn of(peer: SimPeer, mut tls: rustls::Connection) -> Client {
        tls.set_buffer_limit(None);
        Client { peer, tls, piece: usize::MAX, received: Vec::new(), end: None, is_mute: false }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).expect("room in the library");
    }

    /// Passes ciphertext in both directions until neither side has more.
    fn exchange<H: Handler>(&mut self, sim: &mut Sim<H>) {
        loop {
            let mut out = Vec::new();
            while self.tls.wants_write() && !self.is_mute {
                self.tls.write_tls(&mut out).expect("a vector takes everything");
            }
            for piece in out.chunks(self.piece) {
                sim.send(self.peer, piece);
                sim.run();
            }
            let input = sim.received(self.peer);
            let mut rest = &input[..];
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest).expect("room in the library");
                self.tls.process_new_packets().expect("a server without faults");
                self.collect();
            }
            if out.is_empty() && input.is_empty() {
                break;
            }
        }
        if sim.ending(self.peer) == Some(Ending::Eof) {
            let _ = self.tls.read_tls(&mut &b""[..]);
            self.collect();
        }
    }

    fn collect(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.tls.reader().read(&mut buffer) {
                Ok(0) => return self.end = Some(Ok(())),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.end = Some(Err(error.kind())),
            }
        }
    }

    fn end(&mut self) {
        self.tls.send_close_notify();
    }
}

fn secured<H: Handler>(handler: H, limits: Limits) -> (Sim<H>, ServiceId) {
    let mut sim = Sim::with_limits(handler, limits.clone());
    let options = ServiceOptions { limits, tls_server: Some(TLS.clone()), ..ServiceOptions::default() };
    let service = sim.add_service(options);
    (sim, service)
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[test]
fn plaintext_is_echoed_whatever_the_pieces() {
    for version in VERSIONS {
        for (piece, read_buffer) in [(usize::MAX, 64 << 10), (1, 64 << 10), (7, 3), (1000, 1)] {
            let (mut sim, service) = secured(Echo::bytes(), Limits { read_buffer, ..Limits::default() });
            let mut client = Client::new(sim.connect_tls(service), version);
            client.piece = piece;
            client.send(b"hello ");
            client.exchange(&mut sim);
            client.send(b"world");
            client.end();
            client.exchange(&mut sim);
            assert_eq!(client.received, b"hello world", "{piece} {read_buffer}");
            assert_eq!(client.end, Some(Ok(())), "{piece} {read_buffer}");
            assert_eq!(sim.ending(client.peer), Some(Ending::Eof));
        }
    }
}

#[test]
fn a_handshake_that_stalls_has_no_session_and_a_limit() {
    let (mut sim, service) = secured(scene(|_, _, _, _| {}), Limits::default());
    let silent = sim.connect_tls(service);
    let slow = sim.connect_tls(service);
    sim.send(slow, &[22, 3, 1]);
    sim.advance(SECOND * 9);
    assert_eq!((sim.ending(silent), sim.connections()), (None, 2));
    sim.advance(SECOND * 2);
    assert!(sim.ending(silent).is_some() && sim.ending(slow).is_some());
    assert_eq!((sim.connections(), sim.timers(), sim.stats().handshakes_failed), (0, 0, 2));
    assert!(sim.calls().is_empty(), "no session was opened");
}

#[test]
fn a_handler_reads_the_protocol_that_both_ends_speak() {
    let tell = |notes: &mut Notes, number: usize, call: Call<'_>, cx: &mut Context<'_>| {
        if let Call::Open = call {
            notes.calls.push(format!("{number} speaks {}", String::from_utf8_lossy(cx.alpn().unwrap_or(b"any"))));
        }
    };
    let mut sim = Sim::new(scene(tell));
    let tls_server = Some(speaking(&["chat/2", "chat/1"]));
    let service = sim.add_service(ServiceOptions { tls_server, ..ServiceOptions::default() });
    for version in VERSIONS {
        for protocols in [&["chat/1", "chat/2"][..], &["irc", "chat/1"], &[]] {
            Client::offering(sim.connect_tls(service), version, protocols).exchange(&mut sim);
        }
        let mut stranger = Client::offering(sim.connect_tls(service), version, &["irc"]);
        let mut hello = Vec::new();
        stranger.tls.write_tls(&mut hello).expect("a vector takes everything");
        sim.send(stranger.peer, &hello);
        let alert = sim.received(stranger.peer);
        stranger.tls.read_tls(&mut &alert[..]).expect("room in the library");
        let refused = stranger.tls.process_new_packets().expect_err("no protocol in common");
        assert_eq!(refused, rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol));
        assert!(sim.ending(stranger.peer).is_some());
    }
    sim.connect();
    let calls = sim.calls();
    let told: Vec<_> = calls.into_iter().filter(|call| call.contains("speaks")).collect();
    let protocols = ["chat/2", "chat/1", "any", "chat/2", "chat/1", "any", "any"];
    let wanted = protocols.iter().enumerate().map(|(number, name)| format!("{number} speaks {name}"));
    assert_eq!(told, wanted.collect::<Vec<_>>());
    assert_eq!(sim.stats().handshakes_failed, 2);
}

#[test]
fn plain_text_is_refused_at_its_first_byte() {
    let (mut sim, service) = secured(scene(|_, _, _, _| {}), Limits::default());
    let peer = sim.connect_tls(service);
    sim.send(peer, b"h");
    assert!(sim.ending(peer).is_some());
    assert!(sim.calls().is_empty() && sim.stats().handshakes_failed == 1);
}

#[test]
fn a_stop_drops_handshakes_at_once() {
    let (mut sim, service) = secured(Echo::bytes(), Limits::default());
    let peer = sim.connect_tls(service);
    sim.send(peer, &[22]);
    sim.run();
    sim.stop();
    assert!(sim.is_stopped());
    assert!(sim.ending(peer).is_some());
}

#[test]
fn handshakes_take_their_turns_in_the_order_of_their_edges() {
    let limits = Limits { turn_handshakes: 1, ..Limits::default() };
    let (mut sim, service) = secured(scene(|_, _, _, _| {}), limits);
    let mut clients: Vec<_> = (0..5).map(|_| Client::new(sim.connect_tls(service), &TLS13)).collect();
    for client in &mut clients {
        let mut hello = Vec::new();
        client.tls.write_tls(&mut hello).expect("a vector takes everything");
        sim.send(client.peer, &hello);
    }
    sim.run();
    for client in &mut clients {
        client.exchange(&mut sim);
    }
    assert_eq!(sim.calls(), ["0 open", "1 open", "2 open", "3 open", "4 open"]);
}

#[test]
fn a_file_is_sent_whole_to_a_slow_reader() {
    let (file, content) = files::file_of(100_000);
    let want = [b"before\n", &content[..], b"after\n"].concat();
    for version in VERSIONS {
        for step in [1000, 20_000, 60_000] {
            // A write that was refused is repeated with another budget.
            let limits = Limits { turn_output: 7000, ..Limits::default() };
            let (mut sim, service) = secured(scene(files::with_lines(&file, 100_000)), limits);
            let mut client = Client::new(sim.connect_tls(service), version);
            client.exchange(&mut sim);
            sim.stall(client.peer);
            client.send(b"x");
            client.end();
            client.exchange(&mut sim);
            while client.received.len() < want.len() {
                sim.allow(client.peer, step);
                client.exchange(&mut sim);
            }
            sim.resume(client.peer);
            client.exchange(&mut sim);
            assert!(client.received == want, "{step}");
            assert_eq!((client.end, sim.ending(client.peer)), (Some(Ok(())), Some(Ending::Eof)));
        }
    }
}

/// What happens to the connection of a client.
#[derive(Clone, Debug)]
enum Event {
    /// The client sends this many bytes.
    Send(usize),
    Stall,
    /// A stalled client reads this many bytes of ciphertext.
    Allow(usize),
    Resume,
    /// Each write to the client takes at most this many bytes.
    LimitWrites(usize),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (1..40_000_usize).prop_map(Event::Send),
        1 => Just(Event::Stall),
        2 => (1..30_000_usize).prop_map(Event::Allow),
        1 => Just(Event::Resume),
        1 => (1..5000_usize).prop_map(Event::LimitWrites),
        1 => (1..3000_u64).prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 0..20)
}

/// How a scene ends.
#[derive(Clone, Copy, Debug)]
enum End {
    CloseNotify,
    Truncated,
    Reset,
    Stop,
}

fn bytes(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|number| (number % 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_network_does_the_echo_is_a_prefix(
        events in events(),
        end in prop_oneof![Just(End::CloseNotify), Just(End::Truncated), Just(End::Reset), Just(End::Stop)],
        version in 0..2_usize,
        piece in prop_oneof![Just(usize::MAX), 1..2000_usize],
        read_buffer in prop_oneof![Just(64 << 10), 1..5000_usize],
    ) {
        let (mut sim, service) = secured(scene(|_, _, call, cx| {
            if let Call::Data(input) = call {
                cx.reply(input);
            }
        }), Limits { read_buffer, ..small() });
        let mut client = Client::new(sim.connect_tls(service), VERSIONS[version]);
        client.piece = piece;
        client.exchange(&mut sim);
        let mut sent = 0;
        for event in &events {
            match *event {
                Event::Send(count) => {
                    client.send(&bytes(sent, count));
                    sent += count;
                }
                Event::Stall => sim.stall(client.peer),
                Event::Allow(count) => sim.allow(client.peer, count),
                Event::Resume => sim.resume(client.peer),
                Event::LimitWrites(count) => sim.limit_writes(client.peer, count),
                Event::Wait(time) => sim.advance(MS * time as u32),
            }
            client.exchange(&mut sim);
        }
        sim.resume(client.peer);
        client.exchange(&mut sim);
        prop_assert_eq!(&client.received, &bytes(0, sent));
        match end {
            End::CloseNotify => client.end(),
            End::Truncated => sim.shut_down(client.peer),
            End::Reset => sim.reset(client.peer),
            End::Stop => sim.stop(),
        }
        client.exchange(&mut sim);
        let calls = sim.calls();
        let last = calls.last().map_or("", |call| call);
        let (closed, end_of_server) = match end {
            End::CloseNotify => ("0 closed: done", Some(Ok(()))),
            End::Truncated => ("0 closed: truncated: the peer ended without TLS close_notify", Some(Ok(()))),
            End::Reset => ("0 closed: connection reset", None),
            End::Stop => ("0 closed: stopping", Some(Ok(()))),
        };
        prop_assert_eq!((last, client.end), (closed, end_of_server));
        prop_assert_eq!(calls.iter().any(|call| call == "0 eof"), matches!(end, End::CloseNotify));
        sim.advance(SECOND * 2);
        prop_assert_eq!((sim.connections(), sim.timers()), (0, 0));
    }
}

#[test]
fn a_truncated_file_is_no_end_in_good_order() {
    let (file, content) = files::file_of(100_000);
    let (mut sim, service) = secured(scene(files::with_lines(&file, 100_000)), Limits::default());
    let mut client = Client::new(sim.connect_tls(service), &TLS13);
    client.exchange(&mut sim);
    sim.stall(client.peer);
    client.send(b"x");
    client.exchange(&mut sim);
    file.set_len(50_000).expect("a file can be made shorter");
    sim.resume(client.peer);
    client.exchange(&mut sim);
    assert!(client.received == [b"before\n", &content[..50_000]].concat());
    assert_eq!((client.end, sim.ending(client.peer)), (None, Some(Ending::Reset)));
}

#[test]
fn an_end_waits_until_the_kernel_takes_close_notify() {
    let (mut sim, service) = secured(Echo::bytes(), Limits::default());
    let mut client = Client::new(sim.connect_tls(service), &TLS13);
    client.exchange(&mut sim);
    sim.stall(client.peer);
    client.end();
    client.exchange(&mut sim);
    assert_eq!((sim.ending(client.peer), client.end.is_some()), (None, false));
    sim.resume(client.peer);
    client.exchange(&mut sim);
    assert_eq!((sim.ending(client.peer), client.end), (Some(Ending::Eof), Some(Ok(()))));
}

#[test]
fn a_held_peer_that_hangs_up_keeps_its_decrypted_input() {
    // Either the first read leaves the rest of the record in the library, or the record came with the handshake.
    for is_early in [false, true] {
        let hold = move |_: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>| match call {
            Call::Open if is_early => cx.hold_input(),
            Call::Data(b"hold") => cx.hold_input(),
            _ => {}
        };
        let (mut sim, service) = secured(scene(hold), Limits { read_buffer: 4, ..Limits::default() });
        let mut client = Client::new(sim.connect_tls(service), &TLS13);
        client.send(if is_early { b"early" } else { b"hold, then more" });
        client.exchange(&mut sim);
        sim.hang_up(client.peer);
        sim.run();
        sim.with_context(|scene, cx| cx.release_input_of(scene.notes.tokens[0]));
        let data: usize =
            sim.calls().iter().filter_map(|call| call.strip_prefix("0 data ")?.parse::<usize>().ok()).sum();
        assert_eq!(data, if is_early { 5 } else { 15 });
    }
}

#[test]
fn a_new_key_is_answered_also_to_a_slow_reader() {
    let (mut sim, service) = secured(Echo::bytes(), Limits::default());
    let mut client = Client::new(sim.connect_tls(service), &TLS13);
    client.exchange(&mut sim);
    sim.stall(client.peer);
    client.tls.refresh_traffic_keys().expect("TLS 1.3 has new keys");
    client.send(b"under a new key");
    client.exchange(&mut sim);
    assert!(client.received.is_empty());
    sim.resume(client.peer);
    client.exchange(&mut sim);
    assert_eq!(client.received, b"under a new key");
}

#[test]
fn members_over_tls_follow_a_feed() {
    let (mut sim, service) = secured(scene(|notes, _, call, cx| hear_others(notes, &call, cx)), Limits::default());
    let mut clients: Vec<_> = (0..5).map(|_| Client::new(sim.connect_tls(service), &TLS13)).collect();
    for client in &mut clients {
        client.exchange(&mut sim);
    }
    let plain = sim.connect();
    sim.stall(clients[4].peer);
    clients[0].send(&bytes(0, 100_000));
    for client in &mut clients {
        client.exchange(&mut sim);
    }
    assert!(clients[4].received.is_empty());
    sim.resume(clients[4].peer);
    for client in &mut clients {
        client.exchange(&mut sim);
    }
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(client.received.len(), if number == 0 { 0 } else { 100_000 }, "{number}");
    }
    assert_eq!(sim.received(plain), bytes(0, 100_000));
}

#[test]
fn bytes_after_a_fault_are_not_delivered_and_those_before_are() {
    for version in VERSIONS {
        let (mut sim, service) = secured(scene(|_, _, _, _| {}), Limits::default());
        let mut client = Client::new(sim.connect_tls(service), version);
        client.exchange(&mut sim);
        client.send(b"good");
        let mut out = Vec::new();
        client.tls.write_tls(&mut out).expect("a vector takes everything");
        out.extend_from_slice(b"\x17\x03\x03\x00\x20 this is no record of this session");
        sim.send(client.peer, &out);
        let calls = sim.calls();
        assert_eq!(calls[..2], ["0 open", "0 data 4"]);
        assert!(calls[2].starts_with("0 closed: ") && calls.len() == 3, "{calls:?}");
    }
}

#[test]
fn the_memory_limit_counts_what_a_stalled_member_has_not_taken() {
    let limits = Limits { memory_limit: Some(100_000), ..Limits::default() };
    let (mut sim, service) = secured(scene(|notes, _, call, cx| hear_others(notes, &call, cx)), limits);
    let mut client = Client::new(sim.connect_tls(service), &TLS13);
    client.exchange(&mut sim);
    sim.stall(client.peer);
    for _ in 0..9 {
        sim.publish(&[b'x'; 10_000]);
    }
    assert_eq!((sim.connections(), sim.stats().in_feeds), (1, 90_000), "a record ahead of the kernel counts, too");
    sim.publish(&vec![b'x'; 20_000]);
    assert_eq!(sim.connections(), 0);
    assert!(sim.calls().iter().any(|call| call.contains("--memory-limit")));
}
