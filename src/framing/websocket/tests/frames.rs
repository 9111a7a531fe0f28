//! Messages, fragments, pings, and what is refused.

use super::*;
use crate::sim::Ending;
use crate::state::limits::Limits;

/// RFC 6455, section 5.6.
#[test]
fn a_message_in_one_frame_is_passed_on() {
    let frames = [client_frame(TEXT, b"hello"), client_frame(BINARY, b"\x00\xff"), client_frame(TEXT, b"")];
    assert_eq!(answers(&frames), "text <hello>\ntext [\\x00\\xff]\ntext <>\n");
    let long = "x".repeat(130);
    assert_eq!(answers(&[client_frame(TEXT, long.as_bytes())]), format!("text <{long}>\n"));
}

/// Section 5.4: fragments may be empty, and control frames may come between them.
#[test]
fn fragments_are_joined() {
    let frames = [
        client_frame(TEXT_BEGINS, b"hel"),
        client_frame(PING, b"1"),
        client_frame(CONTINUES, b""),
        client_frame(PONG, b"2"),
        client_frame(CONTINUES, b"l"),
        client_frame(ENDS, b"o"),
        client_frame(BINARY_BEGINS, b""),
        client_frame(ENDS, b""),
        client_frame(TEXT, b"next"),
    ];
    assert_eq!(answers(&frames), "pong 1\ntext <hello>\ntext []\ntext <next>\n");
}

/// Section 5.5.2 and 5.5.3: a pong has the payload of its ping. A pong that was not asked for is ignored.
#[test]
fn a_ping_is_answered_and_a_pong_is_not() {
    let longest = [b'x'; 125];
    let frames = [client_frame(PING, b""), client_frame(PONG, b"?"), client_frame(PING, &longest)];
    assert_eq!(answers(&frames), format!("pong \npong {}\n", "x".repeat(125)));
}

/// Section 8.1. A character may be cut by the end of a fragment.
#[test]
fn a_text_is_valid_across_its_fragments() {
    let euro = "\u{20ac}".as_bytes();
    let cut = [
        client_frame(TEXT_BEGINS, &euro[..1]),
        client_frame(CONTINUES, &euro[1..2]),
        client_frame(PING, b""),
        client_frame(ENDS, &euro[2..]),
    ];
    assert_eq!(answers(&cut), "pong \ntext <\u{20ac}>\n");
    // What is binary is not checked.
    assert_eq!(answers(&[client_frame(BINARY, b"\xe2\x82")]), "text [\\xe2\\x82]\n");
    let invalid = "close 1007 a text is not UTF-8\n";
    for frames in [
        vec![client_frame(TEXT, b"\xff")],
        vec![client_frame(TEXT, &euro[..2])],
        vec![client_frame(TEXT_BEGINS, &euro[..2]), client_frame(ENDS, b"")],
        vec![client_frame(TEXT_BEGINS, &euro[..2]), client_frame(CONTINUES, b"x"), client_frame(ENDS, b"")],
        vec![client_frame(TEXT_BEGINS, b"\xed\xa0\x80"), client_frame(ENDS, b"")],
        vec![client_frame(TEXT_BEGINS, b"\xc0\xaf"), client_frame(ENDS, b"")],
    ] {
        assert_eq!(answers(&frames), invalid, "{frames:?}");
    }
}

/// The close comes with the first bad byte, not with the end of the frame or of the message.
#[test]
fn a_bad_text_ends_at_its_first_bad_byte() {
    let (mut sim, peer) = opened(show());
    let frame = client_frame(TEXT_BEGINS, b"good\xf4\x90 and more");
    sim.send(peer, &frame[..6 + 5]);
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"".to_vec(), None));
    sim.send(peer, &frame[6 + 5..6 + 6]);
    assert_eq!(readable(&sim.received(peer)), "close 1007 a text is not UTF-8\n");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

