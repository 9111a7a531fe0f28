//! Under a service manager: sockets that are handed over, readiness that is told, and the unit that the docs offer.
//! systemd's own tools play the manager.

use crate::docs::script::page;
use crate::support::peer::Peer;
use crate::support::server::Program;
use std::fs;
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use switchboard_harness::{Finished, Launch, Server, Stop, TIMEOUT, own_address};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");

/// The manager with these sockets, which becomes the program when the first client comes.
fn activated(sockets: &str, program: &'static str) -> Launch {
    Launch::of("systemd-socket-activate").args(sockets).arg(program)
}

/// Waits until the manager listens, and connects.
fn connect(server: &Server, address: &str) -> Peer {
    server.stderr.wait_for("Listening on");
    Peer::connect(address)
}

#[test]
fn an_inherited_socket_replaces_the_default_port() {
    let directory = TempDir::new().expect("room");
    let path = directory.path().join("socket");
    let address = format!("unix:{}", path.display());
    let mut server = activated(&format!("-l {}", path.display()), Program::Echo.path()).spawn();
    let mut peer = connect(&server, &address);
    peer.echo("hello\n");
    assert_eq!(server.addresses(1), [address]);
    drop(peer);
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
    assert!(path.exists(), "the manager's file is not ours to remove");
}

#[test]
fn tcp_and_udp_sockets_are_handed_over_and_flags_add_to_them() {
    // The manager cannot have the system pick a port.
    let stream = own_address();
    let mut server = activated(&format!("-l {stream}"), Program::Echo.path()).listen("127.0.0.1:0").spawn();
    connect(&server, &stream.to_string()).echo("hello\n");
    let addresses = server.addresses(2);
    assert_eq!(addresses[0], stream.to_string());
    Peer::connect(&addresses[1]).echo("hello\n");
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(1));

    let datagrams = own_address();
    let server = activated(&format!("-d -l {datagrams}"), Program::Echo.path()).spawn();
    server.stderr.wait_for("Listening on");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    socket.send_to(b"hello", datagrams).expect("sent");
    let mut answer = [0; 10];
    assert_eq!(socket.recv(&mut answer).expect("an answer"), 5);
    assert_eq!(server.address(), format!("udp:{datagrams}"));
}

#[test]
fn a_switchboard_finds_its_services_by_their_names() {
    let directory = TempDir::new().expect("room");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let sockets = format!("-l {} -l {} --fdname=uppercase:echo", path("one"), path("two"));
    let server = activated(&sockets, SWITCHBOARD).args("echo uppercase").spawn();
    let mut loud = connect(&server, &format!("unix:{}", path("one")));
    loud.send("hello\n");
    loud.expect("HELLO\n");
    Peer::connect(&format!("unix:{}", path("two"))).echo("hello\n");
}

/// The end of a program that cannot use its inherited socket. The manager starts it at the first connection.
fn refused(sockets: &str, launch: impl FnOnce(Launch) -> Launch, program: &'static str) -> Finished {
    let directory = TempDir::new().expect("room");
    let path = directory.path().join("socket");
    let mut server = launch(activated(&format!("-l {} {sockets}", path.display()), program)).spawn();
    server.stderr.wait_for("Listening on");
    if sockets.contains("-d") {
        UnixDatagram::unbound().and_then(|socket| socket.send_to(b"hi", &path)).expect("sent");
    } else {
        drop(Peer::connect(&format!("unix:{}", path.display())));
    }
    let code = server.wait().code;
    Finished { code, stdout: server.stdout.all_text(), stderr: server.stderr.all_text() }
}

#[test]
fn an_unusable_socket_is_one_line_and_exit_code_1() {
    for (finished, wanted) in [
        (
            // Their default ports may be in use on this machine, which would be reported first.
            refused("--fdname=chat", |launch| launch.args("echo=127.0.0.1:0 uppercase=127.0.0.1:0"), SWITCHBOARD),
            "switchboard: the service manager has passed a socket named \"chat\", but no service has this name; set \
             FileDescriptorName= to one of echo, uppercase\n",
        ),
        (
            refused("-d", |launch| launch, Program::Chat.path()),
            "chat-server: socket 1 (\"\") of the service manager: it is neither TCP, nor UDP, nor a Unix \
             stream socket; set ListenStream= to an address or a path, and do not set Accept=\n",
        ),
    ] {
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(wanted), "{finished:?}");
    }
}

#[test]
fn datagrams_are_refused_by_a_server_without_a_use_for_them() {
    let address = own_address();
    let mut server = activated(&format!("-d -l {address}"), Program::Chat.path()).spawn();
    server.stderr.wait_for("Listening on");
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"hi", address)).expect("sent");
    assert_eq!(server.wait().code, Some(1));
    let wanted = format!("chat-server: udp:{address}: this server does not support UDP; use ListenStream= instead");
    assert!(server.stderr.all().ends_with(format!("{wanted}\n").as_bytes()), "{}", server.stderr.text());
}

