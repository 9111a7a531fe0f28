//! A relay on loopback gives both peers what it gives them in the simulation.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use switchboard::servers::Relay;
use switchboard::{Address, Sim};

use super::Running;

/// What one side does: 0 is the client, 1 the upstream server. No bytes are the end of its side.
type Step = (usize, Vec<u8>);

/// The number of bytes that each side has received after each step, and at the end all of them.
fn simulate(steps: &[Step]) -> (Vec<[usize; 2]>, [Vec<u8>; 2]) {
    let to: Address = "127.0.0.1:1".parse().expect("an address");
    let mut sim = Sim::new(Relay::new(to.clone()));
    let peers = [sim.connect(), sim.connected(&to)];
    let (mut seen, mut lengths) = ([Vec::new(), Vec::new()], Vec::new());
    for (side, bytes) in steps {
        if bytes.is_empty() {
            sim.shut_down(peers[*side]);
        } else {
            sim.send(peers[*side], bytes);
        }
        for (peer, seen) in peers.iter().zip(&mut seen) {
            seen.extend(sim.received(*peer));
        }
        lengths.push([seen[0].len(), seen[1].len()]);
    }
    (lengths, seen)
}

fn run_on_loopback(steps: &[Step], lengths: &[[usize; 2]]) -> [Vec<u8>; 2] {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("free");
    let to: Address = upstream.local_addr().expect("bound").to_string().parse().expect("an address");
    let relay = Running::start(move || Relay::new(to), &["127.0.0.1:0"]);
    let client = TcpStream::connect(relay.address()).expect("the reactor accepts");
    let (server, _) = upstream.accept().expect("the reactor connects");
    let mut peers = [client, server];
    let mut seen = [Vec::new(), Vec::new()];
    for peer in &peers {
        peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time-out");
    }
    for ((side, bytes), lengths) in steps.iter().zip(lengths) {
        if bytes.is_empty() {
            peers[*side].shutdown(Shutdown::Write).expect("connected");
        } else {
            peers[*side].write_all(bytes).expect("connected");
        }
        for side in [0, 1] {
            let old = seen[side].len();
            seen[side].resize(lengths[side], 0);
            peers[side].read_exact(&mut seen[side][old..]).expect("as much as in the simulation");
        }
    }
    for (peer, seen) in peers.iter_mut().zip(&mut seen) {
        peer.read_to_end(seen).expect("an orderly end");
    }
    relay.stop();
    seen
}

#[test]
fn a_relay_agrees_with_the_simulation() {
    let large: Vec<u8> = (0..100_000u32).map(|n| (n % 253) as u8).collect();
    let say = |side, text: &str| (side, text.as_bytes().to_vec());
    for first in [0, 1] {
        let second = 1 - first;
        let steps = [
            say(0, "hello"),
            say(1, "hi"),
            (0, large.clone()),
            (first, Vec::new()),
            say(second, "more"),
            (second, vec![]),
        ];
        let (lengths, simulated) = simulate(&steps);
        assert!(run_on_loopback(&steps, &lengths) == simulated, "the bytes differ");
    }
}
