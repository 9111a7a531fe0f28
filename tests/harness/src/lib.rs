//! Starts servers and clients, watches them, and ends them: for the tests, the bench and the faults.
//!
//! A function whose name begins with `try_` returns an error, for programs that report it. The function without the
//! prefix panics with the same words, so it fails a test at the line that called it.
//!
//! Invariants: a process ends when its handle is dropped; a wait has a condition and a deadline; a server listens on
//! port 0, or on an address that belongs to this process alone.

mod browser;
mod capture;
mod certificate;
mod connect;
mod host;
mod launch;
mod process;
#[cfg(feature = "redis")]
pub mod redis;
mod redis_server;
mod server;
mod skip;
mod wait;
pub mod websocket;

pub use browser::{Browser, Element, Window, key};
pub use capture::Capture;
pub use certificate::{Certificates, Pair, SERVER};
pub use connect::connect;
pub use host::own_address;
pub use launch::{Input, Launch};
pub use process::{Ended, EndedGroup, Process, allow_descriptors, kib};
pub use redis_server::RedisServer;
pub use server::{Exit, Finished, Server, Stop};
pub use skip::skipped;
pub use wait::{TIMEOUT, alone, calmest, let_pass, until, until_some, within};
