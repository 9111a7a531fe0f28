//! The servers that are mistreated, and what a polite client of each is owed.

use std::fmt;

use crate::{site, speech};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Kind {
    /// The name of its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Kind::Echo => "echo-server",
            Kind::Uppercase => "uppercase-server",
            Kind::Exec => "exec-server",
            Kind::Relay => "relay-server",
            Kind::Http => "http-server",
            Kind::Chat => "chat-server",
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
        }
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
        }
    }

    /// What stands before a line of `speaker` when it is heard.
    pub(crate) fn mark(self, speaker: usize) -> String {
        match self {
            Kind::Echo | Kind::Uppercase | Kind::Exec | Kind::Relay | Kind::Http => String::new(),
            Kind::Chat => format!("{}: ", speech::name(speaker)),
        }
    }

    /// What becomes of a text.
    pub(crate) fn answer(self, text: &str) -> String {
        match self {
            Kind::Uppercase => text.to_uppercase(),
            Kind::Echo | Kind::Exec | Kind::Relay | Kind::Chat | Kind::Http => text.to_owned(),
        }
    }

    /// What `speaker` sends as the line with this number: with HTTP, a request.
    pub(crate) fn said(self, speaker: usize, number: u64) -> String {
        match self {
            Kind::Http => site::request(number),
            _ => speech::line(speaker, number) + "\n",
        }
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

    /// The beginning of a line, or of a request.
    pub(crate) fn half(self) -> &'static [u8] {
        if self == Kind::Http { b"GET /page0.txt HT" } else { b"half a li" }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program().trim_end_matches("-server"))
    }
}
