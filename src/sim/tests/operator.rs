//! The operator's view of connections: the listing, its numbers, and the names that handlers give.

use super::*;
use crate::handler::services::Services;
use crate::servers::{Echo, EchoLines};

/// A handler that takes the first input of a session as its name.
fn named() -> Scene<impl FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>)> {
    scene(|_, _, call, cx| {
        if let Call::Data(name) = call {
            cx.set_name(&*String::from_utf8_lossy(name));
        }
    })
}

impl<F> Sim<Scene<F>>
where
    F: FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>),
{
    /// The answer to a command, line by line, without the spaces at the ends of lines.
    fn ask(&mut self, command: &str) -> Vec<String> {
        self.console(command.as_bytes());
        self.stderr().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The numbers and names of a listing.
    fn numbers(&mut self) -> Vec<String> {
        let listing = self.ask("who");
        let row = |line: &String| line.split_whitespace().step_by(2).take(2).collect::<Vec<_>>().join(" ");
        listing.iter().skip(1).map(row).collect()
    }

    fn named_peers<const N: usize>(&mut self, names: [&str; N]) -> [SimPeer; N] {
        names.map(|name| {
            let peer = self.connect();
            self.send(peer, name.as_bytes());
            self.run();
            peer
        })
    }
}

#[test]
fn the_listing_is_a_table_below_a_heading() {
    let mut sim = Sim::new(named());
    assert_eq!(sim.ask("who"), ["no connections"]);
    let [ann] = sim.named_peers(["ann"]);
    sim.advance(SECOND * 192);
    let _quiet = sim.connect();
    sim.stall(ann);
    sim.with_context(|handler, cx| cx.send(handler.notes.tokens[0], b"hello"));
    assert_eq!(
        sim.ask("who"),
        [
            "number  service  nickname  address          connected   queued bytes",
            "     1  -        ann       127.0.0.1:10000  3m 12s ago             5",
            "     2  -        -         127.0.0.1:10001  0s ago                 0",
        ]
    );
}

#[test]
fn a_listing_can_be_searched() {
    let mut sim = Sim::new(named());
    let chat = sim.add_service(ServiceOptions { name: "chat".to_owned(), ..ServiceOptions::default() });
    let [_ann, _bob] = sim.named_peers(["Ann", "bob"]);
    let _member = sim.connect_to(chat);
    for (wanted, found) in [("ANN", 1), ("chat", 1), (":1000", 3), ("127.0.0.1:10001", 1)] {
        assert_eq!(sim.ask(&format!("who {wanted}")).len(), 1 + found, "{wanted}");
    }
    assert_eq!(sim.ask("who xyz"), ["no connection has \"xyz\" in its service, nickname or address"]);
}

#[test]
fn a_number_of_a_listing_never_names_a_stranger() {
    let mut sim = Sim::new(named());
    let [_ann, bob, _cid] = sim.named_peers(["ann", "bob", "cid"]);
    assert_eq!(sim.numbers(), ["1 ann", "2 bob", "3 cid"]);
    sim.reset(bob);
    sim.run();
    let _dan = sim.named_peers(["dan"]);
    assert_eq!(sim.ask("kick 2"), ["no connection has the number or nickname \"2\"; type who for the list"]);
    assert_eq!(sim.numbers(), ["1 ann", "3 cid", "4 dan"]);
    let _eve = sim.named_peers(["eve"]);
    assert_eq!(sim.numbers(), ["1 ann", "3 cid", "4 dan", "5 eve"], "another operator may have seen bob as 2");
    assert_eq!(sim.ask("kick 3"), ["kicked cid (127.0.0.1:10002)"]);
    assert_eq!(sim.numbers(), ["1 ann", "4 dan", "5 eve"]);
}

#[test]
fn the_listing_of_a_crowd_is_bounded() {
    let mut sim = Sim::new(named());
    let mut peers: Vec<_> = (0..250).map(|_| sim.connect()).collect();
    let listing = sim.ask("who");
    assert_eq!(listing.len(), 1 + 100 + 1);
    assert!(listing[1].starts_with("     1  -        -         127.0.0.1:10000  "), "{listing:?}");
    assert_eq!(listing[101], "and 150 more (find one with who TEXT)");
    assert!(sim.ask("who :10249")[1].starts_with("   101  -"), "a connection that was not listed has no number");
    for peer in peers.drain(..50) {
        sim.reset(peer);
    }
    let listing = sim.ask("who");
    assert!(listing[1].starts_with("    51  -"), "listed connections come first: {listing:?}");
    assert_eq!(listing.len(), 1 + 100 + 1);
}

#[test]
fn a_name_is_sanitized_replaced_and_removed() {
    let mut sim = Sim::new(named());
    let [ann] = sim.named_peers(["a\x1b[2J"]);
    assert_eq!(sim.numbers(), ["1 a\u{FFFD}[2J"]);
    sim.send(ann, b"anna");
    assert_eq!(sim.numbers(), ["1 anna"]);
    sim.send(ann, "x".repeat(1000).as_bytes());
    assert_eq!(sim.numbers(), [format!("1 {}", "x".repeat(32))]);
}

#[test]
fn a_kick_finds_a_number_and_then_a_name() {
    let mut sim = Sim::new(named());
    let [ann, two, bob, anna] = sim.named_peers(["ann", "2", "Bob", "anna"]);
    assert_eq!(sim.ask("kick"), ["usage: kick NUMBER|NICK [REASON]; type who for the numbers"]);
    assert_eq!(sim.ask("kick an"), ["no connection has the number or nickname \"an\"; type who for the list"]);
    assert_eq!(sim.ask("kick 2"), ["kicked 2 (127.0.0.1:10001)"], "nothing was listed, so no connection has a number");
    assert_eq!(sim.ask("kick bob"), ["kicked Bob (127.0.0.1:10002)"]);
    assert_eq!(sim.numbers(), ["1 ann", "2 anna"]);
    let _newcomer = sim.named_peers(["2"]);
    assert_eq!(sim.ask("kick 2 spam"), ["kicked anna (127.0.0.1:10003)"], "a number goes before a name");
    for peer in [two, bob, anna] {
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
    assert_eq!(sim.ending(ann), None);
    assert_eq!(sim.calls().iter().filter(|call| call.ends_with("closed: by the operator")).count(), 3);
}

#[test]
fn a_name_of_several_connections_is_kicked_by_number() {
    let mut sim = Sim::new(named());
    let peers = sim.named_peers(["ann", "ann", "Ann"]);
    assert_eq!(sim.ask("kick ann"), ["2 connections have the nickname \"ann\"; kick one by its number, see who"]);
    assert_eq!(sim.ask("kick Ann"), ["kicked Ann (127.0.0.1:10002)"], "the exact name goes before the case");
    assert_eq!(peers.map(|peer| sim.ending(peer)), [None, None, Some(Ending::Eof)]);
}

#[test]
fn a_kicked_client_is_told_the_reason_in_lines_only() {
    let mut sim = Sim::new(Echo::lines(EchoLines::default()));
    for (command, told) in [
        ("kick 1", "closed by the operator\n"),
        ("kick 2   no adverts,\x1b[31m please ", "closed by the operator: no adverts,\u{FFFD}[31m please\n"),
    ] {
        let peer = sim.connect();
        sim.console(b"who");
        sim.console(command.as_bytes());
        assert_eq!((sim.received(peer), sim.ending(peer)), (told.as_bytes().to_vec(), Some(Ending::Eof)));
    }
    let mut sim = Sim::new(Echo::bytes());
    let peer = sim.connect();
    sim.console(b"who");
    sim.console(b"kick 1 spam");
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
}

#[test]
fn a_kick_reaches_the_session_of_the_right_service() {
    let mut sim = Sim::new(Services::new());
    sim.handler_mut().add(ServiceId::DEFAULT, "echo", Echo::bytes());
    let lines = sim.add_service(ServiceOptions::default());
    sim.handler_mut().add(lines, "lines", Echo::lines(EchoLines::default()));
    let [bytes, lines] = [sim.connect(), sim.connect_to(lines)];
    for command in ["who", "kick 1 spam", "kick 2 spam"] {
        sim.console(command.as_bytes());
    }
    assert_eq!((sim.received(bytes), sim.received(lines)), (Vec::new(), b"closed by the operator: spam\n".to_vec()));
}

#[test]
fn an_answer_goes_to_the_operator_that_asked() {
    let mut sim = Sim::new(named());
    assert_eq!(sim.control(b"who"), "no connections\n");
    assert_eq!(sim.stderr(), "");
    sim.console(b"who");
    assert_eq!(sim.stderr(), "no connections\n");
    assert_eq!(sim.control(b"quit"), "");
    assert!(sim.is_stopped());
}

/// A handler that answers each line of an operator with the line.
struct Repeats;

impl Handler for Repeats {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        cx.reply(line);
        if line == b"stop" {
            cx.stop();
        }
    }
}

#[test]
fn an_answer_is_whole_lines_and_the_last_needs_no_end() {
    let mut sim = Sim::new(Repeats);
    for (line, answer) in [("one", "one\n"), ("one\ntwo\n", "one\ntwo\n"), ("", "")] {
        assert_eq!(sim.control(line.as_bytes()), answer);
        sim.console(line.as_bytes());
        assert_eq!(sim.stderr(), answer);
    }
}

#[test]
fn a_server_that_stops_obeys_no_operator() {
    let mut sim = Sim::new(Repeats);
    assert_eq!(sim.control(b"stop"), "stop\n");
    sim.console(b"late");
    assert_eq!((sim.stderr(), sim.control(b"late")), (String::new(), String::new()));
}
