//! The control socket: commands of operators that connect, without a console.

use crate::support::peer::Peer;
use crate::support::server::Program;
use rustix::process::Signal;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use switchboard_harness::{Input, Launch, Stop, TIMEOUT, until};
use tempfile::TempDir;

/// A directory with the path of a control socket.
struct Place {
    _directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().expect("room");
        let path = directory.path().join("control");
        Self { _directory: directory, path }
    }

    fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// A server without an operator at standard input, as under a service manager.
    fn launch(&self, program: Program) -> Launch {
        program.launch().arg("--control").arg(self.address()).input(Input::Null)
    }

    fn client(&self) -> Peer {
        Peer::connect(&self.address())
    }

    /// The answers to a script that `nc` sends.
    fn answers(&self, commands: &str) -> String {
        let mut nc = Command::new("nc")
            .args(["-N", "-U"])
            .arg(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a netcat that knows Unix sockets");
        nc.stdin.take().expect("a pipe").write_all(commands.as_bytes()).expect("a reader");
        String::from_utf8(nc.wait_with_output().expect("an end").stdout).expect("text")
    }
}

#[test]
fn a_netcat_moderates_a_server_without_a_console() {
    let place = Place::new();
    let mut server = place.launch(Program::Chat).start();
    let mut ann = Peer::connect(&server.address());
    ann.send("ann\n");
    ann.line_where(|line| line == "1 person is here.");
    let answer = place.answers("who\nkick ann\n");
    let lines: Vec<_> = answer.lines().collect();
    assert!(lines[0].starts_with("number  service  nickname  address"), "{answer}");
    assert!(lines[1].contains("1  chat     ann       127.0.0.1:"), "{answer}");
    assert_eq!(lines[2..], [format!("kicked ann (127.0.0.1:{})", ann.local_port())]);
    ann.rest().expect("the end");
    assert!(server.is_running(), "the end of input of a control client stops no server");
    assert_eq!(place.answers("quit\n"), "");
    let exit = server.wait();
    exit.expect_clean_within(TIMEOUT);
    server.stderr.wait_for("stopping: quit at the control socket\n");
    assert_eq!(server.stdout.all_text().lines().count(), 1, "answers go to the client that asked");
    assert!(!server.stderr.text().contains("kicked"), "answers go to the client that asked");
    assert!(!place.path.exists());
}

#[test]
fn only_the_owner_may_connect_whatever_the_umask() {
    for umask in ["umask 0", "umask 0777"] {
        let place = Place::new();
        let mut server = place.launch(Program::Echo).after(umask).start();
        let mode = fs::metadata(&place.path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{umask}");
        server.signal(Signal::TERM);
        server.wait().expect_clean_within(TIMEOUT);
        assert!(!place.path.exists());
    }
}

#[test]
fn the_path_of_a_control_socket_is_taken_with_care() {
    let place = Place::new();
    let server = place.launch(Program::Echo).start();
    let second = place.launch(Program::Echo).listen("0").run();
    assert_eq!(second.code, Some(1));
    for text in ["another program listens there", "(--control unix:PATH)"] {
        assert!(second.stderr.contains(text), "{}", second.stderr);
    }
    server.signal(Signal::KILL);
    drop(server);
    assert!(place.path.exists(), "a killed server leaves its socket behind");
    let mut third = place.launch(Program::Echo).start();
    assert!(place.answers("help\n").starts_with("help "));
    third.stop_by(Stop::Terminate).expect_clean_within(TIMEOUT);
    fs::write(&place.path, "mine").expect("a file");
    let refused = place.launch(Program::Echo).listen("0").run();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("the file there is not a socket"), "{}", refused.stderr);
    assert_eq!(fs::read(&place.path).expect("still there"), b"mine");
    fs::remove_file(&place.path).expect("a file");
    let twice = place.launch(Program::Echo).listen(&place.address()).run();
    assert_eq!(twice.code, Some(2));
    assert!(twice.stderr.contains(" is given twice: to listen, and for --control"), "{}", twice.stderr);
    let usage = Program::Echo.launch().args("--control 127.0.0.1:5000").run();
    assert_eq!(usage.code, Some(2));
    assert!(usage.stderr.contains("a control socket has a path, such as unix:"), "{}", usage.stderr);
}

