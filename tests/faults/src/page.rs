//! What a polite client at the web door receives: frames of JSON, each told as the line that the line door shows for
//! it. So the members at both doors are owed the same lines.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;

use tinyjson::JsonValue;

use crate::dial;
use crate::speech;

/// A frame of a server: whole, not masked, not in fragments.
#[derive(Debug)]
pub(crate) struct Frame<'b> {
    opcode: u8,
    payload: &'b [u8],
    /// Of the frame, with its head.
    pub(crate) length: usize,
}

/// Opcodes (RFC 6455, 5.2).
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

impl<'b> Frame<'b> {
    /// The first frame of a stream, if it is complete.
    ///
    /// # Errors
    /// A server sends no such frame. The error says what is wrong with it.
    pub(crate) fn first(stream: &'b [u8]) -> Result<Option<Self>, String> {
        let &[first, second, ref rest @ ..] = stream else { return Ok(None) };
        let (head, length) = match (second, rest) {
            (0..=125, _) => (2, u64::from(second)),
            (126, &[high, low, ..]) => (4, u64::from(u16::from_be_bytes([high, low]))),
            (127, rest) if rest.len() >= 8 => (10, rest[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            (126 | 127, _) => return Ok(None),
            _ => return Err("a server has masked a frame".to_owned()),
        };
        if first & 0xf0 != 0x80 {
            return Err(format!("a frame begins with {first:#04x}"));
        }
        let payload = stream.get(head..).and_then(|rest| rest.get(..length as usize));
        Ok(payload.map(|payload| Frame { opcode: first & 0xf, payload, length: head + payload.len() }))
    }

    /// The line that the line door shows. `None` for what only pages receive.
    ///
    /// # Errors
    /// The frame is none of the room's protocol. The error says what is wrong with it.
    pub(crate) fn line(&self) -> Result<Option<String>, String> {
        match self.opcode {
            TEXT => line(&self.object()?),
            PING => Ok(None),
            other => Err(format!("a frame of opcode {other}: {}", self.payload.escape_ascii())),
        }
    }

    /// The code with which a connection is closed, if this frame closes it.
    pub(crate) fn closing(&self) -> Option<u16> {
        let code = self.payload.first_chunk().filter(|_| self.opcode == CLOSE)?;
        Some(u16::from_be_bytes(*code))
    }

    fn object(&self) -> Result<HashMap<String, JsonValue>, String> {
        let text = std::str::from_utf8(self.payload).map_err(|error| error.to_string())?;
        let value: JsonValue = text.parse().map_err(|error| format!("{error}: {text:?}"))?;
        value.try_into().map_err(|_| format!("no object: {text:?}"))
    }
}

fn line(object: &HashMap<String, JsonValue>) -> Result<Option<String>, String> {
    let wrong = |name: &str| format!("no {name} in {object:?}");
    let text = |name: &str| object.get(name).and_then(|value| value.get::<String>()).ok_or_else(|| wrong(name));
    let count = |name: &str| {
        object.get(name).and_then(|value| value.get::<Vec<JsonValue>>()).map(Vec::len).ok_or_else(|| wrong(name))
    };
    Ok(Some(match text("type")?.as_str() {
        "say" => format!("{}: {}", text("nick")?, text("text")?),
        "act" => format!("* {} {}", text("nick")?, text("text")?),
        "tell" => format!("[{}] {}", text("from")?, text("text")?),
        "join" => format!("Welcome {} to the room!", text("nick")?),
        "part" | "leave" => format!("{} leaves the room!", text("nick")?),
        "rename" => format!("{} is now known as {}.", text("nick")?, text("to")?),
        "crowd" => format!("{} people joined, {} left", count("joined")?, count("left")?),
        "stop" => "The server is stopping.".to_owned(),
        _ => return Err(format!("an unknown type in {object:?}")),
    }))
}

/// Reads up to the end of the entrance of a polite client, and returns what came after it.
///
/// # Errors
/// Something else came, or another number of members.
pub(crate) fn welcome(stream: &mut TcpStream, me: usize) -> io::Result<Vec<u8>> {
    let mut unread = dial::read_until(stream, b"\"has_gap\":")?;
    let head = unread.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    let is_open = unread.starts_with(b"HTTP/1.1 101 ");
    unread.drain(..head);
    let wrong = |what: String| io::Error::new(ErrorKind::InvalidData, format!("its welcome is wrong: {what}"));
    loop {
        let Some(frame) = Frame::first(&unread).map_err(wrong)? else {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(wrong("it ended".to_owned()));
            }
            unread.extend_from_slice(&buffer[..count]);
            continue;
        };
        let entrance = frame.object().map_err(wrong)?;
        let members = entrance.get("members").and_then(|members| members.get::<Vec<JsonValue>>()).map(Vec::len);
        let nick = entrance.get("nick").and_then(|nick| nick.get::<String>());
        if !is_open || members != Some(me + 1) || nick != Some(&speech::name(me)) {
            return Err(wrong(format!("{entrance:?}")));
        }
        let length = frame.length;
        return Ok(unread.split_off(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Vec<u8> {
        assert!(text.len() < 126, "the tests have short texts");
        [&[0x81, text.len() as u8], text.as_bytes()].concat()
    }

    fn told(text: &str) -> Result<Option<String>, String> {
        Frame::first(&frame(text)).expect("a frame").expect("a whole one").line()
    }

    #[test]
    fn a_frame_is_found_when_it_is_complete() {
        let stream = frame(r#"{"type":"say","nick":"ann","text":"hi"}"#);
        for cut in 0..stream.len() {
            assert!(Frame::first(&stream[..cut]).expect("no fault so far").is_none(), "cut at {cut}");
        }
        let found = Frame::first(&stream).expect("a frame").expect("a whole one");
        assert_eq!((found.length, found.line()), (stream.len(), Ok(Some("ann: hi".to_owned()))));
    }

    #[test]
    fn a_long_frame_has_a_long_length() {
        for (length, head) in [(126, &[0x81, 126, 0, 126][..]), (70_000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70])] {
            let stream = [head, &vec![b'x'; length]].concat();
            let found = Frame::first(&stream).expect("a frame").expect("a whole one");
            assert_eq!((found.length, found.payload.len()), (stream.len(), length));
        }
    }

    #[test]
    fn events_are_told_as_at_the_line_door() {
        let lines = [
            (r#"{"type":"join","id":1,"at":2,"nick":"ann"}"#, "Welcome ann to the room!"),
            (r#"{"type":"rename","id":1,"at":2,"nick":"ann","to":"eve"}"#, "ann is now known as eve."),
            (r#"{"type":"crowd","id":1,"at":2,"joined":["a","b"],"left":[]}"#, "2 people joined, 0 left"),
        ];
        for (json, line) in lines {
            assert_eq!(told(json), Ok(Some(line.to_owned())));
        }
        assert!(told(r#"{"type":"say","nick":"ann"}"#).is_err() && told("ann: hi").is_err() && told("[]").is_err());
    }

    #[test]
    fn what_no_server_sends_is_wrong() {
        for stream in [&b"\x81\x81\0\0\0\0x"[..], b"\x01\x01x", b"\xc1\x01x"] {
            assert!(Frame::first(stream).is_err(), "{stream:?}");
        }
        let ended = Frame::first(b"\x88\x00").expect("a frame").expect("a whole one");
        assert!(ended.line().is_err(), "a polite client is not closed");
        assert_eq!(Frame::first(b"\x89\x00").expect("a frame").expect("a whole one").line(), Ok(None));
    }
}
