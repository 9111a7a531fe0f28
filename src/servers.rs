//! The servers of the family as programs: the command line of each, and the handler that it makes.
//!
//! The programs in `bin` are these, one each; `switchboard` hosts any of them together.

mod catalog;
mod chat;
mod echo;
mod plan;
mod switchboard;
mod uppercase;

pub use chat::ChatServer;
pub use echo::EchoServer;
pub use switchboard::Switchboard;
pub use uppercase::UppercaseServer;
