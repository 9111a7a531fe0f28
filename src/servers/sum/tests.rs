use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{in_pieces, steps, whole};
use crate::sim::{Ending, Sim, SimPeer, assert_chunking_law};
use crate::state::limits::Limits;

/// A sum server among simulated clients.
struct Server(Sim<Lines<Sum>>);

impl Server {
    fn of(clients: usize) -> Server {
        Server::new(SumOptions { clients, ..SumOptions::default() })
    }

    fn replying(clients: usize) -> Server {
        Server::new(SumOptions { clients, reply: true, ..SumOptions::default() })
    }

    fn new(options: SumOptions) -> Server {
        Server(Sim::new(Sum::lines(options)))
    }

    /// A client that connects and says this.
    fn client(&mut self, line: &str) -> SimPeer {
        let peer = self.0.connect();
        self.says(peer, line);
        self.0.run();
        peer
    }

    fn says(&mut self, peer: SimPeer, line: &str) {
        self.0.send(peer, format!("{line}\n").as_bytes());
    }

    fn sees(&mut self, peer: SimPeer) -> String {
        String::from_utf8(self.0.received(peer)).expect("the server sends ASCII")
    }

    fn printed(&mut self) -> String {
        String::from_utf8(self.0.stdout()).expect("the server prints ASCII")
    }

    fn numbers(&mut self) -> usize {
        self.0.handler_mut().get_ref().numbers()
    }
}

#[test]
fn two_numbers_make_a_total_and_end_both_connections() {
    let mut server = Server::of(2);
    let ann = server.client("40");
    assert_eq!((server.printed(), server.0.ending(ann)), (String::new(), None), "the round is not full");
    let bob = server.client("+2");
    assert_eq!(server.printed(), "42\n");
    for peer in [ann, bob] {
        assert_eq!((server.sees(peer), server.0.ending(peer)), (String::new(), Some(Ending::Eof)));
    }
    assert_eq!(server.numbers(), 0);
}

#[test]
fn after_the_last_round_it_stops() {
    let mut server = Server::new(SumOptions { clients: 1, rounds: Some(2), ..SumOptions::default() });
    server.client("1");
    assert!(!server.0.is_stopped());
    let (ann, bob) = (server.0.connect(), server.0.connect());
    // Both lines arrive in one turn.
    for peer in [ann, bob] {
        server.says(peer, "2");
    }
    server.0.run();
    assert_eq!(server.printed(), "1\n2\n");
    assert!(server.0.is_stopped());
}

#[test]
fn with_reply_all_of_the_round_get_the_total() {
    let mut server = Server::replying(3);
    let peers = ["1", "-5", "2"].map(|line| server.client(line));
    assert_eq!(server.printed(), "-2\n");
    for peer in peers {
        assert_eq!((server.sees(peer).as_str(), server.0.ending(peer)), ("-2\n", Some(Ending::Eof)));
    }
}

#[test]
fn a_client_without_a_number_waits_for_the_next_round() {
    let mut server = Server::replying(2);
    let early = server.0.connect();
    for round in 1..=100 {
        let _ann = server.client("1");
        let _bob = server.client(&round.to_string());
        assert_eq!(server.printed(), format!("{}\n", round + 1));
    }
    assert_eq!((server.sees(early), server.0.ending(early)), (String::new(), None));
    server.says(early, "7");
    server.client("8");
    assert_eq!((server.printed().as_str(), server.sees(early).as_str()), ("15\n", "15\n"));
    server.0.advance(Duration::from_secs(2));
    assert_eq!((server.0.stats().connections, server.0.timers(), server.numbers()), (0, 0, 0));
}

#[test]
fn one_client_may_be_a_round() {
    let mut server = Server::of(1);
    server.client("5");
    server.client("6");
    assert_eq!(server.printed(), "5\n6\n");
}

#[test]
fn a_number_leaves_with_its_client_but_not_at_a_half_close() {
    let mut server = Server::replying(3);
    let gone = server.client("1000");
    let patient = server.client("1");
    server.0.shut_down(patient);
    assert_eq!((server.0.ending(patient), server.numbers()), (None, 2));
    server.0.reset(gone);
    assert_eq!(server.numbers(), 1);
    server.client("2");
    assert_eq!(server.printed(), "");
    server.client("3");
    assert_eq!(server.printed(), "6\n");
    assert_eq!((server.sees(patient).as_str(), server.0.ending(patient)), ("6\n", Some(Ending::Eof)));
}

