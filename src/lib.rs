//! Small network servers on one thread: a hand-rolled reactor on [`mio`](https://docs.rs/mio), and the family of servers that
//! it hosts, from echo and daytime to a chat, a phone book and a bank.
//!
//! You write a [`Handler`]: bytes and time in, bytes and requests out. The [`Reactor`] does what is hard to get right: partial
//! writes, slow readers, idle peers, half-closed connections, descriptors that run out, stopping without losing an answer. A
//! handler knows no socket, so a [`Sim`] can test it without one.
//!
//! # A server in fifteen lines
//!
//! ```
//! use switchboard::{Context, Handler, Origin, Sim};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Session = (); // what is remembered of each client: nothing
//!
//!     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
//!
//!     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
//!         cx.reply_input(input);
//!         input.len() // all of it was used
//!     }
//! }
//!
//! let mut sim = Sim::new(Echo);
//! let peer = sim.connect();
//! sim.send(peer, b"hello");
//! assert_eq!(sim.received(peer), b"hello");
//! ```
//!
//! On the network, the same handler is hosted by a reactor:
//!
//! ```no_run
//! use switchboard::protocol::Echo;
//! use switchboard::socket::{SocketOptions, bind};
//! use switchboard::{ConsoleMode, Limits, Reactor};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut reactor = Reactor::new(Echo::bytes(), Limits::default())?;
//!     for listener in bind(&"127.0.0.1:50000".parse()?, &SocketOptions::default())? {
//!         reactor.listen(listener)?;
//!     }
//!     reactor.open_console(ConsoleMode::Stop)?; // a line at standard input stops it
//!     reactor.run()?;
//!     Ok(())
//! }
//! ```
//!
//! # The flow
//!
//! ```text
//!  the kernel -- edge --> Reactor::turn            listener? Acceptor -- new --> Connection
//!                           | token                                   (admission, limits)
//!                           v
//!                         Dispatcher --> read into the ONE shared buffer (behind the Inbox, if there is one)
//!                                          |
//!                                          v
//!                         framing? --> Handler::data(session, &mut bytes, cx)
//!                                          | replies               | send, publish, close, set_timer, connect, stop
//!                                          v                       v
//!                          one write now -refused-> Outbox      Tables (at once; no handler runs beneath another)
//!                                                                  |
//!              flush every dirty Outbox and Feed follower  <-------+
//!              bury closed connections, call Handler::closed       (in turn, until both have nothing to do)
//!                           |
//!                           v
//!                       poll again
//! ```
//!
//! The modules below stand in the order of this flow, so the list of them is also the order in which to read them.
//!
//! # What it is not
//!
//! There is no async and no unsafe code in this crate, and no thread beside yours but for the [`Workers`] that a handler asks for. It is tested on Linux, and only there.
//! Everything that a peer can make grow has an entry in [`Limits`].
//!
//! # Features
//!
//! - `bank` (default): `protocol::Bank`. Needs `storage`.
//! - `cli` (default): `switchboard::cli`, the flags that the servers share, and the servers themselves.
//! - `doctor` (default): `switchboard::protocol::doctor`, the therapist.
//! - `storage` (default): `switchboard::storage`, data files, and the phone book. Compiles SQLite, so it needs a C compiler.
//! - `sum` (default): `protocol::Sum`, which adds integers of any length, and its server.

// What a server is: the trait that it implements, what it may ask for, and the handlers that are here.
mod handler;
mod context;
pub mod framing;
pub mod protocol;
mod sanitize;
mod services;

// The loop, and how peers come in.
mod reactor;
mod acceptor;
mod admission;
mod connector;
mod datagram;

// From an edge to the handler.
mod dispatcher;
mod connection;
mod flags;
mod stream;
mod inbox;

// From the handler to the kernel.
mod tables;
mod deadline;
mod service;
mod stats;
mod flush;
mod outbox;
mod feed;
mod pool;

// What else can happen: time, slow work, the operator, the wish to stop.
mod timer;
mod rate;
mod workers;
mod jobs;
#[cfg(feature = "storage")]
pub mod storage;
mod journal;
mod throttle;
mod turn;
mod stop;
mod console;
mod command;
mod stdio;
mod printer;

// What bounds all of it, and how it is tested without a socket.
mod limits;
pub mod sim;

// From a command line to a socket that listens.
pub mod address;
pub mod socket;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod servers;

pub use address::{Address, AddressError, Host};
pub use admission::Admission;
pub use context::Context;
pub use feed::FeedId;
pub use handler::{Closed, Handler, Origin, Peer, Source, Token, Via};
pub use limits::Limits;
pub use rate::{Bucket, Rate};
pub use reactor::{ConsoleMode, Reactor};
pub use sanitize::sanitize;
pub use services::Services;
pub use sim::{Ending, Sim, SimPeer};
pub use stats::Stats;
pub use stop::Stopper;
pub use timer::TimerId;
pub use workers::{Busy, Done, Worker, Workers};

// The code on these pages is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
#[cfg(doctest)]
#[doc = include_str!("../docs/tutorial.md")]
mod tutorial {}
#[cfg(doctest)]
#[doc = include_str!("../docs/framing.md")]
mod framing_page {}
