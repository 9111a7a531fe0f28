//! Stopping with 5,000 clients connected. Apart from the other stops because of its size.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::terminal::Terminal;
use std::time::{Duration, Instant};
use switchboard_harness::{Input, Stop, allow_descriptors, alone};

const CROWD: usize = 5000;

/// Connects in bursts, each served before the next: the queue of the listening socket is shorter than the crowd.
fn crowd(program: Program, address: &str) -> Vec<Peer> {
    let mut peers = Vec::with_capacity(CROWD);
    while peers.len() < CROWD {
        let mut burst: Vec<_> = (0..500).map(|_| Peer::connect(address)).collect();
        for peer in &mut burst {
            // In the chat no client gives a name: 5,000 welcomes to 5,000 members would be another test.
            if program != Program::Chat {
                peer.send("hi\n");
            }
        }
        for peer in &mut burst {
            peer.expect(program.greeting());
        }
        peers.append(&mut burst);
    }
    peers
}

#[track_caller]
fn stops_in_a_second(program: Program) {
    let _alone = alone();
    allow_descriptors(CROWD as u64 + 500, u64::MAX).expect("a limit that is high enough");
    for stop in Stop::ALL {
        let mut server = program.start();
        let mut peers = crowd(program, &server.address());
        server.stop_by(stop).expect_clean_within(Duration::from_secs(1));
        for peer in &mut peers {
            peer.expect_eof();
        }
        server.expect_manners();
        // The server closed first, so each connection lingers in TIME_WAIT, of which Linux keeps a limited number;
        // other tests need some. A reset takes it back.
        peers.into_iter().for_each(Peer::reset);
    }
}

#[test]
fn the_end_of_a_terminal_stops_five_thousand_clients() {
    let _alone = alone();
    allow_descriptors(CROWD as u64 + 500, u64::MAX).expect("a limit that is high enough");
    let mut terminal = Terminal::open();
    let mut server = Program::Echo.launch().input(Input::Terminal(terminal.slave())).start();
    let mut peers = crowd(Program::Echo, &server.address());
    let asked = Instant::now();
    terminal.type_in("\x04");
    server.wait_since(asked).expect_clean_within(Duration::from_secs(1));
    peers.iter_mut().for_each(Peer::expect_eof);
    peers.into_iter().for_each(Peer::reset);
}

#[test]
fn echo_with_five_thousand_clients_stops_in_a_second() {
    stops_in_a_second(Program::Echo);
}

#[test]
fn uppercase_with_five_thousand_clients_stops_in_a_second() {
    stops_in_a_second(Program::Uppercase);
}

#[test]
fn chat_with_five_thousand_clients_stops_in_a_second() {
    stops_in_a_second(Program::Chat);
}
