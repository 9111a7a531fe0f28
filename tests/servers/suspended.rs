//! A process that is stopped for a while, as by SIGSTOP, a frozen container or a busy machine: what clients have sent
//! meanwhile is read before a deadline applies.

use crate::support::peer::Peer;
use crate::support::server::Program;
use rustix::process::Signal;
use std::time::Duration;
use switchboard_harness::{Server, allow_descriptors, alone, let_pass, until};

/// Stops the process, calls `act`, and continues the process after `time`.
#[track_caller]
fn while_stopped(server: &Server, time: Duration, act: impl FnOnce()) {
    server.signal(Signal::STOP);
    until("the process to stop", || server.process().state() == Some('T'));
    act();
    let_pass(time);
    server.signal(Signal::CONT);
}

#[test]
fn a_nickname_is_read_before_the_handshake_ends() {
    let server = Program::Chat.launch().args("--handshake-timeout 2s").start();
    let (mut ann, mut silent) = (Peer::connect(&server.address()), Peer::connect(&server.address()));
    ann.expect("Enter your nickname: ");
    silent.expect("Enter your nickname: ");
    while_stopped(&server, Duration::from_millis(2100), || ann.send("ann\n"));
    assert!(ann.line().starts_with("Welcome"), "the nickname was there in time");
    assert_eq!(silent.line(), "You took too long to choose a nickname.");
}

#[test]
fn clients_that_kept_writing_are_not_idle() {
    let _alone = alone();
    // More clients than one poll reports.
    let count = 1100_u32;
    allow_descriptors(u64::from(count) + 500, u64::MAX).expect("a limit that is high enough");
    let server = Program::Echo.launch().args("--idle-timeout 6s").start();
    let mut peers: Vec<_> = (0..count).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.echo("hello\n");
    }
    while_stopped(&server, Duration::from_millis(6100), || peers.iter_mut().for_each(|peer| peer.send("still here\n")));
    for peer in &mut peers {
        peer.expect("still here\n");
    }
}
