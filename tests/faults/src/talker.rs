//! Members that talk without end, and read what is said to them.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use crate::dial::{Window, discard, reset};
use crate::scene::{Scene, Span};

/// How many of them a room is filled by.
pub(crate) const TALKERS: u64 = 2;

/// Lines a second of each.
const PER_SECOND: u32 = 500;

/// One of them, for as long as the fault lasts: to all, and each fourth line to one member of this name and a number.
/// Returns the lines said.
pub(crate) fn talk(scene: &Scene<'_>, (nth, listener): (u64, &str), span: Span) -> io::Result<u64> {
    let mut stream = scene.enter(&format!("talker{nth}"), Window::Usual)?;
    let words = "blah ".repeat(100);
    let mut said = 0;
    while span.paced(said, PER_SECOND) {
        let line = match said % 4 {
            0 => format!("/msg {listener}{} {words}", said / 4 % 30),
            _ => words.clone(),
        };
        say(&mut stream, &scene.kind.message(&line))?;
        said += 1;
    }
    reset(stream);
    Ok(said)
}

/// Sends a line, and reads what has come meanwhile.
fn say(stream: &mut TcpStream, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        discard(stream)?;
        match stream.write(line) {
            Ok(count) => line = &line[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
