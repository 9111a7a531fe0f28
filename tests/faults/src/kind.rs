//! The servers that are mistreated, and what a polite client of each is owed.

use std::fmt;
use std::net::SocketAddr;

use clap::ValueEnum;
use switchboard_harness::websocket;

use crate::{site, speech};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Bytes come back.
    Echo,
    /// Bytes come back in capitals.
    Uppercase,
    /// Bytes come back from a program for each client.
    Exec,
    /// Bytes come back from an echo server behind a relay.
    Relay,
    /// A request brings a page.
    Http,
    /// Lines go to all others.
    Chat,
    /// The same room with a web door, where the faults are. The polite are at both doors in turn.
    Web,
}

/// The first byte of the frame of a whole text (RFC 6455, 5.2).
const TEXT: u8 = 0x81;

impl Kind {
    /// The name of its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Kind::Echo => "echo-server",
            Kind::Uppercase => "uppercase-server",
            Kind::Exec => "exec-server",
            Kind::Relay => "relay-server",
            Kind::Http => "http-server",
            Kind::Chat | Kind::Web => "chat-server",
        }
    }

    /// The flags without which the polite clients, or the faults, would meet the limits of a room for people, or of
    /// programs.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Kind::Echo | Kind::Uppercase | Kind::Relay => &[],
            Kind::Http => &["--cgi", "--max-scripts", "200"],
            Kind::Exec => &["--max-children", "200"],
            Kind::Chat => &["--rate", "off", "--join-rate", "off"],
            Kind::Web => &["--rate", "off", "--join-rate", "off", "--listen", "127.0.0.1:0"],
        }
    }

    /// Where the faults are.
    pub(crate) fn listen(self) -> &'static str {
        if self == Kind::Web { "web:127.0.0.1:0" } else { "127.0.0.1:0" }
    }

    /// Its name on a command line of this program.
    pub(crate) fn value(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it is a room.
    pub(crate) fn is_room(self) -> bool {
        matches!(self, Kind::Chat | Kind::Web)
    }

    /// Whether this polite client is at the web door.
    pub(crate) fn is_at_web_door(self, client: usize) -> bool {
        self == Kind::Web && client.is_multiple_of(2)
    }

    /// What follows all flags.
    pub(crate) fn last(self) -> &'static [&'static str] {
        if self == Kind::Exec { &["--", "cat"] } else { &[] }
    }

    /// Whether `hearer` is owed what `speaker` says.
    pub(crate) fn owes(self, hearer: usize, speaker: usize) -> bool {
        match self {
            Kind::Echo | Kind::Uppercase | Kind::Exec | Kind::Relay | Kind::Http => hearer == speaker,
            Kind::Chat => hearer != speaker,
            // A page shows an own line when the server has sent it back.
            Kind::Web => hearer != speaker || self.is_at_web_door(hearer),
        }
    }

    /// What stands before a line of `speaker` when it is heard.
    pub(crate) fn mark(self, speaker: usize) -> String {
        match self {
            Kind::Echo | Kind::Uppercase | Kind::Exec | Kind::Relay | Kind::Http => String::new(),
            Kind::Chat | Kind::Web => format!("{}: ", speech::name(speaker)),
        }
    }

    /// What becomes of a text.
    pub(crate) fn answer(self, text: &str) -> String {
        match self {
            Kind::Uppercase => text.to_uppercase(),
            _ => text.to_owned(),
        }
    }

    /// What `speaker` sends as the line with this number: with HTTP, a request.
    pub(crate) fn said(self, speaker: usize, number: u64) -> Vec<u8> {
        match self {
            Kind::Http => site::request(number).into_bytes(),
            Kind::Web if !self.is_at_web_door(speaker) => Kind::Chat.said(speaker, number),
            _ => self.message(&speech::line(speaker, number)),
        }
    }

    /// A line as a client sends it to where the faults are, or a text at the web door.
    pub(crate) fn message(self, text: &str) -> Vec<u8> {
        if self == Kind::Web { websocket::frame(TEXT, text.as_bytes()) } else { [text.as_bytes(), b"\n"].concat() }
    }

    /// What a client sends before anything else.
    pub(crate) fn opening(self, target: SocketAddr) -> Vec<u8> {
        if self == Kind::Web { websocket::request("/", &target.to_string(), "").into_bytes() } else { Vec::new() }
    }

    /// What a hearer sees of a line, without its end.
    pub(crate) fn heard(self, speaker: usize, number: u64) -> String {
        self.mark(speaker) + &self.answer(&speech::line(speaker, number))
    }

    /// The number of bytes that a hearer is owed for a line: with HTTP, those of a page.
    pub(crate) fn owed(self, speaker: usize, number: u64) -> usize {
        match self {
            Kind::Http => site::page(number).len(),
            _ => self.heard(speaker, number).len() + 1,
        }
    }

    /// The beginning of what a client sends first: of a line or of a request.
    pub(crate) fn first_half(self) -> &'static [u8] {
        if matches!(self, Kind::Http | Kind::Web) { b"GET /page0.txt HT" } else { b"half a li" }
    }

    /// The beginning of what a client sends that was welcomed: of a line, of a request or of a frame.
    pub(crate) fn half(self) -> &'static [u8] {
        if self == Kind::Web { b"\x81\x8c\0\0\0\0half a li" } else { self.first_half() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Kind::Web { "web-chat" } else { self.program().trim_end_matches("-server") })
    }
}