/// Section 5.1, 5.2 and 5.4. What follows is not looked at.
#[test]
fn frames_that_break_the_protocol_end_the_connection() {
    for (frame, reason) in [
        (client_frame(0xc1, b"x"), "a reserved bit is set"),
        (client_frame(0x83, b"x"), "the opcode is not known"),
        (client_frame(0x8b, b"x"), "the opcode is not known"),
        (client_frame(0x09, b"x"), "a control frame is fragmented"),
        (client_frame(PING, &[0; 126]), "a control frame is too long"),
        (text_frame("x"), "a frame is not masked"),
        (client_frame(ENDS, b"x"), "no message is continued"),
        (client_frame(CONTINUES, b"x"), "no message is continued"),
        ([client_frame(TEXT_BEGINS, b""), client_frame(TEXT, b"")].concat(), "a message is not complete"),
        ([client_frame(BINARY_BEGINS, b"x"), client_frame(BINARY_BEGINS, b"x")].concat(), "a message is not complete"),
    ] {
        let frames = [client_frame(TEXT, b"1"), frame, client_frame(TEXT, b"2"), client_frame(PING, b"")];
        assert_eq!(answers(&frames), format!("text <1>\nclose 1002 {reason}\n"));
    }
}

/// Section 7.4.1: 1009, as soon as a header shows it, in one frame or in several.
#[test]
fn a_message_has_a_limit() {
    let long = [b'x'; 301];
    let too_long = "close 1009 a message is too long\n";
    assert!(answers(&[client_frame(TEXT, &long[1..])]).starts_with("text <xxx"));
    assert_eq!(answers(&[client_frame(TEXT, &long)]), too_long);
    for first in [TEXT_BEGINS, BINARY_BEGINS] {
        let fits = [client_frame(first, &long[..200]), client_frame(ENDS, &long[..100])];
        assert!(answers(&fits).starts_with("text "), "{first}");
        let frames = [client_frame(first, &long[..200]), client_frame(ENDS, &long[..101])];
        assert_eq!(answers(&frames), too_long);
    }
    let (mut sim, peer) = opened(show());
    sim.send(peer, b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
    assert_eq!(readable(&sim.received(peer)), too_long);
    // A character that is cut counts, too.
    let cut = [client_frame(TEXT_BEGINS, b"\xe2\x82"), client_frame(ENDS, &long[..299])];
    assert_eq!(answers(&cut), too_long);
}

/// The inbox has room for a head of HTTP. Longer frames are taken from it in parts, so nothing stays there.
#[test]
fn a_frame_may_be_longer_than_the_inbox() {
    const LENGTH: usize = 3 << 20;
    let limits = Limits { inbox: 17 * 1024, ..Limits::default() };
    let options = WebSocketOptions { max_message: LENGTH, ..WebSocketOptions::default() };
    let mut sim = Sim::with_limits(WebSocket::new(Length, options, HttpOptions::default()), limits);
    let peer = sim.connect();
    sim.send(peer, REQUEST.as_bytes());
    sim.received(peer);
    for first in [TEXT, BINARY] {
        for piece in client_frame(first, &vec![b'x'; LENGTH]).chunks(100_000) {
            sim.send(peer, piece);
            assert_eq!(sim.unread(peer), 0);
        }
        assert_eq!(readable(&sim.received(peer)), format!("text {LENGTH}\n"));
    }
    assert_eq!(sim.ending(peer), None);
}

/// Replies with the length of each message.
struct Length;

impl WebSocketHandler for Length {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        cx.reply(&text_frame(&message.as_bytes().len().to_string()));
    }
}

/// What waits there at most is a control frame without its last byte.
#[test]
fn the_inbox_needs_room_for_a_control_frame() {
    let input = [client_frame(TEXT, &[b'x'; 300]), client_frame(PING, &[b'y'; 125])].concat();
    for (inbox, is_served) in [(131, true), (130, false)] {
        let mut sim = Sim::with_limits(Opened, Limits { inbox, ..Limits::default() });
        let peer = sim.connect();
        for &byte in &input {
            sim.send(peer, &[byte]);
            sim.run();
        }
        let answers = readable(&sim.received(peer));
        assert!(answers.starts_with("text <xxx"), "{answers}");
        assert_eq!((answers.contains("pong yyy"), sim.ending(peer).is_none()), (is_served, is_served), "{inbox}");
    }
}
