//! The same script on a simulation and on loopback gives every peer the same bytes.
//!
//! The simulation runs first and says after each step how much each peer has received; on loopback each step waits for
//! just that much, so nothing sleeps and nothing races. At the end every peer has ended its side, and what came until
//! EOF is compared: a byte too many anywhere would be found there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use proptest::prelude::*;
use switchboard::servers::{Echo, EchoLines};
use switchboard::{Handler, Sim};

use super::Running;

#[derive(Clone, Debug)]
enum Step {
    Connect,
    /// This peer, by order of connecting, sends.
    Send(usize, Vec<u8>),
    ShutDown(usize),
}

use Step::{Connect, Send, ShutDown};

/// What each peer has received after each step; and at the end, when all have shut down.
fn simulate<H: Handler>(handler: H, steps: &[Step]) -> (Vec<Vec<usize>>, Vec<Vec<u8>>) {
    let mut sim = Sim::new(handler);
    let (mut peers, mut seen, mut lengths) = (Vec::new(), Vec::<Vec<u8>>::new(), Vec::new());
    for step in steps {
        match step {
            Connect => {
                peers.push(sim.connect());
                seen.push(Vec::new());
            }
            Send(peer, bytes) => sim.send(peers[*peer], bytes),
            ShutDown(peer) => sim.shut_down(peers[*peer]),
        }
        for (peer, seen) in peers.iter().zip(&mut seen) {
            seen.extend(sim.received(*peer));
        }
        lengths.push(seen.iter().map(Vec::len).collect());
    }
    (lengths, seen)
}

fn run_on_loopback<H: Handler>(
    make: impl FnOnce() -> H + std::marker::Send + 'static,
    steps: &[Step],
    lengths: &[Vec<usize>],
) -> Vec<Vec<u8>> {
    let running = Running::start(make, &["127.0.0.1:0"]);
    let (mut peers, mut seen) = (Vec::<TcpStream>::new(), Vec::<Vec<u8>>::new());
    for (step, lengths) in steps.iter().zip(lengths) {
        match step {
            Connect => {
                let peer = TcpStream::connect(running.address()).expect("the reactor accepts");
                peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
                peers.push(peer);
                seen.push(Vec::new());
            }
            // A server that has closed may have reset meanwhile: then what is sent does not matter.
            Send(peer, bytes) => drop(peers[*peer].write_all(bytes)),
            ShutDown(peer) => drop(peers[*peer].shutdown(Shutdown::Write)),
        }
        for ((peer, seen), &length) in peers.iter_mut().zip(&mut seen).zip(lengths) {
            let old = seen.len();
            seen.resize(length, 0);
            peer.read_exact(&mut seen[old..]).expect("as much as in the simulation");
        }
    }
    for (peer, seen) in peers.iter_mut().zip(&mut seen) {
        peer.read_to_end(seen).expect("an orderly end");
    }
    running.stop();
    seen
}

/// Asserts that both agree on a script, to which the end of every peer is added.
fn agree<H: Handler>(make: impl Fn() -> H + std::marker::Send + 'static, steps: &[Step]) {
    let mut steps: Vec<Step> = steps.to_vec();
    let connected = steps.iter().filter(|step| matches!(step, Connect)).count();
    for peer in 0..connected {
        if !steps.iter().any(|step| matches!(step, ShutDown(other) if *other == peer)) {
            steps.push(ShutDown(peer));
        }
    }
    let (lengths, simulated) = simulate(make(), &steps);
    let real = run_on_loopback(make, &steps, &lengths);
    assert_eq!(real, simulated);
}

fn echo_lines() -> impl Handler {
    let mut options = EchoLines::default();
    options.prefix = b"You Send: ".to_vec();
    options.quit_on = Some(b"q".to_vec());
    options.max_line = 20;
    Echo::lines(options)
}

#[test]
fn about_echo() {
    agree(
        Echo::bytes,
        &[
            Connect,
            Send(0, b"hello".to_vec()),
            Connect,
            Send(1, b"two".to_vec()),
            ShutDown(0),
            Send(1, b"more".to_vec()),
        ],
    );
}

#[test]
fn about_a_large_echo() {
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n % 253) as u8).collect();
    agree(Echo::bytes, &[Connect, Send(0, bytes.clone()), Send(0, bytes)]);
}

#[test]
fn about_lines_split_anywhere() {
    let steps = [Connect, Send(0, b"hel".to_vec()), Send(0, b"lo\r".to_vec()), Send(0, b"\n\nlast".to_vec())];
    agree(echo_lines, &steps);
}

#[test]
fn about_lines_that_are_too_long_and_about_quitting() {
    let long = vec![b'x'; 100];
    let steps = [Connect, Send(0, long), Send(0, b"x\nshort\n".to_vec()), Send(0, b"Q\nnot answered\n".to_vec())];
    agree(echo_lines, &steps);
}

#[test]
fn about_uppercase() {
    use switchboard::servers::Uppercase;
    let steps = [Connect, Send(0, "stra\u{c3}".as_bytes()[..5].to_vec()), Send(0, b"\x9fe\n".to_vec())];
    agree(Uppercase::unicode, &steps);
    agree(Uppercase::ascii, &steps);
}

#[test]
fn about_a_conversation_in_the_chat() {
    use switchboard::servers::{Chat, ChatOptions};
    let says = |peer, text: &str| Send(peer, text.as_bytes().to_vec());
    let steps = [
        Connect,
        says(0, "ann\n"),
        Connect,
        says(1, "Ann\nbob\r\n"),
        says(1, "hel"),
        says(0, "first\n/me waves\n//who\n/msg bob psst\n"),
        says(1, "lo\n/nick rob\n/who\n"),
        Connect,
        says(2, "GET / HTTP/1.1\r\n"),
        says(0, &"x".repeat(5000)),
        says(0, "\n\x1b[31mred\n/quit\nnot heard\n"),
        says(1, "alone\n"),
    ];
    agree(|| Chat::room(ChatOptions::default()), &steps);
}

fn any_script() -> impl Strategy<Value = Vec<Step>> {
    let line = proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'q'), Just(b'\n'), Just(b'\r')], 1..30);
    proptest::collection::vec((0usize..3, line), 1..12).prop_map(|sends| {
        let mut steps = vec![Connect, Connect, Connect];
        steps.extend(sends.into_iter().map(|(peer, bytes)| Send(peer, bytes)));
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn about_any_script_of_lines(steps in any_script()) {
        agree(echo_lines, &steps);
    }
}
