//! The end of a WebSocket, from either side.

use super::*;
use crate::connection::closed::Closed;
use crate::sim::Ending;

/// RFC 6455, section 5.5.1: the answer has the code of the close. What follows it is discarded.
#[test]
fn a_close_is_answered_with_its_code() {
    let text = client_frame(TEXT, b"late");
    assert_eq!(answers(&[client_frame(CLOSE, b""), text.clone()]), "close\n");
    for code in [1000_u16, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999] {
        let payload = [&code.to_be_bytes()[..], b"bye \xe2\x82\xac"].concat();
        assert_eq!(answers(&[client_frame(CLOSE, &payload), text.clone()]), format!("close {code} \n"));
    }
    let longest = [&1000_u16.to_be_bytes()[..], &[b'x'; 123]].concat();
    assert_eq!(answers(&[client_frame(CLOSE, &longest)]), "close 1000 \n");
}

/// Section 7.4.
#[test]
fn a_close_that_is_not_valid_is_refused() {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        let frames = [client_frame(CLOSE, &code.to_be_bytes())];
        assert_eq!(answers(&frames), "close 1002 the close code is not allowed\n", "{code}");
    }
    assert_eq!(answers(&[client_frame(CLOSE, b"\x03")]), "close 1002 a close code has one byte\n");
    let reason = [&1000_u16.to_be_bytes()[..], b"\xff"].concat();
    assert_eq!(answers(&[client_frame(CLOSE, &reason)]), "close 1007 a text is not UTF-8\n");
}

/// A close within a message ends it.
#[test]
fn a_close_may_come_between_fragments() {
    let frames = [client_frame(TEXT_BEGINS, b"half"), client_frame(CLOSE, b"\x03\xe9")];
    assert_eq!(answers(&frames), "close 1001 \n");
}

/// Section 7.1.1: the server ends first. It waits for the close of the peer, so its own is not lost by a reset.
#[test]
fn the_connection_waits_for_the_close_of_the_peer() {
    let (mut sim, peer) = opened(WebSocket::new(Quits::default(), WebSocketOptions::default(), HttpOptions::default()));
    sim.send(peer, &client_frame(TEXT, b"quit"));
    sim.send(peer, &client_frame(TEXT, b"late"));
    assert_eq!(readable(&sim.received(peer)), "text bye\nclose 4000 as you wish\n");
    assert_eq!(sim.ending(peer), Some(Ending::Eof), "our side is shut down, and not reset");
    sim.send(peer, &client_frame(CLOSE, b"\x0f\xa0"));
    sim.shut_down(peer);
    sim.run();
    assert_eq!(sim.handler_mut().get_ref().causes, ["done"]);
}

/// A peer that vanishes without a close has said nothing: there is none to answer.
#[test]
fn an_end_without_a_close_is_not_answered() {
    for frames in [client_frame(TEXT, b"1"), [client_frame(TEXT, b"1"), client_frame(TEXT_BEGINS, b"2")].concat()] {
        let (mut sim, peer) = opened(show());
        sim.send(peer, &frames);
        sim.shut_down(peer);
        assert_eq!(readable(&sim.received(peer)), "text <1>\n");
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
}

/// Closes after `quit`, and notes the causes of all ends.
#[derive(Default)]
pub(super) struct Quits {
    pub(super) causes: Vec<String>,
}

impl WebSocketHandler for Quits {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        if message.as_bytes() == b"quit" {
            cx.reply(&text_frame("bye"));
            close(CloseCode::new(4000).expect("a code for applications"), "as you wish", cx);
        }
        cx.reply(&message.to_frame());
    }

    fn dismissed(&mut self, (): &mut (), cx: &mut Context<'_>) {
        cx.reply(&text_frame("the server stops"));
    }

    fn closed(&mut self, (): (), cause: &Closed, _: &mut Context<'_>) {
        self.causes.push(cause.to_string());
    }
}

/// Code 1001, after the answers to what was read, and after a last message of the handler.
#[test]
fn a_stop_sends_a_close_to_each_socket() {
    let mut sim = Sim::new(WebSocket::new(Quits::default(), WebSocketOptions::default(), HttpOptions::default()));
    let (page, open, half) = (sim.connect(), sim.connect(), sim.connect());
    for peer in [open, half] {
        sim.send(peer, REQUEST.as_bytes());
        sim.received(peer);
    }
    sim.send(page, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.received(page);
    sim.send(half, &client_frame(TEXT_BEGINS, b"half"));
    sim.send(open, &client_frame(TEXT, b"last"));
    sim.stop();
    assert_eq!(readable(&sim.received(open)), "text last\ntext the server stops\nclose 1001 \n");
    assert_eq!(readable(&sim.received(half)), "text the server stops\nclose 1001 \n");
    assert_eq!(sim.received(page), b"", "a connection without a socket just ends");
    for peer in [page, open, half] {
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
    }
    assert_eq!(sim.handler_mut().get_ref().causes, ["stopping", "stopping"]);
}

#[test]
fn a_kick_sends_a_close_with_the_reason() {
    let (mut sim, peer) = opened(WebSocket::new(Quits::default(), WebSocketOptions::default(), HttpOptions::default()));
    sim.control(b"who");
    sim.control(b"kick 1 too loud");
    assert_eq!(readable(&sim.received(peer)), "close 1008 too loud\n");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
    assert_eq!(sim.handler_mut().get_ref().causes, ["by the operator"]);
}
