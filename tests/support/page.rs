//! A page at a web door, as a program: text messages up and down. Every read has a deadline.

use super::peer::Peer;
use super::websocket::{frame, request};

/// A WebSocket that is open.
pub(crate) struct Page {
    peer: Peer,
}

impl Page {
    /// Opens a WebSocket at an address of the web door, as `listening on` shows it.
    #[track_caller]
    pub(crate) fn open(address: &str) -> Self {
        let mut peer = Peer::connect(address.strip_prefix("web:").expect("an address of the web door"));
        peer.send(request("/ws", "localhost", ""));
        assert_eq!(peer.line(), "HTTP/1.1 101 Switching Protocols");
        peer.line_where(str::is_empty);
        Page { peer }
    }

    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.peer.send(frame(0x81, text.as_bytes()));
    }

    /// Sends any frame.
    #[track_caller]
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.peer.send(frame(first, payload));
    }

    /// Reads the next message, or `close CODE REASON`.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        let head = self.peer.take(2);
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.peer.take(2).try_into().expect("two bytes"))),
            127 => u64::from_be_bytes(self.peer.take(8).try_into().expect("eight bytes")) as usize,
            short => usize::from(short),
        };
        let payload = self.peer.take(length);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        match head[0] {
            0x81 => text(&payload),
            0x88 => format!("close {} {}", u16::from_be_bytes([payload[0], payload[1]]), text(&payload[2..])),
            first => panic!("a frame that begins with {first:#x}"),
        }
    }

    /// Reads a message, and compares it without the ids and times of its events.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &str) {
        assert_eq!(undated(&self.hear()), wanted);
    }

    /// Reads messages until one, without the ids and times of its events, is this one.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, wanted: &str) {
        while undated(&self.hear()) != wanted {}
    }

    /// Sends a line and reads the entrance that answers it. Returns the entrance.
    #[track_caller]
    pub(crate) fn enter(&mut self, line: &str) -> String {
        self.say(line);
        let entrance = self.hear();
        assert!(entrance.starts_with(r#"{"type":"entrance","#), "{entrance}");
        entrance
    }

    /// Fails if anything arrives before the orderly end.
    #[track_caller]
    pub(crate) fn expect_eof(&mut self) {
        self.peer.expect_eof();
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        self.peer.reset();
    }
}

/// A message without the ids and times of its events.
pub(crate) fn undated(message: &str) -> String {
    let mut parts = message.split(r#","id":"#);
    let first = parts.next().unwrap_or_default().to_owned();
    let after_digits = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    let rests = parts.map(|part| {
        let rest = after_digits(part);
        // An entrance has an id, but no time.
        rest.strip_prefix(r#","at":"#).map_or(rest.clone(), after_digits)
    });
    first + &rests.collect::<String>()
}

/// The value of a text field of a message.
#[track_caller]
pub(crate) fn field<'m>(message: &'m str, name: &str) -> &'m str {
    let (_, rest) = message.split_once(&format!(r#""{name}":""#)).unwrap_or_else(|| panic!("no {name}: {message}"));
    rest.split('"').next().unwrap_or_default()
}

/// The id of the last event in a message.
#[track_caller]
pub(crate) fn id(message: &str) -> u64 {
    let (_, rest) = message.rsplit_once(r#""id":"#).unwrap_or_else(|| panic!("no id: {message}"));
    rest.split(',').next().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {message}"))
}
