//! Small network servers on one thread: a reactor on [`mio`](https://docs.rs/mio), and the servers that it hosts, from
//! echo and daytime to a chat, a phone book and a bank.
//!
//! You write a [`Handler`]: bytes and time go in, bytes and requests come out. The [`Reactor`] does what is hard to get
//! right: partial writes, slow readers, idle peers, half-closed connections, a lack of descriptors, and a stop that
//! loses no reply. A handler has no socket, so a [`Sim`] tests it with bytes and a virtual clock.
//!
//! Your own servers need none of the default features:
//!
//! ```toml
//! [dependencies]
//! switchboard = { version = "0.1", default-features = false }
//! ```
//!
//! # A server
//!
//! ```no_run
//! use switchboard::{ConsoleMode, Context, Handler, Limits, Origin, Reactor};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Session = (); // what the handler keeps for each client: nothing
//!
//!     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
//!
//!     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
//!         cx.reply_input(input);
//!         input.len() // all of it was used
//!     }
//! }
//!
//! fn main() {
//!     if let Err(error) = serve() {
//!         eprintln!("{error}"); // one line, with the remedy
//!         std::process::exit(1);
//!     }
//! }
//!
//! fn serve() -> std::io::Result<()> {
//!     let mut reactor = Reactor::new(Echo, Limits::default())?;
//!     reactor.bind("127.0.0.1:7000")?;
//!     reactor.open_console(ConsoleMode::Stop)?; // Enter stops it
//!     reactor.handle_signals()?; // so do Ctrl-C and SIGTERM
//!     reactor.run()?;
//!     Ok(())
//! }
//! ```
//!
//! Its test needs no network:
//!
//! ```
//! # use switchboard::{Context, Handler, Origin};
//! # struct Echo;
//! # impl Handler for Echo {
//! #     type Session = ();
//! #     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
//! #     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
//! #         cx.reply_input(input);
//! #         input.len()
//! #     }
//! # }
//! use switchboard::Sim;
//!
//! let mut sim = Sim::new(Echo);
//! let client = sim.connect();
//! sim.send(client, b"hello");
//! assert_eq!(sim.received(client), b"hello");
//! ```
//!
//! A handler of lines or other messages implements [`framing::MessageHandler`] instead. A framing such as
//! [`framing::Lines`] splits the input for it.
//!
//! # Concepts
//!
//! - A **connection** is the reactor's side of a peer, and a **session** is the handler's side. [`Token`] names both.
//! - A **service** is a group of listeners with limits, admission and socket options in common. [`ServiceId`] names it.
//! - A **feed** is one stream of bytes that many connections follow. Publishing to it costs one copy, see
//!   [`Context::publish`].
//! - A **framing** splits the input of a connection into messages, see [`framing`].
//! - A **worker** is a thread for slow work, see [`Context::offload`].
//!
//! # The flow
//!
//! ```text
//!  the kernel -- event --> Reactor::turn           listener? Acceptor -- new --> Connection
//!                           | token                                   (admission, limits)
//!                           v
//!                         Dispatcher --> read into the shared buffer (unused input: append to the Inbox)
//!                                          |
//!                                          v
//!                         framing? --> Handler::data(session, &mut bytes, cx)
//!                                          | replies               | send, publish, close, set_timer, connect, stop
//!                                          v                       v
//!                          one write now -refused-> Outbox      State (at once; no handler runs beneath another)
//!                                                                  |
//!              flush every dirty Outbox and Feed follower  <-------+
//!              reap closed connections, call Handler::closed       (repeat both until no work is left)
//!                           |
//!                           v
//!                       poll again
//! ```
//!
//! # Scope
//!
//! - There is no async and no unsafe code in this crate. The only threads beside yours are the [`Workers`] that a
//!   handler asks for.
//! - Only Linux on targets with 64-bit pointers is tested.
//! - Everything that a peer can make grow is bounded by a field of [`Limits`].
//!
//! # Features
//!
//! - `cli` (default): `servers::cli`, the command lines of the servers.
//! - `sum`: `servers::Sum`, which adds integers of any length.
//! - `storage`: `workers::storage`, data files, and `servers::Phonebook`. Compiles SQLite, so it needs a C compiler.
//! - `bank`: `servers::Bank`. Includes `storage`.
//! - `doctor`: `servers::doctor`, a therapist modelled on ELIZA. Its server also needs `storage`.
//! - `tls`: TLS on every server, see [`net::tls`](net). Compiles `ring`, so it needs a C compiler.
//! - `http`: `framing::http`, HTTP/1.1 for handlers, and `servers::Site`, which serves files.
//! - `metrics`: `Reactor::open_metrics`, figures for Prometheus.
//! - `websocket`: `framing::websocket`, messages to and from web pages. Includes `http`.
//! - `full`: all features.

// On docs.rs, an item that needs a feature is marked with it.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("switchboard needs a target with 64-bit pointers: the poll reports a connection by a token of 64 bits");

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
pub use connection::feeds::FeedId;
pub use connection::ids::{ListenerId, ServiceId};
pub use connection::link::{Link, LinkLimits};
pub use connection::origin::{Origin, Peer, Source, Via};
pub use connection::spawn::{Spawn, StderrMode, StdinMode};
pub use connection::timer_id::TimerId;
pub use connection::token::Token;
pub use handler::Handler;
pub use handler::context::Context;
pub use handler::sanitize::sanitize;
pub use handler::services::Services;
#[doc(inline)]
pub use net::{Address, AddressError, Host, Network, SocketOptions};
pub use reactor::Reactor;
pub use reactor::operators::{ConsoleMode, Operator};
pub use reactor::signals::Stopper;
#[doc(inline)]
pub use sim::{Ending, Sim, SimPeer, SimRequest};
pub use state::admission::{Admission, Proxies};
pub use state::limits::Limits;
pub use state::operator::PendingAnswer;
pub use state::rate::{Bucket, Rate};
pub use state::service::ServiceOptions;
pub use state::stats::Stats;
#[doc(inline)]
pub use workers::{Busy, Done, Worker, Workers};

// The tests of the documentation compile and run the code on these pages.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
#[cfg(doctest)]
#[doc = include_str!("../docs/tutorial.md")]
mod tutorial {}
#[cfg(doctest)]
#[doc = include_str!("../docs/framing.md")]
mod framing_page {}
#[cfg(doctest)]
#[doc = include_str!("../docs/relay-server.md")]
mod relay_page {}
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../docs/http.md")]
mod http_page {}
#[cfg(doctest)]
#[doc = include_str!("../docs/upgrade.md")]
mod upgrade {}
#[cfg(all(doctest, feature = "websocket"))]
#[doc = include_str!("../docs/websocket.md")]
mod websocket_page {}
