//! Each limit does exactly what it says, and each bad value is refused by name.

use crate::support::peer::{Peer, admitted};
use crate::support::server::Program;
use std::time::{Duration, Instant};
use switchboard_harness::{Server, Stop, let_pass, until};

/// Fails unless the server closes the connection without having served it.
#[track_caller]
fn expect_refused(peer: &mut Peer) {
    peer.expect_eof();
}

#[track_caller]
fn expect_served(program: Program, peer: &mut Peer) {
    peer.send("hi\n");
    peer.expect(program.greeting());
}

#[test]
fn exactly_as_many_connections_as_allowed() {
    for program in Program::TALKERS {
        let server = program.launch().args("--max-connections 3").start();
        let mut inside: Vec<_> = (0..3).map(|_| Peer::connect(&server.address())).collect();
        for peer in &mut inside {
            expect_served(program, peer);
        }
        for _ in 0..5 {
            expect_refused(&mut Peer::connect(&server.address()));
        }
        for _ in 0..3 {
            inside.remove(0);
            inside.push(admitted(&server.address()));
            expect_refused(&mut Peer::connect(&server.address()));
        }
    }
}

#[test]
fn a_place_is_free_again_also_after_a_reset() {
    let server = Program::Echo.launch().args("--max-connections 1").start();
    for _ in 0..20 {
        let mut peer = admitted(&server.address());
        peer.expect("in?\n");
        peer.reset();
    }
}

#[test]
fn the_busy_outlive_the_idle_time_and_the_idle_do_not() {
    let server = Program::Echo.launch().args("-v --idle-timeout 1s").start();
    let mut idle = Peer::connect(&server.address());
    // The server counts from the last byte that it read, which is after this.
    let silent_since = Instant::now();
    idle.echo("hello\n");
    let mut never_spoke = Peer::connect(&server.address());
    let mut busy = Peer::connect(&server.address());
    while silent_since.elapsed() < Duration::from_millis(2500) {
        busy.echo("still here\n");
        let_pass(Duration::from_millis(100));
        let heard = silent_since.elapsed() < Duration::from_secs(1) && idle.hears_within(Duration::from_millis(1));
        assert!(!heard || silent_since.elapsed() >= Duration::from_secs(1), "closed too early");
    }
    // Both ends must be there by now: no further wait.
    for peer in [&mut idle, &mut never_spoke] {
        assert!(peer.hears_within(Duration::from_millis(1)), "an idle connection is still open");
        peer.expect_eof();
    }
    busy.echo("and here\n");
    until("the reason in the log", || server.stderr.text().to_lowercase().contains("idle"));
}

#[test]
fn a_slow_reader_is_not_idle() {
    let server = Program::Echo.launch().args("--idle-timeout 500ms").start();
    let mut peer = Peer::connect(&server.address());
    // Input in small parts is activity, too.
    for byte in b"hello" {
        peer.echo([*byte]);
        let_pass(Duration::from_millis(200));
    }
}

fn echo_with(flags: &str) -> Server {
    Program::Echo.launch().args(flags).start()
}

#[test]
fn a_denied_host_is_not_served() {
    let server = echo_with("--deny 127.0.0.2/32");
    expect_refused(&mut Peer::connect_from("127.0.0.2", &server.address()));
    Peer::connect_from("127.0.0.1", &server.address()).echo("hello\n");
    Peer::connect_from("127.0.0.3", &server.address()).echo("hello\n");
}

#[test]
fn only_allowed_hosts_are_served() {
    let server = echo_with("--allow 127.0.0.4/31 --allow 127.0.0.8/32");
    for (host, served) in [(3, false), (4, true), (5, true), (6, false), (7, false), (8, true), (9, false)] {
        let mut peer = Peer::connect_from(&format!("127.0.0.{host}"), &server.address());
        if served {
            peer.echo("hello\n");
        } else {
            expect_refused(&mut peer);
        }
    }
}

