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
//! use switchboard::servers::Echo;
//! use switchboard::{Limits, Reactor};
//!
//! fn main() -> std::io::Result<()> {
//!     let mut reactor = Reactor::new(Echo::bytes(), Limits::default())?;
//!     reactor.bind("127.0.0.1:50000")?;
//!     reactor.handle_signals()?; // Ctrl-C stops it
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
//!                          one write now -refused-> Outbox      State (at once; no handler runs beneath another)
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
//! A library needs none of them: `switchboard = { version = "0.1", default-features = false }`.
//!
//! - `cli` (default): `servers::cli`, the command lines of the servers.
//! - `sum` (default): `servers::Sum`, which adds integers of any length.
//! - `full`: everything below and above.
//! - `storage`: `workers::storage`, data files, and [`servers::Phonebook`]. Compiles SQLite, so it needs a C compiler.
//! - `bank`: `servers::Bank`; brings `storage`.
//! - `doctor`: `servers::doctor`, a therapist after ELIZA; its server also needs `storage`.

pub mod net;
pub mod workers;
mod connection;
mod state;
mod handler;
pub mod framing;
mod console;
mod reactor;
pub mod sim;
pub mod servers;

pub use connection::closed::Closed;
pub use connection::feed::FeedId;
pub use connection::ids::{ListenerId, ServiceId};
pub use connection::origin::{Origin, Peer, Source, Via};
pub use connection::timer_id::TimerId;
pub use connection::token::Token;
pub use handler::Handler;
pub use handler::context::Context;
pub use handler::sanitize::sanitize;
pub use handler::services::Services;
pub use net::{Address, AddressError, Host};
pub use reactor::signals::Stopper;
pub use reactor::{ConsoleMode, Operator, Reactor};
pub use sim::{Ending, Sim, SimPeer};
pub use state::admission::Admission;
pub use state::limits::Limits;
pub use state::rate::{Bucket, Rate};
pub use state::service::ServiceOptions;
pub use state::stats::Stats;
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
