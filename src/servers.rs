//! The servers of the family as programs: the command line of each, and the handler that it makes.
//!
//! The programs in `bin` are these, one each.

mod chat;
mod echo;
mod uppercase;

pub use chat::ChatServer;
pub use echo::EchoServer;
pub use uppercase::UppercaseServer;
