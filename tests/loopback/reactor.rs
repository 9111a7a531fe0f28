//! What only a real kernel shows: bursts, other threads, outbound connections, families of sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use switchboard::net::{Door, Listener, SocketOptions, bind};
use switchboard::servers::Echo;
use switchboard::{
    Address, Context, FeedId, Handler, Limits, Link, Origin, Reactor, ServiceId, ServiceOptions, Source, TimerId,
    Token, Via,
};
use switchboard_harness::let_pass;

use super::Running;

fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an orderly end");
    bytes
}

#[test]
fn five_hundred_clients_in_one_burst_are_all_served() {
    let running = Running::start(Echo::bytes, &["127.0.0.1:0"]);
    let mut clients: Vec<TcpStream> =
        (0..500).map(|_| TcpStream::connect(running.address()).expect("within the backlog")).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        write!(client, "{number}").expect("connected");
        client.shutdown(Shutdown::Write).expect("connected");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(read_all(client), number.to_string().as_bytes());
    }
}

#[test]
fn a_blocking_listener_is_refused_with_the_remedy() {
    let mut options = SocketOptions::default();
    options.nonblocking = false;
    let listener = bind(&"127.0.0.1:0".parse().expect("a literal"), &options).expect("free").remove(0);
    let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    let error = reactor.listen(ServiceId::DEFAULT, listener).expect_err("a blocking listener");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("nonblocking"), "{error}");
}

#[test]
fn an_unknown_service_is_refused_with_the_remedy() {
    let mut other = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    let foreign = other.add_service(ServiceOptions::default());
    let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    let address = "127.0.0.1:0".parse().expect("a literal");
    let listener = bind(&address, &SocketOptions::default()).expect("free").remove(0);
    let error = reactor.listen(foreign, listener).expect_err("a service of another reactor");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("add_service"), "{error}");
    assert_eq!(reactor.bind_to(foreign, "127.0.0.1:0").map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
}

#[test]
fn an_address_that_cannot_be_bound_is_an_error_with_the_remedy() {
    let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    let malformed = reactor.bind("127.0.0.1").expect_err("no port");
    assert_eq!(malformed.kind(), io::ErrorKind::InvalidInput);
    let bound = reactor.bind("127.0.0.1:0").expect("a free port");
    let taken = reactor.bind(&bound[0].to_string()).expect_err("the port is taken");
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    assert!(taken.to_string().starts_with(&format!("cannot listen on {}: ", bound[0])), "{taken}");
}

/// Answers the door by which a client came in.
struct Doorman;

impl Handler for Doorman {
    type Session = ();

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
        cx.reply(format!("{:?}", origin.door()).as_bytes());
        cx.close();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }
}