#[test]
fn a_number_leaves_with_an_idle_client() {
    let limits = Limits { idle_timeout: Some(Duration::from_secs(60)), ..Limits::default() };
    let mut server = Server(Sim::with_limits(Sum::lines(SumOptions::default()), limits));
    let silent = server.client("1000");
    server.0.advance(Duration::from_secs(61));
    assert_eq!((server.0.ending(silent), server.numbers()), (Some(Ending::Eof), 0));
    server.client("1");
    server.client("2");
    assert_eq!(server.printed(), "3\n");
}

#[test]
fn a_client_that_ends_without_a_number_is_closed() {
    let mut server = Server::of(2);
    let peer = server.client("nothing");
    server.sees(peer);
    server.0.shut_down(peer);
    assert_eq!((server.0.ending(peer), server.numbers()), (Some(Ending::Eof), 0));
}

#[test]
fn a_second_line_gets_a_line_and_does_not_count() {
    let mut server = Server::replying(2);
    let ann = server.client("1\n5\n\nx");
    assert_eq!(server.sees(ann), ALREADY_SENT.repeat(3));
    server.client("2");
    assert_eq!((server.printed().as_str(), server.sees(ann).as_str()), ("3\n", "3\n"));
}

#[test]
fn garbage_gets_one_line_and_another_try() {
    let mut server = Server::of(2);
    let peer = server.0.connect();
    for garbage in ["", "  ", "five", "1.5", "0x10", "1e3", "1_000", "٣", "--1"] {
        server.says(peer, garbage);
        assert_eq!(server.sees(peer), NOT_AN_INTEGER, "{garbage:?}");
    }
    server.0.send(peer, b"\xff\xfe\n 3 \r\n");
    assert_eq!(server.sees(peer), NOT_AN_INTEGER);
    server.client("4");
    assert_eq!(server.printed(), "7\n");
}

#[test]
fn a_long_line_gets_one_notice_and_another_try() {
    let mut server = Server::of(1);
    let fits = "9".repeat(4096);
    server.client(&fits);
    assert_eq!(server.printed(), format!("{fits}\n"));
    let peer = server.client(&"9".repeat(100_000));
    assert_eq!(server.sees(peer), "Your line is over 4096 bytes: send a shorter one.\n");
    server.says(peer, "8");
    assert_eq!(server.printed(), "8\n");
}

#[test]
fn without_a_limit_of_the_line_the_digits_are_limited() {
    let limits = Limits { inbox: usize::MAX, ..Limits::default() };
    let options = SumOptions { clients: 1, max_line: usize::MAX, ..SumOptions::default() };
    let mut server = Server(Sim::with_limits(Sum::lines(options), limits));
    let peer = server.client(&"7".repeat(1 << 20));
    assert_eq!(server.sees(peer), "Your integer has over 16384 digits: send a shorter one.\n");
    server.says(peer, &format!("-{}1", "0".repeat(1 << 20)));
    assert_eq!(server.printed(), "-1\n");
}

#[test]
fn no_integer_is_too_large_to_be_added() {
    let mut server = Server::of(3);
    server.client(&format!("1{}", "0".repeat(1000)));
    server.client(&format!("-{}", "9".repeat(1000)));
    server.client("340282366920938463463374607431768211456");
    assert_eq!(server.printed(), "340282366920938463463374607431768211457\n");
}

#[test]
fn a_web_page_cannot_add_a_number() {
    let mut server = Server::of(1);
    let browser = server.client("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n5");
    assert_eq!((server.sees(browser).as_str(), server.printed().as_str()), (NO_HTTP, ""));
    assert_eq!(server.0.ending(browser), Some(Ending::Eof));
}

#[test]
fn a_stop_ends_the_round_without_a_total() {
    let mut server = Server::replying(2);
    let ann = server.client("1");
    server.0.stop();
    assert_eq!((server.sees(ann), server.printed(), server.numbers()), (String::new(), String::new(), 0));
    server.0.shut_down(ann);
    assert!(server.0.is_stopped());
}

