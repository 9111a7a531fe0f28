//! Binds an address: one listener for each of its socket addresses, or a one-line error.
//!
//! Invariant: [`bind`] returns at least one listener. All its listeners belong to one address and have the same port.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

use super::{Address, Host, SocketOptions, UnixBound, somaxconn_clip};

/// A bound socket that waits for peers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP listener.
    Tcp(TcpListener),
    /// A Unix stream listener, with the guard of its file.
    Unix(UnixBound),
    /// A UDP socket.
    Udp(UdpSocket),
    /// One of the first two, whose peers have to speak TLS.
    Tls(Box<Listener>),
}

impl Listener {
    /// Returns the real address, with the port that the system picked. It displays as `127.0.0.1:50000`.
    ///
    /// # Errors
    /// The errors of getsockname(2).
    pub fn local_addr(&self) -> io::Result<Address> {
        let inet = |at: SocketAddr| (Host::of(at), at.port());
        Ok(match self {
            Self::Tcp(listener) => {
                let (host, port) = inet(listener.local_addr()?);
                Address::Tcp { host, port }
            }
            Self::Unix(bound) => Address::Unix(bound.path().to_owned()),
            Self::Udp(socket) => {
                let (host, port) = inet(socket.local_addr()?);
                Address::Udp { host, port }
            }
            Self::Tls(below) => Address::Tls(Box::new(below.local_addr()?)),
        })
    }

    /// Whether `O_NONBLOCK` is set, which a reactor requires.
    ///
    /// # Errors
    /// The errors of fcntl(2).
    pub fn is_nonblocking(&self) -> io::Result<bool> {
        Ok(fcntl_getfl(self)?.contains(OFlags::NONBLOCK))
    }

    fn port(&self) -> io::Result<u16> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|at| at.port()),
            Self::Udp(socket) => socket.local_addr().map(|at| at.port()),
            Self::Unix(_) => Ok(0),
            Self::Tls(below) => below.port(),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(bound) => bound.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::Tls(below) => below.as_fd(),
        }
    }
}

/// Listens on every socket address of `address`, with one socket for each.
///
/// If `address` has port 0, the system picks one port for all of them. If there are several socket addresses, IPv6
/// sockets get `IPV6_V6ONLY` regardless of the options, because otherwise they would occupy the port of the IPv4
/// sockets. A socket address of a family that this machine lacks is skipped with a warning. If the kernel lowers the
/// backlog or a buffer size, each listener logs a warning.
///
/// # Errors
/// If a name has no address, if one of the socket addresses cannot be bound, or if this machine lacks all their
/// families.
pub fn bind(address: &Address, options: &SocketOptions) -> Result<Vec<Listener>, BindError> {
    if let Address::Tls(below) = address {
        let bound = bind(below, options).map_err(|error| BindError { address: address.clone(), ..error })?;
        return Ok(bound.into_iter().map(|listener| Listener::Tls(Box::new(listener))).collect());
    }
    let error = |stage, source| BindError { address: address.clone(), stage, source };
    let listeners = match address {
        Address::Unix(path) => {
            let bound = options.listen_unix(path).map_err(|source| error(Stage::Path, source))?;
            vec![Listener::Unix(bound)]
        }
        Address::Tcp { .. } | Address::Udp { .. } | Address::Tls(_) => {
            let targets = address.resolve().map_err(|source| error(Stage::Resolve, source))?;
            let mut make = maker(address, options, targets.len());
            let bound = bind_each(&targets, &mut make).map_err(|(at, source)| error(Stage::Socket(at), source))?;
            for (at, missing) in bound.missing {
                log::warn!("not listening on {at}: {missing}; listening on the other addresses of {address}");
            }
            bound.listeners
        }
    };
    warn_of_clipped_backlog(&listeners, options.backlog);
    for listener in &listeners {
        options.warn_of_clipped_buffers(listener);
    }
    Ok(listeners)
}

fn maker(address: &Address, options: &SocketOptions, targets: usize) -> impl FnMut(SocketAddr) -> io::Result<Listener> {
    let options = SocketOptions { only_v6: options.only_v6 || targets > 1, ..options.clone() };
    let is_udp = matches!(address, Address::Udp { .. });
    move |at| {
        if is_udp { options.bind_udp(at).map(Listener::Udp) } else { options.listen_tcp(at).map(Listener::Tcp) }
    }
}

fn warn_of_clipped_backlog(listeners: &[Listener], backlog: u32) {
    let Some(limit) = somaxconn_clip(backlog) else {
        return;
    };
    for listener in listeners.iter().filter(|listener| !matches!(listener, Listener::Udp(_))) {
        if let Ok(local) = listener.local_addr() {
            log::warn!("the backlog of {local} is {limit}, not {backlog}: raise net.core.somaxconn for more");
        }
    }
}

/// The result of binding several socket addresses.
#[derive(Debug)]
struct Bound {
    listeners: Vec<Listener>,
    /// Socket addresses of a family that this machine lacks.
    missing: Vec<(SocketAddr, io::Error)>,
}

/// Number of attempts to find one port for all socket addresses. A port that is free in one family is rarely taken in
/// the other.
const PORT_TRIES: u32 = 16;

type Make<'a> = &'a mut dyn FnMut(SocketAddr) -> io::Result<Listener>;

