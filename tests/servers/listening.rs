//! Where a server listens: addresses, their errors, restarts, the queue, and datagrams.

use crate::support::peer::Peer;
use crate::support::server::{LINE_CLIENT, Program};
use crate::support::tools::tool;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;
use switchboard_harness::{Finished, Launch, Stop, TIMEOUT, own_address, skipped, until};

/// Fails unless the server said why it cannot start in one line that has all of `words`.
#[track_caller]
fn expect_one_line(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} is missing: {finished:?}");
    }
}

fn listening_at(program: Program, address: &str) -> Launch {
    program.launch().listen(address)
}

#[test]
fn a_second_copy_on_the_port_says_so_and_exits_with_1() {
    for program in Program::ALL {
        let first = program.start();
        let finished = listening_at(program, &first.address()).run();
        expect_one_line(&finished, &[&first.address(), "in use", "--listen"]);
        Peer::connect(&first.address()).send("the first is unharmed\n");
    }
}

#[test]
fn two_copies_share_a_port_when_both_ask_to() {
    let first = Program::Echo.launch().args("--reuse-port").start();
    let second = Program::Echo.launch().args("--reuse-port").listen(&first.address()).start();
    assert_eq!(first.address(), second.address());
}

#[test]
fn a_restart_at_once_succeeds_although_connections_linger() {
    // No other process may be given the port between the end of the first and the start of the second.
    let address = own_address().to_string();
    let mut first = listening_at(Program::Echo, &address).start();
    let mut peers: Vec<_> = (0..20).map(|_| Peer::connect(&address)).collect();
    for peer in &mut peers {
        peer.echo("hello\n");
    }
    // The server closes first, so the lingering ends (TIME_WAIT) are on its port.
    first.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
    for peer in &mut peers {
        peer.expect_eof();
    }
    drop(peers);
    let lingering = Command::new("ss").args(["-tan", "state", "time-wait", "src", &address]).output().expect("ss runs");
    let lingering = String::from_utf8_lossy(&lingering.stdout).lines().count() - 1;
    assert!(lingering > 0, "the test has made no lingering connection");
    let again = listening_at(Program::Echo, &address).start();
    Peer::connect(&again.address()).echo("hello again\n");

    drop(again);
    let refused = Program::Echo.launch().args("--reuse-address false").listen(&address).run();
    expect_one_line(&refused, &[&address, "in use"]);
}

#[test]
fn the_queue_is_as_long_as_asked_for() {
    for (flag, wanted) in [("--backlog 7", "7"), ("", "1024")] {
        let server = Program::Echo.launch().args(flag).start();
        let sockets = Command::new("ss").args(["-ltnH", "src", &server.address()]).output().expect("ss runs");
        let sockets = String::from_utf8_lossy(&sockets.stdout).into_owned();
        assert_eq!(sockets.split_whitespace().nth(2), Some(wanted), "{sockets}");
    }
}

#[test]
fn a_queue_that_the_kernel_clips_is_a_warning() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux has a limit");
    let limit: u32 = limit.trim().parse().expect("a number");
    let server = Program::Echo.launch().arg("--backlog").arg((limit + 1).to_string()).start();
    server.stderr.wait_for(&limit.to_string());
    Peer::connect(&server.address()).echo("it serves all the same");
}

#[test]
fn a_bad_address_is_a_usage_error() {
    for program in Program::ALL {
        for address in [
            "nonsense",
            "1.2.3.4:99999",
            "256.1.1.1:1",
            "127.0.0.1",
            "",
            ":",
            "[::1]",
            "[::1:80",
            "unix:",
            "99999",
            "-1",
        ] {
            let finished = program.launch().arg(format!("--listen={address}")).run();
            assert_eq!(finished.code, Some(2), "{address:?}: {finished:?}");
            assert_eq!(finished.stdout, "", "{address:?}: {finished:?}");
            assert!(finished.stderr.contains("--listen"), "{address:?}: {finished:?}");
        }
    }
}

#[test]
fn a_name_that_does_not_resolve_is_one_clear_line() {
    let finished = listening_at(Program::Echo, "no-such-host.invalid:1").run();
    expect_one_line(&finished, &["no-such-host.invalid:1"]);
}

#[test]
fn an_address_of_another_machine_is_one_clear_line() {
    // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    let finished = listening_at(Program::Echo, "192.0.2.1:5000").run();
    expect_one_line(&finished, &["192.0.2.1:5000"]);
}

