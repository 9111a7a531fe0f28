//! What is wrong with a script, and where.

use std::fmt;

/// Why a text is no script. Displays as one sentence with the place and the remedy: `line 12, column 3: ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    line: usize,
    column: usize,
    message: String,
}

impl ScriptError {
    /// The line of the fault; the first is 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The character in the line; the first is 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ScriptError {}

/// A fault at a byte of the script, before the byte is turned into a place.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Fault {
        Fault { at, message: message.into() }
    }

    /// The place in this text, as an editor counts.
    pub(super) fn locate(self, text: &str) -> ScriptError {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        ScriptError {
            line: before.matches('\n').count() + 1,
            // A byte order mark is no column.
            column: before[line_start..].trim_start_matches('\u{FEFF}').chars().count() + 1,
            message: self.message,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Fault {
        let at = error.span().map_or(0, |span| span.start);
        let mut message = error.message().trim_end().replace('\n', "; ");
        if message.ends_with("map, expected a sequence") {
            message.push_str("; a table that may be repeated has double brackets, as in [[keyword]]");
        }
        Fault { at, message }
    }
}
