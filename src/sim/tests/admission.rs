//! Peers that a limit refuses.

use super::*;
use crate::servers::Echo;
use crate::state::rate::Rate;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn with(limits: Limits) -> Sim<impl Handler> {
    Sim::with_limits(scene(|_, _, _, _| {}), limits)
}

/// Connects `count` peers of a host. Returns the number that is served.
fn served(sim: &mut Sim<impl Handler>, count: usize, host: IpAddr) -> usize {
    let peers: Vec<_> = (0..count).map(|_| sim.connect_from(host)).collect();
    peers.into_iter().filter(|&peer| sim.ending(peer).is_none()).count()
}

#[test]
fn a_host_connects_at_its_rate_after_a_burst() {
    let rate = Rate { count: 2, per: SECOND, burst: 20 };
    let mut sim = with(Limits { connect_rate: Some(rate), ..Limits::default() });
    assert_eq!(served(&mut sim, 50, HERE), 20);
    let (one, same, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
    let [one, same, other] = [one, same, other].map(|text| text.parse().expect("a literal"));
    assert_eq!(served(&mut sim, 50, one), 20, "each host has its own rate");
    assert_eq!((served(&mut sim, 50, same), served(&mut sim, 50, other)), (0, 20), "a /64 is one host");
    sim.advance(SECOND);
    assert_eq!(served(&mut sim, 50, HERE), 2);
    let stats = sim.stats();
    assert_eq!((stats.refused, stats.refused_rate, stats.accepted), (30 + 30 + 50 + 30 + 48, 188, 62));
}

#[test]
fn datagrams_are_admitted_here_too() {
    let admission = crate::Admission { deny: vec!["192.0.2.9".parse().expect("a literal")], ..Default::default() };
    let rate = Rate { count: 1, per: SECOND, burst: 3 };
    let limits = Limits { datagram_rate: Some(rate), ..Limits::default() };
    let mut sim = Sim::with_options(Echo::bytes(), ServiceOptions { limits, admission, ..ServiceOptions::default() });
    let answered = |sim: &mut Sim<Echo>, from: &str| {
        let from = from.parse().expect("a literal");
        (0..5).filter(|_| sim.datagram(from, b"hello").is_some()).count()
    };
    assert_eq!(answered(&mut sim, "192.0.2.9:5000"), 0, "denied");
    assert_eq!(answered(&mut sim, "192.0.2.1:1023"), 0, "a port of the system may be a server");
    assert_eq!(answered(&mut sim, "192.0.2.1:5000"), 3, "a burst");
    sim.advance(SECOND);
    assert_eq!(answered(&mut sim, "192.0.2.1:5000"), 1);
    assert_eq!(sim.stats().datagrams_dropped, 5 + 5 + 2 + 4);
}

#[test]
fn the_number_of_connections_is_limited_here_too() {
    let mut sim = with(Limits { max_connections: Some(5), max_per_host: Some(2), ..Limits::default() });
    assert_eq!(served(&mut sim, 5, HERE), 2);
    assert_eq!(served(&mut sim, 5, Ipv4Addr::new(192, 0, 2, 1).into()), 2);
    assert_eq!(served(&mut sim, 5, Ipv4Addr::new(192, 0, 2, 2).into()), 1);
    let stats = sim.stats();
    assert_eq!((stats.refused_per_host, stats.refused_full), (6, 4));
}
