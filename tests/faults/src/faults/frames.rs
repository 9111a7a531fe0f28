//! Frames that break the rules of WebSocket (RFC 6455), from members and from clients without a nickname. Each is
//! answered by a close frame with the code of its fault, and then by the end of the connection.

use std::io::{self, ErrorKind, Read, Write};

use switchboard_harness::websocket::frame;

use crate::dial::{Window, open};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::page::Frame;
use crate::scene::{Outcome, Scene, on_threads};

const THREADS: u64 = 2;
const PER_SECOND: u32 = 100;

/// Close codes (RFC 6455, 7.4.1).
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_TEXT: u16 = 1007;
const TOO_BIG: u16 = 1009;

pub(crate) struct Frames;

impl Fault for Frames {
    fn name(&self) -> &'static str {
        "frames"
    }

    fn counts(&self) -> &'static str {
        "broken frames"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Web]
    }

    fn bound(&self, _: Kind) -> Bound {
        // Those of a tenth of a second, in which a dead one is removed.
        let count = THREADS * u64::from(PER_SECOND) / 10;
        Bound { fixed: ALLOWANCE, each: CONNECTION, count, why: "the allowance, and a connection for each of 100 ms" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let (broken, span) = (broken(), scene.begin());
        let count = on_threads(THREADS, |thread| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                let name = (nth % 2 == 0).then(|| format!("broken{thread}-{nth}"));
                let (bytes, code) = &broken[nth as usize % broken.len()];
                send(scene, name.as_deref(), (bytes, *code))?;
                nth += 1;
            }
            Ok(nth)
        })?;
        Ok(Outcome::of(count))
    }
}

/// The beginning of a connection that breaks a rule, and the code that it is closed with.
fn broken() -> Vec<(Vec<u8>, u16)> {
    let masked = |head: &[u8]| [head, &[0; 4]].concat();
    let endless = [&[0x81, 0xff][..], &(1_u64 << 40).to_be_bytes()].concat();
    vec![
        (b"\x81\x02hi".to_vec(), PROTOCOL_ERROR),    // not masked
        (frame(0xc1, b"hi"), PROTOCOL_ERROR),        // a reserved bit
        (frame(0x83, b"hi"), PROTOCOL_ERROR),        // an unknown opcode
        (frame(0x89, &[b'x'; 126]), PROTOCOL_ERROR), // a long ping
        (frame(0x09, b"hi"), PROTOCOL_ERROR),        // a part of a ping
        (frame(0x80, b"hi"), PROTOCOL_ERROR),        // the rest of nothing
        ([frame(0x01, b"one"), frame(0x81, b"two")].concat(), PROTOCOL_ERROR), // a text within a text
        (masked(&[0x81, 0xfe, 0, 5]), PROTOCOL_ERROR), // a short text, a long length
        (frame(0x88, &1005_u16.to_be_bytes()), PROTOCOL_ERROR), // a code that is never sent
        (frame(0x81, b"\xff"), INVALID_TEXT),        // not UTF-8
        ([frame(0x01, b"\xe2\x82"), frame(0x80, b"x")].concat(), INVALID_TEXT), // half a letter
        (masked(&endless), TOO_BIG),                 // 1 TiB
        (frame(0x81, &[b'x'; 200 << 10]), TOO_BIG),  // 200 KiB
    ]
}

/// Enters with this nickname or with none, breaks a rule, and reads up to the end.
fn send(scene: &Scene<'_>, name: Option<&str>, (bytes, code): (&[u8], u16)) -> io::Result<()> {
    let (mut stream, mut heard) = (open((scene.target(), scene.kind), Window::Usual)?, Vec::new());
    if let Some(name) = name {
        stream.write_all(&scene.kind.message(name))?;
    }
    // A long one is cut off by the server, which reads no more of it.
    let sent = stream.write_all(bytes);
    let ended = stream.read_to_end(&mut heard);
    match closing(&heard) {
        Some(found) if found == code => Ok(()),
        found => Err(io::Error::new(
            ErrorKind::InvalidData,
            format!(
                "{} was answered with {found:?} and not {code} ({sent:?}, {ended:?})",
                bytes[..bytes.len().min(16)].escape_ascii()
            ),
        )),
    }
}

/// The code of the close frame that ends a connection.
fn closing(heard: &[u8]) -> Option<u16> {
    let answered = heard.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let mut rest = &heard[answered..];
    while let Ok(Some(frame)) = Frame::first(rest) {
        rest = &rest[frame.length..];
        if let Some(code) = frame.closing() {
            return rest.is_empty().then_some(code);
        }
    }
    None
}
