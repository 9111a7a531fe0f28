//! Errors in the framing of input.

use std::error::Error;
use std::fmt;

/// The error of input that is not a sequence of whole messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FramingError {
    /// A byte is not allowed where it is. The bytes after it have no meaning.
    Malformed {
        /// Offset of the byte in the stream.
        at: u64,
        /// What is allowed in its place, in words.
        expected: &'static str,
        /// The byte.
        found: u8,
    },
    /// The input ended within a message.
    Truncated {
        /// The number of bytes received of the message, its header included.
        received: usize,
        /// The number of bytes of the whole message, if its header was received.
        needed: Option<usize>,
    },
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingError::Malformed { at, expected, found } => {
                write!(f, "malformed input: expected {expected} at offset {at}, found '{}'", found.escape_ascii())
            }
            FramingError::Truncated { received, needed: Some(needed) } => {
                write!(f, "the input ended within a message, after {received} of its {needed} bytes")
            }
            FramingError::Truncated { received, needed: None } => {
                write!(f, "the input ended within a message, after {received} bytes of it")
            }
        }
    }
}

impl Error for FramingError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_is_wrong_and_where_and_steer_no_terminal() {
        let malformed = FramingError::Malformed { at: 1 << 40, expected: "a digit", found: 0x1b };
        assert_eq!(malformed.to_string(), r"malformed input: expected a digit at offset 1099511627776, found '\x1b'");
        let known = FramingError::Truncated { received: 3, needed: Some(10) };
        assert_eq!(known.to_string(), "the input ended within a message, after 3 of its 10 bytes");
        let unknown = FramingError::Truncated { received: 1, needed: None };
        assert_eq!(unknown.to_string(), "the input ended within a message, after 1 bytes of it");
    }
}
