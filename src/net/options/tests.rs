use super::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_getfd};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::thread;
use std::time::Instant;

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A loopback address that no other test uses, so a port that is free here stays free.
const APART: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 71, 0, 1)), 0);

/// Waits until the descriptor is ready, or fails the test.
fn await_ready(fd: &impl AsFd, flags: PollFlags) {
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(fd, flags)], Some(&limit)).expect("poll");
    assert_eq!(ready, 1, "nothing became ready");
}

fn accept(listener: &TcpListener) -> TcpStream {
    await_ready(listener, PollFlags::IN);
    listener.accept().expect("a waiting connection").0
}

#[test]
fn defaults_are_in_force() {
    let listener = SocketOptions::default().listen_tcp(V4).expect("listen");
    let socket = SockRef::from(&listener);
    assert!(socket.reuse_address().unwrap());
    assert!(!socket.reuse_port().unwrap());
    assert!(socket.nonblocking().unwrap());
    assert!(socket.tcp_nodelay().unwrap());
    assert!(!socket.keepalive().unwrap());
    assert!(fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));

    let socket = SocketOptions::default().bind_udp(V4).expect("bind");
    assert!(!SockRef::from(&socket).broadcast().unwrap());
    assert!(!SockRef::from(&socket).reuse_address().unwrap());
}

#[test]
fn options_are_in_force() {
    let options = SocketOptions {
        reuse_address: false,
        reuse_port: true,
        nonblocking: false,
        nodelay: false,
        broadcast: true,
        ..SocketOptions::default()
    };
    let listener = options.listen_tcp(V4).expect("listen");
    let socket = SockRef::from(&listener);
    assert!(!socket.reuse_address().unwrap());
    assert!(socket.reuse_port().unwrap());
    assert!(!socket.nonblocking().unwrap());
    assert!(!socket.tcp_nodelay().unwrap());

    let socket = options.bind_udp(V4).expect("bind");
    assert!(SockRef::from(&socket).broadcast().unwrap());
    assert!(SockRef::from(&socket).reuse_port().unwrap());
}

#[test]
fn accepted_connections_inherit_from_the_listener() {
    let options = SocketOptions {
        keepalive: Some(Duration::from_secs(77)),
        recv_buffer: Some(40_000),
        send_buffer: Some(50_000),
        ..SocketOptions::default()
    };
    let listener = options.listen_tcp(V4).expect("listen");
    let _client = TcpStream::connect(listener.local_addr().unwrap()).expect("connect");
    let accepted = accept(&listener);
    let socket = SockRef::from(&accepted);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(77));
    // Linux doubles both.
    assert_eq!(socket.recv_buffer_size().unwrap(), 80_000);
    assert_eq!(socket.send_buffer_size().unwrap(), 100_000);
}

#[test]
fn a_huge_buffer_is_lowered_and_not_wrapped() {
    let size = |bytes| {
        let options = SocketOptions { recv_buffer: Some(bytes), ..SocketOptions::default() };
        let socket = options.bind_udp(V4).expect("bind");
        SockRef::from(&socket).recv_buffer_size().unwrap()
    };
    assert_eq!(size(usize::MAX), size(i32::MAX as usize));
    // As a C int this would be 1.
    assert_eq!(size((1 << 32) + 1), size(i32::MAX as usize));
}

#[test]
fn apply_sets_the_options_of_a_connection() {
    let listener = TcpListener::bind(V4).expect("listen");
    let client = TcpStream::connect(listener.local_addr().unwrap()).expect("connect");
    let options = SocketOptions {
        keepalive: Some(Duration::from_millis(1500)),
        recv_buffer: Some(40_000),
        ..SocketOptions::default()
    };
    options.apply(&client).expect("apply");
    let socket = SockRef::from(&client);
    assert!(socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(2), "rounded up");
    assert_eq!(socket.recv_buffer_size().unwrap(), 80_000);
    assert!(!socket.nonblocking().unwrap(), "left alone");

    let (unix, _peer) = UnixStream::pair().expect("pair");
    options.apply(&unix).expect("no TCP options on a Unix stream");
    assert_eq!(SockRef::from(&unix).recv_buffer_size().unwrap(), 80_000);
    options.apply(&options.bind_udp(V4).expect("bind")).expect("no TCP options on UDP");
}

#[test]
fn keepalive_has_the_bounds_of_the_kernel() {
    let listen = |quiet| SocketOptions { keepalive: Some(quiet), ..SocketOptions::default() }.listen_tcp(V4);
    for quiet in [Duration::from_nanos(1), Duration::from_secs(1), Duration::from_secs(32_767)] {
        listen(quiet).unwrap_or_else(|error| panic!("{quiet:?}: {error}"));
    }
    for quiet in [Duration::ZERO, Duration::from_millis(32_767_001), Duration::MAX] {
        let error = listen(quiet).expect_err("out of bounds");
        assert_eq!(error.to_string(), "keepalive must be from 1 s to 32767 s");
    }
}

