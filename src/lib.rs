//! A single-threaded reactor on `mio`, and the family of network servers that it hosts.

mod acceptor;
pub mod address;
#[cfg(feature = "cli")]
pub mod cli;
mod command;
mod connection;
mod connector;
mod console;
mod context;
mod datagram;
mod dispatcher;
mod feed;
mod flush;
pub mod framing;
mod handler;
mod inbox;
mod limits;
mod outbox;
mod pool;
mod printer;
pub mod protocol;
mod reactor;
mod sanitize;
pub mod sim;
pub mod socket;
pub mod stdio;
mod stop;
mod stream;
mod tables;
mod throttle;
mod timer;

pub use acceptor::Admission;
pub use address::{Address, AddressError, Host};
pub use context::Context;
pub use feed::FeedId;
pub use handler::{Closed, Handler, Origin, Peer, Token, Via};
pub use limits::Limits;
pub use reactor::{ConsoleMode, Reactor};
pub use sanitize::sanitize;
pub use sim::{Ending, Sim, SimPeer};
pub use stop::Stopper;
pub use tables::Stats;
pub use timer::TimerId;
