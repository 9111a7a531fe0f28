//! Why a link is lost.

use std::fmt;

/// Why a link is lost, or could not be made. Its `Display` completes the sentence "the link is lost: ...".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection has ended, or could not be made.
    Ended(String),
    /// The broker has answered with this error, which is sanitized.
    Refused(String),
    /// What has arrived is not RESP.
    Foreign(String),
    /// What has arrived is no answer that is known here.
    Unexpected,
    /// Nothing has arrived in time.
    Silent,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Ended(cause) | Fault::Foreign(cause) => f.write_str(cause),
            Fault::Refused(error) => write!(f, "it has answered {error:?}"),
            Fault::Unexpected => f.write_str("it has given an unknown answer"),
            Fault::Silent => f.write_str("it does not answer"),
        }
    }
}
