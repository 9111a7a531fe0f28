//! What a service manager gives to a server, and what it is told: `sd_listen_fds(3)` and `sd_notify(3)`.
//!
//! Invariant: a socket that was handed over is served, or the server does not start and says which one it was.

use std::env;
use std::fmt;
use std::io;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::Address;
use crate::net::{Listener, SocketOptions};

/// The sockets that were handed over and are not taken yet, each with its number and its name.
pub(super) struct InheritedSockets {
    sockets: ListenFd,
    names: Vec<Option<String>>,
}

impl InheritedSockets {
    /// Those that the environment speaks of. It speaks of none from then on.
    pub(super) fn from_env() -> Self {
        let sockets = ListenFd::from_env();
        let text = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names: Vec<_> = text.split(':').map(|name| Some(name.to_owned())).collect();
        names.resize(sockets.len(), Some(String::new()));
        InheritedSockets { sockets, names }
    }

    /// Takes those for a service: of this name, or all when it is the only one.
    ///
    /// # Errors
    /// When one of them is no socket that peers could come to.
    pub(super) fn take(
        &mut self,
        service: Option<&str>,
        options: &SocketOptions,
    ) -> Result<Vec<Listener>, InheritedError> {
        let wanted = |name: &String| service.is_none_or(|service| service == name);
        let numbers: Vec<_> = (0..self.names.len()).filter(|&at| self.names[at].as_ref().is_some_and(wanted)).collect();
        numbers
            .into_iter()
            .map(|at| {
                let name = self.names[at].take().unwrap_or_default();
                self.adopt(at, options).map_err(|source| InheritedError::Useless { number: at + 1, name, source })
            })
            .collect()
    }

    /// # Errors
    /// When one is left, which is for no service.
    pub(super) fn expect_all_taken(&self, services: &[&str]) -> Result<(), InheritedError> {
        match self.names.iter().flatten().next() {
            Some(name) => Err(InheritedError::Unknown { name: name.clone(), services: services.join(", ") }),
            None => Ok(()),
        }
    }

    /// The kinds are tried in turn: which one it is, is told by the socket itself.
    fn adopt(&mut self, at: usize, options: &SocketOptions) -> io::Result<Listener> {
        if let Ok(Some(socket)) = self.sockets.take_udp_socket(at) {
            return options.adopt(socket);
        }
        if let Ok(Some(socket)) = self.sockets.take_unix_listener(at) {
            return options.adopt(socket);
        }
        match self.sockets.take_tcp_listener(at) {
            Ok(Some(socket)) => options.adopt(socket),
            _ => Err(io::Error::other("it is neither TCP, nor UDP, nor a Unix stream socket")),
        }
    }
}

/// Why a socket that was handed over cannot be served. Displays as one line with the remedy.
#[derive(Debug)]
pub(super) enum InheritedError {
    Useless { number: usize, name: String, source: io::Error },
    Unknown { name: String, services: String },
}

impl fmt::Display for InheritedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InheritedError::Useless { number, name, source } => write!(
                f,
                "socket {number} ({name:?}) of the service manager: {source}; give ListenStream= an address or a path, and \
                 leave Accept= off"
            ),
            InheritedError::Unknown { name, services } => write!(
                f,
                "the service manager has passed a socket named {name:?}, and there is no such service here; set \
                 FileDescriptorName= to one of {services}"
            ),
        }
    }
}

impl std::error::Error for InheritedError {}

/// Tells the service manager, if there is one, that clients may come, and where.
pub(super) fn notify_ready(bound: &[Address]) {
    let addresses: Vec<_> = bound.iter().map(ToString::to_string).collect();
    let status = format!("listening on {}", addresses.join(", "));
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]) {
        log::warn!("the service manager was not told that this server is ready: {error}");
    }
}
