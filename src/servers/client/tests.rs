use std::io::ErrorKind;

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{Step, play, steps};
use crate::sim::{Ending, Sim, SimPeer};
use crate::state::limits::Limits;

const SECOND: Duration = Duration::from_secs(1);

fn address() -> Address {
    "127.0.0.1:4444".parse().expect("a valid address")
}

/// A client that has asked for its connection.
fn client(options: ClientOptions) -> Sim<Client> {
    let mut sim = Sim::new(Client::new(address(), options));
    assert_eq!(sim.pending_connects(), [address()]);
    sim
}

/// A client whose connection is up, and its server.
fn connected() -> (Sim<Client>, SimPeer) {
    let mut sim = client(ClientOptions::default());
    let server = sim.connected(&address());
    (sim, server)
}

fn refuse(sim: &mut Sim<Client>) {
    sim.refused(&address(), ErrorKind::ConnectionRefused.into());
}

fn failure(sim: &mut Sim<Client>) -> Option<String> {
    sim.handler_mut().failure()
}

#[test]
fn lines_go_out_and_answers_are_shown_unchanged() {
    let (mut sim, server) = connected();
    sim.console(b"hello");
    sim.console(b" two words \xff");
    assert_eq!(sim.received(server), b"hello\n two words \xff\n");
    sim.send(server, b"\x00HELLO\r\nno end");
    assert_eq!(sim.stdout(), b"\x00HELLO\r\nno end");
    assert!(!sim.is_stopped());
}

#[test]
fn lines_typed_before_the_connection_is_up_are_sent_in_order() {
    let mut sim = client(ClientOptions::default());
    sim.console(b"one");
    sim.console(b"two");
    let server = sim.connected(&address());
    sim.console(b"three");
    assert_eq!(sim.received(server), b"one\ntwo\nthree\n");
}

#[test]
fn input_that_ends_before_the_connection_is_up_is_sent() {
    let mut sim = client(ClientOptions::default());
    sim.console(b"one");
    sim.console_end();
    let server = sim.connected(&address());
    assert_eq!(sim.received(server), b"one\n");
    assert_eq!(sim.ending(server), Some(Ending::Eof));
    sim.send(server, b"ONE\n");
    sim.shut_down(server);
    assert_eq!(sim.stdout(), b"ONE\n");
    assert!(sim.is_stopped());
}

#[test]
fn answers_after_the_end_of_input_are_shown() {
    for blank in [Some(&b""[..]), Some(b" \t"), None] {
        let (mut sim, server) = connected();
        sim.console(b"hello");
        match blank {
            Some(line) => sim.console(line),
            None => sim.console_end(),
        }
        sim.console(b"typed too late");
        assert_eq!(sim.received(server), b"hello\n");
        assert_eq!(sim.ending(server), Some(Ending::Eof));
        sim.advance(3 * SECOND);
        sim.send(server, b"HELLO\n");
        assert_eq!(sim.stdout(), b"HELLO\n");
        assert!(!sim.is_stopped());
        sim.shut_down(server);
        assert!(sim.is_stopped());
        assert_eq!((sim.stderr(), failure(&mut sim)), (String::new(), None));
    }
}

#[test]
fn a_quit_text_ends_the_input_and_a_blank_line_is_sent() {
    for quit in ["q", "Q", " q\t", "BYE"] {
        let quit_on = vec!["q".into(), "bye".into()];
        let mut sim = client(ClientOptions { quit_on, ..ClientOptions::default() });
        let server = sim.connected(&address());
        for line in ["question", "", "q q"] {
            sim.console(line.as_bytes());
        }
        sim.console(quit.as_bytes());
        assert_eq!(sim.received(server), b"question\n\nq q\n", "{quit:?}");
        assert_eq!(sim.ending(server), Some(Ending::Eof), "{quit:?}");
    }
}

#[test]
fn lingering_ends_when_nothing_has_come_for_that_long() {
    let (mut sim, server) = connected();
    sim.console_end();
    for _ in 0..3 {
        sim.advance(4 * SECOND);
        sim.send(server, b"more\n");
        assert_eq!(sim.stdout(), b"more\n");
    }
    sim.advance(Duration::from_nanos(4_999_999_999));
    assert!(!sim.is_stopped());
    sim.advance(Duration::from_nanos(1));
    sim.shut_down(server);
    assert!(sim.is_stopped());
    assert_eq!(failure(&mut sim), None);
}

