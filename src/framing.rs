//! Messages out of a stream of bytes: handlers that wrap a handler and show it whole messages. No I/O.

mod lines;

pub use lines::{LineSession, Lines};