#[test]
fn a_port_has_one_live_listener() {
    let options = SocketOptions::default();
    let first = options.listen_tcp(V4).expect("listen");
    let again = options.listen_tcp(first.local_addr().unwrap()).expect_err("the port is taken");
    assert_eq!(again.kind(), io::ErrorKind::AddrInUse);

    let first = options.bind_udp(V4).expect("bind");
    let again = options.bind_udp(first.local_addr().unwrap()).expect_err("the port is taken");
    assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn reuse_port_shares_a_port() {
    let options = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    let first = options.listen_tcp(V4).expect("listen");
    options.listen_tcp(first.local_addr().unwrap()).expect("shared");
    let first = options.bind_udp(V4).expect("bind");
    options.bind_udp(first.local_addr().unwrap()).expect("shared");
}

/// Leaves a connection of `at` in TIME-WAIT, by closing the accepted side first.
fn leave_time_wait(listener: TcpListener) -> SocketAddr {
    let at = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(at).expect("connect");
    drop(accept(&listener));
    assert_eq!(client.read(&mut [0]).expect("EOF"), 0);
    drop(client);
    drop(listener);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_in_time_wait(at.port()) {
        assert!(Instant::now() < deadline, "no TIME-WAIT");
        thread::yield_now();
    }
    at
}

/// State 06 of /proc/net/tcp, proc(5).
fn is_in_time_wait(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let local = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|at| at.ends_with(&local)) && words.nth(1) == Some("06")
    })
}

#[test]
fn a_restart_does_not_wait_for_time_wait() {
    let options = SocketOptions::default();
    let at = leave_time_wait(options.listen_tcp(APART).expect("listen"));
    let without =
        SocketOptions { reuse_address: false, ..options.clone() }.listen_tcp(at).expect_err("TIME-WAIT holds the port");
    assert_eq!(without.kind(), io::ErrorKind::AddrInUse);
    options.listen_tcp(at).expect("a restart at once");
}

#[test]
fn the_backlog_reaches_the_kernel() {
    let listener = SocketOptions { backlog: 7, ..SocketOptions::default() }.listen_tcp(V4).expect("listen");
    let filter = format!("sport = :{}", listener.local_addr().unwrap().port());
    let shown = Command::new("ss").args(["-ltnH", &filter]).output().expect("ss of iproute2");
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(shown.split_whitespace().nth(2), Some("7"), "Send-Q of a listener is its backlog: {shown}");
}

#[test]
fn a_clipped_backlog_is_found() {
    assert_eq!(clip(1024, "128\n"), Some(128));
    assert_eq!(clip(129, "128"), Some(128));
    assert_eq!(clip(128, "128"), None);
    assert_eq!(clip(1024, "what?"), None);
    assert!(somaxconn_clip(u32::MAX).is_some_and(|limit| limit < u32::MAX), "no kernel has such a backlog");
    assert_eq!(somaxconn_clip(0), None);
    SocketOptions { backlog: u32::MAX, ..SocketOptions::default() }.listen_tcp(V4).expect("clipped, not refused");
}

#[test]
fn only_v6_decides_whether_ipv4_gets_in() {
    let listen = |only_v6| {
        let options = SocketOptions { only_v6, ..SocketOptions::default() };
        options.listen_tcp((Ipv6Addr::UNSPECIFIED, 0).into()).expect("IPv6 on the test machine")
    };
    let connect = |listener: &TcpListener| {
        TcpStream::connect((APART.ip(), listener.local_addr().unwrap().port())).map_err(|e| e.kind())
    };
    assert_eq!(connect(&listen(true)).map(|_| ()), Err(io::ErrorKind::ConnectionRefused));
    connect(&listen(false)).expect("both families");
}

#[test]
fn connect_tcp_begins_and_ends_connected() {
    let listener = TcpListener::bind(V4).expect("listen");
    let options = SocketOptions::default();
    let mut stream = options.connect_tcp(listener.local_addr().unwrap()).expect("begun");
    assert!(SockRef::from(&stream).nonblocking().unwrap());
    assert!(stream.nodelay().unwrap());
    await_ready(&stream, PollFlags::OUT);
    assert!(stream.take_error().unwrap().is_none());
    stream.write_all(b"x").expect("connected");
    let mut byte = [0];
    listener.accept().expect("a peer").0.read_exact(&mut byte).expect("its byte");
    assert_eq!(&byte, b"x");
}

#[test]
fn connect_tcp_without_a_listener_is_refused() {
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("socket");
    bound.bind(&V4.into()).expect("bound, and not listening");
    let at = bound.local_addr().unwrap().as_socket().unwrap();
    let stream = SocketOptions::default().connect_tcp(at).expect("begun");
    await_ready(&stream, PollFlags::OUT);
    let error = stream.take_error().unwrap().expect("refused");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

    let error = SocketOptions { nonblocking: false, ..SocketOptions::default() }.connect_tcp(at).expect_err("refused");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn connected_udp_talks_with_its_peer() {
    let options = SocketOptions { nonblocking: false, ..SocketOptions::default() };
    let server = options.bind_udp(V4).expect("bind");
    let client = options.connect_udp(server.local_addr().unwrap()).expect("connect");
    client.send(b"there").expect("send");
    let mut bytes = [0; 16];
    let (count, from) = server.recv_from(&mut bytes).expect("receive");
    assert_eq!((&bytes[..count], from), (&b"there"[..], client.local_addr().unwrap()));
    server.send_to(b"back", from).expect("send");
    let count = client.recv(&mut bytes).expect("receive");
    assert_eq!(&bytes[..count], b"back");
}