#[test]
fn a_handler_learns_the_door_and_datagrams_have_none() {
    let running = Running::start(|| Doorman, &["127.0.0.1:0", "web:127.0.0.1:0"]);
    for (address, door) in running.listening.iter().zip(["Line", "Web"]) {
        let at = address.resolve().expect("an IP address")[0];
        assert_eq!(read_all(&mut TcpStream::connect(at).expect("the reactor accepts")), door.as_bytes());
    }
    running.stop();
    let mut reactor = Reactor::new(Doorman, Limits::default()).expect("a poll");
    let udp = bind(&"udp:127.0.0.1:0".parse().expect("a literal"), &SocketOptions::default()).expect("free").remove(0);
    let error = reactor.listen_at(Door::Web, ServiceId::DEFAULT, udp).expect_err("a datagram has no door");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn another_thread_stops_it_and_the_second_wish_does_not_wait() {
    let mut limits = Limits::default();
    limits.drain = Duration::from_secs(60);
    let running = Running::with_limits(Echo::bytes, &["127.0.0.1:0"], limits);
    let mut client = TcpStream::connect(running.address()).expect("the reactor accepts");
    // Owed more than the kernel's buffers hold, and never read: the first wish alone would wait for a minute.
    client.set_nonblocking(true).expect("a socket");
    let (block, mut refusals) = (vec![0; 65536], 0);
    while refusals < 100 {
        let is_taken = client.write(&block).is_ok_and(|count| count > 0);
        refusals = if is_taken { 0 } else { refusals + 1 };
        std::thread::yield_now();
    }
    let start = Instant::now();
    running.stopper.stop().expect("woken");
    running.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn unix_sockets_and_datagrams_are_served_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("echo.sock");
    let unix = format!("unix:{}", path.display());
    let running = Running::start(Echo::bytes, &["udp:127.0.0.1:0", &unix]);
    let mut client = UnixStream::connect(&path).expect("the reactor accepts");
    client.write_all(b"over unix").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(read_all(&mut client), b"over unix");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
    socket.send_to(b"over udp", running.address()).expect("sent");
    let mut answer = [0; 100];
    let (count, from) = socket.recv_from(&mut answer).expect("an answer");
    assert_eq!((&answer[..count], from), (&b"over udp"[..], running.address()));
    running.stop();
    assert!(!path.exists(), "the path is removed at the end");
}

/// Passes what a client sends to a server that it connects to, and back: a proxy of ten lines a direction.
struct Relay {
    to: Address,
    waiting: Vec<Token>,
}

/// The other side, once there is one, and what is for it before that.
struct Side {
    other: Option<Token>,
    early: Vec<u8>,
}

impl Handler for Relay {
    type Session = Side;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Side {
        let other = match &origin.via {
            Via::Listener(_) => {
                self.waiting.push(origin.token);
                cx.connect(self.to.clone(), Link::default());
                None
            }
            _ => Some(self.waiting.remove(0)),
        };
        if let Some(client) = other {
            cx.send(client, b"connected\n");
        }
        Side { other, early: Vec::new() }
    }

    fn data<'a>(&mut self, side: &mut Side, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        match side.other {
            Some(other) => cx.send(other, input),
            None => side.early.extend_from_slice(input),
        }
        input.len()
    }

    fn eof(&mut self, side: &mut Side, cx: &mut Context<'_>) {
        if let Some(other) = side.other {
            cx.close_other(other);
        }
        cx.shut_down();
        cx.close();
    }

    fn connect_failed(&mut self, _: Token, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        let client = self.waiting.remove(0);
        cx.send(client, format!("{to}: {:?}\n", error.kind()).as_bytes());
        cx.close_other(client);
    }
}

#[test]
fn a_request_before_the_first_turn_needs_no_event() {
    let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    reactor.with_context(|_, cx| {
        cx.write_stderr("told before the first turn");
        cx.stop();
    });
    reactor.run().expect("stops without anybody's help");
}

#[test]
fn an_outbound_connection_comes_about_and_carries_bytes_back() {
    let target = TcpListener::bind("127.0.0.1:0").expect("free");
    let to: Address = target.local_addr().expect("bound").to_string().parse().expect("an address");
    let relay = Running::start(move || Relay { to, waiting: Vec::new() }, &["127.0.0.1:0"]);
    let mut client = TcpStream::connect(relay.address()).expect("the reactor accepts");
    let (mut server, _) = target.accept().expect("the reactor connects");
    server.write_all(b"hello from the other side\n").expect("connected");
    drop(server);
    assert_eq!(read_all(&mut client), b"connected\nhello from the other side\n");
}

#[test]
fn an_outbound_connection_that_is_refused_is_reported() {
    let free = TcpListener::bind("127.0.0.1:0").expect("free").local_addr().expect("bound");
    let to: Address = free.to_string().parse().expect("an address");
    let relay = Running::start(move || Relay { to, waiting: Vec::new() }, &["127.0.0.1:0"]);
    let mut client = TcpStream::connect(relay.address()).expect("the reactor accepts");
    assert_eq!(read_all(&mut client), format!("{free}: ConnectionRefused\n").as_bytes());
}

/// Connects to `to` over UDP, and answers each datagram in pieces.
struct Pieces {
    to: Address,
    feed: Option<FeedId>,
}

impl Handler for Pieces {
    type Session = ();

