//! All texts of the server. Scripts rely on them, and the server's page lists them.
//!
//! [`fill`](crate::servers::text::fill) replaces names in braces. Invariant: a line that begins with a quote is an
//! entry, and no other line begins with one. The words of clients are quoted, by [`quoted`]; the only exception is the
//! word of an unknown command.

use crate::handler::sanitize::sanitize;

/// The first line, to a new connection.
pub(super) const WELCOME: &str = "Welcome to the phone book. HELP lists the commands.\n";
/// `FIND`, and each entry of a `LIST`. `ADD` takes an entry in the same form.
pub(super) const ENTRY: &str = "\"{name}\" \"{number}\"\n";
/// The last line of a `LIST`, with the number of entries.
pub(super) const TOTAL: &str = "Total: {count}\n";
/// `ADD`.
pub(super) const ADDED: &str = "Added: \"{name}\" \"{number}\"\n";
/// `ADD` of a name that exists: its entry.
pub(super) const EXISTS: &str = "Exists: \"{name}\" \"{number}\"\n";
/// `CHANGE`.
pub(super) const CHANGED: &str = "Changed: \"{name}\" \"{number}\" (was \"{former}\")\n";
/// `REMOVE`: the former entry.
pub(super) const REMOVED: &str = "Removed: \"{name}\" \"{number}\"\n";
/// `FIND`, `CHANGE` and `REMOVE` of an unknown name.
pub(super) const NOT_FOUND: &str = "Not found: \"{name}\"\n";
/// `HELP`. One line, as for other commands.
pub(super) const HELP: &str = "\
    Commands: FIND name, ADD name number, CHANGE name number, REMOVE name, LIST prefix, LIST, \
HELP, QUIT (a name with spaces needs quotes: \"Ann Smith\")\n";
/// `QUIT`.
pub(super) const BYE: &str = "Good bye!\n";

/// An unknown command.
pub(super) const UNKNOWN: &str = "Unknown command: {word} (HELP lists them)\n";
/// A command with the wrong number of words.
pub(super) const USAGE: &str = "Usage: {usage} (a name with spaces needs quotes: \"Ann Smith\")\n";
/// `QUIT` with further words.
pub(super) const USAGE_ALONE: &str = "Usage: {usage}\n";
/// Quotes that do not match.
pub(super) const BAD_QUOTES: &str =
    "Bad quotes: write \"Ann Smith\", and within quotes \\\" for a quote and \\\\ for a backslash\n";
/// An invalid name.
pub(super) const BAD_NAME: &str = "Bad name: a name has 1 to 64 characters, and no invisible or control characters\n";
/// An invalid number.
pub(super) const BAD_NUMBER: &str =
    "Bad number: use up to 40 digits, spaces, + - ( ) . / * # and x or ext, with at least one digit\n";
/// A line that is not UTF-8.
pub(super) const NOT_UTF8: &str = "Bad line: it is not UTF-8\n";
/// The line is longer than the limit, in bytes.
pub(super) const TOO_LONG: &str = "Bad line: it is over {limit} bytes\n";
/// A web request. The connection is closed.
pub(super) const NO_HTTP: &str = "This is a phone book and does not speak HTTP.\n";
/// Too many commands wait for the data file. The text is that of [`Busy`](crate::Busy).
pub(super) const BUSY: &str = "busy, try again\n";
/// The data file failed. The log has the reason.
pub(super) const FAILED: &str = "Failed: the phone book is out of order, try again later\n";

/// Returns a value for use within quotes: sanitized, with quotes and backslashes escaped.
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