#[test]
fn a_star_is_both_families_each_on_its_own_socket() {
    let server = listening_at(Program::Echo, "*:0").start();
    let addresses = server.addresses(2);
    for (host, number) in [("127.0.0.1", "0.0.0.0:"), ("[::1]", "[::]:")] {
        let printed = addresses.iter().find_map(|address| address.strip_prefix(number)).expect("both families");
        Peer::connect(&format!("{host}:{printed}")).echo("hello\n");
    }
    assert_eq!(server.addresses(2).len(), 2);
}

#[test]
fn a_name_binds_every_address_that_it_has() {
    let server = listening_at(Program::Echo, "localhost:0").start();
    for address in server.addresses(1) {
        assert!(address.starts_with("127.0.0.1:") || address.starts_with("[::1]:"), "{address}");
        Peer::connect(&address).echo("hello\n");
    }
}

/// A network of its own gives the loopback interface a link-local address.
const LINK_LOCAL: &str = "ip link set lo up && ip -6 addr add fe80::1/64 dev lo nodad || exit 77
    \"$0\" -q -l '[fe80::1%lo]:5000' -l '[fe80::1%1]:5001' -l 'udp:[fe80::1%lo]:5002' --stdin ignore &
    for to in '[fe80::1%lo]:5000' '[fe80::1%1]:5001' 'udp:[fe80::1%1]:5002'; do
        echo \"to $to\" | \"$1\" --retry 20s --linger 200ms \"$to\"
    done
    kill %1; wait
    \"$1\" '[fe80::1]:5000'
    \"$0\" -l '[fe80::1]:5000'
    \"$0\" -l '[fe80::1%no]:5000'";

#[test]
fn a_link_local_address_has_its_zone() {
    let launch = Launch::of("unshare").args("--user --map-root-user --net bash -c").arg(LINK_LOCAL);
    let finished = launch.arg(Program::Echo.path()).arg(LINE_CLIENT).run();
    if finished.code == Some(77) || finished.stderr.contains("unshare") {
        skipped("this user may not have a network of its own");
        return;
    }
    let shown = "listening on [fe80::1%lo]:5000\nlistening on [fe80::1%lo]:5001\nlistening on udp:[fe80::1%lo]:5002\n\
                 to [fe80::1%lo]:5000\nto [fe80::1%1]:5001\nto udp:[fe80::1%1]:5002\n";
    assert_eq!(finished.stdout, shown, "{finished:?}");
    let told = "line-client: cannot connect to [fe80::1]:5000: Invalid argument (os error 22) (a link-local address \
                needs its zone, such as [fe80::1%eth0]:50000)\n\
                echo-server: cannot listen on [fe80::1]:5000: Invalid argument (os error 22); a link-local address \
                needs its zone, such as [fe80::1%eth0]:5000 (--listen ADDR)\n\
                echo-server: cannot listen on [fe80::1%no]:5000: No such device (os error 19); see \"ip link\" for the \
                network interfaces (--listen ADDR)\n";
    assert_eq!(finished.stderr, told, "{finished:?}");
}

#[test]
fn a_bare_port_is_on_the_loopback_interface() {
    let server = listening_at(Program::Echo, "0").start();
    assert!(server.address().starts_with("127.0.0.1:"), "{}", server.address());
}

#[test]
fn every_address_that_is_asked_for_is_served() {
    let mut server = Program::Uppercase.launch().listen("127.0.0.1:0").listen("[::1]:0").listen("127.0.0.2:0").start();
    let addresses = server.addresses(3);
    assert!(addresses[0].starts_with("127.0.0.1:"), "{addresses:?}");
    assert!(addresses[1].starts_with("[::1]:"), "{addresses:?}");
    assert!(addresses[2].starts_with("127.0.0.2:"), "{addresses:?}");
    for address in &addresses {
        let mut peer = Peer::connect(address);
        peer.send("hi\n");
        peer.expect("HI\n");
    }
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
}

#[test]
fn one_bad_address_among_good_ones_starts_nothing() {
    let other = Program::Echo.start();
    let finished = Program::Echo.launch().listen("127.0.0.1:0").listen(&other.address()).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(&other.address()), "{finished:?}");
}

#[test]
fn without_a_flag_each_server_has_its_own_port() {
    for (program, port) in [
        (Program::Echo, 50_000),
        (Program::Uppercase, 4444),
        (Program::Chat, 8888),
        (Program::Greeting, 8090),
        (Program::Daytime, 5013),
        (Program::Time, 5038),
        (Program::Discard, 5009),
        (Program::Chargen, 5019),
        (Program::Sum, 1234),
        (Program::Phonebook, 5002),
        (Program::Bank, 5003),
    ] {
        let mut server = program.launch().spawn();
        let wanted = format!("127.0.0.1:{port}");
        // The port may belong to someone else on this machine: then the error names it.
        until("the default port", || {
            let listens = server.stdout.text() == format!("listening on {wanted}\n");
            listens || (!server.is_running() && server.stderr.text().contains(&wanted))
        });
    }
}

