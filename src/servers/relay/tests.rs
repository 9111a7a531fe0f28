use super::*;
use crate::sim::{Ending, Sim, SimPeer};
use crate::state::limits::Limits;

mod law;

fn upstream() -> Address {
    "127.0.0.1:80".parse().expect("an address")
}

fn relay() -> Sim<Relay> {
    Sim::new(Relay::new(upstream()))
}

/// A client, and the upstream server that has accepted its connection.
fn connect(sim: &mut Sim<Relay>) -> [SimPeer; 2] {
    [sim.connect(), sim.connected(&upstream())]
}

#[test]
fn each_client_has_an_upstream_connection_of_its_own() {
    let mut sim = relay();
    let [ann, for_ann] = connect(&mut sim);
    let [bob, for_bob] = connect(&mut sim);
    sim.send(ann, b"from ann");
    sim.send(for_bob, b"to bob");
    assert_eq!([for_ann, for_bob, ann, bob].map(|peer| sim.received(peer)), [&b"from ann"[..], b"", b"", b"to bob"]);
    sim.reset(ann);
    assert_eq!([for_ann, bob, for_bob].map(|peer| sim.ending(peer)), [Some(Ending::Eof), None, None]);
}

#[test]
fn the_end_of_either_side_is_passed_on_and_the_other_continues() {
    for first in [0, 1] {
        let mut sim = relay();
        let ends = connect(&mut sim);
        let (ends_first, other) = (ends[first], ends[1 - first]);
        sim.send(ends_first, b"last words");
        sim.shut_down(ends_first);
        assert_eq!((sim.received(other), sim.ending(other)), (b"last words".to_vec(), Some(Ending::Eof)));
        sim.send(other, b"an answer");
        assert_eq!((sim.received(ends_first), sim.ending(ends_first)), (b"an answer".to_vec(), None));
        sim.shut_down(other);
        assert_eq!((sim.ending(ends_first), sim.stats().connections), (Some(Ending::Eof), 0));
        assert!(sim.handler_mut().ends.is_empty());
    }
}

#[test]
fn a_client_that_ends_before_the_server_accepts_loses_nothing() {
    let mut sim = relay();
    let client = sim.connect();
    sim.send(client, b"a request");
    sim.shut_down(client);
    let server = sim.connected(&upstream());
    assert_eq!((sim.received(server), sim.ending(server)), (b"a request".to_vec(), Some(Ending::Eof)));
    sim.send(server, b"its answer");
    sim.shut_down(server);
    assert_eq!((sim.received(client), sim.ending(client)), (b"its answer".to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_client_is_closed_if_the_server_cannot_be_reached() {
    let mut sim = relay();
    let (client, patient) = (sim.connect(), sim.connect());
    sim.send(client, b"a request");
    sim.refused(&upstream(), io::ErrorKind::ConnectionRefused.into());
    assert_eq!((sim.ending(client), sim.ending(patient)), (Some(Ending::Eof), None));
    sim.advance(std::time::Duration::from_secs(10));
    assert_eq!(sim.ending(patient), Some(Ending::Eof), "the time to connect is over");
    let stats = sim.stats();
    assert_eq!((stats.connects, stats.connects_failed, stats.outbound), (2, 2, 0));
    assert!(sim.handler_mut().ends.is_empty());
}

#[test]
fn what_is_kept_before_the_server_accepts_counts_as_memory() {
    let limits = Limits { memory_limit: Some(3000), ..Limits::default() };
    let mut sim = Sim::with_limits(Relay::new(upstream()), limits);
    let client = sim.connect();
    sim.send(client, &[0; 3000]);
    assert_eq!((sim.stats().queued, sim.ending(client)), (3000, None), "at the limit");
    sim.send(client, b"x");
    assert_eq!((sim.ending(client), sim.stats().connects_failed, sim.stats().queued), (Some(Ending::Eof), 1, 0));
    assert!(sim.handler_mut().ends.is_empty());
}

#[test]
fn a_client_that_goes_ends_the_request() {
    let mut sim = relay();
    let client = sim.connect();
    assert_eq!(sim.pending_connects(), [upstream()]);
    sim.reset(client);
    assert_eq!((sim.stats().connections, sim.handler_mut().ends.len()), (0, 0));
}

#[test]
fn a_server_that_dies_ends_the_client_after_what_it_sent() {
    let mut sim = relay();
    let [client, server] = connect(&mut sim);
    sim.stall(client);
    sim.send(server, b"half an answer");
    sim.run();
    sim.reset(server);
    sim.resume(client);
    assert_eq!((sim.received(client), sim.ending(client)), (b"half an answer".to_vec(), Some(Ending::Eof)));
}

#[test]
fn the_operator_sees_whose_upstream_a_connection_is() {
    let mut sim = relay();
    let [client, server] = connect(&mut sim);
    sim.send(client, b"12345");
    assert_eq!(sim.received(server), b"12345");
    let table = sim.control(b"who upstream");
    assert!(table.contains("  upstream of 127.0.0.1:10000  "), "{table}");
    let stats = sim.control(b"stats");
    assert!(stats.contains("\noutbound     1 open, 1 requested, 0 failed\nrelayed      5 bytes\n"), "{stats}");
    sim.control(b"kick 1");
    assert_eq!([client, server].map(|peer| sim.ending(peer)), [Some(Ending::Eof); 2]);
}