#[test]
fn lingering_goes_on_while_the_peer_still_reads_what_was_typed() {
    let (mut sim, server) = connected();
    sim.stall(server);
    sim.console(&[b'x'; 100]);
    sim.console_end();
    for _ in 0..10 {
        sim.allow(server, 10);
        sim.advance(4 * SECOND);
    }
    assert_eq!(sim.received(server).len(), 100);
    assert_eq!(sim.ending(server), None, "the LF is still owed");
    sim.resume(server);
    assert_eq!(sim.received(server), b"\n");
    assert_eq!(sim.ending(server), Some(Ending::Eof));
    sim.advance(10 * SECOND);
    sim.shut_down(server);
    assert!(sim.is_stopped());
}

#[test]
fn a_peer_that_takes_no_more_of_it_is_left_with_a_word() {
    let (mut sim, server) = connected();
    sim.stall(server);
    sim.console(&[b'x'; 99]);
    sim.console_end();
    sim.advance(5 * SECOND);
    assert!(sim.is_stopped(), "nothing has moved for the time to linger");
    let failure = failure(&mut sim).expect("a failure");
    assert_eq!(failure, "127.0.0.1:4444 has not taken the last 100 bytes");
}

#[test]
fn a_peer_that_closes_first_is_told_to_the_user() {
    let (mut sim, server) = connected();
    sim.send(server, b"bye\n");
    sim.shut_down(server);
    assert_eq!(sim.stderr(), "127.0.0.1:4444 has closed the connection\n");
    assert_eq!(sim.stdout(), b"bye\n");
    assert!(sim.is_stopped());
    assert_eq!(failure(&mut sim), None);
}

#[test]
fn a_broken_connection_is_a_failure() {
    let (mut sim, server) = connected();
    sim.reset(server);
    assert!(sim.is_stopped());
    let failure = failure(&mut sim).expect("a failure");
    assert!(failure.starts_with("the connection to 127.0.0.1:4444 is lost: connection reset"), "{failure}");
}

#[test]
fn a_refused_connection_is_one_clear_line() {
    let mut sim = client(ClientOptions::default());
    refuse(&mut sim);
    assert!(sim.is_stopped());
    let failure = failure(&mut sim).expect("a failure");
    let expected =
        "cannot connect to 127.0.0.1:4444: connection refused (is the server running? --retry 5s waits for it)";
    assert_eq!(failure, expected);
}

#[test]
fn with_a_retry_it_tries_every_100_ms_until_the_time_is_over() {
    let mut sim = client(ClientOptions { retry: Some(Duration::from_millis(250)), ..ClientOptions::default() });
    for wait in [100, 100, 50] {
        refuse(&mut sim);
        sim.advance(Duration::from_millis(wait - 1));
        assert_eq!(sim.pending_connects(), []);
        sim.advance(Duration::from_millis(1));
        assert_eq!(sim.pending_connects(), [address()]);
    }
    refuse(&mut sim);
    assert!(sim.is_stopped());
    let failure = failure(&mut sim).expect("a failure");
    assert_eq!(failure, "cannot connect to 127.0.0.1:4444: connection refused (tried for 250ms)");
}

#[test]
fn silence_and_refusal_have_the_same_connect_timeout() {
    let mut sim = client(ClientOptions { retry: Some(SECOND), ..ClientOptions::default() });
    refuse(&mut sim);
    sim.advance(RETRY_EVERY);
    assert_eq!(sim.pending_connects(), [address()]);
    sim.advance(Duration::from_millis(899));
    assert!(!sim.is_stopped());
    sim.advance(Duration::from_millis(1));
    assert!(sim.is_stopped());
    let failure = failure(&mut sim).expect("a failure");
    assert_eq!(failure, "cannot connect to 127.0.0.1:4444: no answer (tried for 1s)");
}