#[test]
fn each_host_has_so_many_clients_and_one_more_when_one_has_left() {
    let server = echo_with("--max-per-host 2");
    let mut clients: Vec<Peer> = Vec::new();
    for host in ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"] {
        let mut client = Peer::connect_from(host, &server.address());
        client.echo("hello\n");
        clients.push(client);
    }
    expect_refused(&mut Peer::connect_from("127.0.0.1", &server.address()));
    expect_refused(&mut Peer::connect_from("127.0.0.2", &server.address()));
    server.stderr.wait_for("too many connections from this host (--max-per-host)");
    let mut leaves = clients.swap_remove(1);
    leaves.finish();
    leaves.expect_eof();
    // The end was seen, so the place is free.
    Peer::connect_from("127.0.0.2", &server.address()).echo("hello\n");
    expect_refused(&mut Peer::connect_from("127.0.0.1", &server.address()));
}

#[test]
fn what_is_both_allowed_and_denied_is_denied() {
    for flags in
        ["--allow 127.0.0.0/8 --deny 127.0.0.2/32", "--deny 127.0.0.2/32 --allow 127.0.0.2/32 --allow 127.0.0.1/32"]
    {
        let server = echo_with(flags);
        expect_refused(&mut Peer::connect_from("127.0.0.2", &server.address()));
        Peer::connect_from("127.0.0.1", &server.address()).echo("hello\n");
    }
}

#[test]
fn a_host_of_the_other_family_is_judged_too() {
    let server = Program::Echo.launch().args("--allow 127.0.0.0/8").listen("*:0").start();
    for address in server.addresses(2) {
        let port = address.rsplit(':').next().expect("a port").to_owned();
        if address.starts_with('[') {
            expect_refused(&mut Peer::connect(&format!("[::1]:{port}")));
        } else {
            Peer::connect(&format!("127.0.0.1:{port}")).echo("hello\n");
        }
    }
}

#[test]
fn peers_at_a_path_have_no_address_to_deny() {
    let place = tempfile::TempDir::new().expect("room");
    let address = format!("unix:{}", place.path().join("socket").display());
    let server = Program::Echo.launch().args("--deny 0.0.0.0/0 --deny ::/0").listen(&address).start();
    Peer::connect(&server.address()).echo("hello\n");
}

/// Joins the chat and returns once the room has greeted.
fn member(server: &Server, nickname: &str) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.expect("Enter your nickname: ");
    peer.send(format!("{nickname}\n"));
    peer.line_where(|line| line.ends_with("persons are here.") || line.ends_with("person is here."));
    peer
}

#[test]
fn a_line_of_the_longest_length_passes_and_no_longer_one() {
    let server = Program::Chat.launch().args("--max-line 10").start();
    let mut ann = member(&server, "ann");
    let mut bob = member(&server, "bob");
    ann.line_where(|line| line == "Welcome bob to the room!");
    for end in ["\n", "\r\n"] {
        ann.send(format!("0123456789{end}"));
        assert_eq!(bob.line(), "ann: 0123456789");
        ann.send(format!("0123456789A{end}"));
        let notice = ann.line();
        assert!(notice.contains("10"), "the notice names the limit: {notice:?}");
        ann.send(format!("{}{end}short{end}", "x".repeat(100_000)));
        ann.line();
        assert_eq!(bob.line(), "ann: short");
    }
    bob.send("marker\n");
    assert_eq!(ann.line(), "bob: marker", "one notice for each line");
}

#[test]
fn a_line_without_an_end_costs_no_memory() {
    let server = Program::Echo.launch().args("--reply-prefix > --max-line 1000").start();
    let mut peer = Peer::connect(&server.address());
    peer.send("warm\n");
    peer.line();
    let before = server.resident();
    peer.send(vec![b'x'; 20_000_000]);
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 2 << 20, "grown by {growth} bytes");
}

