//! The form of what a server writes to standard error: text for people, or JSON for programs.
//!
//! Invariant: with `json` on the command line, each line is one object.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic;
use std::sync::OnceLock;
use std::time::SystemTime;

use clap::ValueEnum;
use jiff::Timestamp;
use log::Level;

use crate::sanitize;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// An object of JSON on each line
    Json,
}

/// The format of this process.
static CHOSEN: OnceLock<LogFormat> = OnceLock::new();

impl LogFormat {
    /// Makes this the format of the process, also of a panic. The first choice stays.
    pub(super) fn choose(self) {
        if CHOSEN.set(self).is_ok() && self == LogFormat::Json {
            panic::set_hook(Box::new(|panic| {
                let message = panic.to_string().replace('\n', " ");
                let _ = io::stderr().write_all(LogFormat::Json.line(Level::Error, module_path!(), &message).as_bytes());
            }));
        }
    }

    /// Chooses JSON if the words of a command line ask for it, before they are parsed: their mistakes are records, too.
    pub(crate) fn choose_by_words(words: &[OsString]) {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let flags = &words[..end];
        if flags.iter().any(|word| word == "--log-format=json")
            || flags.windows(2).any(|pair| pair == ["--log-format", "json"])
        {
            LogFormat::Json.choose();
        }
    }

    /// The format of the process; text until another was chosen.
    pub(crate) fn chosen() -> LogFormat {
        CHOSEN.get().copied().unwrap_or_default()
    }

    /// Returns the line of a record, with its LF.
    pub(super) fn line(self, level: Level, target: &str, message: &str) -> String {
        // A message may contain bytes of a peer, and a terminal may show it.
        let (now, message) = (SystemTime::now(), sanitize(message.as_bytes()));
        match self {
            LogFormat::Text => format!("{} {level:<5} {message}\n", timestamp(now, 0)),
            LogFormat::Json => object(&timestamp(now, 3), level, target, &message),
        }
    }

    /// Returns the line that stands for lines of the log that standard error could not take.
    pub(super) fn gap(lines: usize) -> String {
        LogFormat::Json.line(Level::Warn, module_path!(), &format!("{lines} log lines dropped"))
    }
}

/// Returns a record as one line of JSON.
fn object(time: &str, level: Level, target: &str, message: &str) -> String {
    let mut line = String::with_capacity(80 + target.len() + message.len());
    line.push_str("{\"time\":");
    push_string(&mut line, time);
    line.push_str(",\"level\":\"");
    line.extend(level.as_str().chars().map(|letter| letter.to_ascii_lowercase()));
    line.push_str("\",\"target\":");
    push_string(&mut line, target);
    line.push_str(",\"message\":");
    push_string(&mut line, message);
    line.push_str("}\n");
    line
}

/// Appends a string of JSON (RFC 8259, 7).
fn push_string(line: &mut String, text: &str) {
    line.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => line.extend(['\\', letter]),
            // Writing to a string cannot fail.
            '\0'..='\u{1F}' => drop(write!(line, "\\u{:04x}", u32::from(letter))),
            _ => line.push(letter),
        }
    }
    line.push('"');
}

/// A time as in RFC 3339, in UTC, with this many digits of the second. A time outside of the calendar, from a clock
/// that is wrong by millennia, is `@` and the seconds since 1970, as `date -d` reads them.
fn timestamp(at: SystemTime, digits: usize) -> String {
    match (Timestamp::try_from(at), at.duration_since(SystemTime::UNIX_EPOCH)) {
        (Ok(at), _) => format!("{at:.digits$}"),
        (_, Ok(after)) => format!("@{}", after.as_secs()),
        (_, Err(before)) => format!("@-{}", before.duration().as_secs()),
    }
}

/// Writes each line to `out` as a record of JSON: for a log that has a form of its own.
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "the access log is of http-server"))]
#[derive(Debug)]
pub(crate) struct JsonLines<W> {
    pub(crate) target: &'static str,
    pub(crate) out: W,
}

impl<W: Write> Write for JsonLines<W> {
    /// Writes one line.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let message = String::from_utf8_lossy(bytes[..end].trim_ascii_end());
        self.out.write_all(LogFormat::Json.line(Level::Info, self.target, &message).as_bytes())?;
        Ok(end)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn every_time_can_be_logged() {
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(1_500), 0), "1970-01-01T00:00:01Z");
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(1_500), 3), "1970-01-01T00:00:01.500Z");
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1), 0), "1969-12-31T23:59:59Z");
        let far = Duration::from_secs(1 << 62);
        assert_eq!(timestamp(UNIX_EPOCH + far, 0), "@4611686018427387904");
        assert_eq!(timestamp(UNIX_EPOCH - far, 3), "@-4611686018427387904");
        let last =
            (0..64).rev().fold(UNIX_EPOCH, |at, bit| at.checked_add(Duration::from_secs(1 << bit)).unwrap_or(at));
        assert_eq!(timestamp(last, 0), format!("@{}", i64::MAX));
    }

    /// Runs itself again, because a hook is of the whole process.
    #[test]
    fn a_panic_is_a_record() {
        const AGAIN: &str = "SWITCHBOARD_TEST_PANIC";
        if env::var_os(AGAIN).is_some() {
            LogFormat::choose_by_words(&["echo-server", "--log-format", "json"].map(OsString::from));
            panic!("a \"bug\"\nin two lines");
        }
        let mut again = Command::new(env::current_exe().expect("a path"));
        again.args(["--exact", "--nocapture", "servers::cli::log_format::tests::a_panic_is_a_record"]);
        let output = again.env(AGAIN, "1").output().expect("the program");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("\"level\":\"error\"") && line.contains("\"message\":\"panicked at src/"), "{line}");
        assert!(line.ends_with(": a \\\"bug\\\" in two lines\"}"), "{line}");
        assert!(!text.contains("\nin two lines"), "{text}");
    }

    #[test]
    fn quotes_and_controls_are_escaped() {
        assert_eq!(
            object("t", Level::Warn, "a::b", "say \"hi\"\\\t\u{1} é\u{2028}"),
            "{\"time\":\"t\",\"level\":\"warn\",\"target\":\"a::b\",\
             \"message\":\"say \\\"hi\\\"\\\\\\u0009\\u0001 é\u{2028}\"}\n"
        );
    }

    #[test]
    fn a_record_is_one_line_without_controls() {
        let line = LogFormat::Json.line(Level::Error, "t", "one\ntwo\x1b[2J\r");
        assert!(line.ends_with("\"message\":\"one\u{FFFD}two\u{FFFD}[2J\u{FFFD}\"}\n"), "{line:?}");
        assert_eq!(line.matches('\n').count(), 1);
        let line = LogFormat::Text.line(Level::Error, "t", "one\ntwo");
        assert!(line.ends_with("Z ERROR one\u{FFFD}two\n"), "{line:?}");
    }

    #[test]
    fn each_line_becomes_a_record() {
        let mut lines = JsonLines { target: "access", out: Vec::new() };
        lines.write_all(b"\"GET / \\x22\" 200\n\xff\n").expect("room");
        let out = String::from_utf8(lines.out).expect("text");
        let messages: Vec<_> = out.lines().filter_map(|line| line.split_once("\"message\":")).collect();
        assert_eq!(messages.len(), 2, "{out}");
        assert_eq!(messages[0].1, "\"\\\"GET / \\\\x22\\\" 200\"}");
        assert_eq!(messages[1].1, "\"\u{FFFD}\"}");
    }
}