#[test]
fn a_server_that_comes_late_gets_all_that_was_typed() {
    let mut sim = client(ClientOptions { retry: Some(Duration::MAX), ..ClientOptions::default() });
    sim.console(b"hello");
    for _ in 0..100 {
        refuse(&mut sim);
        sim.advance(RETRY_EVERY);
        assert_eq!(sim.pending_connects(), [address()]);
    }
    let server = sim.connected(&address());
    assert_eq!(sim.received(server), b"hello\n");
}

#[test]
fn a_prompt_stands_where_a_line_may_be_typed() {
    let mut sim = client(ClientOptions { prompt: String::from("% "), ..ClientOptions::default() });
    assert_eq!(sim.stdout(), b"");
    let server = sim.connected(&address());
    assert_eq!(sim.stdout(), b"% ");
    sim.console(b"hello");
    sim.send(server, b"HEL");
    assert_eq!(sim.stdout(), b"HEL");
    sim.send(server, b"LO\n");
    assert_eq!(sim.stdout(), b"LO\n% ");
    sim.send(server, b"unasked\n");
    assert_eq!(sim.stdout(), b"\r  \runasked\n% ");
    sim.console(b"");
    sim.send(server, b"rest\n");
    assert_eq!(sim.stdout(), b"rest\n", "nothing more can be typed");
}

#[test]
fn the_peer_is_read_no_faster_than_the_output_is_taken() {
    let (mut sim, server) = connected();
    let sent = vec![b'x'; 2_000_000];
    sim.send(server, &sent);
    let shown = sent.len() - sim.unread(server);
    let limits = Limits::default();
    assert!(shown <= limits.high_mark() + limits.turn_input, "{shown}");
    let mut printed = 0;
    while sim.unread(server) > 0 {
        printed += sim.stdout().len();
    }
    assert_eq!(printed + sim.stdout().len(), sent.len());
}

/// What is shown until nothing more comes, a piece at a look.
fn shown_in_the_end(sim: &mut Sim<Client>) -> usize {
    let mut shown = 0;
    loop {
        match sim.stdout().len() {
            0 => return shown,
            count => shown += count,
        }
    }
}

/// Two that each wait for the other to read would wait for ever.
#[test]
fn a_peer_that_reads_nothing_before_its_answer_is_read_is_read() {
    let (mut sim, server) = connected();
    sim.stall(server);
    for _ in 0..4 {
        sim.console(&vec![b'x'; 100_000]);
    }
    sim.send(server, &vec![b'y'; 2_000_000]);
    assert_eq!(shown_in_the_end(&mut sim), 2_000_000);
    sim.resume(server);
    assert_eq!(sim.received(server).len(), 400_004);
}

#[test]
fn a_slow_reader_of_our_output_is_no_silence_of_the_peer() {
    let (mut sim, server) = connected();
    sim.console_end();
    sim.send(server, &vec![b'y'; 2_000_000]);
    sim.advance(60 * SECOND);
    assert!(!sim.is_stopped());
    assert_eq!(shown_in_the_end(&mut sim), 2_000_000);
    sim.advance(5 * SECOND);
    sim.shut_down(server);
    assert!(sim.is_stopped());
    assert_eq!(failure(&mut sim), None);
}

proptest! {
    #[test]
    fn no_split_pause_or_slow_peer_changes_what_is_shown_or_sent(
        answer: Vec<u8>,
        lines in proptest::collection::vec("[a-z]{1,9}", 0..9),
        steps in steps(),
    ) {
        let (mut sim, server) = connected();
        for line in &lines {
            sim.console(line.as_bytes());
        }
        let mut received = play(&mut sim, server, &answer, &steps);
        sim.shut_down(server);
        received.extend(sim.received(server));
        let typed: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        prop_assert_eq!(String::from_utf8_lossy(&received), typed);
        prop_assert_eq!(sim.stdout(), answer);
        prop_assert!(sim.is_stopped());
    }

    #[test]
    fn the_end_of_the_answer_at_every_byte_ends_the_client(answer in proptest::collection::vec(any::<u8>(), 0..20)) {
        for end in 0..=answer.len() {
            let (mut sim, server) = connected();
            play(&mut sim, server, &answer[..end], &vec![Step::Look(1); end]);
            sim.shut_down(server);
            prop_assert_eq!(sim.stdout(), &answer[..end]);
            prop_assert!(sim.is_stopped());
        }
    }
}
