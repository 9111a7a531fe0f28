//! The name of a connection.

use std::fmt;

use slotmap::{Key, KeyData};

slotmap::new_key_type! {
    /// The key of a connection in the table of connections: an index and a version.
    pub(crate) struct ConnectionKey;
}

/// Names one connection.
///
/// A token is never reused: after the end of its connection it names nothing, and output sent to it is dropped. The
/// operator's `who` shows it in the form of its [`Display`](fmt::Display).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(ConnectionKey);

impl Token {
    pub(crate) fn new(key: ConnectionKey) -> Self {
        Token(key)
    }

    /// A token that names no connection.
    pub(crate) fn none() -> Self {
        Token(ConnectionKey::null())
    }

    pub(crate) fn key(self) -> ConnectionKey {
        self.0
    }

    /// The token as 64 bits. The number is at least 2^32, since the version in its upper half is never 0.
    pub(crate) fn to_bits(self) -> u64 {
        self.0.data().as_ffi()
    }

    /// The token of the bits that [`to_bits`](Self::to_bits) returned.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Token(KeyData::from_ffi(bits).into())
    }

    /// The token under which the poll reports the events of this connection.
    pub(crate) fn to_mio(self) -> mio::Token {
        mio::Token(self.to_bits() as usize)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.data())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_through_a_word() {
        let mut slots = slotmap::SlotMap::<ConnectionKey, ()>::with_key();
        for _ in 0..3 {
            let token = Token::new(slots.insert(()));
            assert_eq!(Token::from_bits(token.to_bits()), token);
            assert!(token.to_bits() >= 1 << 32, "smaller words are the reactor's own");
            slots.remove(token.key());
        }
    }

    #[test]
    fn a_token_is_shown_as_index_and_version() {
        let mut slots = slotmap::SlotMap::<ConnectionKey, ()>::with_key();
        let token = Token::new(slots.insert(()));
        assert_eq!((token.to_string().as_str(), format!("{token:?}").as_str()), ("1v1", "Token(1v1)"));
    }
}
