use super::*;
use crate::protocol::Echo;

#[test]
fn echoes_and_closes_after_the_peer_has_ended() {
    let mut sim = Sim::new(Echo::bytes());
    let peer = sim.connect();
    sim.send(peer, b"hello");
    sim.shut_down(peer);
    assert_eq!(sim.received(peer), b"hello");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert_eq!(sim.stats().connections, 0);
}

#[test]
fn a_stalled_peer_is_not_read_and_gets_every_byte_later() {
    let mut sim = Sim::new(Echo::bytes());
    let peer = sim.connect();
    sim.stall(peer);
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    sim.send(peer, &sent);
    let limit = Limits::default();
    let read = sent.len() - sim.unread(peer);
    assert!(read >= limit.high_mark() && read <= limit.high_mark() + limit.turn_input, "{read}");
    sim.shut_down(peer);
    let mut received = Vec::new();
    for _ in 0..100 {
        sim.allow(peer, 20_000);
        received.extend(sim.received(peer));
    }
    assert_eq!(received.len(), 2_000_000);
    sim.resume(peer);
    received.extend(sim.received(peer));
    assert!(received == sent);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn an_empty_datagram_is_answered_by_an_empty_one_and_silence_by_nothing() {
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
    assert_eq!(Sim::new(Echo::bytes()).datagram(from, b""), Some(Vec::new()));
    assert_eq!(Sim::new(Echo::bytes()).datagram(from, b"x"), Some(b"x".to_vec()));
    let quits = crate::protocol::EchoLines { prefix: Vec::new(), quit_on: Some(b"q".to_vec()), max_line: 9 };
    assert_eq!(Sim::new(quits).datagram(from, b"q\n"), None);
}