#[test]
fn each_operator_gets_its_own_answers() {
    let place = Place::new();
    let mut server =
        place.launch(Program::Echo).input(Input::Pipe).args("--stdin commands --max-connections 1").start();
    let mut clients = [(); 3].map(|()| place.client());
    for (client, word) in clients.iter_mut().zip(["one", "two", "three"]) {
        client.send(format!("{word}\n\n"));
        let line = client.line();
        assert!(line.starts_with(&format!("unknown command {word:?}: type help, ")), "{line}");
    }
    server.say("four\n");
    server.stderr.wait_for("unknown command \"four\"");
    assert_eq!(server.stderr.text().lines().filter(|line| line.contains("unknown command")).count(), 1);
    // Control clients use no place of a client.
    Peer::connect(&server.address()).echo("hello\n");
}

#[test]
fn a_stalled_control_client_delays_nothing() {
    let place = Place::new();
    let server = place.launch(Program::Echo).start();
    let mut stalled = place.client();
    // More answers than sockets hold; the server stops reading the client, so its commands are refused at last.
    let sent = stalled.send_until_refused(&b"help\n".repeat(1000), 100 << 20);
    assert!(sent < 10 << 20, "{sent} bytes of commands were taken");
    Peer::connect(&server.address()).echo("hello\n");
    assert!(place.answers("stats\n").contains("connections"));
    let cpu = server.cpu_during(Duration::from_millis(300));
    assert!(cpu < Duration::from_millis(150), "{cpu:?} spent on a client that does not read");
    assert!(server.resident() < 100 << 20);
    stalled.finish();
    let answers = String::from_utf8(stalled.rest().expect("the end")).expect("text");
    assert_eq!(answers.matches("show this list").count(), sent / 5, "it reads again, and gets every answer");
}

#[test]
fn lines_and_clients_have_limits() {
    let place = Place::new();
    let _server = place.launch(Program::Echo).start();
    let mut client = place.client();
    client.send("x".repeat(10_000));
    client.send("\nhelp\n");
    assert_eq!(client.line(), "discarded a line of more than 4096 bytes");
    assert!(client.line().starts_with("help "));
    let mut others: Vec<_> = (0..15).map(|_| place.client()).collect();
    for other in &mut others {
        other.send("dance\n");
        other.line();
    }
    let mut refused = place.client();
    assert_eq!(refused.line(), "too many control clients, at most 16; try again later");
    refused.expect_eof();
    drop(others.pop());
    until("a free place", || !place.answers("help\n").starts_with("too many"));
}

#[test]
fn an_answer_that_takes_time_goes_to_the_client_that_asked() {
    let place = Place::new();
    let server = place.launch(Program::Bank).start();
    assert_eq!(place.answers("interest 2.5"), "interest of 2.50 %: 0.00 paid to 0 accounts\n");
    assert!(!server.stderr.text().contains("interest"));
}

#[test]
fn talk_takes_no_words_from_the_control_socket() {
    let place = Place::new();
    let mut server = place.launch(Program::Talk).input(Input::Pipe).start();
    let mut guest = Peer::connect(&server.address());
    guest.expect("Welcome to my chat room!\n");
    assert!(place.answers("hello\nwho\n").contains("unknown command \"hello\""));
    server.say("hello\n");
    guest.expect("hello\n");
}

#[test]
fn a_switchboard_has_one_control_socket_for_all_services() {
    let place = Place::new();
    let server = Launch::of(env!("CARGO_BIN_EXE_switchboard"))
        .args("echo=127.0.0.1:0 chat=127.0.0.1:0 --stdin ignore --control")
        .arg(place.address())
        .spawn();
    let addresses = server.addresses(2);
    let _peers: Vec<_> = addresses.iter().map(|address| Peer::connect(address)).collect();
    until("both connections", || place.answers("who\n").lines().count() == 3);
    let answer = place.answers("who echo\n");
    assert!(answer.contains("  echo     -"), "{answer}");
}
