//! WebSocket over real sockets: long messages in fragments, more than a socket holds, in both directions at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use switchboard::framing::http::{HttpOptions, Request};
use switchboard::framing::websocket::{Message, WebSocket, WebSocketHandler, WebSocketOptions};
use switchboard::{Context, Origin};

use super::Running;
use crate::support::websocket::{frame, request};

/// Sends each message back.
struct Echo;

impl WebSocketHandler for Echo {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        cx.reply(&message.to_frame());
    }
}

const LONGEST: usize = 1_000_000;

fn echo() -> WebSocket<Echo> {
    let mut options = WebSocketOptions::default();
    options.max_message = LONGEST;
    WebSocket::new(Echo, options, HttpOptions::default())
}

/// A client: a stream with an open socket, buffered for reading.
fn client(running: &Running) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(running.address()).expect("the reactor accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a valid time-out");
    stream.write_all(request("/", "localhost", "").as_bytes()).expect("connected");
    let mut reader = BufReader::new(stream);
    let head = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    assert_eq!(head.collect::<Vec<_>>()[0], "HTTP/1.1 101 Switching Protocols");
    reader
}

/// A message in fragments of up to `size` bytes, with a ping after each but the last.
fn fragments(message: &str, size: usize) -> Vec<u8> {
    let mut frames = Vec::new();
    let count = message.len().div_ceil(size);
    for (number, part) in message.as_bytes().chunks(size).enumerate() {
        let (opcode, is_last) = (u8::from(number == 0), number + 1 == count);
        frames.extend(frame(if is_last { 0x80 | opcode } else { opcode }, part));
        if !is_last {
            frames.extend(frame(0x89, b"?"));
        }
    }
    frames
}

/// Reads a frame of the server.
fn read(reader: &mut impl Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    reader.read_exact(&mut head).expect("a frame");
    let (mut short, mut long) = ([0; 2], [0; 8]);
    let length = match head[1] {
        126 => reader.read_exact(&mut short).map(|()| u64::from(u16::from_be_bytes(short))),
        127 => reader.read_exact(&mut long).map(|()| u64::from_be_bytes(long)),
        length => Ok(u64::from(length)),
    };
    let mut payload = vec![0; usize::try_from(length.expect("a length")).expect("a length that fits")];
    reader.read_exact(&mut payload).expect("a payload");
    (head[0], payload)
}

#[test]
fn long_messages_come_back_whole_from_real_sockets() {
    let running = Running::start(echo, &["127.0.0.1:0"]);
    // The text of eight bytes is cut within its last character.
    let texts = [(30_000, 100), (600_000, 70_001), (8, 1), (LONGEST, LONGEST)]
        .map(|(length, size)| ("texts\u{20ac}".repeat(length / 8), size));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut reader = client(&running);
                let mut writer = reader.get_ref().try_clone().expect("a free descriptor");
                let sent = &texts;
                scope.spawn(move || {
                    for (text, size) in sent {
                        writer.write_all(&fragments(text, *size)).expect("connected");
                    }
                    writer.write_all(&frame(0x88, b"\x0f\xa0bye")).expect("connected");
                });
                for (text, _) in &texts {
                    let mut found = read(&mut reader);
                    while found == (0x8a, b"?".to_vec()) {
                        found = read(&mut reader);
                    }
                    assert!(found == (0x81, text.clone().into_bytes()), "{} bytes", found.1.len());
                }
                assert_eq!(read(&mut reader), (0x88, b"\x0f\xa0".to_vec()));
                assert_eq!(reader.read(&mut [0]).expect("an orderly end"), 0, "the server ends first");
            });
        }
    });
    running.stop();
}

/// A server that stops has its close read, also by a client that was sending.
#[test]
fn a_stop_ends_real_sockets_with_a_close() {
    let running = Running::start(echo, &["127.0.0.1:0"]);
    let mut clients = [client(&running), client(&running)];
    clients[0].get_ref().write_all(&fragments("hello", 2)).expect("connected");
    for want in [(0x8a, "?"), (0x8a, "?"), (0x81, "hello")] {
        assert_eq!(read(&mut clients[0]), (want.0, want.1.as_bytes().to_vec()));
    }
    clients[1].get_ref().write_all(&frame(0x01, b"half")).expect("connected");
    running.stopper.stop().expect("it runs");
    for client in &mut clients {
        assert_eq!(read(client), (0x88, b"\x03\xe9".to_vec()));
        client.get_ref().shutdown(Shutdown::Write).expect("connected");
        assert_eq!(client.read(&mut [0]).expect("an orderly end"), 0);
    }
}
