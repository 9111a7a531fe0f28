//! The client: lines out, answers in, and an end that loses nothing.

use crate::support::data::{assert_same, lines};
use crate::support::peer::Peer;
use crate::support::server::{LINE_CLIENT, Program};
use crate::support::silence::silence;
use crate::support::terminal::Terminal;
use rustix::process::Signal;
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use switchboard_harness::{Input, Launch, Server, TIMEOUT, let_pass, own_address, until, until_some};
use tempfile::TempDir;

/// The client as it is typed: its address last.
fn client(flags: &str, address: &str) -> Launch {
    Launch::of(LINE_CLIENT).args(flags).arg(address)
}

/// Waits until the client has shown exactly `wanted`.
#[track_caller]
fn expect_shown(client: &Server, wanted: &str) {
    until(&format!("{wanted:?}"), || client.stdout.text() == wanted);
}

/// A server of the test's own, for what no good server does.
fn stage() -> (TcpListener, String) {
    let listener = TcpListener::bind(own_address()).expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

#[track_caller]
fn accepted(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("a socket of ours");
    let (stream, _) = until_some("the client to connect", || listener.accept().ok());
    stream.set_nonblocking(false).expect("a socket of ours");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    stream
}

#[test]
fn lines_are_sent_and_answers_are_shown_as_they_come() {
    let server = Program::Uppercase.start();
    let mut client = client("", &server.address()).spawn();
    client.say("one\n");
    expect_shown(&client, "ONE\n");
    client.say("two\nthree\n");
    expect_shown(&client, "ONE\nTWO\nTHREE\n");
    client.say("\n");
    assert_eq!(client.wait().code, Some(0), "a blank line ends it");
    assert_eq!(client.stdout.all(), b"ONE\nTWO\nTHREE\n");
    assert_eq!(client.stderr.all_text(), "");
}

#[test]
fn the_end_of_input_ends_it_after_the_last_answer() {
    let server = Program::Echo.start();
    let mut client = client("", &server.address()).spawn();
    client.say("one\nlast without newline");
    client.hang_up();
    assert_eq!(client.wait().code, Some(0));
    let shown = client.stdout.all_text();
    assert_eq!(shown.trim_end(), "one\nlast without newline");
}

#[test]
fn a_path_is_an_address_too() {
    let place = TempDir::new().expect("room");
    let address = format!("unix:{}", place.path().join("socket").display());
    let server = Program::Echo.launch().listen(&address).start();
    let mut client = client("", &server.address()).spawn();
    client.say("hello\n");
    expect_shown(&client, "hello\n");
    client.hang_up();
    assert_eq!(client.wait().code, Some(0));
}

#[test]
fn datagrams_are_answered_line_by_line() {
    let server = Program::Uppercase.launch().listen("udp:127.0.0.1:0").start();
    let mut client = client("--linger 200ms", &server.address()).spawn();
    client.say("one\n");
    client.stdout.wait_for("ONE");
    client.say("two\n");
    client.stdout.wait_for("TWO");
    client.hang_up();
    assert_eq!(client.wait().code, Some(0), "datagrams have no end: the linger time ends it");
}

#[test]
fn a_line_over_a_datagram_is_told_and_the_next_one_is_sent() {
    let server = Program::Echo.launch().listen("udp:127.0.0.1:0").start();
    let mut client = client("--linger 200ms", &server.address()).spawn();
    client.say(format!("{}\n", "x".repeat(65_507)));
    client.stderr.wait_for("a line of 65507 bytes was not sent: over UDP, the limit is 65506 bytes\n");
    client.say("two\n");
    client.stdout.wait_for("two\n");
    client.say(format!("{}\n", "y".repeat(65_506)));
    client.stdout.wait_for("yyy\n");
    client.hang_up();
    assert_eq!(client.wait().code, Some(1), "a line is lost");
    assert!(client.stderr.all_text().ends_with("line-client: not sent: 1 line\n"));
}

#[test]
fn a_quit_text_is_not_sent() {
    let server = Program::Echo.start();
    let mut client = client("--quit-on q --quit-on exit", &server.address()).spawn();
    client.say("one\n\nquit\nQ\ntwo\n");
    assert_eq!(client.wait().code, Some(0));
    assert_eq!(client.stdout.all_text(), "one\n\nquit\n");
}

#[test]
fn an_address_of_a_listener_is_told_from_one_of_a_server() {
    for (address, remedy) in [
        ("*:5000", "* is for servers: use one host, such as 127.0.0.1:5000"),
        ("udp:*:7", "* is for servers: use one host, such as 127.0.0.1:7"),
        ("localhost:0", "port 0 is for servers"),
        ("localhost", "is missing, use PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, unix:PATH, udp: before"),
    ] {
        let finished = Launch::of(LINE_CLIENT).arg(address).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        assert!(finished.stderr.contains(remedy), "{finished:?}");
    }
}

#[test]
fn ten_megabytes_come_back_whole() {
    let server = Program::Echo.start();
    let data = lines(20_000, 1000);
    assert!(data.len() > 10_000_000);
    let mut client = client("", &server.address()).spawn();
    client.say(&data);
    client.hang_up();
    assert_eq!(client.wait().code, Some(0));
    assert_same(&client.stdout.all(), data.as_bytes());
}

#[test]
fn a_file_is_an_input_too() {
    let server = Program::Echo.start();
    let data = "a line of a file\n".repeat(5000);
    let mut file = tempfile::tempfile().expect("room");
    file.write_all(data.as_bytes()).expect("room");
    file.rewind().expect("a file has a start");
    let mut client = client("", &server.address()).input(Input::Open(file.into())).spawn();
    assert_eq!(client.wait().code, Some(0));
    assert_same(&client.stdout.all(), data.as_bytes());
}

#[test]
fn a_refused_connection_is_one_clear_line() {
    let (listener, address) = stage();
    drop(listener);
    let finished = client("", &address).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.contains(&address) && finished.stderr.contains("refused"), "{finished:?}");
}

