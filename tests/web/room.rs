//! A picture of one room: its server, two netcats and a page, as windows of an SVG.
//!
//! Invariant: a terminal shows what its program has written and what was typed, in that order, and nothing else.

use base64ct::{Base64, Encoding};
use std::fmt::Write;
use switchboard_harness::{Launch, Server};

/// The width of a window, in units of the picture.
pub(crate) const WIDTH: u32 = 424;
/// The height of the page.
pub(crate) const PAGE_HEIGHT: u32 = 556;
const GAP: u32 = 12;
const BAR: u32 = 26;
const LINE: u32 = 17;
const PADDING: u32 = 12;
/// The columns of a terminal, with a font as wide as `DejaVu Sans Mono`.
const COLUMNS: usize = 54;

const STYLE: &str = "text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #d8dee9; \
    white-space: pre } .title { fill: #8b949e } .typed { fill: #ffd479 } .frame { fill: #1b1f27; stroke: #8b949e }";

/// What a terminal shows: pieces of text, each with its class of [`STYLE`].
pub(crate) struct Transcript {
    title: &'static str,
    pieces: Vec<(&'static str, String)>,
}

impl Transcript {
    pub(crate) fn new(title: &'static str, command: &str) -> Self {
        Self { title, pieces: vec![("shown", "$ ".into()), ("typed", format!("{command}\n"))] }
    }

    pub(crate) fn show(&mut self, text: &str) {
        self.pieces.push(("shown", text.into()));
    }

    /// The lines, each with its pieces.
    fn lines(&self) -> Vec<Vec<(&'static str, &str)>> {
        let mut lines = vec![vec![]];
        for (class, text) in &self.pieces {
            for (index, part) in text.split('\n').enumerate() {
                if index > 0 {
                    lines.push(vec![]);
                }
                if !part.is_empty() {
                    lines.last_mut().expect("one line at least").push((*class, part));
                }
            }
        }
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        lines
    }

    fn height(&self) -> u32 {
        BAR + 2 * PADDING + LINE * self.lines().len() as u32
    }

    fn draw(&self, picture: &mut String, top: u32) {
        frame(picture, (0, top), self.height(), self.title);
        for (index, line) in self.lines().iter().enumerate() {
            let columns: usize = line.iter().map(|(_, text)| text.chars().count()).sum();
            assert!(columns <= COLUMNS, "{columns} columns: {line:?}");
            let y = top + BAR + PADDING + 12 + LINE * index as u32;
            let _ = write!(picture, "<text x=\"{PADDING}\" y=\"{y}\">");
            for (class, text) in line {
                let _ = write!(picture, "<tspan class=\"{class}\">{}</tspan>", escape(text));
            }
            picture.push_str("</text>\n");
        }
    }
}

/// A netcat in a room, and its terminal.
pub(crate) struct Netcat {
    process: Server,
    seen: usize,
    pub(crate) transcript: Transcript,
}

impl Netcat {
    /// Enters the room at `address`, which the terminal shows as that of `command`.
    pub(crate) fn enter(address: &str, nick: &'static str, command: &str) -> Self {
        let (host, port) = address.rsplit_once(':').expect("a port");
        let process = Launch::of("nc").args(host).args(port).spawn();
        let mut netcat = Self { process, seen: 0, transcript: Transcript::new(nick, command) };
        netcat.hears("nickname: ");
        netcat.say(nick);
        netcat.hears(" here.\n");
        netcat
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.process.say(format!("{line}\n"));
        self.transcript.pieces.push(("typed", format!("{line}\n")));
    }

    /// Waits until `wanted` is shown.
    pub(crate) fn hears(&mut self, wanted: &str) {
        self.process.stdout.wait_for(wanted);
        let text = self.process.stdout.text();
        self.transcript.show(&text[self.seen..]);
        self.seen = text.len();
    }
}

/// Draws the terminals, one below the other, and beside them the page that a PNG shows.
pub(crate) fn draw(terminals: &[&Transcript], url: &str, page: &[u8]) -> String {
    let column: u32 = terminals.iter().map(|terminal| terminal.height() + GAP).sum();
    let (width, height) = (2 * WIDTH + GAP + 2, column.max(PAGE_HEIGHT + BAR + GAP) - GAP + 2);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-1 -1 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>One room: its server, two netcats, and a page in a browser</title>\n\
         <style>{STYLE}</style>\n"
    );
    let mut top = 0;
    for terminal in terminals {
        terminal.draw(&mut picture, top);
        top += terminal.height() + GAP;
    }
    let left = WIDTH + GAP;
    frame(&mut picture, (left, 0), BAR + PAGE_HEIGHT, url);
    let _ = write!(
        picture,
        "<image x=\"{left}\" y=\"{BAR}\" width=\"{WIDTH}\" height=\"{PAGE_HEIGHT}\" \
         href=\"data:image/png;base64,{}\"/>\n</svg>\n",
        Base64::encode_string(page)
    );
    picture
}

fn frame(picture: &mut String, (left, top): (u32, u32), height: u32, title: &str) {
    let (x, y) = (left + PADDING, top + 17);
    let _ = writeln!(
        picture,
        "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"{x}\" y=\"{y}\">{}</text>",
        escape(title)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
