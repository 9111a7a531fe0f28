//! The protocols of the family: pure handlers, bytes and time in, bytes and requests out.

mod echo;

pub use echo::{Echo, EchoLines};
