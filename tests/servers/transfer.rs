//! Nothing is lost on the way through: volumes, slow readers, urgent data, and the last bytes before an end.

use crate::support::data::{assert_same, lines, noise};
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::fs;
use std::thread;
use std::time::Duration;
use switchboard_harness::{Server, Stop, alone, let_pass, until};

const VOLUME: usize = 50_000_000;
/// How much the server may grow while megabytes pass through it.
const GROWTH: usize = 4 << 20;

/// Returns the bytes that wait in the kernel at the IPv4 socket on port `local` with the peer port `remote`: (to be
/// sent, to be read).
fn waiting_bytes(local: u16, remote: u16) -> Option<(usize, usize)> {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    let row = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = row.into_iter().find(|row| row[1].ends_with(&local) && row[2].ends_with(&remote))?;
    let (to_send, to_read) = row[4].split_once(':')?;
    Some((usize::from_str_radix(to_send, 16).ok()?, usize::from_str_radix(to_read, 16).ok()?))
}

/// Resident bytes after the first answer, when the code in use has been paged in.
fn settled(server: &Server) -> usize {
    Peer::connect(&server.address()).echo("warm");
    server.resident()
}

#[track_caller]
fn expect_small_growth(server: &Server, before: usize) {
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < GROWTH, "grown by {growth} bytes");
}

#[track_caller]
fn passes_whole(words: &[&str]) {
    let _alone = alone();
    let server = Program::Echo.start();
    let before = settled(&server);
    let data = noise(VOLUME, 50);
    let port = server.port().to_string();
    let words: Vec<_> = words.iter().map(|word| if *word == "PORT" { port.as_str() } else { word }).collect();
    assert_same(&pass_through(&words, &data), &data);
    expect_small_growth(&server, before);
    server.expect_manners();
}

#[test]
fn fifty_megabytes_through_nc_come_back_whole() {
    passes_whole(&["nc", "-N", "127.0.0.1", "PORT"]);
}

#[test]
fn fifty_megabytes_through_ncat_come_back_whole() {
    passes_whole(&["ncat", "127.0.0.1", "PORT"]);
}

#[test]
fn fifty_megabytes_to_a_throttled_reader_come_back_whole() {
    let _alone = alone();
    let server = Program::Echo.start();
    let before = settled(&server);
    let data = noise(VOLUME, 51);
    let mut reader = Peer::connect_narrow(&server.address(), 128 * 1024);
    let mut writer = reader.twin();
    let mut got = Vec::with_capacity(VOLUME);
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.send(&data);
            writer.finish();
        });
        while got.len() < VOLUME {
            let step = (VOLUME - got.len()).min(500_000);
            reader.expect(&data[got.len()..got.len() + step]);
            got.extend_from_slice(&data[got.len()..got.len() + step]);
            let_pass(Duration::from_millis(20));
        }
        reader.expect_eof();
    });
    expect_small_growth(&server, before);
}

#[test]
fn a_peer_that_never_reads_stops_being_read_and_is_not_closed() {
    let server = Program::Echo.start();
    let before = settled(&server);
    let mut stuck = Peer::connect_narrow(&server.address(), 4096);
    let block = noise(1 << 20, 52);
    let sent = stuck.send_until_refused(&block, 64 << 20);
    Peer::connect(&server.address()).echo("others are served meanwhile");
    expect_small_growth(&server, before);
    stuck.finish();
    let wanted: Vec<u8> = block.iter().copied().cycle().take(sent).collect();
    assert_same(&stuck.rest().expect("all, then an orderly end"), &wanted);
}

#[test]
fn uppercase_keeps_every_byte_of_a_large_input() {
    let server = Program::Uppercase.start();
    let data: Vec<u8> = noise(5_000_000, 53);
    let port = server.port().to_string();
    let got = pass_through(&["nc", "-N", "127.0.0.1", &port], &data);
    assert_same(&got, &data.to_ascii_uppercase());
}

#[test]
fn a_netcat_that_closes_its_side_first_gets_its_answer() {
    for program in [Program::Echo, Program::Uppercase] {
        let server = program.start();
        let port = server.port().to_string();
        for words in [
            &["nc", "-N", "127.0.0.1", &port][..],
            &["ncat", "127.0.0.1", &port],
            &["nc", "-q", "5", "127.0.0.1", &port],
        ] {
            let got = pass_through(words, b"hi\n");
            assert_eq!(String::from_utf8_lossy(&got), program.greeting(), "{words:?}");
        }
    }
}

#[test]
fn a_narrow_reader_gets_all_bytes_despite_unread_input() {
    let server = Program::Echo.launch().args("--quit-on q").start();
    let mut peer = Peer::connect_narrow(&server.address(), 4096);
    let lines = lines(2000, 50);
    peer.send(&lines);
    peer.send("q\n");
    // The server is done with us at `q`: what follows stays unread, and would turn a careless close into a reset.
    peer.send("after the end\n".repeat(1000));
    let got = peer.rest_in_steps(1000).expect("no reset");
    assert_same(&got, lines.as_bytes());
}

#[test]
fn a_narrow_reader_gets_all_bytes_when_the_server_stops() {
    for stop in [Stop::Line, Stop::Terminate] {
        let mut server = Program::Echo.start();
        let mut peer = Peer::connect_narrow(&server.address(), 4096);
        let data = noise(120_000, 54);
        peer.send(&data);
        let (ours, theirs) = (peer.local_port(), peer.remote_port());
        until("the server to have read all", || {
            waiting_bytes(ours, theirs).is_some_and(|(to_send, _)| to_send == 0)
                && waiting_bytes(theirs, ours).is_some_and(|(_, to_read)| to_read == 0)
        });
        server.ask(stop);
        let got = peer.rest_in_steps(1000).expect("no reset");
        assert_same(&got, &data);
        drop(peer);
        assert_eq!(server.wait().code, Some(0), "{stop:?}");
    }
}

#[test]
fn a_stop_in_the_middle_of_a_flood_ends_it_without_a_reset() {
    let mut server = Program::Echo.start();
    let mut peer = Peer::connect_narrow(&server.address(), 4096);
    let block = noise(1 << 20, 55);
    let sent = peer.send_until_refused(&block, 64 << 20);
    server.ask(Stop::Line);
    let got = peer.rest().expect("no reset");
    assert!(!got.is_empty() && got.len() <= sent, "{} of {sent}", got.len());
    let wanted: Vec<u8> = block.iter().copied().cycle().take(got.len()).collect();
    assert_same(&got, &wanted);
    drop(peer);
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn urgent_data_loses_no_other_byte() {
    for program in [Program::Echo, Program::Uppercase] {
        let server = program.start();
        let mut peer = Peer::connect(&server.address());
        let data = vec![b'A'; 70_000];
        for round in 0..50 {
            let (before, after) = data[..1000 + 1000 * round].split_at(500);
            peer.send(before);
            assert_eq!(peer.socket().send_out_of_band(b"!").expect("urgent data is sent"), 1);
            peer.send(after);
            // Only in-band bytes come back: the urgent one is not part of the stream (tcp(7), without SO_OOBINLINE).
            peer.expect(&data[..1000 + 1000 * round]);
        }
        peer.finish();
        peer.expect_eof();
    }
}

#[test]
fn five_hundred_connections_in_one_burst_are_all_served() {
    let server = Program::Echo.start();
    let mut peers: Vec<_> = (0..500).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.send("x");
    }
    for peer in &mut peers {
        peer.expect("x");
    }
}