#[test]
fn readiness_is_told_when_clients_may_come() {
    let directory = TempDir::new().expect("room");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a free path");
    manager.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let notified = format!("export NOTIFY_SOCKET={}", path.display());
    let server = Program::Echo.launch().after(&notified).listen("127.0.0.1:0").spawn();
    let mut told = [0; 1000];
    let length = manager.recv(&mut told).expect("a message");
    let address = server.address();
    assert_eq!(String::from_utf8_lossy(&told[..length]), format!("READY=1\nSTATUS=listening on {address}\n"));
    Peer::connect(&address).echo("hello\n");

    let unheard = Program::Echo.launch().after("export NOTIFY_SOCKET=/nonexistent/notify").start();
    unheard.stderr.wait_for("cannot report to the service manager that the server is ready");
    Peer::connect(&unheard.address()).echo("hello\n");
}

#[test]
fn readiness_reaches_an_abstract_socket() {
    let name = format!("switchboard-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a short name");
    let manager = UnixDatagram::bind_addr(&address).expect("a free name");
    manager.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let server = Program::Echo.launch().after(&format!("export NOTIFY_SOCKET=@{name}")).start();
    let mut told = [0; 1000];
    let length = manager.recv(&mut told).expect("a message");
    assert_eq!(
        String::from_utf8_lossy(&told[..length]),
        format!("READY=1\nSTATUS=listening on {}\n", server.address())
    );
    assert_eq!(server.stderr.text(), "");
}

#[test]
fn a_full_queue_of_the_manager_delays_only_readiness() {
    let directory = TempDir::new().expect("room");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a free path");
    manager.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let filler = UnixDatagram::unbound().expect("a socket");
    filler.connect(&path).expect("the manager");
    filler.set_nonblocking(true).expect("a socket of ours");
    while filler.send(b"FILLER=1").is_ok() {}
    let mut server = Program::Echo.launch().after(&format!("export NOTIFY_SOCKET={}", path.display())).start();
    Peer::connect(&server.address()).echo("served before the manager reads\n");
    let mut told = [0; 1000];
    let mut next = || {
        let length = manager.recv(&mut told).expect("a message");
        String::from_utf8_lossy(&told[..length]).into_owned()
    };
    let ready = std::iter::from_fn(|| Some(next())).find(|message| message != "FILLER=1").expect("an endless list");
    assert!(ready.starts_with("READY=1\n"), "{ready:?}");
    server.stop_by(Stop::Terminate).expect_clean_within(TIMEOUT);
}

#[test]
fn sockets_without_a_process_are_ignored() {
    let server = Program::Echo.launch().after("export LISTEN_FDS=1; unset LISTEN_PID; exec 3<&0").start();
    Peer::connect(&server.address()).echo("served\n");
}

/// Copies the unit of the docs with the program that was built here; nothing else is changed.
fn unit(directory: &Path, name: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/systemd").join(name));
    let text = text.expect("a file of the docs").replace("/usr/local/bin/chat-server", Program::Chat.path());
    let place = directory.join(name);
    fs::write(&place, text).expect("room");
    place.display().to_string()
}

/// The lines of the page for a control socket, in the unit.
#[test]
fn the_unit_with_a_control_socket_is_sound() {
    let directory = TempDir::new().expect("room");
    let [service, socket] = ["chat-server.service", "chat-server.socket"].map(|name| unit(directory.path(), name));
    let page = page("docs/systemd.md");
    let (_, lines) = page.split_once("```ini\n").expect("lines for the unit");
    let (lines, _) = lines.split_once("```").expect("their end");
    let lines = lines.replace("/usr/local/bin/chat-server", Program::Chat.path());
    let text = fs::read_to_string(&service).expect("just written");
    let (start, _) = text.split_once("ExecStart=").expect("a command");
    let (_, rest) = text[start.len()..].split_once('\n').expect("more lines");
    fs::write(&service, format!("{start}{lines}{rest}")).expect("room");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no", &service, &socket]).output();
    let output = output.expect("installed: see tests/run");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_unit_of_the_docs_is_sound_and_locks_the_server_in() {
    let directory = TempDir::new().expect("room");
    let [service, socket] = ["chat-server.service", "chat-server.socket"].map(|name| unit(directory.path(), name));
    for args in [
        vec!["verify", "--man=no", &service, &socket],
        // Tenths of a point: 1.5 of 10 at most, where 10 is the most exposed.
        vec!["security", "--offline=true", "--threshold=15", &service],
    ] {
        let output = Command::new("systemd-analyze").args(&args).output().expect("installed: see tests/run");
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    }
    let text = fs::read_to_string(&service).expect("just written");
    let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let flags = start.split_once(' ').expect("flags").1;
    Program::Chat.launch().args(flags).start().stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(1));
}

#[test]
fn the_services_of_the_package_and_its_examples_are_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/debian/services.toml");
    let text = fs::read_to_string(path).expect("a file of the package");
    let is_example = |line: &str| line.starts_with('[') || line.contains(" = ");
    let remove_mark = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_example(rest) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let directory = TempDir::new().expect("room");
    for (name, text, services) in [
        ("services.toml", text.clone(), "chat"),
        ("examples.toml", text.lines().map(remove_mark).collect(), "chat, http, phonebook, time"),
    ] {
        fs::write(directory.path().join(name), text).expect("room");
        let checked = Command::new(SWITCHBOARD).args(["check", name]).current_dir(directory.path()).output();
        let checked = checked.expect("the program");
        let wanted = format!("{name}: a file of switchboard, with the services {services}\n");
        assert_eq!(String::from_utf8_lossy(&checked.stdout), wanted, "{checked:?}");
    }
}