    fn started(&mut self, cx: &mut Context<'_>) {
        let _ = cx.connect(self.to.clone(), Link::default());
    }

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        let feed = *self.feed.get_or_insert_with(|| cx.create_feed());
        cx.follow(feed);
        cx.reply(b"one, ");
        cx.publish(feed, b"a feed is a stream");
        cx.reply(b"two");
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        cx.reply_input(input);
        cx.reply(b", three, ");
        cx.publish(self.feed.expect("created by open"), b"a feed is a stream");
        cx.reply(b"four");
        input.len()
    }
}

#[test]
fn the_replies_of_a_callback_are_one_datagram() {
    let target = UdpSocket::bind("127.0.0.1:0").expect("free");
    target.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
    let to: Address = format!("udp:{}", target.local_addr().expect("bound")).parse().expect("an address");
    let reactor = Reactor::new(Pieces { to, feed: None }, Limits::default()).expect("a poll");
    let stopper = reactor.stopper();
    let running = std::thread::spawn(move || reactor.run().map(drop));
    let mut buffer = [0; 100];
    let (count, from) = target.recv_from(&mut buffer).expect("the replies of open");
    assert_eq!(String::from_utf8_lossy(&buffer[..count]), "one, two");
    for question in ["1", "2"] {
        target.send_to(question.as_bytes(), from).expect("sent");
        let count = target.recv(&mut buffer).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&buffer[..count]), format!("{question}, three, four"));
    }
    stopper.stop().expect("woken");
    running.join().expect("no panic").expect("the poll works");
}

/// Counts datagrams, and reports their number a moment after the first.
struct Count {
    datagrams: usize,
    /// Called by the first datagram. The loop waits for it.
    first: Option<Box<dyn FnOnce() + Send>>,
    counted: mpsc::Sender<usize>,
}

impl Handler for Count {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn datagram<'a>(&mut self, _: &Source, _: &'a mut [u8], cx: &mut Context<'a>) {
        self.datagrams += 1;
        if let Some(first) = self.first.take() {
            cx.set_timer(Duration::from_millis(1));
            first();
        }
    }

    fn service_timer(&mut self, _: TimerId, _: &mut Context<'_>) {
        self.counted.send(self.datagrams).expect("the test waits");
    }
}

#[test]
fn datagrams_of_many_turns_come_before_a_timer() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("free");
    let (counted, count) = mpsc::channel();
    let (address, to) = mpsc::channel::<SocketAddr>();
    let sender = socket.try_clone().expect("a descriptor is free");
    let first = move || {
        let to = to.recv().expect("the test sends it");
        for _ in 0..99 {
            sender.send_to(b"x", to).expect("room in the receive buffer");
        }
        // Longer than the timer.
        let_pass(Duration::from_millis(5));
    };
    let mut limits = Limits::default();
    limits.turn_datagrams = 10;
    let make = move || Count { datagrams: 0, first: Some(Box::new(first)), counted };
    let running = Running::with_limits(make, &["udp:127.0.0.1:0"], limits);
    address.send(running.address()).expect("the handler waits");
    socket.send_to(b"x", running.address()).expect("sent");
    assert_eq!(count.recv_timeout(Duration::from_secs(20)), Ok(100));
}

#[test]
fn a_socket_of_both_families_replies_from_the_asked_address() {
    let mut options = SocketOptions::default();
    options.only_v6 = false;
    let socket = options.bind_udp("[::]:0".parse().expect("a literal")).expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    reactor.listen(ServiceId::DEFAULT, Listener::Udp(socket)).expect("a socket that does not block");
    let stopper = reactor.stopper();
    let running = std::thread::spawn(move || reactor.run().map(drop));
    for (from, asked) in [("127.0.0.1:0", "127.0.0.2"), ("[::1]:0", "::1")] {
        let client = UdpSocket::bind(from).expect("free");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
        client.connect((asked, port)).expect("an address of this machine");
        client.send(b"hi").expect("sent");
        let mut answer = [0; 10];
        assert_eq!(client.recv(&mut answer).expect("an answer from the address that was asked"), 2);
    }
    stopper.stop().expect("woken");
    running.join().expect("no panic").expect("the poll works");
}
