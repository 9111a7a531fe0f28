use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::net::Address;
use crate::servers::Echo;
use crate::{Limits, Reactor};

/// A reactor with a metrics listener, and its address.
fn reactor() -> (Reactor<Echo>, String) {
    let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
    let address: Address = "127.0.0.1:0".parse().expect("a literal address");
    let addresses = reactor.open_metrics(&address).expect("a free port");
    let address = addresses[0].to_string();
    (reactor, address)
}

/// What a client reads that has sent `chunks` and then the end of its input.
fn answer_to(chunks: impl IntoIterator<Item = Vec<u8>> + Send + 'static) -> String {
    let (reactor, address) = reactor();
    let stopper = reactor.stopper();
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).expect("a listener");
        client.set_nodelay(true).expect("a TCP socket");
        for chunk in chunks {
            // The server may have answered and closed before the last chunk.
            let _ = client.write_all(&chunk);
        }
        // The server may have ended the connection already.
        let _ = client.shutdown(Shutdown::Write);
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("text");
        stopper.stop().expect("a reactor that runs");
        answer
    });
    reactor.run().expect("no error of the poll");
    client.join().expect("no panic")
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[test]
fn a_request_in_single_bytes_is_answered() {
    let answer = answer_to(HEALTH.chunks(1).map(<[u8]>::to_vec));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[test]
fn a_pipeline_of_requests_is_answered_in_order() {
    let requests = (0..100).flat_map(|number| {
        let path = if number % 2 == 0 { "healthz" } else { "metrics" };
        format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
    });
    let answer = answer_to([requests.collect()]);
    let bodies: Vec<_> = answer.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 100);
    assert!(bodies.iter().step_by(2).all(|body| body.ends_with("\r\n\r\nok\n")), "{}", bodies[0]);
    assert!(bodies.iter().skip(1).step_by(2).all(|body| body.contains("\nswitchboard_turn_duration_seconds_count ")));
}

#[test]
fn a_head_without_end_gets_its_answer_and_the_end() {
    // The rest of the head is discarded, because a reset would destroy the answer on its way.
    let chunks = std::iter::once(b"GET / HTTP/1.1\r\na: ".to_vec()).chain((0..100).map(|_| vec![b'x'; 4096]));
    let answer = answer_to(chunks);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[test]
fn the_listener_of_one_reactor_has_the_figures_of_the_library() {
    let (reactor, _) = reactor();
    assert!(reactor.metrics().contains("\nswitchboard_connections{service=\"#0\"} 0\n"));
    assert_eq!(reactor.stats().accepted, 0);
    for wrong in ["udp:127.0.0.1:0", "tls:127.0.0.1:0"] {
        let mut reactor = Reactor::new(Echo::bytes(), Limits::default()).expect("a poll");
        let error = reactor.open_metrics(&wrong.parse().expect("a literal address")).expect_err(wrong);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{wrong}");
    }
}
