//! The door of a server: how a connection begins, and how what is sent and received looks.
//!
//! At the web door, the load sends each text as a frame, and finds what it looks for in the frames that come without
//! taking them apart: a server does not mask its frames (RFC 6455, 5.1). So reading costs the load the same at each
//! door.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};

use clap::ValueEnum;
use switchboard_harness::websocket;

use crate::dial;

/// The first byte of the frame of a whole text.
const TEXT: u8 = 0x81;

/// A protocol by which a server is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Door {
    /// Bytes and lines, as they are
    Line,
    /// WebSocket: each text is a frame, without the end of its line
    Web,
}

impl Door {
    /// What a connection sends before anything else.
    pub(crate) fn opening(self, target: SocketAddrV4) -> Vec<u8> {
        match self {
            Door::Line => Vec::new(),
            Door::Web => websocket::request("/", &target.to_string(), "").into_bytes(),
        }
    }

    /// What a connection sends for a text.
    pub(crate) fn message(self, text: &[u8]) -> Vec<u8> {
        match self {
            Door::Line => text.to_vec(),
            Door::Web => websocket::frame(TEXT, text.trim_ascii_end()),
        }
    }

    /// What a server sends for a text.
    pub(crate) fn reply(self, text: &[u8]) -> Vec<u8> {
        if self == Door::Line {
            return text.to_vec();
        }
        let text = text.trim_ascii_end();
        let head = match text.len() {
            length @ ..126 => vec![TEXT, length as u8],
            length @ ..0x1_0000 => [&[TEXT, 126], &(length as u16).to_be_bytes()[..]].concat(),
            length => [&[TEXT, 127], &(length as u64).to_be_bytes()[..]].concat(),
        };
        [&head, text].concat()
    }

    /// Opens a connection that waits: at the web door, up to the end of the answer's head.
    ///
    /// # Errors
    /// The connection fails, or the answer is another one.
    pub(crate) fn open(self, stream: &mut TcpStream, target: SocketAddrV4) -> io::Result<()> {
        if self == Door::Line {
            return Ok(());
        }
        stream.write_all(&self.opening(target))?;
        let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer)? {
                0 => return Err(dial::ended(0)),
                count => head.extend_from_slice(&buffer[..count]),
            }
        }
        if head.starts_with(b"HTTP/1.1 101 ") {
            return Ok(());
        }
        let status = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Err(io::Error::other(format!("it opens no WebSocket: {}", String::from_utf8_lossy(status))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_length_that_fits() {
        for (length, head) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let text = vec![b'x'; length];
            assert_eq!(Door::Web.reply(&text).len(), head + length);
            assert_eq!(Door::Web.message(&text).len(), head + 4 + length);
        }
    }

    #[test]
    fn a_message_at_the_web_door_has_no_end_of_line() {
        assert_eq!(Door::Line.message(b"hello\n"), b"hello\n");
        assert_eq!(Door::Web.message(b"hello\n").len(), 2 + 4 + 5);
    }
}
