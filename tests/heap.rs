//! What the queues cost in memory, counted by the allocator. A target of its own: the count is the whole process's.

use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use switchboard::servers::{Chat, ChatOptions, Echo, Uppercase};
use switchboard::{Handler, Reactor, ServiceOptions, Sim, SimPeer};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time: what another one allocates would be counted, too.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A room that slows down and hides no one.
fn room() -> Chat {
    let mut options = ChatOptions::default();
    (options.rate, options.join_rate, options.crowd) = (None, None, usize::MAX);
    Chat::room(options)
}

const STALLED: usize = 1000;

#[test]
fn one_line_to_a_thousand_stalled_members_is_kept_once() {
    let _alone = alone();
    let mut sim = Sim::new(room());
    let members: Vec<SimPeer> = (0..STALLED).map(|_| sim.connect()).collect();
    let talker = sim.connect();
    for (number, &peer) in members.iter().chain([&talker]).enumerate() {
        sim.send(peer, format!("member-{number}\n").as_bytes());
        sim.received(peer);
    }
    for &peer in &members {
        sim.received(peer);
        sim.stall(peer);
    }
    let line = format!("{}\n", "x".repeat(4000));
    sim.send(talker, line.as_bytes());

    let before = Region::new(HEAP);
    sim.run();
    let change = before.change();
    let grown = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    // Each has a timer of `--queue-time`; a line of its own would be four thousand bytes.
    assert!(grown < 100 * STALLED, "{grown} bytes for {STALLED} members: {change:?}");

    for &peer in &members {
        sim.resume(peer);
        assert!(sim.received(peer).ends_with(line.as_bytes()), "every member gets the line when it reads again");
    }
}

/// A reactor on a thread of its own, given to `act` by its address and stopped when that returns.
fn with_server<H: Handler>(make: impl FnOnce() -> H + Send, act: impl FnOnce(&str)) {
    with_options(make, (PLAIN, ServiceOptions::default()), act);
}

/// Where a server listens, without TLS.
const PLAIN: &str = "127.0.0.1:0";

fn with_options<H: Handler>(
    make: impl FnOnce() -> H + Send,
    (listen, options): (&str, ServiceOptions),
    act: impl FnOnce(&str),
) {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let server = scope.spawn(move || {
            let mut reactor = Reactor::with_options(make(), options).expect("a poll");
            let address = reactor.bind(listen).expect("a free port")[0].to_string();
            let transport = ["tls:", "web:"].iter().find_map(|door| address.strip_prefix(door)).unwrap_or(&address);
            tell.send((transport.to_owned(), reactor.stopper())).expect("the test waits");
            reactor.run().expect("an orderly end");
        });
        let (address, stopper) = told.recv().expect("the server starts");
        act(&address);
        stopper.stop().expect("it runs");
        server.join().expect("no panic");
    });
}

#[test]
fn an_allocation_is_seen() {
    let _alone = alone();
    assert_eq!(allocations(10, || drop(std::hint::black_box(vec![1_u8]))), 10);
}

/// The least of this many counts is taken: the test harness also allocates when a test has ended.
const TRIES: usize = 3;

/// The allocations of `rounds` calls, after as many that warm up.
fn allocations(rounds: usize, mut round: impl FnMut()) -> usize {
    (0..rounds).for_each(|_| round());
    let mut count = || {
        let region = Region::new(HEAP);
        (0..rounds).for_each(|_| round());
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..TRIES).map(|_| count()).min().unwrap_or(usize::MAX)
}

