//! Addresses, and sockets with their options set, before the reactor takes them over.
//!
//! Invariant: every option is in force before the first peer can connect. A socket that could not be given all of its
//! options is closed, not returned.
//!
//! This module neither waits for readiness nor accepts connections. Its sockets are plain `std::net` sockets.

mod address;
mod asked;
mod door;
#[cfg(feature = "cli")]
pub(crate) mod handover;
mod inherited;
mod listener;
mod network;
mod options;
mod proxy_header;
#[cfg(feature = "tls")]
pub mod tls;
mod unix;

pub use address::{Address, AddressError, Host, MAX_UNIX_PATH};
pub(crate) use asked::Asked;
pub use door::{Door, ListenAddress};
pub use listener::{BindError, Listener, bind};
pub use network::{Network, NetworkError};
pub use options::{SocketOptions, somaxconn_clip};
pub use proxy_header::{ProxyHeader, ProxyHeaderError};
pub use unix::{PathGuard, UnixBound};
