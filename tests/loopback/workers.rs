//! Work on real threads: results wake the loop, order holds, and a panic ends the server with a sentence.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use switchboard::framing::{Lines, MessageHandler};
use switchboard::{Context, Done, Limits, Origin, Reactor, Workers};

use super::Running;

/// Answers each line in capitals, by a thread; `panic` makes it panic.
struct Shout(Workers<()>);

impl Shout {
    fn lines() -> Lines<Shout> {
        Lines::new(Shout(Workers::new("shout", 1000, vec![(), ()])), 4096)
    }
}

impl MessageHandler for Shout {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
        let line = line.to_vec();
        let work = move |(): &mut ()| {
            assert!(line != b"panic", "asked to");
            line.to_ascii_uppercase()
        };
        cx.offload(&self.0, work).expect("fewer clients than the queue holds");
    }

    fn done(&mut self, (): &mut (), done: Done, cx: &mut Context<'_>) {
        let line: Vec<u8> = done.downcast().expect("a line");
        cx.reply(&line);
        cx.reply(b"\n");
    }
}

#[test]
fn two_hundred_clients_get_a_hundred_answers_each_in_order() {
    let running = Running::start(Shout::lines, &["127.0.0.1:0"]);
    let questions = (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
    let mut clients: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(running.address()).expect("within the backlog")).collect();
    for client in &mut clients {
        client.write_all(questions.as_bytes()).expect("connected");
        client.shutdown(Shutdown::Write).expect("connected");
    }
    for client in &mut clients {
        let mut answers = String::new();
        client.read_to_string(&mut answers).expect("an orderly end");
        assert_eq!(answers, questions.to_uppercase());
    }
}

#[test]
fn a_worker_that_panics_ends_the_run_with_a_sentence() {
    let mut reactor = Reactor::new(Shout::lines(), Limits::default()).expect("a poll");
    let address = reactor.bind("127.0.0.1:0").expect("a free port")[0].resolve().expect("an IP address")[0];
    let mut client = TcpStream::connect(address).expect("within the backlog");
    client.write_all(b"panic\n").expect("connected");
    let error = reactor.run().map(drop).expect_err("no job would be answered any more");
    assert!(error.to_string().contains("a worker of shout has panicked"), "{error}");
}