#[test]
fn a_missing_path_is_one_clear_line() {
    let finished = client("", "unix:/no/such/socket").run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.contains("unix:/no/such/socket"), "{finished:?}");
}

#[test]
fn a_bad_command_line_is_a_usage_error() {
    for args in ["", "nonsense", "127.0.0.1", "1.2.3.4:99999", "--retry soon 127.0.0.1:1", "127.0.0.1:1 127.0.0.1:2"] {
        let finished = Launch::of(LINE_CLIENT).args(args).run();
        assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
    }
}

#[test]
fn it_waits_for_a_server_that_starts_later() {
    let (listener, address) = stage();
    drop(listener);
    let mut client = client("--retry 10s", &address).spawn();
    client.say("hello\n");
    // Not before the client has failed once: its socket to a port without a listener is refused at once.
    until("the client to run", || client.descriptors() > 3);
    let server = Program::Echo.launch().listen(&address).start();
    Peer::connect(&server.address()).echo("up");
    expect_shown(&client, "hello\n");
    client.hang_up();
    assert_eq!(client.wait().code, Some(0));
}

#[test]
fn it_waits_no_longer_than_asked() {
    let (listener, address) = stage();
    drop(listener);
    let start = Instant::now();
    let finished = client("--retry 500ms", &address).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn what_still_comes_after_our_end_is_shown() {
    let (listener, address) = stage();
    let mut client = client("--linger 10s", &address).spawn();
    let mut stream = accepted(&listener);
    client.say("question\n\n");
    let mut asked = String::new();
    stream.read_to_string(&mut asked).expect("the blank line half-closes");
    assert_eq!(asked, "question\n");
    stream.write_all(b"late answer\n").expect("the client still reads");
    expect_shown(&client, "late answer\n");
    drop(stream);
    client.wait().expect_clean_within(Duration::from_secs(2));
}

#[test]
fn a_silent_server_is_left_after_the_linger_time() {
    let (listener, address) = stage();
    let mut client = client("--linger 400ms", &address).spawn();
    let stream = accepted(&listener);
    let start = Instant::now();
    client.hang_up();
    client.wait();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(3), "{took:?}");
    drop(stream);
}

