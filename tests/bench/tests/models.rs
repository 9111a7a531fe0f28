//! The blocking servers, as programs with real clients: what each serves, and which clients wait.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use support::Server;
use switchboard_harness::{Process, TIMEOUT, until};

/// Round trips by which a test shows that another client had the time to be answered.
const MEANWHILE: usize = 200;

const ALL: [&[&str]; 4] = [ONE, PROCESSES, THREADS, POOL_OF_TWO];
const ONE: &[&str] = &["serve-model", "one-at-a-time", "0"];
const PROCESSES: &[&str] = &["serve-model", "process-per-connection", "0"];
const THREADS: &[&str] = &["serve-model", "thread-per-connection", "0"];
const POOL_OF_TWO: &[&str] = &["serve-model", "thread-pool", "0", "--threads", "2"];

fn client(server: &Server) -> Client {
    let stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    stream.set_write_timeout(Some(TIMEOUT)).expect("a time-out");
    stream.set_nodelay(true).expect("no delay");
    Client(stream)
}

/// The processes that it has forked and that have not ended.
fn children(server: &Server) -> Vec<Process> {
    server.process.process().children().expect("a list of children")
}

struct Client(TcpStream);

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server takes it");
    }

    #[track_caller]
    fn expect(&mut self, wanted: &str) {
        let mut got = vec![0; wanted.len()];
        self.0.read_exact(&mut got).unwrap_or_else(|error| panic!("no {wanted:?}: {error}"));
        assert_eq!(String::from_utf8_lossy(&got), wanted);
    }

    #[track_caller]
    fn ask(&mut self) {
        self.send(b"are you there?\n");
        self.expect("ARE YOU THERE?\n");
    }

    /// Whether something has arrived, or the end has.
    fn has_answer(&self) -> bool {
        self.0.set_nonblocking(true).expect("a mode");
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).expect("a mode");
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Ends its side, and returns all that still comes.
    fn finish(mut self) -> Vec<u8> {
        self.0.shutdown(Shutdown::Write).expect("a half-close");
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("an end in good order");
        rest
    }

    /// Sends until the server takes no more, and reads nothing: the server of this client waits to write, now or soon.
    fn stall(&mut self) {
        self.0.set_write_timeout(Some(Duration::from_millis(200))).expect("a time-out");
        let piece = vec![b'x'; 64 << 10];
        while self.0.write(&piece).is_ok() {}
    }
}

#[test]
fn each_model_serves_one_client_after_the_other() {
    for model in ALL {
        let server = Server::start(model);
        for _ in 0..20 {
            let mut client = client(&server);
            client.ask();
            assert_eq!(client.finish(), b"", "{model:?}");
        }
    }
}

#[test]
fn everything_comes_back_in_order_and_then_the_end() {
    let input: Vec<u8> = (0..100_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    for model in ALL {
        let server = Server::start(model);
        let client = client(&server);
        let mut writer = Client(client.0.try_clone().expect("a second handle"));
        let sending = thread::spawn({
            let input = input.clone();
            move || {
                input.chunks(7001).for_each(|piece| writer.send(piece));
                writer.0.shutdown(Shutdown::Write).expect("a half-close");
            }
        });
        let mut got = Vec::new();
        let mut reader = &client.0;
        reader.read_to_end(&mut got).expect("an end in good order");
        sending.join().expect("everything was sent");
        assert!(got == input.to_ascii_uppercase(), "{model:?} sent {} bytes of {}", got.len(), input.len());
    }
}

#[test]
fn a_client_that_ends_its_side_is_answered() {
    for model in ALL {
        let server = Server::start(model);
        let mut client = client(&server);
        client.send(b"hi\n");
        assert_eq!(client.finish(), b"HI\n", "{model:?}");
    }
}

#[test]
fn a_client_that_vanishes_does_no_harm() {
    for model in ALL {
        let server = Server::start(model);
        for _ in 0..5 {
            let mut client = client(&server);
            client.send(b"and away\n");
            // Closed with the answer unread, which is a reset.
            client.expect("A");
        }
        client(&server).ask();
    }
}

/// The first is answered, so it has its place; the client `waits` has none until the first has gone.
#[track_caller]
fn shows_that_it_waits(first: Client, others: &mut [Client], mut waits: Client) {
    waits.send(b"me too\n");
    let mut first = first;
    for _ in 0..MEANWHILE {
        first.ask();
        others.iter_mut().for_each(Client::ask);
    }
    assert!(!waits.has_answer(), "it was served beside the others");
    first.finish();
    waits.expect("ME TOO\n");
}

#[test]
fn one_at_a_time_has_the_second_wait_for_the_first() {
    let server = Server::start(ONE);
    let mut first = client(&server);
    first.ask();
    shows_that_it_waits(first, &mut [], client(&server));
}

#[test]
fn a_pool_of_two_has_the_third_wait() {
    let server = Server::start(POOL_OF_TWO);
    let (mut first, mut second) = (client(&server), client(&server));
    first.ask();
    second.ask();
    shows_that_it_waits(first, &mut [second], client(&server));
}

#[test]
fn a_stuck_client_delays_only_its_process_or_thread() {
    for model in [PROCESSES, THREADS] {
        let server = Server::start(model);
        let mut silent: Vec<Client> = (0..20).map(|_| client(&server)).collect();
        let mut stalled = client(&server);
        stalled.stall();
        let mut other = client(&server);
        (0..MEANWHILE).for_each(|_| other.ask());
        silent.iter_mut().for_each(Client::ask);
    }
}

#[test]
fn a_client_that_does_not_read_takes_one_place_of_a_pool() {
    let server = Server::start(POOL_OF_TWO);
    let mut stalled = client(&server);
    stalled.stall();
    for _ in 0..3 {
        client(&server).ask();
    }
}

#[test]
fn a_client_over_the_guard_is_closed_until_a_place_is_free() {
    for model in [PROCESSES, THREADS] {
        let server = Server::start(&[model, &["--most", "2"]].concat());
        let (mut first, mut second) = (client(&server), client(&server));
        first.ask();
        second.ask();
        let mut third = client(&server);
        assert!(matches!(third.0.read(&mut [0]), Ok(0)), "{model:?} served a third");
        first.finish();
        until("a place", || {
            let mut next = client(&server);
            next.0.write_all(b"x").is_ok() && matches!(next.0.read(&mut [0]), Ok(1))
        });
        second.ask();
    }
}

#[test]
fn a_child_ends_with_its_client_and_with_its_parent() {
    let server = Server::start(PROCESSES);
    let (mut first, mut second) = (client(&server), client(&server));
    first.ask();
    second.ask();
    assert_eq!(children(&server).len(), 2);
    first.finish();
    until("the end of a child", || children(&server).len() == 1);
    let left = children(&server)[0];
    server.process.process().end();
    until("the end of the other child", || !left.is_alive());
    assert!(matches!(second.0.read(&mut [0]), Ok(0) | Err(_)));
}
