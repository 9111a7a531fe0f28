//! HTTP/1.1 and HTTP/1.0 for servers (RFC 9110 and 9112).
//!
//! | to | use |
//! |---|---|
//! | answer whole requests at once | [`RequestHandler`], made a handler by [`Http`] |
//! | read bodies as they arrive, answer later or in parts, or change the protocol | an [`Exchange`] in the session |
//!
//! ```text
//!  input --Decoder--> head, body, end --Exchange--> Event --> handler
//!                                          |                    | respond, write, finish
//!  output <-----------Encoder--------------+--------------------+
//! ```
//!
//! An exchange is one request and its answer. They do not overlap: a request that arrives before the answer to the one
//! before it is complete stays in the inbox. Everything that a client can make grow has a bound in [`HttpOptions`].
//!
//! What is not a request is answered with 400 or another status, and the connection ends, because the beginning of the
//! next request is not known. The rules are stricter than those of the RFCs where servers disagree, since one request
//! could be smuggled within another there: a line ends in CRLF, a length is given once, and the only transfer coding is
//! `chunked`.

mod date;
mod decoder;
mod encoder;
mod exchange;
mod handler;
mod head;
mod headers;
mod lent;
mod meter;
mod options;
mod outcome;
mod rejection;
mod request;
mod response;
mod status;

pub(crate) use encoder::encode_header;
pub use exchange::{Event, Exchange};
pub use handler::{Http, HttpSession, RequestHandler};
pub use head::Version;
pub(crate) use head::is_token;
pub use headers::Headers;
pub(crate) use lent::LentAnswer;
pub use options::HttpOptions;
pub use outcome::Outcome;
pub use request::{BodyLength, Request};
pub use response::Response;
pub use status::Status;

#[cfg(test)]
mod tests;