#[test]
fn every_limit_can_be_switched_off() {
    let common = "--max-connections off --idle-timeout off --max-queue off --drain off --keepalive off";
    for program in Program::TALKERS {
        let more = match program {
            Program::Echo => "--quit-on q --max-line off",
            Program::Chat => "--max-line off --room-buffer off --rate off --handshake-timeout off",
            Program::Bank => "--max-line off --lock off",
            Program::Sum | Program::Talk | Program::Phonebook | Program::Doctor => "--max-line off",
            _ => "",
        };
        let mut server = program.launch().args(common).args(more).start();
        let mut peer = Peer::connect(&server.address());
        expect_served(program, &mut peer);
        drop(peer);
        server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    }
}

#[test]
fn socket_flags_are_accepted() {
    let flags =
        "--nodelay false --keepalive 30s --recv-buffer 65536 --send-buffer 65536 --reuse-address true --backlog 100";
    for program in Program::TALKERS {
        let server = program.launch().args(flags).start();
        expect_served(program, &mut Peer::connect(&server.address()));
    }
}

#[test]
fn a_bad_value_is_refused_by_the_name_of_its_flag() {
    let bad = [
        ("--max-connections", "x"),
        ("--max-connections", "-1"),
        ("--idle-timeout", "x"),
        ("--idle-timeout", "5"),
        ("--idle-timeout", "5 fortnights"),
        ("--max-queue", "lots"),
        ("--drain", "soon"),
        ("--backlog", "x"),
        ("--backlog", "-7"),
        ("--nodelay", "perhaps"),
        ("--reuse-address", "perhaps"),
        ("--keepalive", "x"),
        ("--recv-buffer", "x"),
        ("--send-buffer", "-1"),
        ("--allow", "somebody"),
        ("--allow", "127.0.0.0/33"),
        ("--deny", "1.2.3"),
        ("--stdin", "perhaps"),
    ];
    for program in Program::ALL {
        for (flag, value) in bad {
            let finished = program.launch().arg(format!("{flag}={value}")).run();
            assert_eq!(finished.code, Some(2), "{flag} {value}: {finished:?}");
            assert!(finished.stderr.contains(flag), "{flag} {value}: {finished:?}");
            assert_eq!(finished.stdout, "", "{flag} {value}: {finished:?}");
        }
    }
    let finished = Program::Chat.launch().arg("--max-line=x").run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("--max-line"), "{finished:?}");
}

#[test]
fn a_flag_without_a_meaning_is_absent() {
    for (program, flag) in [
        (Program::Echo, "--room-buffer=1000"),
        (Program::Uppercase, "--room-buffer=1000"),
        (Program::Uppercase, "--max-line=1000"),
        (Program::Uppercase, "--quit-on=q"),
        (Program::Chat, "--quit-on=q"),
        (Program::Chat, "--unicode"),
        (Program::Greeting, "--utc"),
        (Program::Daytime, "--max-line=1000"),
        (Program::Time, "--format=%s"),
        (Program::Discard, "--text=x"),
        (Program::Chargen, "--max-line=1000"),
        (Program::Sum, "--room-buffer=1000"),
        (Program::Sum, "--quit-on=q"),
        (Program::Talk, "--room-buffer=1000"),
        (Program::Phonebook, "--room-buffer=1000"),
    ] {
        let finished = program.launch().arg(flag).run();
        assert_eq!(finished.code, Some(2), "{program:?} {flag}: {finished:?}");
    }
}

#[test]
fn each_host_has_a_rate_of_connections() {
    // The burst is ten times the number.
    for program in Program::TALKERS {
        let mut server = program.launch().args("--connect-rate 1/1h --stdin commands").start();
        for _ in 0..10 {
            // Those that have left count, too.
            expect_served(program, &mut Peer::connect_from("127.0.0.1", &server.address()));
        }
        for _ in 0..5 {
            expect_refused(&mut Peer::connect_from("127.0.0.1", &server.address()));
        }
        expect_served(program, &mut Peer::connect_from("127.0.0.2", &server.address()));
        server.stderr.wait_for("too many new connections from this host (--connect-rate)");
        server.say("stats\n");
        server.stderr.wait_for("5 by --connect-rate");
    }
}

