//! Requests that are refused because they are not well-formed or too large.

use super::status::Status;

/// Why the input is not a request: the status of the answer, and a reason in a few words.
///
/// After it, the beginning of the next request is not known, so the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(super) status: Status,
    pub(super) reason: &'static str,
}

impl Rejection {
    pub(super) const fn new(status: Status, reason: &'static str) -> Self {
        Rejection { status, reason }
    }

    /// 400 Bad Request.
    pub(super) const fn bad(reason: &'static str) -> Self {
        Rejection::new(Status::BAD_REQUEST, reason)
    }
}