#[test]
fn what_the_server_sent_is_shown_before_the_word_of_its_end() {
    let (listener, address) = stage();
    let mut client = client("", &address).redirected("2>&1").spawn();
    let mut server = accepted(&listener);
    server.write_all(b"hello\n").expect("a short line");
    expect_shown(&client, "hello\n");
    // While it is stopped, the last words and the end become one thing to read.
    client.signal(Signal::STOP);
    until("the client to stop", || client.process().state() == Some('T'));
    server.write_all(b"bye\n").expect("a short line");
    drop(server);
    client.signal(Signal::CONT);
    assert_eq!(client.wait().code, Some(0));
    let shown = String::from_utf8(client.stdout.all()).expect("text");
    assert_eq!(shown, format!("hello\nbye\n{address} has closed the connection\n"));
}

#[test]
fn the_end_of_the_server_ends_it_without_a_key() {
    let (listener, address) = stage();
    let mut client = client("", &address).spawn();
    let mut stream = accepted(&listener);
    stream.write_all(b"bye\n").expect("the client reads");
    drop(stream);
    client.wait().expect_clean_within(Duration::from_secs(2));
    assert_eq!(client.stdout.all(), b"bye\n");
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let server = Program::Echo.start();
    let mut client = client("", &server.address()).redirected(">/dev/full").spawn();
    client.say("hello\n");
    assert_eq!(client.wait().code, Some(1), "the answer is lost");
    let text = client.stderr.all_text();
    assert!(text.contains("standard output") && text.lines().count() == 1, "{text:?}");
}

#[test]
fn it_waits_for_a_silent_server_no_longer_than_asked() {
    let (_listener, _queue, address) = silence();
    let mut client = client("--retry 500ms", &address).spawn();
    let exit = client.wait();
    assert_eq!(exit.code, Some(1));
    assert!(exit.took < Duration::from_secs(3), "{exit:?}");
    let text = client.stderr.all_text();
    assert!(text.contains(&address) && text.lines().count() == 1, "{text:?}");
}

#[test]
fn input_waits_for_the_connection_in_its_file_and_not_in_memory() {
    let (listener, address) = stage();
    drop(listener);
    let data = lines(32_000, 1000);
    let mut file = tempfile::tempfile().expect("room");
    file.write_all(data.as_bytes()).expect("room");
    file.rewind().expect("a file has a start");
    let mut client = client("--retry 20s", &address).input(Input::Open(file.into())).spawn();
    until("the client to run", || client.descriptors() > 3);
    let_pass(Duration::from_millis(300));
    let peak = client.peak_resident();
    assert!(peak < 8 << 20, "{peak} bytes");
    let _server = Program::Echo.launch().listen(&address).start();
    assert_eq!(client.wait().code, Some(0));
    assert_same(&client.stdout.all(), data.as_bytes());
}

#[test]
fn a_prompt_is_for_terminals_only() {
    let server = Program::Uppercase.start();
    let mut terminal = Terminal::open();
    let settings = terminal.settings();
    let launch = Launch::of(LINE_CLIENT).arg("--prompt").arg("your turn> ").arg(server.address());
    let mut at_terminal = launch.input(Input::Terminal(terminal.slave())).redirected(">&0 2>&0").spawn();
    terminal.screen.wait_for("your turn> ");
    terminal.type_in("hello\n");
    terminal.screen.wait_for("HELLO");
    terminal.type_in("\x04");
    assert_eq!(at_terminal.wait().code, Some(0));
    assert!(!terminal.is_nonblocking());
    assert_eq!(terminal.settings(), settings);

    let launch = Launch::of(LINE_CLIENT).arg("--prompt").arg("your turn> ").arg(server.address());
    let mut at_pipe = launch.spawn();
    at_pipe.say("hello\n");
    at_pipe.hang_up();
    assert_eq!(at_pipe.wait().code, Some(0));
    assert_eq!(at_pipe.stdout.all(), b"HELLO\n");
}

#[test]
fn a_stranger_cannot_answer_in_place_of_the_server() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    server.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let address = format!("udp:{}", server.local_addr().expect("bound"));
    let mut client = client("--linger 100ms", &address).spawn();
    client.say("who is there\n");
    let mut buffer = [0; 100];
    let (_, from): (_, SocketAddr) = server.recv_from(&mut buffer).expect("a datagram");
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.send_to(b"a stranger\n", from).expect("a datagram is sent");
    server.send_to(b"the server\n", from).expect("a datagram is sent");
    client.stdout.wait_for("the server");
    assert!(!client.stdout.text().contains("stranger"));
}