#[test]
fn datagrams_over_the_rate_are_dropped_and_counted() {
    expect_ten_answers("1/1h");
}

#[test]
fn the_slowest_datagram_rate_is_a_limit() {
    expect_ten_answers("1/18446744073709551615s");
}

#[track_caller]
fn expect_ten_answers(rate: &str) {
    let flags = format!("--datagram-rate {rate} --stdin commands");
    let mut server = Program::Echo.launch().args(&flags).listen("udp:127.0.0.1:0").start();
    let address = server.address();
    let address = address.strip_prefix("udp:").expect("a UDP address");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
    for number in 0..30 {
        socket.send_to(format!("{number}").as_bytes(), address).expect("sent");
    }
    let mut buffer = [0; 10];
    for number in 0..10 {
        let count = socket.recv(&mut buffer).expect("an answer");
        assert_eq!(buffer[..count], *format!("{number}").as_bytes(), "the burst is ten");
    }
    until("twenty to be dropped", || {
        server.say("stats\n");
        server.stderr.text().contains("20 datagrams without an answer")
    });
    socket.set_nonblocking(true).expect("a socket of ours");
    socket.recv(&mut buffer).expect_err("no eleventh answer");
}

#[test]
fn a_datagram_refused_by_the_kernel_is_dropped_and_counted() {
    let mut server = Program::Echo.launch().args("--reply-prefix > --stdin commands").listen("udp:127.0.0.1:0").start();
    let address = server.address();
    let address = address.strip_prefix("udp:").expect("a UDP address");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
    // The longest that IPv4 carries (udp(7)): with the prefix, the answer is one byte too long.
    socket.send_to(&vec![b'x'; 65_507], address).expect("sent");
    socket.send_to(b"short", address).expect("sent");
    let mut buffer = [0; 10];
    let count = socket.recv(&mut buffer).expect("an answer");
    assert_eq!(&buffer[..count], b">short");
    server.say("stats\n");
    server.stderr.wait_for(" 1 datagrams without an answer");
}

/// The number of lines in the log that say this of a peer.
fn said(server: &Server, what: &str) -> usize {
    server.stderr.lines().iter().filter(|line| line.contains(what)).count()
}

#[test]
fn a_crowd_that_is_refused_fills_no_disk() {
    let start = Instant::now();
    let mut server = Program::Echo.launch().args("--deny 127.0.0.2/32 --stdin commands").start();
    for _ in 0..200 {
        expect_refused(&mut Peer::connect_from("127.0.0.2", &server.address()));
    }
    server.say("stats\n");
    server.stderr.wait_for("200 by --allow and --deny");
    let most = 1 + start.elapsed().as_secs() as usize / 10;
    assert!((1..=most).contains(&said(&server, "refused:")), "{}", server.stderr.text());
}

#[test]
fn members_closed_by_a_limit_are_one_line_without_verbosity() {
    // Few enough for each to have a notice of its own.
    for (flag, lines) in [("", 1), ("-v", 9)] {
        let start = Instant::now();
        let server =
            Program::Chat.launch().args("--room-buffer 65536 --send-buffer 4096 --rate off").args(flag).start();
        let mut talker = member(&server, "talker");
        let stuck: Vec<Peer> = (0..9)
            .map(|number| {
                let mut peer = Peer::connect_narrow(&server.address(), 4096);
                peer.send(format!("stuck{number}\n"));
                talker.line_where(|line| line == format!("Welcome stuck{number} to the room!"));
                peer
            })
            .collect();
        let text = "x".repeat(1000);
        for _ in 0..200 {
            talker.send(format!("{text}\n"));
        }
        for _ in &stuck {
            talker.line_where(|line| line.starts_with("stuck") && line.ends_with(" leaves the room!"));
        }
        until("the lines of the log", || said(&server, " closed: ") >= lines);
        let most = lines + start.elapsed().as_secs() as usize / 10;
        assert!((lines..=most).contains(&said(&server, " closed: ")), "{}", server.stderr.text());
    }
}
