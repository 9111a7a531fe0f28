use super::*;
use crate::{site, speech};

/// The hearing of client 0 of three; client 1 has said two lines, in an echo client 0 itself.
fn owed(kind: Kind) -> Hearing {
    let mut hearing = Hearing::new(kind, 0, 3);
    for _ in 0..2 {
        hearing.owe(speaker(kind));
    }
    assert!(hearing.tally.owed > 0, "{kind} owes it");
    hearing
}

fn speaker(kind: Kind) -> usize {
    usize::from(kind == Kind::Chat)
}

fn line(kind: Kind, number: u64) -> String {
    kind.heard(speaker(kind), number) + "\n"
}

/// What is lost and wrong when client 0 hears this.
fn judged(kind: Kind, stream: &[u8]) -> (u64, u64) {
    let mut hearing = owed(kind);
    hearing.hear(stream, |_, _| {});
    hearing.close();
    (hearing.tally.lost, hearing.tally.wrong)
}

const KINDS: [Kind; 3] = [Kind::Echo, Kind::Uppercase, Kind::Chat];

#[test]
fn what_is_owed_is_heard_however_it_is_cut() {
    for kind in KINDS {
        let stream = line(kind, 0) + &line(kind, 1);
        for cut in 0..=stream.len() {
            let (mut hearing, mut heard) = (owed(kind), Vec::new());
            for part in [&stream.as_bytes()[..cut], &stream.as_bytes()[cut..]] {
                hearing.hear(part, |speaker, number| heard.push((speaker, number)));
            }
            assert!(hearing.is_settled());
            hearing.close();
            assert_eq!((hearing.tally.lost, hearing.tally.wrong), (0, 0), "{kind}, cut at {cut}");
            assert_eq!(heard, [(speaker(kind), 0), (speaker(kind), 1)]);
        }
    }
}

#[test]
fn a_lost_line_a_lost_end_and_silence_are_found() {
    for kind in KINDS {
        let (first, second) = (line(kind, 0), line(kind, 1));
        assert_eq!(judged(kind, second.as_bytes()), (first.len() as u64, 0), "{kind}: the first is missing");
        assert_eq!(judged(kind, first.as_bytes()), (second.len() as u64, 0), "{kind}: the last is missing");
        let cut = &(first.clone() + &second)[..first.len() + second.len() - 1];
        assert_eq!(judged(kind, cut.as_bytes()), (second.len() as u64, 0), "{kind}: the last byte is missing");
        assert_eq!(judged(kind, b""), ((first.len() + second.len()) as u64, 0), "{kind}: all is missing");
    }
}

#[test]
fn a_doubled_line_is_wrong() {
    for kind in KINDS {
        let doubled = line(kind, 0) + &line(kind, 0) + &line(kind, 1);
        assert_eq!(judged(kind, doubled.as_bytes()), (0, line(kind, 0).len() as u64), "{kind}");
    }
}

#[test]
fn any_changed_byte_is_found() {
    for kind in KINDS {
        let stream = line(kind, 0) + &line(kind, 1);
        for place in 0..stream.len() {
            let mut changed = stream.clone().into_bytes();
            changed[place] ^= 1;
            assert_ne!(judged(kind, &changed), (0, 0), "{kind}: byte {place}");
        }
    }
}

#[test]
fn what_steers_a_terminal_is_found_in_any_line() {
    for steering in ["\x1b[2J", "\x07", "\r", "\x7f", "\u{9b}31m", "\u{202e}", "\u{2028}", "\0"] {
        for text in [format!("stranger: {steering}"), format!("* stranger {steering}"), format!("{steering}: hello")] {
            let stream = format!("{text}\n{}{}", line(Kind::Chat, 0), line(Kind::Chat, 1));
            assert_eq!(judged(Kind::Chat, stream.as_bytes()), (0, text.len() as u64 + 1), "{text:?}");
        }
    }
    assert_eq!(judged(Kind::Chat, b"stranger: \x9b31m\n").1, 15, "C1 as a single byte");
}

#[test]
fn what_others_say_in_a_form_of_the_chat_is_well() {
    let others = "stranger: hello, tab\tand ü\n* stranger waves\n[stranger] psst\nWelcome stranger to the room!\n\
                  stranger leaves the room!\nstranger is now known as friend.\n21 persons are here.\n";
    let stream = others.to_owned() + &line(Kind::Chat, 0) + &line(Kind::Chat, 1);
    assert_eq!(judged(Kind::Chat, stream.as_bytes()), (0, 0));
    let mut hearing = owed(Kind::Chat);
    hearing.hear(stream.as_bytes(), |_, _| {});
    assert_eq!(hearing.others, 7);
}