fn bind_each(targets: &[SocketAddr], make: Make<'_>) -> Result<Bound, (SocketAddr, io::Error)> {
    let any_port = targets.iter().all(|at| at.port() == 0);
    let mut tries = if any_port { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_once(targets, make) {
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            done => return done,
        }
    }
}

fn bind_once(targets: &[SocketAddr], make: Make<'_>) -> Result<Bound, (SocketAddr, io::Error)> {
    let mut bound = Bound { listeners: Vec::new(), missing: Vec::new() };
    let mut picked = None;
    for &target in targets {
        let mut at = target;
        at.set_port(picked.unwrap_or(target.port()));
        match make(at) {
            Ok(listener) => {
                picked = Some(listener.port().map_err(|error| (at, error))?);
                bound.listeners.push(listener);
            }
            Err(error) if targets.len() > 1 && is_missing_family(at, &error) => {
                bound.missing.push((at, error));
            }
            Err(error) => return Err((at, error)),
        }
    }
    match bound.missing.pop() {
        Some(last) if bound.listeners.is_empty() => Err(last),
        last => {
            bound.missing.extend(last);
            Ok(bound)
        }
    }
}

/// Whether the error says that this machine lacks the family of an address.
///
/// If Linux was booted without IPv6, socket(2) fails with EAFNOSUPPORT. With the sysctl `disable_ipv6`, the family
/// exists without any address: `::` can be bound, and `::1` fails with EADDRNOTAVAIL.
fn is_missing_family(at: SocketAddr, error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(Errno::AFNOSUPPORT) => true,
        Some(Errno::ADDRNOTAVAIL) => at.is_ipv6(),
        _ => false,
    }
}

/// The error of [`bind`]. Displays as one line: the address, the text of the system and the remedy.
#[derive(Debug)]
pub struct BindError {
    address: Address,
    stage: Stage,
    source: io::Error,
}

/// The step at which [`bind`] failed.
#[derive(Debug)]
enum Stage {
    Resolve,
    Socket(SocketAddr),
    Path,
}

impl BindError {
    /// Returns the address that could not be bound.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the socket address that could not be bound, if the address was resolved.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.stage {
            Stage::Socket(at) => Some(at),
            Stage::Resolve | Stage::Path => None,
        }
    }

    /// Returns the error of the system, which is part of the displayed line.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.address)?;
        if let (Stage::Socket(at), Address::Tcp { host, .. } | Address::Udp { host, .. }) =
            (&self.stage, self.address.transport())
            && matches!(host, Host::Any | Host::Name(_))
        {
            write!(f, " ({at})")?;
        }
        write!(f, ": {}; ", self.source)?;
        match self.stage {
            Stage::Resolve if self.has_zone() => f.write_str("see \"ip link\" for the network interfaces"),
            Stage::Resolve => f.write_str("check the name, or give an IP address"),
            Stage::Path => self.path_remedy(f),
            Stage::Socket(at) => self.socket_remedy(at, f),
        }
    }
}

/// `source` returns `None`, because the displayed line contains the text of the system.
impl std::error::Error for BindError {}

impl BindError {
    fn has_zone(&self) -> bool {
        match self.address.transport() {
            Address::Tcp { host, .. } | Address::Udp { host, .. } => matches!(host, Host::Zoned { .. }),
            Address::Unix(_) | Address::Tls(_) => false,
        }
    }

    fn socket_remedy(&self, at: SocketAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Errno::from_io_error(&self.source) {
            Some(Errno::ADDRINUSE) => {
                let flags = if matches!(self.address, Address::Udp { .. }) { "-lunp" } else { "-ltnp" };
                let port = at.port();
                write!(f, "another program has this port: see \"ss {flags} sport = :{port}\", or choose another")
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                f.write_str("ports below 1024 need CAP_NET_BIND_SERVICE or root, choose a higher one")
            }
            Some(Errno::ADDRNOTAVAIL) => {
                f.write_str("it is not an address of this machine: see \"ip address\", or choose another")
            }
            Some(Errno::AFNOSUPPORT) if at.is_ipv6() => f.write_str("this machine has no IPv6, choose an IPv4 address"),
            Some(Errno::AFNOSUPPORT) => f.write_str("this machine has no IPv4, choose an IPv6 address"),
            Some(Errno::INVAL) if self.address.lacks_zone() => {
                write!(f, "a link-local address needs its zone, such as [{}%eth0]:{}", at.ip(), at.port())
            }
            _ => self.general_remedy(f),
        }
    }

    fn path_remedy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                f.write_str("another program listens there: see \"ss -lxp\", or choose another path")
            }
            io::ErrorKind::AlreadyExists => f.write_str("it was left alone: remove it, or choose another path"),
            io::ErrorKind::NotFound => f.write_str("create its directory first, or choose another path"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("the directory or the socket there belongs to another user, choose another path")
            }
            _ => self.general_remedy(f),
        }
    }

    fn general_remedy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Errno::from_io_error(&self.source) {
            Some(Errno::MFILE) => f.write_str("raise \"ulimit -n\""),
            Some(Errno::NFILE) => f.write_str("raise \"sysctl fs.file-max\""),
            _ => f.write_str("check the address and the socket options"),
        }
    }
}

#[cfg(test)]
mod tests;
