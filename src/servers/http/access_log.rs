//! The access log: one line for each answer, in the Combined Log Format of Apache and nginx.
//!
//! Invariants: a line is written when the kernel has taken the answer, or the connection is gone. So it tells what was
//! sent. Bytes of clients are escaped, so each answer is one line.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::SystemTime;

use crate::connection::origin::Peer;
use crate::connection::timer_id::TimerId;
use crate::framing::http::Outcome;
use crate::handler::context::Context;
use crate::servers::line_log::LineLog;
use crate::servers::local_time::LocalTime;
use crate::workers::Done;

/// Writes a line for each answer, in a thread of its own. Pass it to [`Site::with_access_log`](super::Site).
///
/// Lines that are not written when the log is dropped are lost, and a warning gives their number. A reactor that stops
/// first waits until they are written.
pub struct AccessLog {
    lines: LineLog,
    clock: Box<dyn Fn(SystemTime) -> LocalTime + Send>,
    /// The lines of answers that are not sent yet, by the tickets of their receipts.
    unsent: HashMap<u64, Line>,
    /// Bytes of these lines.
    unsent_bytes: usize,
    last_ticket: u64,
}

/// A line, of which the number of bytes is not known yet.
#[derive(Debug)]
struct Line {
    start: Vec<u8>,
    /// The number of bytes, if all of them are sent.
    body: u64,
    end: Vec<u8>,
}

/// Bytes of lines that may wait for their answers to be sent. Above it, an answer counts as sent. 4 MiB: twenty
/// thousand lines.
const MOST_UNSENT: usize = 4 << 20;

impl AccessLog {
    /// Creates a log that writes to `out`, which may block. A failed write is tried again. Warnings call it `name`.
    /// `clock` converts system time to local time.
    ///
    /// `out` is flushed after each batch of lines and, while there is nothing to write, once a second.
    pub fn new(
        name: &str,
        out: impl Write + Send + 'static,
        clock: impl Fn(SystemTime) -> LocalTime + Send + 'static,
    ) -> Self {
        AccessLog {
            lines: LineLog::new("access-log", name, out),
            clock: Box::new(clock),
            unsent: HashMap::new(),
            unsent_bytes: 0,
            last_ticket: 0,
        }
    }

    /// Starts the thread that writes now, rather than with the first line. Not for a simulation.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub fn start_thread(&self) -> io::Result<()> {
        self.lines.start_thread()
    }

    /// Adds the line of an exchange whose answer was replied, or whose connection has ended.
    pub(super) fn add(&mut self, outcome: &Outcome, cx: &mut Context<'_>) {
        let line = Line::of(outcome, cx.peer_address(), (self.clock)(outcome.at));
        if self.unsent_bytes > MOST_UNSENT {
            return self.write(&line, line.body, cx);
        }
        self.last_ticket += 1;
        self.unsent_bytes += line.length();
        self.unsent.insert(self.last_ticket, line);
        cx.request_receipt(self.last_ticket);
    }

    /// Writes the line of an answer that is sent, or of which `unsent` bytes are lost.
    pub(super) fn receipt(&mut self, ticket: u64, unsent: u64, cx: &mut Context<'_>) {
        if let Some(line) = self.unsent.remove(&ticket) {
            self.unsent_bytes -= line.length();
            self.write(&line, line.body.saturating_sub(unsent), cx);
        }
    }

    fn write(&mut self, line: &Line, bytes: u64, cx: &mut Context<'_>) {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&line.start);
            put(out, format_args!("{bytes}"));
            out.extend_from_slice(&line.end);
        };
        self.lines.add(write, no_gap, cx);
    }

    /// Handles the result of a batch.
    ///
    /// # Errors
    /// `done`, if it is the result of another job.
    pub(super) fn service_done(&mut self, done: Done, cx: &mut Context<'_>) -> Result<(), Done> {
        self.lines.service_done(done, no_gap, cx)
    }

    /// Writes a refused batch again when its timer fires.
    pub(super) fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.lines.service_timer(timer, cx);
    }

    /// Opens the file again.
    pub(super) fn reload(&mut self, cx: &mut Context<'_>) {
        self.lines.reload(cx);
    }

    /// Writes a refused batch again, if there is one: the server is about to stop.
    pub(super) fn stopping(&mut self, cx: &mut Context<'_>) {
        self.lines.try_again(cx);
    }
}

/// Lost lines leave no line: programs that read the log would not know it. A warning tells of them.
fn no_gap(_: u64) -> String {
    String::new()
}

impl Line {
    fn of(outcome: &Outcome, peer: Option<Peer>, at: LocalTime) -> Self {
        let (mut start, mut end) = (Vec::new(), Vec::new());
        match peer {
            Some(Peer::Inet(address)) => put(&mut start, format_args!("{}", host(address.ip()))),
            Some(Peer::Unix) => start.extend_from_slice(b"unix:"),
            _ => start.push(b'-'),
        }
        put(&mut start, format_args!(" - - [{}] \"", Stamp(at)));
        value(&mut start, outcome.line());
        start.extend_from_slice(b"\" ");
        match outcome.status {
            Some(status) => put(&mut start, format_args!("{} ", status.code())),
            None => start.extend_from_slice(b"- "),
        }
        for name in ["Referer", "User-Agent"] {
            end.extend_from_slice(b" \"");
            value(&mut end, outcome.headers().get(name).unwrap_or_default());
            end.push(b'"');
        }
        end.push(b'\n');
        Line { start, body: outcome.body, end }
    }

    fn length(&self) -> usize {
        self.start.len() + self.end.len()
    }
}

/// The address of a host. A socket for both families shows IPv4 within IPv6.
fn host(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Appends a value of a client, or a dash if it is empty. Escapes it as Apache does (`ap_escape_logitem`).
fn value(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        out.push(b'-');
    }
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b' '..=b'~' => out.push(byte),
            _ => put(out, format_args!("\\x{byte:02x}")),
        }
    }
}

fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
}

/// A time as this format shows it: `10/Oct/2000:13:55:36 -0700`.
struct Stamp(LocalTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let LocalTime { date, hour, minute, second, offset } = self.0;
        let month = MONTHS.get(usize::from(date.month).wrapping_sub(1)).copied().unwrap_or("-");
        let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        write!(f, "{:02}/{month}/{:04}:{hour:02}:{minute:02}:{second:02} ", date.day, date.year)?;
        write!(f, "{sign}{:02}{:02}", offset / 60, offset % 60)
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessLog { lines, clock: _, unsent, unsent_bytes: _, last_ticket: _ } = self;
        f.debug_struct("AccessLog").field("lines", lines).field("unsent", &unsent.len()).finish_non_exhaustive()
    }
}
