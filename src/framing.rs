//! Messages out of a stream of bytes: handlers that wrap a handler and show it whole messages. No I/O.

mod framed;
mod framer;
mod lines;

pub use framed::{Framed, FramedSession};
pub use framer::{Frame, Framer, FramingError};
pub use lines::{LineFramer, LineState, Lines};
