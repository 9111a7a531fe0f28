//! What the practice itself says; all else is the script's. Scripts of clients rely on these texts, and the server's page
//! lists them.
//!
//! Names in braces stand for what [`fill`](crate::servers::text::fill) puts there.

/// In place of a name. The question for it follows.
pub(super) const BAD_NAME: &str = "A name has at least one letter or digit.\n";
/// Before the greeting of somebody who may be known, when the file cannot tell.
pub(super) const NO_NOTES: &str = "My notes of earlier visits cannot be read at the moment.\n";
/// To a name, when no more patients can be looked after. The question for it follows. The words of
/// [`Busy`](crate::Busy).
pub(super) const BUSY: &str = "busy, try again\n";
/// A web request in place of a name; the connection is closed.
pub(super) const NO_HTTP: &str = "This is a doctor and does not speak HTTP.\n";
/// A line over the limit. `{limit}` counts bytes.
pub(super) const TOO_LONG: &str = "Your line is over {limit} bytes and was not heard.\n";
