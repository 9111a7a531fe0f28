//! The texts of the server itself; the therapist's come from the script. Scripts of clients rely on these texts, and
//! the page of the server lists them.
//!
//! [`fill`](crate::servers::text::fill) replaces the names in braces.

/// In place of a name; the question for it follows.
pub(super) const BAD_NAME: &str = "A name has at least one letter or digit, and no invisible character.\n";
/// Before the greeting, if the data file cannot be read.
pub(super) const NO_NOTES: &str = "My notes of earlier visits cannot be read at the moment.\n";
/// To a name that cannot be looked up now; the question for it follows. The text of [`Busy`](crate::Busy).
pub(super) const BUSY: &str = "busy, try again\n";
/// To a web request in place of a name; the connection is closed.
pub(super) const NO_HTTP: &str = "This is a doctor and does not speak HTTP.\n";
/// To a line over the limit. `{limit}` is in bytes.
pub(super) const TOO_LONG: &str = "Your line is over {limit} bytes and was not heard.\n";