fn datagram_socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("a free port");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    socket
}

/// Sends one datagram and expects one answer from the same address.
#[track_caller]
fn expect_answer(socket: &UdpSocket, server: &str, (sent, wanted): (&[u8], &[u8])) {
    socket.send_to(sent, server).expect("a datagram is sent");
    let mut buffer = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!(from.to_string(), server);
    assert_eq!(&buffer[..length], wanted);
}

#[test]
fn one_datagram_has_one_answer() {
    let echo = listening_at(Program::Echo, "udp:127.0.0.1:0").start();
    let uppercase = listening_at(Program::Uppercase, "udp:[::1]:0").start();
    let echo_address = echo.address();
    let echo_address = echo_address.strip_prefix("udp:").expect("the kind is printed");
    let socket = datagram_socket("127.0.0.1:0");
    expect_answer(&socket, echo_address, (b"hello", b"hello"));
    expect_answer(&socket, echo_address, (&[7; 9000], &[7; 9000]));
    let uppercase_address = uppercase.address();
    let socket = datagram_socket("[::1]:0");
    let target = uppercase_address.strip_prefix("udp:").expect("the kind is printed");
    expect_answer(&socket, target, (b"hello", b"HELLO"));
}

#[test]
fn an_empty_datagram_is_answered_by_an_empty_one() {
    let server = listening_at(Program::Echo, "udp:127.0.0.1:0").start();
    let address = server.address();
    let target = address.strip_prefix("udp:").expect("the kind is printed");
    expect_answer(&datagram_socket("127.0.0.1:0"), target, (b"", b""));
}

#[test]
fn a_netcat_of_datagrams_has_its_answers() {
    let server = listening_at(Program::Uppercase, "udp:127.0.0.1:0").start();
    let port = server.port().to_string();
    let mut nc = tool(&["nc", "-u", "127.0.0.1", &port]);
    nc.say("one\n");
    nc.stdout.wait_for("ONE\n");
    nc.say("two\n");
    nc.stdout.shows("ONE\nTWO\n");
}

#[test]
fn datagrams_and_streams_are_served_side_by_side() {
    let mut server = Program::Echo.launch().listen("127.0.0.1:0").listen("udp:127.0.0.1:0").start();
    let addresses = server.addresses(2);
    Peer::connect(&addresses[0]).echo("stream");
    let target = addresses[1].strip_prefix("udp:").expect("in the order of the flags");
    expect_answer(&datagram_socket("127.0.0.1:0"), target, (b"datagram", b"datagram"));
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
}

#[test]
fn a_source_port_below_1024_is_never_answered() {
    let server = listening_at(Program::Echo, "udp:127.0.0.1:0").start();
    let address = server.address();
    let target = address.strip_prefix("udp:").expect("the kind is printed");
    let Some(low) = (600..1024).rev().find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()) else {
        skipped("this user may not bind a port below 1024");
        return;
    };
    low.send_to(b"echo me for ever", target).expect("a datagram is sent");
    // Datagrams are served in their order: with this answer the first has been dealt with.
    expect_answer(&datagram_socket("127.0.0.1:0"), target, (b"marker", b"marker"));
    low.set_nonblocking(true).expect("a socket of ours");
    let heard = low.recv_from(&mut [0; 100]).map_err(|error| error.kind());
    assert_eq!(heard, Err(ErrorKind::WouldBlock));
}

#[test]
fn datagrams_to_a_server_of_connections_are_a_usage_error() {
    for program in [Program::Chat, Program::Greeting] {
        let finished = listening_at(program, "udp:127.0.0.1:0").run();
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("udp:"), "{finished:?}");
    }
}

#[test]
fn a_buffer_that_the_kernel_clips_is_a_warning() {
    let sockets = ["127.0.0.1:0", "udp:127.0.0.1:0"];
    let launch = Program::Echo.launch().args("--recv-buffer 1GiB --send-buffer 1GiB");
    let server = sockets.iter().fold(launch, |launch, address| launch.listen(address)).start();
    for address in server.addresses(2) {
        for (name, sysctl) in [("receive", "rmem_max"), ("send", "wmem_max")] {
            server.stderr.wait_for(&format!("the {name} buffer of {address} is "));
            server.stderr.wait_for(&format!("bytes, not 1073741824: raise net.core.{sysctl} for more"));
        }
    }
    let quiet = Program::Echo.launch().args("--recv-buffer 64KiB --send-buffer 64KiB").start();
    Peer::connect(&quiet.address()).echo("served\n");
    assert_eq!(quiet.stderr.text(), "");
}
