//! Sockets with their options set, before the reactor sees them.
//!
//! Invariant: every option is in force before the first peer can connect; a socket that could not
//! be given all of its options is closed, not returned.
//!
//! Nothing here waits for readiness or accepts: the sockets are plain `std::net` ones, and whoever
//! holds them reads them.

use crate::net::MAX_UNIX_PATH;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::unix::{self, UnixBound};

/// How sockets are made: a builder of options, and the methods that make sockets with them.
///
/// # Examples
///
/// A blocking listener on a port that the system picks:
///
/// ```
/// use switchboard::net::SocketOptions;
///
/// let options = SocketOptions::default().nonblocking(false).backlog(16);
/// let listener = options.listen_tcp(([127, 0, 0, 1], 0).into())?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is the value of one socket option")]
pub struct SocketOptions {
    reuse_address: bool,
    reuse_port: bool,
    pub(super) backlog: u32,
    pub(super) nonblocking: bool,
    nodelay: bool,
    keepalive: Option<Duration>,
    recv_buffer: Option<usize>,
    send_buffer: Option<usize>,
    only_v6: bool,
    broadcast: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            reuse_address: true,
            reuse_port: false,
            backlog: 1024,
            nonblocking: true,
            nodelay: true,
            keepalive: None,
            recv_buffer: None,
            send_buffer: None,
            only_v6: true,
            broadcast: false,
        }
    }
}

/// The builder.
impl SocketOptions {
    /// `SO_REUSEADDR`, socket(7), of TCP listeners. Default: true, so that a restart does not wait
    /// for the old connections in TIME-WAIT. On Linux it does not let two listeners live on one
    /// port.
    ///
    /// UDP sockets never get it: they have no TIME-WAIT, and on Linux it would let a second program
    /// bind the same port and take the datagrams.
    #[must_use]
    pub fn reuse_address(self, reuse_address: bool) -> Self {
        Self { reuse_address, ..self }
    }

    /// `SO_REUSEPORT`, socket(7). Default: false, because a second copy started by mistake would
    /// silently get a share of the connections. With true, several processes of one user share a
    /// port and the kernel spreads the load.
    #[must_use]
    pub fn reuse_port(self, reuse_port: bool) -> Self {
        Self { reuse_port, ..self }
    }

    /// How many connections may wait to be accepted, listen(2). Default: 1024, a burst of clients
    /// that all come back after a restart. Linux quietly lowers it to `net.core.somaxconn`, see
    /// [`somaxconn_clip`].
    #[must_use]
    pub fn backlog(self, backlog: u32) -> Self {
        Self { backlog, ..self }
    }

    /// `O_NONBLOCK`, fcntl(2). Default: true, as a reactor needs it.
    #[must_use]
    pub fn nonblocking(self, nonblocking: bool) -> Self {
        Self { nonblocking, ..self }
    }

    /// `TCP_NODELAY`, tcp(7). Default: true, because otherwise the last part of an answer waits for
    /// the peer's delayed acknowledgement, about 40 ms on Linux.
    #[must_use]
    pub fn nodelay(self, nodelay: bool) -> Self {
        Self { nodelay, ..self }
    }

    /// `SO_KEEPALIVE`, socket(7), with `TCP_KEEPIDLE` and `TCP_KEEPINTVL`, tcp(7): how long a
    /// connection is quiet before the first probe, and the time between probes. Default: none,
    /// because an idle time-out covers most needs without probes.
    ///
    /// From 1 s to 32,767 s, rounded up to whole seconds. How many probes must fail is the system's
    /// (`net.ipv4.tcp_keepalive_probes`, 9).
    #[must_use]
    pub fn keepalive(self, keepalive: Option<Duration>) -> Self {
        Self { keepalive, ..self }
    }

    /// `SO_RCVBUF`, socket(7), in bytes. Default: none, because the system's size adapts to each
    /// connection and a set one does not. Linux doubles the value for its own bookkeeping and
    /// lowers it to `net.core.rmem_max`.
    #[must_use]
    pub fn recv_buffer(self, recv_buffer: Option<usize>) -> Self {
        Self { recv_buffer, ..self }
    }

    /// `SO_SNDBUF`, socket(7), in bytes. Default: none, as for [`recv_buffer`](Self::recv_buffer).
    /// Linux doubles the value and lowers it to `net.core.wmem_max`.
    #[must_use]
    pub fn send_buffer(self, send_buffer: Option<usize>) -> Self {
        Self { send_buffer, ..self }
    }

    /// `IPV6_V6ONLY`, ipv6(7). Default: true, so that IPv4 and IPv6 each have a socket of their own
    /// and addresses in logs and rules never look like `::ffff:1.2.3.4`.
    #[must_use]
    pub fn only_v6(self, only_v6: bool) -> Self {
        Self { only_v6, ..self }
    }

    /// `SO_BROADCAST`, socket(7), of UDP sockets. Default: false, because it guards against sending
    /// to a whole network by a wrong address.
    #[must_use]
    pub fn broadcast(self, broadcast: bool) -> Self {
        Self { broadcast, ..self }
    }
}

