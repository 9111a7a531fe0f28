//! Everything that the server says, in one place: scripts rely on these texts, and the server's page lists them.
//!
//! Names in braces stand for what [`fill`](crate::servers::text::fill) puts there. Invariant: a line that begins with a
//! quote is an entry, and no other line begins so; what clients wrote stands within quotes, by [`quoted`], but for the word
//! of an unknown command.

use crate::handler::sanitize::sanitize;

/// An entry: to `FIND`, and each line of a `LIST`. As it is written behind `ADD`.
pub(super) const ENTRY: &str = "\"{name}\" \"{number}\"\n";
/// The end of a listing, with the number of entries above it.
pub(super) const TOTAL: &str = "Total: {count}\n";
/// To `ADD`.
pub(super) const ADDED: &str = "Added: \"{name}\" \"{number}\"\n";
/// To `ADD`, when the name is there: the entry that has it.
pub(super) const EXISTS: &str = "Exists: \"{name}\" \"{number}\"\n";
/// To `CHANGE`.
pub(super) const CHANGED: &str = "Changed: \"{name}\" \"{number}\" (was \"{former}\")\n";
/// To `REMOVE`: the entry that was there.
pub(super) const REMOVED: &str = "Removed: \"{name}\" \"{number}\"\n";
/// To `FIND`, `CHANGE` and `REMOVE`.
pub(super) const NOT_FOUND: &str = "Not found: \"{name}\"\n";
/// To `HELP`: one line, so that every command has one.
pub(super) const HELP: &str = "Commands: FIND name, ADD name number, CHANGE name number, REMOVE name, LIST prefix, LIST, \
HELP, QUIT (quote what has spaces: \"Ann Smith\")\n";
/// To `QUIT`.
pub(super) const BYE: &str = "Good bye!\n";

/// The first word is no command.
pub(super) const UNKNOWN: &str = "Unknown command: {word} (HELP lists them)\n";
/// A command with too few words, or too many.
pub(super) const USAGE: &str = "Usage: {usage} (quote what has spaces: \"Ann Smith\")\n";
/// Quotes that do not match.
pub(super) const BAD_QUOTES: &str =
    "Bad quotes: write \"Ann Smith\", and within quotes \\\" for a quote and \\\\ for a backslash\n";
/// A name that cannot be one.
pub(super) const BAD_NAME: &str = "Bad name: a name has 1 to 64 characters, and no control characters\n";
/// A number that cannot be one.
pub(super) const BAD_NUMBER: &str =
    "Bad number: a number has 1 to 40 of 0-9, spaces, + - ( ) . / * #, x and ext, and a digit among them\n";
/// A line that is no text.
pub(super) const NOT_UTF8: &str = "Bad line: it is not UTF-8\n";
/// A line over the limit. `{limit}` counts bytes.
pub(super) const TOO_LONG: &str = "Bad line: it is over {limit} bytes\n";
/// A web request; the connection is closed.
pub(super) const NO_HTTP: &str = "This is a phone book and does not speak HTTP.\n";
/// So many wait for the data file that no more may. The words of [`Busy`](crate::Busy).
pub(super) const BUSY: &str = "busy, try again\n";
/// The data file is in trouble. The log says which.
pub(super) const FAILED: &str = "Failed: the phone book is out of order, try again later\n";

/// A value for a place within quotes: made harmless, and with what the quotes would take for their own escaped.
pub(super) fn quoted(value: &str) -> String {
    let clean = sanitize(value.as_bytes());
    let mut text = String::with_capacity(clean.len());
    for found in clean.chars() {
        if matches!(found, '"' | '\\') {
            text.push('\\');
        }
        text.push(found);
    }
    text
}
