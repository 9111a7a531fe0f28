//! What a server does to the bytes, as the floor does it and as the load expects it.

use clap::ValueEnum;

/// What a server does to the bytes that it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Handler {
    /// Send them back unchanged
    Echo,
    /// Send them back with ASCII a-z as A-Z
    Upper,
}

impl Handler {
    /// Turns what was received into the answer.
    pub(crate) fn apply(self, bytes: &mut [u8]) {
        if self == Handler::Upper {
            bytes.make_ascii_uppercase();
        }
    }

    /// The name that the table shows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Handler::Echo => "echo",
            Handler::Upper => "upper",
        }
    }
}