#[test]
fn a_client_that_does_not_read_the_total_delays_no_round() {
    let mut server = Server::replying(2);
    let stuck = server.client("1");
    server.0.stall(stuck);
    server.client("2");
    server.client("3");
    server.client("4");
    assert_eq!(server.printed(), "3\n7\n");
    server.0.resume(stuck);
    assert_eq!(server.sees(stuck), "3\n");
}

#[test]
fn what_the_server_says_is_on_its_page() {
    let page = include_str!("../../../docs/sum-server.md");
    let digits = format!("Your integer has over {MOST_DIGITS} digits: send a shorter one.");
    let long = "Your line is over {limit} bytes: send a shorter one.";
    for text in [NOT_AN_INTEGER, ALREADY_SENT, NO_HTTP, &digits, long] {
        assert!(page.contains(&format!("`{}`", text.trim_end())), "docs/sum-server.md lacks {text:?}");
    }
}

#[test]
fn the_way_of_the_bytes_is_not_seen_in_the_answers() {
    let script = b"x\n\n 12\r\n34\nPOST / HTTP/1.1\n-0";
    for clients in [1, 2] {
        assert_chunking_law(
            || Sum::lines(SumOptions { clients, reply: true, max_line: 10, ..SumOptions::default() }),
            script,
        );
    }
    assert_chunking_law(|| Sum::lines(SumOptions::default()), b"Host: here\r\n5\n");
}

/// What happens at a sum server.
#[derive(Clone, Debug)]
enum Event {
    /// A client connects and sends this.
    Comes(i64),
    /// One of those who wait, by number, vanishes.
    Vanishes(usize),
    /// One of those who wait says more.
    Repeats(usize),
    /// One of those who wait ends its side.
    Ends(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => any::<i64>().prop_map(Event::Comes),
        1 => any::<usize>().prop_map(Event::Vanishes),
        1 => any::<usize>().prop_map(Event::Repeats),
        1 => any::<usize>().prop_map(Event::Ends),
    ];
    proptest::collection::vec(event, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn totals_are_those_of_the_numbers_that_are_there(clients in 1..5usize, events in events()) {
        let mut server = Server::replying(clients);
        let mut waiting: Vec<(SimPeer, i64, bool)> = Vec::new();
        for event in events {
            match event {
                Event::Comes(number) => waiting.push((server.client(&number.to_string()), number, false)),
                Event::Vanishes(which) if waiting.iter().any(|(_, _, ended)| !ended) => {
                    let which = which % waiting.len();
                    // A client that has ended its side is not read, so its reset goes unnoticed.
                    if !waiting[which].2 {
                        server.0.reset(waiting.remove(which).0);
                    }
                }
                Event::Repeats(which) if !waiting.is_empty() => {
                    let (peer, _, ended) = waiting[which % waiting.len()];
                    if !ended {
                        server.says(peer, "1");
                        prop_assert_eq!(server.sees(peer), ALREADY_SENT);
                    }
                }
                Event::Ends(which) if !waiting.is_empty() => {
                    let which = which % waiting.len();
                    server.0.shut_down(waiting[which].0);
                    waiting[which].2 = true;
                }
                _ => {}
            }
            if waiting.len() == clients {
                let total = waiting.iter().map(|(_, number, _)| i128::from(*number)).sum::<i128>();
                prop_assert_eq!(server.printed(), format!("{total}\n"));
                for (peer, ..) in waiting.drain(..) {
                    prop_assert_eq!(server.sees(peer), format!("{total}\n"));
                    prop_assert_eq!(server.0.ending(peer), Some(Ending::Eof));
                }
            }
            prop_assert_eq!((server.printed(), server.numbers()), (String::new(), waiting.len()));
        }
    }

    #[test]
    fn no_split_pause_or_slow_reader_changes_what_is_answered(
        lines in proptest::collection::vec("[-+ 0-9x]{0,6}|[0-9]{12}|\\PC{0,8}", 0..12),
        steps in steps(),
    ) {
        let make = || Sum::lines(SumOptions { clients: 2, reply: true, max_line: 10, ..SumOptions::default() });
        let script = lines.join("\n").into_bytes();
        prop_assert_eq!(in_pieces(make(), &script, &steps), whole(make(), &script));
    }
}