fn client(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Reads up to the end of `wanted`, whatever comes before it.
fn hear(client: &mut TcpStream, wanted: &[u8]) {
    let (mut seen, mut byte) = (0, [0]);
    while seen < wanted.len() {
        client.read_exact(&mut byte).expect("more to hear");
        seen = if byte[0] == wanted[seen] { seen + 1 } else { usize::from(byte[0] == wanted[0]) };
    }
}

const MESSAGE: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0\n";

#[test]
fn a_message_and_its_answer_allocate_nothing() {
    let _alone = alone();
    let exchange = |address: &str| {
        let mut clients = [(); 10].map(|()| client(address));
        let count = allocations(1000, || {
            for client in &mut clients {
                client.write_all(MESSAGE).expect("connected");
            }
            for client in &mut clients {
                let mut answer = [0; MESSAGE.len()];
                client.read_exact(&mut answer).expect("an answer");
                assert!(answer.eq_ignore_ascii_case(MESSAGE));
            }
        });
        assert_eq!(count, 0, "allocations for 10,000 messages");
    };
    with_server(Echo::bytes, exchange);
    with_server(Uppercase::ascii, exchange);
}

#[test]
fn a_line_to_a_room_allocates_nothing() {
    let _alone = alone();
    with_server(room, |address| {
        let mut members: Vec<TcpStream> = (0..20).map(|_| client(address)).collect();
        for (number, member) in members.iter_mut().enumerate() {
            writeln!(member, "member{number:02}").expect("connected");
        }
        let mut talker = client(address);
        let mut heard = [0; "talker: ".len() + MESSAGE.len()];
        talker.write_all(b"talker\n").expect("connected");
        // Up to the notice that the last one has come, all is chatter.
        for member in &mut members {
            hear(member, b"Welcome talker to the room!\n");
        }
        let count = allocations(1000, || {
            talker.write_all(MESSAGE).expect("connected");
            for member in &mut members {
                member.read_exact(&mut heard).expect("the line");
                assert!(heard.starts_with(b"talker: ") && heard.ends_with(MESSAGE));
            }
        });
        assert_eq!(count, 0, "allocations for 20,000 deliveries");
    });
}

/// The rooms that have ended, and their feeds.
#[test]
fn rooms_that_come_and_go_leave_nothing_behind() {
    let _alone = alone();
    let mut sim = Sim::new(room());
    let member = sim.connect();
    sim.send(member, b"ann\n");
    let mut visit = |rooms: std::ops::Range<u32>| {
        for number in rooms {
            sim.send(member, format!("/join room{number:05}\n").as_bytes());
            assert!(sim.received(member).ends_with(b"1 person is here.\n"));
        }
    };
    visit(0..100);
    let region = Region::new(HEAP);
    visit(100..3000);
    let change = region.change();
    let grown = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    assert!(grown < 4096, "{grown} bytes more after 2,900 rooms");
}

/// With one more the tables are as full as they get before they double: each room in them has a client.
const SILENT: usize = 254;

/// What a server at this address with these options keeps for each of [`SILENT`] clients that have said what they enter
/// with, in bytes.
fn kept_for_the_silent<H: Handler>(
    (listen, options): (&str, &ServiceOptions),
    make: impl Fn() -> H + Send + Sync,
    enter: impl Fn(usize, &mut TcpStream),
) -> usize {
    let mut least = usize::MAX;
    let mut fill = |address: &str| {
        let mut clients = Vec::with_capacity(SILENT + 1);
        clients.push(client(address));
        enter(0, &mut clients[0]);
        let region = Region::new(HEAP);
        for number in 1..=SILENT {
            let mut client = client(address);
            enter(number, &mut client);
            clients.push(client);
        }
        let change = region.change();
        least = least.min((change.bytes_allocated - change.bytes_deallocated) / SILENT);
    };
    (0..TRIES).for_each(|_| with_options(&make, (listen, options.clone()), &mut fill));
    least
}

/// What a debug build adds to a connection: there, mio keeps the number of the poll in each source.
const DEBUG: usize = if cfg!(debug_assertions) { size_of::<usize>() } else { 0 };

#[test]
fn a_silent_client_costs_little() {
    let _alone = alone();
    let options = ServiceOptions::default();
    let echo = kept_for_the_silent((PLAIN, &options), Echo::bytes, |_, client| {
        client.write_all(MESSAGE).expect("connected");
        hear(client, MESSAGE);
    });
    assert!(echo <= 128 + DEBUG, "{echo} bytes a client of echo");
    let member = kept_for_the_silent((PLAIN, &options), room, |number, client| {
        writeln!(client, "member{number:03}").expect("connected");
        hear(client, format!("Welcome member{number:03}").as_bytes());
    });
    assert!(member <= 450 + DEBUG, "{member} bytes a member of a room");
    println!("{echo} bytes a client of echo, {member} a member of a room");
}

#[test]
#[cfg(feature = "web")]
fn a_silent_client_beside_a_web_door_costs_little_more() {
    use switchboard::framing::websocket::WebSocketOptions;
    use switchboard::servers::Doors;

    let _alone = alone();
    let doors = || Doors::new(Echo::bytes(), WebSocketOptions::default());
    let echo = kept_for_the_silent((PLAIN, &ServiceOptions::default()), doors, |_, client| {
        client.write_all(MESSAGE).expect("connected");
        hear(client, MESSAGE);
    });
    println!("{echo} bytes a client of echo beside a web door");
    assert!(echo <= 144 + DEBUG, "{echo} bytes a client of echo");
}

#[test]
#[cfg(feature = "web")]
fn a_silent_member_at_either_door_costs_little() {
    use switchboard::framing::websocket::WebSocketOptions;
    use switchboard::servers::Doors;
    use switchboard_harness::websocket::{frame, request};

    let _alone = alone();
    let (doors, options) = (|| Doors::new(room(), WebSocketOptions::default()), ServiceOptions::default());
    let page = kept_for_the_silent(("web:127.0.0.1:0", &options), doors, |number, client| {
        client.write_all(request("/", "localhost", "").as_bytes()).expect("connected");
        client.write_all(&frame(0x81, format!("member{number:03}").as_bytes())).expect("connected");
        hear(client, b"\"has_gap\":false}");
    });
    let netcat = kept_for_the_silent((PLAIN, &options), doors, |number, client| {
        writeln!(client, "member{number:03}").expect("connected");
        hear(client, format!("Welcome member{number:03}").as_bytes());
    });
    println!("{page} bytes a member at the web door, {netcat} at the line door beside it");
    assert!(page <= 600 + DEBUG, "{page} bytes a member at the web door");
    assert!(netcat <= 480 + DEBUG, "{netcat} bytes a member at the line door");
}

#[test]
fn a_silent_client_of_a_proxy_costs_no_more() {
    let _alone = alone();
    let mut options = ServiceOptions::default();
    options.proxies.networks.push("127.0.0.1".parse().expect("a literal"));
    let echo = kept_for_the_silent((PLAIN, &options), Echo::bytes, |_, client| {
        client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\r\n").expect("connected");
        client.write_all(MESSAGE).expect("connected");
        hear(client, MESSAGE);
    });
    assert!(echo <= 128 + DEBUG, "{echo} bytes a client of echo");
}

#[cfg(feature = "http")]
mod http {
    use super::*;
    use std::fs;
    use switchboard::servers::{Site, SiteOptions};

    const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, deflate\r\n\r\n";
    const FILE: &[u8] = b"the file of this test";

    fn with_site<T>(act: impl FnOnce(&(dyn Fn() -> Site + Sync)) -> T) -> T {
        let place = tempfile::TempDir::new().expect("room for a directory");
        fs::write(place.path().join("a"), FILE).expect("room for a file");
        act(&|| Site::new(place.path(), SiteOptions::default()).expect("a directory"))
    }

    fn get(client: &mut TcpStream) {
        client.write_all(REQUEST).expect("connected");
        hear(client, FILE);
    }

    #[test]
    fn a_client_that_keeps_its_connection_costs_little() {
        let _alone = alone();
        let options = ServiceOptions::default();
        let kept = with_site(|make| kept_for_the_silent((PLAIN, &options), make, |_, client| get(client)));
        println!("{kept} bytes a client of HTTP");
        assert!(kept <= 256 + DEBUG, "{kept} bytes a client of HTTP");
    }

    /// Once a second the file is looked for again, which allocates.
    #[test]
    fn a_file_that_is_known_is_sent_without_an_allocation() {
        let _alone = alone();
        with_site(|make| {
            with_server(make, |address| {
                let mut client = client(address);
                let count = allocations(200, || get(&mut client));
                assert!(count < 100, "{count} allocations for 200 requests");
            });
        });
    }
}

#[cfg(feature = "websocket")]
mod websocket {
    use super::*;
    use switchboard::framing::http::{HttpOptions, Request};
    use switchboard::framing::websocket::{Message, WebSocket, WebSocketHandler, WebSocketOptions};
    use switchboard::{Context, Origin};

    struct EchoMessages;

    impl WebSocketHandler for EchoMessages {
        type Session = ();

        fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

        fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
            cx.reply(&message.to_frame());
        }
    }

    fn echo() -> WebSocket<EchoMessages> {
        WebSocket::new(EchoMessages, WebSocketOptions::default(), HttpOptions::default())
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// After a message in two parts: what was kept for it is gone.
    #[test]
    fn a_silent_socket_costs_little() {
        let _alone = alone();
        let options = ServiceOptions::default();
        let kept = kept_for_the_silent((PLAIN, &options), echo, |_, client| {
            client.write_all(REQUEST).expect("connected");
            hear(client, b"\r\n\r\n");
            client.write_all(b"\x01\x83\0\0\0\0two\x80\x86\0\0\0\0 parts").expect("connected");
            hear(client, b"\x81\x09two parts");
        });
        println!("{kept} bytes a client of WebSocket");
        assert!(kept <= 160 + DEBUG, "{kept} bytes a client of WebSocket");
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use std::sync::Arc;

    use rustls::client::Resumption;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use switchboard::net::tls::{TlsServer, TlsServerOptions};
    use switchboard_harness::{Certificates, Pair, SERVER};

    fn trusting(pair: &Pair) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&pair.cert).expect("a certificate")).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions of the provider");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        // Sessions that are kept for later would be counted as the server's.
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    /// The client has the same heap, so what it keeps for TLS is dropped. Its socket stays open.
    #[test]
    fn a_silent_client_over_tls_costs_less_than_8_kib() {
        let _alone = alone();
        let certificates = Certificates::new();
        let pair = certificates.self_signed("server", SERVER);
        let config = trusting(&pair);
        let mut options = ServiceOptions::default();
        options.tls_server = Some(TlsServer::load(TlsServerOptions::new(pair.cert, pair.key)).expect("a good pair"));
        let echo = kept_for_the_silent(("tls:127.0.0.1:0", &options), Echo::bytes, |_, client| {
            let name = ServerName::try_from("localhost").expect("a name");
            let mut tls = ClientConnection::new(Arc::clone(&config), name).expect("a client");
            let (mut stream, mut answer) = (rustls::Stream::new(&mut tls, client), [0; MESSAGE.len()]);
            stream.write_all(MESSAGE).expect("connected");
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, MESSAGE);
        });
        println!("{echo} bytes a client of echo over TLS");
        assert!(echo <= 7900 + DEBUG, "{echo} bytes a client of echo over TLS");
    }
}