/// The makers. All descriptors are close-on-exec.
impl SocketOptions {
    /// A TCP listener.
    ///
    /// `TCP_NODELAY`, keepalive and buffer sizes are set on the listener, and Linux hands them down
    /// to the connections that it accepts; elsewhere [`apply`](Self::apply) them to each
    /// connection.
    ///
    /// # Errors
    ///
    /// Those of socket(2), setsockopt(2), bind(2) and listen(2).
    pub fn listen_tcp(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.open(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        self.set_tcp(&socket)?;
        socket.set_reuse_address(self.reuse_address)?;
        self.bind_inet(&socket, at)?;
        socket.listen(self.listen_backlog())?;
        Ok(socket.into())
    }

    /// A Unix stream listener at `path`, with mode 0660 whatever the umask is.
    ///
    /// A socket that nobody listens on any more is replaced; anything else at `path` is left alone.
    /// Copies that start at the same moment take turns by a lock, flock(2), on the directory; so
    /// one of them listens and the others are refused.
    ///
    /// # Errors
    ///
    /// `AddrInUse` when someone listens there, `AlreadyExists` when a file that is not a socket is
    /// there, `InvalidInput` when `path` is longer than [`MAX_UNIX_PATH`], and those of socket(2),
    /// bind(2), chmod(2) and listen(2).
    pub fn listen_unix(&self, path: &Path) -> io::Result<UnixBound> {
        unix::listen(self, path)
    }

    /// A bound UDP socket.
    ///
    /// # Errors
    ///
    /// Those of socket(2), setsockopt(2) and bind(2).
    pub fn bind_udp(&self, at: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.open_udp(at)?;
        self.bind_inet(&socket, at)?;
        Ok(socket.into())
    }

    /// A TCP stream whose connection to `to` has begun.
    ///
    /// When non-blocking, the outcome comes later: the stream turns writable, and `take_error`
    /// tells. When blocking, it is connected.
    ///
    /// # Errors
    ///
    /// Those of socket(2), setsockopt(2), and of connect(2) as far as they are known at once.
    pub fn connect_tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.open(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        self.set_tcp(&socket)?;
        begun(socket.connect(&to.into()))?;
        Ok(socket.into())
    }

    /// A connected Unix stream.
    ///
    /// # Errors
    ///
    /// Those of socket(2), setsockopt(2) and connect(2). On Linux a non-blocking connect to a
    /// listener whose backlog is full is refused with `WouldBlock`, and no event follows: try again
    /// later.
    pub fn connect_unix(&self, path: &Path) -> io::Result<UnixStream> {
        let socket = self.open(Domain::UNIX, Type::STREAM, None)?;
        begun(socket.connect(&unix_address(path)?))?;
        Ok(socket.into())
    }

    /// A UDP socket on a port that the system picks, which sends to `to` and receives only from
    /// there.
    ///
    /// # Errors
    ///
    /// Those of socket(2), setsockopt(2) and connect(2).
    pub fn connect_udp(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.open_udp(to)?;
        socket.connect(&to.into())?;
        Ok(socket.into())
    }

    /// Sets what belongs to one connection: the buffer sizes and, on TCP, `TCP_NODELAY` and
    /// keepalive.
    ///
    /// Connections accepted from a Unix listener need it everywhere: they inherit nothing.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn apply(&self, stream: &impl AsFd) -> io::Result<()> {
        let socket = SockRef::from(stream);
        self.set_buffers(&socket)?;
        if socket.domain()? != Domain::UNIX && socket.r#type()? == Type::STREAM {
            self.set_tcp(&socket)?;
        }
        Ok(())
    }

    pub(super) fn open(&self, domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        let socket = Socket::new(domain, kind, protocol)?;
        if self.nonblocking {
            socket.set_nonblocking(true)?;
        }
        // Before connect and listen: TCP fixes its window scale from the size that it finds there.
        self.set_buffers(&socket)?;
        Ok(socket)
    }

    fn open_udp(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = self.open(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_broadcast(self.broadcast)?;
        Ok(socket)
    }

    fn bind_inet(&self, socket: &Socket, at: SocketAddr) -> io::Result<()> {
        if at.is_ipv6() {
            socket.set_only_v6(self.only_v6)?;
        }
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&at.into())
    }

    pub(super) fn set_tcp(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        match self.keepalive {
            Some(quiet) => socket.set_tcp_keepalive(&keepalive(quiet)?),
            None => Ok(()),
        }
    }

    pub(super) fn set_buffers(&self, socket: &Socket) -> io::Result<()> {
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes.min(MAX_BUFFER))?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes.min(MAX_BUFFER))?;
        }
        Ok(())
    }

    pub(super) fn listen_backlog(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }
}

/// The sizes go to the kernel as a C int, where more than this would turn negative.
const MAX_BUFFER: usize = i32::MAX as usize;

/// What the kernel lowers this backlog to, or `None` when it leaves it or does not say.
#[must_use]
pub fn somaxconn_clip(backlog: u32) -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    clip(backlog, &text)
}

fn clip(backlog: u32, somaxconn: &str) -> Option<u32> {
    let limit = somaxconn.trim().parse().ok()?;
    (backlog > limit).then_some(limit)
}

/// The kernel's fields are in whole seconds with these bounds, and its own error for others names
/// no field.
fn keepalive(quiet: Duration) -> io::Result<TcpKeepalive> {
    let part = u64::from(quiet.subsec_nanos() > 0);
    let seconds = quiet.as_secs().saturating_add(part);
    if !(1..=32_767).contains(&seconds) {
        let text = "keepalive must be from 1 s to 32767 s";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let rounded = Duration::from_secs(seconds);
    Ok(TcpKeepalive::new().with_time(rounded).with_interval(rounded))
}

/// A non-blocking connect that has begun is a success.
fn begun(connected: io::Result<()>) -> io::Result<()> {
    match connected {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => Ok(()),
        done => done,
    }
}

/// Refuses what the kernel would take for another kind of name: an empty path makes Linux pick an
/// abstract one.
pub(super) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.len() > MAX_UNIX_PATH || bytes.contains(&0) {
        let text = format!("a Unix path has 1 to {MAX_UNIX_PATH} bytes, none of them NUL");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    SockAddr::unix(path)
}

#[cfg(test)]
mod tests;
