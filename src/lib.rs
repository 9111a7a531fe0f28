//! A single-threaded reactor on `mio`, and the family of network servers that it hosts.

pub mod address;
mod command;
mod connection;
mod context;
mod dispatcher;
mod feed;
mod flush;
pub mod framing;
mod handler;
mod inbox;
mod limits;
mod outbox;
mod pool;
pub mod protocol;
pub mod sim;
pub mod socket;
mod stream;
mod tables;
mod timer;

pub use address::{Address, AddressError, Host};
pub use context::Context;
pub use feed::FeedId;
pub use handler::{Closed, Handler, Origin, Peer, Token, Via};
pub use limits::Limits;
pub use sim::{Ending, Sim, SimPeer};
pub use tables::Stats;
pub use timer::TimerId;
