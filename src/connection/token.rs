//! The name of a connection.

use slotmap::{Key, KeyData};

slotmap::new_key_type! {
    /// Names one connection. Never names another one later: a token that is kept beyond the end of its connection names
    /// nothing, and whatever is sent to it goes nowhere.
    pub struct Token;
}

impl Token {
    /// The token as a word, at least 2^32: versions of living keys are odd.
    pub(crate) fn to_bits(self) -> u64 {
        self.data().as_ffi()
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        KeyData::from_ffi(bits).into()
    }
}
