//! The rules of RFC 6455, through the whole stack: bytes in, bytes out.

mod closing;
mod frames;
mod model;
mod opening;
mod whole;

use super::*;
use crate::connection::origin::Origin;
use crate::framing::http::{HttpOptions, Request};
use crate::framing::unread::Unread;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::chunking::{Step, in_pieces, whole};
use crate::sim::{Sim, SimPeer, assert_chunking_law};

/// A request for a WebSocket.
pub(super) const REQUEST: &str = "GET /room HTTP/1.1\r\nHost: localhost:8080\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Shows each message: a text as `<TEXT>`, binary as `[BYTES]`.
pub(super) struct Show;

impl WebSocketHandler for Show {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        let shown = match &message {
            Message::Text(text) => format!("<{text}>"),
            Message::Binary(bytes) => format!("[{}]", bytes.escape_ascii()),
        };
        cx.reply(&text_frame(&shown));
    }
}

pub(super) fn show() -> WebSocket<Show> {
    show_with(WebSocketOptions { max_message: 300, ..WebSocketOptions::default() })
}

pub(super) fn show_with(options: WebSocketOptions) -> WebSocket<Show> {
    WebSocket::new(Show, options, HttpOptions::default())
}

/// A peer with an open socket.
pub(super) fn opened<H: WebSocketHandler>(handler: WebSocket<H>) -> (Sim<WebSocket<H>>, SimPeer) {
    let mut sim = Sim::new(handler);
    let peer = sim.connect();
    sim.send(peer, REQUEST.as_bytes());
    let answer = sim.received(peer);
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer.escape_ascii());
    (sim, peer)
}

/// A frame of a client: `first` is its first byte.
pub(crate) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ ..0x1_0000 => frame.extend([&[0xfe][..], &(length as u16).to_be_bytes()].concat()),
        length => frame.extend([&[0xff][..], &(length as u64).to_be_bytes()].concat()),
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The frames of a server in words: `text <hi>`, `pong x`, `close 1000 reason`, one a line.
pub(crate) fn readable(mut output: &[u8]) -> String {
    if output.starts_with(b"HTTP/1.1 101 ") {
        let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole head");
        output = &output[end + 4..];
    }
    let mut lines = Vec::new();
    while let [first, length, rest @ ..] = output {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("a test with a long answer"),
            length => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        let bytes = String::from_utf8_lossy(payload);
        lines.push(match (first, payload) {
            (0x81, _) => format!("text {bytes}\n"),
            (0x82, _) => format!("binary {bytes}\n"),
            (0x8a, _) => format!("pong {bytes}\n"),
            (0x88, []) => "close\n".to_owned(),
            (0x88, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                format!("close {code} {}\n", String::from_utf8_lossy(reason))
            }
            _ => panic!("no frame of a server: {}", output.escape_ascii()),
        });
        output = rest;
    }
    lines.concat()
}

/// A [`Show`] with a socket from the start, without a request: the chunking law has more cases for a longer input.
pub(super) struct Opened;

impl Handler for Opened {
    type Session = Socket;

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) -> Socket {
        Socket::new(300)
    }

    fn data<'a>(&mut self, socket: &mut Socket, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(message) = socket.next(&mut unread, cx) {
            Show.message(&mut (), message, cx);
        }
        unread.used()
    }
}

/// The answers to these frames of a client, which obey the chunking law.
#[track_caller]
pub(super) fn answers(frames: &[Vec<u8>]) -> String {
    let input = frames.concat();
    if input.len() < 50 {
        assert_chunking_law(|| Opened, &input);
    }
    let bytes: Vec<_> = input.iter().map(|_| Step::Look(1)).collect();
    let answers = whole(Opened, &input);
    assert_eq!(in_pieces(Opened, &input, &bytes), answers);
    readable(&answers.0)
}

pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const TEXT_BEGINS: u8 = 0x01;
pub(super) const BINARY_BEGINS: u8 = 0x02;
pub(super) const CONTINUES: u8 = 0x00;
pub(super) const ENDS: u8 = 0x80;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;
