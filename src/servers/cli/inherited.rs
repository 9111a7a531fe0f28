//! The protocols of a service manager: passing sockets (`sd_listen_fds(3)`) and reporting readiness (`sd_notify(3)`).
//!
//! Invariant: every inherited socket is served. Otherwise the server does not start, and the error names the socket.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::net::{ListenAddress, Listener, SocketOptions};
use crate::{Handler, Reactor};
use listenfd::ListenFd;

/// The inherited sockets, in the order of their descriptors.
pub(super) struct InheritedSockets {
    sockets: ListenFd,
    /// The name of each socket, or `None` after a service has taken it.
    names: Vec<Option<String>>,
}

impl InheritedSockets {
    /// Takes the sockets that the environment variables announce, and removes the variables. Without `LISTEN_PID`, the
    /// variables are meant for another process, and are ignored as by `sd_listen_fds(3)`.
    pub(super) fn from_env() -> Self {
        let is_announced = env::var_os("LISTEN_PID").is_some();
        let sockets = if is_announced { ListenFd::from_env() } else { ListenFd::empty() };
        let text = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names: Vec<_> = text.split(':').map(|name| Some(name.to_owned())).collect();
        names.resize(sockets.len(), Some(String::new()));
        InheritedSockets { sockets, names }
    }

    /// Takes the sockets that have the name `service`. If `service` is `None`, takes all sockets.
    ///
    /// # Errors
    /// If one of them is not a listener or a UDP socket.
    pub(super) fn take(
        &mut self,
        service: Option<&str>,
        options: &SocketOptions,
    ) -> Result<Vec<Listener>, InheritedError> {
        let is_for_service = |name: &String| service.is_none_or(|service| service == name);
        let indices: Vec<_> =
            (0..self.names.len()).filter(|&index| self.names[index].as_ref().is_some_and(is_for_service)).collect();
        indices
            .into_iter()
            .map(|index| {
                let name = self.names[index].take().unwrap_or_default();
                let number = index + 1;
                self.adopt(index, options).map_err(|source| InheritedError::Unsupported { number, name, source })
            })
            .collect()
    }

    /// Checks that every socket was taken.
    ///
    /// # Errors
    /// If a socket is left, because no service has its name.
    pub(super) fn expect_all_taken(&self, services: &[&str]) -> Result<(), InheritedError> {
        match self.names.iter().flatten().next() {
            Some(name) => Err(InheritedError::Unknown { name: name.clone(), services: services.join(", ") }),
            None => Ok(()),
        }
    }

    /// Tries one kind after another. `ListenFd` has no method that returns the kind of a socket.
    fn adopt(&mut self, index: usize, options: &SocketOptions) -> io::Result<Listener> {
        if let Ok(Some(socket)) = self.sockets.take_udp_socket(index) {
            return options.adopt(socket);
        }
        if let Ok(Some(socket)) = self.sockets.take_unix_listener(index) {
            return options.adopt(socket);
        }
        match self.sockets.take_tcp_listener(index) {
            Ok(Some(socket)) => options.adopt(socket),
            _ => Err(io::Error::other("it is neither TCP, nor UDP, nor a Unix stream socket")),
        }
    }
}

/// The reason why an inherited socket cannot be served. Displays as one line with the remedy.
#[derive(Debug)]
pub(super) enum InheritedError {
    Unsupported { number: usize, name: String, source: io::Error },
    Unknown { name: String, services: String },
}

impl fmt::Display for InheritedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InheritedError::Unsupported { number, name, source } => write!(
                f,
                "socket {number} ({name:?}) of the service manager: {source}; set ListenStream= to an address or a \
                 path, and do not set Accept="
            ),
            InheritedError::Unknown { name, services } => write!(
                f,
                "the service manager has passed a socket named {name:?}, but no service has this name; set \
                 FileDescriptorName= to one of {services}"
            ),
        }
    }
}

impl std::error::Error for InheritedError {}

/// Reports readiness and the addresses to the service manager, if there is one. If the manager's queue is full, the
/// loop sends the report as soon as there is room.
pub(super) fn notify_ready<H: Handler>(bound: &[ListenAddress], reactor: &mut Reactor<H>) {
    let Some(manager) = env::var_os("NOTIFY_SOCKET") else { return };
    let addresses: Vec<_> = bound.iter().map(ToString::to_string).collect();
    let message = format!("READY=1\nSTATUS=listening on {}\n", addresses.join(", "));
    if let Err(error) = connect(&manager).and_then(|socket| reactor.notify(socket, message)) {
        log::warn!("cannot report to the service manager that the server is ready: {error}");
    }
}

/// Returns a socket for reports to the service manager, if there is one. A report that finds its queue full is lost.
pub(super) fn manager() -> Option<UnixDatagram> {
    let manager = env::var_os("NOTIFY_SOCKET")?;
    let connected = connect(&manager).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    connected.inspect_err(|error| log::warn!("cannot reach the service manager: {error}")).ok()
}

/// Connects to the socket of a service manager: a path, or `@` and an abstract name (unix(7)).
fn connect(manager: &OsStr) -> io::Result<UnixDatagram> {
    let address = match manager.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(manager)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