#[test]
fn what_has_no_form_of_the_chat_is_wrong() {
    for text in ["hello", "", ": hello", "* ", "a b: hello", "Welcome a b to the room!", "polite07: 000000.x."] {
        assert_eq!(judged(Kind::Chat, format!("{text}\n").as_bytes()).1, text.len() as u64 + 1, "{text:?}");
    }
    let long = format!("stranger: {}\n", "x".repeat(LONGEST));
    assert_eq!(judged(Kind::Chat, long.as_bytes()).1, long.len() as u64);
    assert_ne!(judged(Kind::Chat, &vec![b'x'; 2 * LONGEST]).1, 0, "a line without end");
}

#[test]
fn our_own_words_in_a_chat_are_wrong() {
    let own = Kind::Chat.heard(0, 0) + "\n";
    assert_eq!(judged(Kind::Chat, own.as_bytes()).1, own.len() as u64);
}

/// The frame that members at the web door receive for a line of client 1.
fn say(number: u64) -> Vec<u8> {
    let line = speech::line(1, number);
    let text = format!("{{\"type\":\"say\",\"id\":7,\"at\":1,\"nick\":\"{}\",\"text\":\"{line}\"}}", speech::name(1));
    let length = text.len() as u16;
    [&[0x81, 126], &length.to_be_bytes()[..], text.as_bytes()].concat()
}

#[test]
fn frames_are_heard_as_lines_however_they_are_cut() {
    let stream = [say(0), b"\x89\x00".to_vec(), say(1)].concat();
    for cut in 0..=stream.len() {
        let (mut hearing, mut heard) = (Hearing::new(Kind::Web, 0, 3), Vec::new());
        (0..2).for_each(|_| hearing.owe(1));
        for part in [&stream[..cut], &stream[cut..]] {
            hearing.hear(part, |_, number| heard.push(number));
        }
        assert!(hearing.is_settled(), "cut at {cut}");
        assert_eq!((hearing.tally.lost, hearing.tally.wrong, heard), (0, 0, vec![0, 1]), "cut at {cut}");
    }
}

#[test]
fn a_page_is_owed_its_own_lines_and_a_netcat_is_not() {
    for (me, is_owed) in [(0, true), (1, false)] {
        let mut hearing = Hearing::new(Kind::Web, me, 3);
        hearing.owe(me);
        assert_eq!(hearing.tally.owed > 0, is_owed, "client {me}");
    }
}

/// What is lost and wrong when a client with these requests hears this.
fn judged_pages(requests: u64, stream: &[u8]) -> (u64, u64) {
    let mut hearing = Hearing::new(Kind::Http, 0, 3);
    (0..requests).for_each(|_| hearing.owe(0));
    hearing.hear(stream, |_, _| {});
    hearing.close();
    (hearing.tally.lost, hearing.tally.wrong)
}

fn answer(number: u64) -> Vec<u8> {
    let page = site::page(number);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into_bytes()
}

#[test]
fn pages_are_heard_in_order_however_they_are_cut() {
    let stream = [answer(0), answer(1)].concat();
    for cut in 0..=stream.len() {
        let (mut hearing, mut heard) = (Hearing::new(Kind::Http, 0, 3), Vec::new());
        (0..2).for_each(|_| hearing.owe(0));
        for part in [&stream[..cut], &stream[cut..]] {
            hearing.hear(part, |_, number| heard.push(number));
        }
        assert!(hearing.is_settled(), "cut at {cut}");
        assert_eq!((hearing.tally.lost, hearing.tally.wrong, heard), (0, 0, vec![0, 1]), "cut at {cut}");
    }
}

#[test]
fn a_lost_page_and_a_wrong_one_are_found() {
    let (first, second) = (site::page(0).len() as u64, site::page(1).len() as u64);
    assert_eq!(judged_pages(2, &answer(0)), (second, 0), "the last is missing");
    assert_eq!(judged_pages(2, &answer(1)), (second, second), "the first is missing");
    assert_eq!(judged_pages(1, &answer(0)[..answer(0).len() - 1]), (first, 0), "the last byte is missing");
    assert_eq!(judged_pages(1, &[answer(0), answer(1)].concat()), (0, second), "nothing asked for the second");
    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(judged_pages(1, refusal), (first, refusal.len() as u64), "it was refused");
}
