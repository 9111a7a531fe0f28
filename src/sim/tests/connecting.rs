//! Outbound connections: the token from the request on, several requests at a time, and the limit on the time.

use std::io;

use super::*;
use crate::connection::origin::Via;
use crate::net::Address;

/// Records what becomes of its requests, which it numbers.
#[derive(Default)]
struct Dialer {
    requested: Vec<Token>,
    calls: Vec<String>,
}

impl Dialer {
    fn number(&self, token: Token) -> usize {
        self.requested.iter().position(|&known| known == token).expect("a token that connect returned")
    }
}

impl Handler for Dialer {
    type Session = ();

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
        if let Via::Connect { to, tag } = &origin.via {
            let number = self.number(origin.token);
            assert_eq!(*tag, number as u64);
            self.calls.push(format!("{number} open {to}"));
            cx.reply(number.to_string().as_bytes());
        }
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn closed(&mut self, (): (), why: &Closed, _: &mut Context<'_>) {
        self.calls.push(format!("closed: {why}"));
    }

    fn connect_failed(&mut self, requested: Token, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        let number = self.number(requested);
        self.calls.push(format!("{number} failed {to}: {error}"));
        cx.send(requested, b"to nothing");
    }
}

fn address(port: u16) -> Address {
    format!("127.0.0.1:{port}").parse().expect("an address")
}

impl Sim<Dialer> {
    fn dial(&mut self, port: u16) {
        self.with_context(|dialer, cx| {
            let token = cx.connect(address(port), Link::tagged(dialer.requested.len() as u64));
            dialer.requested.push(token);
        });
    }

    /// Acts on the connection with this number.
    fn with_request(&mut self, number: usize, act: impl FnOnce(Token, &mut Context<'_>)) {
        self.run();
        self.with_context(|dialer, cx| act(dialer.requested[number], cx));
    }

    fn results(&mut self) -> Vec<String> {
        std::mem::take(&mut self.handler_mut().calls)
    }
}

#[test]
fn requests_to_one_address_are_answered_in_order() {
    let mut sim = Sim::new(Dialer::default());
    for port in [1, 2, 1, 1] {
        sim.dial(port);
    }
    assert_eq!(sim.pending_connects(), [1, 2, 1, 1].map(address));
    assert_eq!(sim.pending_connects(), []);
    let first = sim.connected(&address(1));
    sim.refused(&address(1), io::ErrorKind::ConnectionRefused.into());
    let third = sim.connected(&address(1));
    let other = sim.connected(&address(2));
    assert_eq!([first, third, other].map(|peer| sim.received(peer)), [b"0", b"3", b"1"]);
    let expected =
        ["0 open 127.0.0.1:1", "2 failed 127.0.0.1:1: connection refused", "3 open 127.0.0.1:1", "1 open 127.0.0.1:2"];
    assert_eq!(sim.results(), expected);
    assert_eq!(sim.stats().connections, 3);
}

#[test]
fn requests_to_one_address_are_told_apart_by_their_tags() {
    let mut sim = Sim::new(Dialer::default());
    for _ in 0..3 {
        sim.dial(1);
    }
    let requests = sim.requests();
    assert_eq!(requests.iter().map(|request| request.tag).collect::<Vec<_>>(), [0, 1, 2]);
    let last = sim.accept(&requests[2]);
    sim.refuse(&requests[1], io::ErrorKind::ConnectionRefused.into());
    assert_eq!(sim.received(last), b"2");
    assert_eq!(sim.requests(), requests[..1], "the others are answered");
    assert_eq!(sim.results(), ["2 open 127.0.0.1:1", "1 failed 127.0.0.1:1: connection refused"]);
}

#[test]
#[should_panic(expected = "the handler has not asked to connect to 127.0.0.1:1")]
fn a_request_is_answered_once() {
    let mut sim = Sim::new(Dialer::default());
    sim.dial(1);
    let requests = sim.requests();
    sim.refuse(&requests[0], io::ErrorKind::ConnectionRefused.into());
    sim.accept(&requests[0]);
}

#[test]
fn a_request_fails_when_its_time_is_over() {
    let mut sim = Sim::with_limits(Dialer::default(), Limits { connect_timeout: Some(SECOND), ..Limits::default() });
    sim.dial(1);
    sim.advance(999 * MS);
    assert_eq!((sim.results().len(), sim.stats().connections), (0, 1));
    sim.advance(MS);
    assert_eq!(sim.results(), ["0 failed 127.0.0.1:1: timed out"]);
    assert_eq!((sim.pending_connects(), sim.stats().connections, sim.timers()), (vec![], 0, 0));
}

#[test]
fn an_established_connection_has_no_limit_on_its_time() {
    let mut sim = Sim::with_limits(Dialer::default(), Limits { connect_timeout: Some(SECOND), ..Limits::default() });
    sim.dial(1);
    let peer = sim.connected(&address(1));
    sim.advance(2 * SECOND);
    assert_eq!((sim.received(peer), sim.ending(peer), sim.timers()), (b"0".to_vec(), None, 0));
}

#[test]
fn without_a_limit_a_request_waits_for_ever() {
    let mut sim = Sim::with_limits(Dialer::default(), Limits { connect_timeout: None, ..Limits::default() });
    sim.dial(1);
    sim.advance(1000 * SECOND);
    let peer = sim.connected(&address(1));
    assert_eq!((sim.received(peer), sim.results().len()), (b"0".to_vec(), 1));
}

#[test]
fn a_request_that_the_handler_ends_has_no_result() {
    for aborts in [false, true] {
        let mut sim = Sim::new(Dialer::default());
        sim.dial(1);
        sim.dial(1);
        sim.with_request(0, |token, cx| if aborts { cx.abort_other(token) } else { cx.close_other(token) });
        assert_eq!(sim.pending_connects(), [address(1)], "the second one");
        let peer = sim.connected(&address(1));
        assert_eq!((sim.received(peer), sim.results()), (b"1".to_vec(), vec!["1 open 127.0.0.1:1".to_owned()]));
        assert_eq!((sim.stats().connections, sim.timers()), (1, 0));
    }
}

#[test]
fn a_stop_ends_requests_without_a_result() {
    let mut sim = Sim::new(Dialer::default());
    sim.dial(1);
    sim.stop();
    assert!(sim.is_stopped());
    sim.dial(1);
    assert!(sim.is_stopped());
    assert_eq!((sim.pending_connects(), sim.results().len()), (vec![], 0));
}

#[test]
fn a_half_close_before_the_connection_is_up_is_remembered() {
    let mut sim = Sim::new(Dialer::default());
    sim.dial(1);
    sim.with_request(0, |token, cx| cx.shut_down_other(token));
    let peer = sim.connected(&address(1));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
    assert_eq!(sim.stats().connections, 1, "its input continues");
}

#[test]
fn outbound_connections_do_not_count_as_clients() {
    let limits = Limits { max_connections: Some(1), max_per_host: Some(1), ..Limits::default() };
    let mut sim = Sim::with_limits(Dialer::default(), limits);
    for _ in 0..3 {
        sim.dial(1);
        sim.connected(&address(1));
    }
    let (client, refused) = (sim.connect(), sim.connect());
    assert_eq!((sim.ending(client), sim.ending(refused)), (None, Some(Ending::Reset)));
    assert_eq!(sim.stats().connections, 4);
}

#[test]
#[should_panic(expected = "the handler has not asked to connect to 127.0.0.1:2")]
fn an_answer_without_a_request_is_a_mistake_of_the_test() {
    let mut sim = Sim::new(Dialer::default());
    sim.dial(1);
    sim.connected(&address(2));
}
