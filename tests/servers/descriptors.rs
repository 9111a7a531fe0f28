//! More clients than descriptors: the accepted are served, the others wait, and the server does not spin.

use crate::support::peer::Peer;
use crate::support::server::Program;
use std::fs;
use std::time::{Duration, Instant};
use switchboard_harness::{Input, Server, alone, let_pass, until};
use tempfile::TempDir;

const LIMIT: usize = 40;
const CLIENTS: usize = 80;

/// A server with all its descriptors in use, the peers that it serves, and those who wait.
fn full_house() -> (Server, Vec<Peer>, Vec<Peer>) {
    let server = Program::Echo.launch().after(&format!("ulimit -n {LIMIT}")).start();
    let mut inside: Vec<_> = (0..CLIENTS).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut inside {
        peer.send("hello\n");
    }
    until("all descriptors to be used", || server.descriptors() >= LIMIT);
    // Accepted in the order in which they came: the first without an answer is the first of those who wait.
    let count = inside.iter_mut().position(|peer| !peer.hears_within(Duration::from_secs(1)));
    let waiting = inside.split_off(count.expect("not all 80 fit into 40"));
    for peer in &mut inside {
        peer.expect("hello\n");
    }
    (server, inside, waiting)
}

/// Two seconds of talk with those inside: processor time of the server, and the slowest answer.
fn talk(server: &Server, inside: &mut [Peer]) -> (Duration, Duration) {
    let (end, before) = (Instant::now() + Duration::from_secs(2), server.cpu());
    let mut slowest = Duration::ZERO;
    while Instant::now() < end {
        for peer in inside.iter_mut() {
            let asked = Instant::now();
            peer.echo("meanwhile\n");
            slowest = slowest.max(asked.elapsed());
        }
        let_pass(Duration::from_millis(100));
    }
    (server.cpu().saturating_sub(before), slowest)
}

#[test]
fn the_accepted_are_served_promptly_and_nothing_spins() {
    let _alone = alone();
    let (server, mut inside, waiting) = full_house();
    assert!(inside.len() >= 20, "only {} of {LIMIT} descriptors serve", inside.len());
    // Other tests share the processors, so one calm window of three is the proof.
    let windows: Vec<_> = (0..3).map(|_| talk(&server, &mut inside)).collect();
    let calm = |(used, slowest): &(Duration, Duration)| {
        *used < Duration::from_millis(250) && *slowest < Duration::from_millis(50)
    };
    assert!(windows.iter().any(calm), "{windows:?}");
    assert!(!waiting.is_empty());
    let told = server.stderr.text();
    assert!(told.to_lowercase().contains("descriptor"), "the log says why some wait: {told:?}");
    assert!(told.lines().count() < 30, "one line an interval: {told}");
}

#[test]
fn the_waiting_are_served_when_the_accepted_leave() {
    let (_server, mut inside, mut waiting) = full_house();
    while !waiting.is_empty() {
        let leaving = inside.len().min(10);
        inside.drain(..leaving);
        let mut next: Vec<_> = waiting.drain(..leaving.min(waiting.len())).collect();
        for peer in &mut next {
            peer.expect("hello\n");
        }
        inside.append(&mut next);
    }
    for peer in &mut inside {
        peer.echo("to the last\n");
    }
}

/// Connections take no descriptor that is needed to open a file.
#[test]
fn a_full_server_of_files_still_opens_files() {
    let place = TempDir::new().expect("room");
    for nth in 0..30 {
        fs::write(place.path().join(format!("large{nth}")), vec![b'x'; 100_000]).expect("room");
    }
    let server = Program::Http.launch().after("ulimit -n 60").arg(place.path()).start();
    let mut peers: Vec<_> = (0..CLIENTS).map(|_| Peer::connect(&server.address())).collect();
    until("accepting to pause", || server.stderr.text().contains("accepting is paused"));
    // Large files are kept open, and those that were not used for long are closed for others.
    for nth in 0..30 {
        peers[0].send(format!("HEAD /large{nth} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let status = peers[0].line_where(|line| line.starts_with("HTTP/"));
        assert!(status.starts_with("HTTP/1.1 200 OK"), "file {nth}: {status}");
    }
}

#[test]
fn too_few_descriptors_to_start_are_one_line_with_the_remedy() {
    for limit in 5..=12 {
        let launch = Program::Echo.launch().after(&format!("ulimit -n {limit}")).args("-l 127.0.0.1:0");
        let finished = launch.input(Input::Null).args("-l 127.0.0.1:0 -l 127.0.0.1:0 -l 127.0.0.1:0").run();
        assert_eq!(finished.code, Some(1), "{limit}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{limit}: {finished:?}");
        assert!(finished.stderr.contains("ulimit -n"), "{limit}: {finished:?}");
    }
}

#[test]
fn a_soft_limit_is_raised_to_the_hard_one() {
    let server = Program::Echo.launch().after("ulimit -Sn 40").start();
    let mut peers: Vec<_> = (0..CLIENTS).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.echo("hello\n");
    }
}
