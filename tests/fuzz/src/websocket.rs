//! Frames of any bytes: a server of WebSocket answers what a plain reading of RFC 6455 says, whole and in pieces.

use switchboard::framing::http::{HttpOptions, Request};
use switchboard::framing::websocket::{Message, WebSocket, WebSocketHandler, WebSocketOptions};
use switchboard::{Context, Ending, Origin, Sim};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const MAX_MESSAGE: usize = 300;

/// Takes the size of the pieces from the first byte, and sends the others. If the size is even, they are frames whose
/// headers are completed: a first byte, a length, and that number of bytes.
pub fn run(bytes: &[u8]) {
    let Some((&size, input)) = bytes.split_first() else { return };
    let input = if size % 2 == 0 { &framed(input)[..] } else { input };
    let want = Plain::read(input);
    crate::show(&want);
    for size in [input.len(), usize::from(size), 1] {
        let (output, ending) = send(input, size.max(1));
        assert_eq!(ending, Some(Ending::Eof));
        let close = output.strip_prefix(&want.output[..]).unwrap_or_else(|| panic!("{output:?}, not {want:?}"));
        match (want.end, close) {
            (End::Silent, []) | (End::Closed(None), [0x88, 0]) => {}
            (End::Closed(Some(code)), [0x88, 2, payload @ ..]) => assert_eq!(payload, code.to_be_bytes()),
            (End::Failed(code), [0x88, _, high, low, reason @ ..]) => {
                assert_eq!([*high, *low], code.to_be_bytes(), "{want:?}");
                assert!(!reason.is_empty() && reason.is_ascii());
            }
            _ => panic!("{close:?} in pieces of {size} bytes, not {want:?}"),
        }
    }
}

/// Completes headers: the mask, and the length in its shortest form.
fn framed(mut script: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = script {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length) * 2));
        frames.push(*first);
        match payload.len() {
            length @ ..126 => frames.push(0x80 | length as u8),
            length => frames.extend([0xfe, (length >> 8) as u8, length as u8]),
        }
        frames.extend([*length, 7, *first, 1]);
        frames.extend(masked(payload, [*length, 7, *first, 1]));
        script = rest;
    }
    frames
}

fn masked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect()
}

/// Sends `input` in pieces after a request, and returns what follows the answer to that.
fn send(input: &[u8], size: usize) -> (Vec<u8>, Option<Ending>) {
    let mut options = WebSocketOptions::default();
    options.max_message = MAX_MESSAGE;
    let mut sim = Sim::new(WebSocket::new(Echo, options, HttpOptions::default()));
    let peer = sim.connect();
    sim.send(peer, REQUEST);
    assert!(sim.received(peer).starts_with(b"HTTP/1.1 101 "));
    for piece in input.chunks(size) {
        sim.send(peer, piece);
        sim.run();
    }
    sim.shut_down(peer);
    (sim.received(peer), sim.ending(peer))
}

/// Sends each message back.
struct Echo;

impl WebSocketHandler for Echo {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &Request<'_>, _: &mut Context<'_>) {}

    fn message(&mut self, (): &mut (), message: Message<'_>, cx: &mut Context<'_>) {
        cx.reply(&message.to_frame());
    }
}

/// What a plain reading finds.
#[derive(Debug)]
struct Plain {
    /// Pongs, and the messages, as a server sends them.
    output: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// The input ends without a close.
    Silent,
    /// The peer closes, with this code.
    Closed(Option<u16>),
    /// The server closes with this code, because the input breaks the protocol.
    Failed(u16),
}

impl Plain {
    /// Reads frame by frame, with all bytes at hand.
    fn read(mut input: &[u8]) -> Plain {
        let (mut output, mut message) = (Vec::new(), None);
        let end = loop {
            match frame(&mut input) {
                Ok(None) => break End::Silent,
                Ok(Some(frame)) => match take(&frame, &mut message, &mut output) {
                    Ok(None) => {}
                    Ok(Some(end)) => break end,
                    Err(code) => break End::Failed(code),
                },
                Err(code) => break End::Failed(code),
            }
        };
        Plain { output, end }
    }
}

/// A frame without its mask. Of the last one, a part of the payload may be missing.
struct Frame {
    is_final: bool,
    opcode: u8,
    length: u64,
    payload: Vec<u8>,
}

/// Takes a frame from the input. The errors of its header show as soon as their bytes are there.
fn frame(input: &mut &[u8]) -> Result<Option<Frame>, u16> {
    let [first, ..] = **input else { return Ok(None) };
    let (is_final, opcode) = (first >= 0x80, first % 16);
    let is_control = opcode >= 8;
    if first / 16 % 8 != 0 || ![0, 1, 2, 8, 9, 10].contains(&opcode) || is_control && !is_final {
        return Err(1002);
    }
    let [_, second, ref rest @ ..] = **input else { return Ok(None) };
    if second < 0x80 || is_control && second % 128 > 125 {
        return Err(1002);
    }
    let (size, least) = match second % 128 {
        126 => (2, 126),
        127 => (8, 65_536),
        _ => (0, 0),
    };
    let Some((bytes, rest)) = rest.split_at_checked(size) else { return Ok(None) };
    let length = match size {
        0 => u64::from(second % 128),
        _ => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    if length < least || length >> 63 != 0 {
        return Err(1002);
    }
    let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let there = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    *input = &rest[there..];
    Ok(Some(Frame { is_final, opcode, length, payload: masked(&rest[..there], *mask) }))
}

/// Acts on a frame. `message` has the opcode and the bytes of a message that is not complete.
fn take(frame: &Frame, message: &mut Option<(u8, Vec<u8>)>, output: &mut Vec<u8>) -> Result<Option<End>, u16> {
    let is_whole = frame.payload.len() as u64 == frame.length;
    if frame.opcode >= 8 {
        return if is_whole { control(frame, output) } else { Ok(None) };
    }
    if (frame.opcode == 0) != message.is_some() {
        return Err(1002);
    }
    let (opcode, bytes) = message.get_or_insert_with(|| (frame.opcode, Vec::new()));
    if bytes.len() as u64 + frame.length > MAX_MESSAGE as u64 {
        return Err(1009);
    }
    bytes.extend(&frame.payload);
    let is_complete = is_whole && frame.is_final;
    if *opcode == 1 && str::from_utf8(bytes).is_err_and(|error| is_complete || error.error_len().is_some()) {
        return Err(1007);
    }
    if is_complete {
        output.push(0x80 | *opcode);
        match bytes.len() {
            length @ ..126 => output.push(length as u8),
            length => output.extend([126, (length >> 8) as u8, length as u8]),
        }
        output.append(bytes);
        *message = None;
    }
    Ok(None)
}

fn control(frame: &Frame, output: &mut Vec<u8>) -> Result<Option<End>, u16> {
    match (frame.opcode, &frame.payload[..]) {
        (8, []) => Ok(Some(End::Closed(None))),
        (8, [_]) => Err(1002),
        (8, [high, low, reason @ ..]) => match u16::from_be_bytes([*high, *low]) {
            ..1000 | 1004..1007 | 1015..3000 | 5000.. => Err(1002),
            _ if str::from_utf8(reason).is_err() => Err(1007),
            code => Ok(Some(End::Closed(Some(code)))),
        },
        (9, payload) => {
            output.extend([0x8a, payload.len() as u8]);
            output.extend(payload);
            Ok(None)
        }
        _ => Ok(None),
    }
}
