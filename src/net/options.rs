//! Socket options, and the constructors that apply them.
//!
//! Invariant: every option is in force before the first peer can connect. A socket that could not be given all of its
//! options is closed, not returned.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::Listener;
use super::unix::{self, UnixBound};
use crate::net::MAX_UNIX_PATH;

/// The options of sockets, and the methods that create sockets with them.
///
/// Start with [`SocketOptions::default`] and change the fields that matter.
///
/// ```
/// use switchboard::net::SocketOptions;
///
/// let mut options = SocketOptions::default();
/// options.backlog = 16;
/// let listener = options.listen_tcp(([127, 0, 0, 1], 0).into())?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is the value of one socket option")]
#[non_exhaustive]
pub struct SocketOptions {
    /// `SO_REUSEADDR` of TCP listeners, socket(7). Default: true, so that a restart does not wait for old connections
    /// in TIME-WAIT. On Linux it does not let two listeners share a port.
    ///
    /// UDP sockets never get it. They have no TIME-WAIT, and on Linux it would let a second program bind the same port
    /// and receive the datagrams.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`, socket(7). Default: false, because a second copy that was started by mistake would silently get
    /// a share of the connections. If true, several processes of one user share a port, and the kernel spreads the
    /// load.
    pub reuse_port: bool,
    /// Connections that may wait to be accepted, listen(2). Default: 1024, for clients that all reconnect after a
    /// restart. Linux silently lowers it to `net.core.somaxconn`, see [`somaxconn_clip`].
    pub backlog: u32,
    /// `O_NONBLOCK`, fcntl(2). Default: true. [`Reactor::listen`](crate::Reactor::listen) refuses a blocking listener.
    pub nonblocking: bool,
    /// `TCP_NODELAY`, tcp(7). Default: true. Without it, the last part of a reply waits for the delayed acknowledgement
    /// of the peer, about 40 ms on Linux.
    pub nodelay: bool,
    /// `SO_KEEPALIVE`, socket(7), with `TCP_KEEPIDLE` and `TCP_KEEPINTVL`, tcp(7): the silence before the first probe,
    /// and the time between probes. Default: none, because an idle timeout covers most needs without probes.
    ///
    /// From 1 s to 32,767 s, rounded up to whole seconds. The system decides how many probes must fail
    /// (`net.ipv4.tcp_keepalive_probes`, 9).
    pub keepalive: Option<Duration>,
    /// `SO_RCVBUF`, socket(7), in bytes. Default: none, because the system adapts its own size to each connection, but
    /// never changes a size that was set. Linux doubles the value for its bookkeeping and lowers it to
    /// `net.core.rmem_max`.
    pub recv_buffer: Option<usize>,
    /// `SO_SNDBUF`, socket(7), in bytes. Default: none, because the system adapts its own size to each connection, but
    /// never changes a size that was set. Linux doubles the value for its bookkeeping and lowers it to
    /// `net.core.wmem_max`.
    pub send_buffer: Option<usize>,
    /// `IPV6_V6ONLY`, ipv6(7). Default: true. IPv4 and IPv6 then have a socket each, and addresses in logs and rules
    /// never have the form `::ffff:1.2.3.4`.
    pub only_v6: bool,
    /// `SO_BROADCAST` of UDP sockets, socket(7). Default: false, which protects against sending to a whole network
    /// because of a wrong address.
    pub broadcast: bool,
    /// Mode of the file of a Unix listener. Default: 0660, for the owner and the group.
    pub unix_mode: u32,
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
            unix_mode: 0o660,
        }
    }
}

/// The constructors. All descriptors are close-on-exec.
impl SocketOptions {
    /// Creates a TCP listener.
    ///
    /// `TCP_NODELAY`, keepalive and buffer sizes are set on the listener. On Linux, accepted connections inherit them.
    /// Elsewhere, [`apply`](Self::apply) sets them on each connection.
    ///
    /// # Errors
    /// The errors of socket(2), setsockopt(2), bind(2) and listen(2).
    pub fn listen_tcp(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.open(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        self.set_tcp(&socket)?;
        socket.set_reuse_address(self.reuse_address)?;
        self.bind_inet(&socket, at)?;
        socket.listen(self.listen_backlog())?;
        Ok(socket.into())
    }

    /// Creates a Unix stream listener at `path`, with mode 0660 regardless of the umask.
    ///
    /// A socket without a listener is replaced. Anything else at `path` is left alone. Copies of this program that
    /// start at the same moment serialize on a lock, flock(2), of the directory: one of them listens, and the others
    /// are refused.
    ///
    /// # Errors
    /// `AddrInUse` if another program listens there, `AlreadyExists` if the file there is not a socket, `InvalidInput`
    /// if `path` is longer than [`MAX_UNIX_PATH`], and the errors of socket(2), bind(2), chmod(2) and listen(2).
    pub fn listen_unix(&self, path: &Path) -> io::Result<UnixBound> {
        unix::listen(self, path)
    }

    /// Creates a bound UDP socket.
    ///
    /// # Errors
    /// The errors of socket(2), setsockopt(2) and bind(2).
    pub fn bind_udp(&self, at: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.open_udp(at)?;
        self.bind_inet(&socket, at)?;
        Ok(socket.into())
    }

    /// Creates a TCP stream and begins to connect it to `to`.
    ///
    /// A blocking stream is connected when this returns. A non-blocking stream becomes writable when the attempt has
    /// ended, and `take_error` then returns the error, if any.
    ///
    /// # Errors
    /// The errors of socket(2) and setsockopt(2), and those of connect(2) that are known immediately.
    pub fn connect_tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.open(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        self.set_tcp(&socket)?;
        begun(socket.connect(&to.into()))?;
        Ok(socket.into())
    }

    /// Creates a connected Unix stream.
    ///
    /// # Errors
    /// The errors of socket(2), setsockopt(2) and connect(2). On Linux, if the backlog of the listener is full, a
    /// non-blocking connect fails with `WouldBlock`. No event follows, so the caller has to try again later.
    pub fn connect_unix(&self, path: &Path) -> io::Result<UnixStream> {
        let socket = self.open(Domain::UNIX, Type::STREAM, None)?;
        begun(socket.connect(&unix_address(path)?))?;
        Ok(socket.into())
    }

    /// Creates a UDP socket that sends to `to` and receives only from there. The system picks its port.
    ///
    /// # Errors
    /// The errors of socket(2), setsockopt(2) and connect(2).
    pub fn connect_udp(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.open_udp(to)?;
        socket.connect(&to.into())?;
        Ok(socket.into())
    }

    /// Sets the options of one connection: the buffer sizes and, on TCP, `TCP_NODELAY` and keepalive.
    ///
    /// Connections accepted from a Unix listener need this on every system, because they inherit nothing.
    ///
    /// # Errors
    /// The errors of setsockopt(2).
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
        // Set before connect and listen, because TCP derives its window scale from the buffer size at that time.
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
            Some(idle) => socket.set_tcp_keepalive(&keepalive(idle)?),
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

    /// Warns if the kernel has lowered a buffer size of `listener`. On Linux, `SO_RCVBUF` and `SO_SNDBUF` return twice
    /// the size that is in force for data (socket(7)).
    pub(super) fn warn_of_clipped_buffers(&self, listener: &Listener) {
        let socket = SockRef::from(listener);
        let sizes = [
            (self.recv_buffer, socket.recv_buffer_size(), "receive buffer", "net.core.rmem_max"),
            (self.send_buffer, socket.send_buffer_size(), "send buffer", "net.core.wmem_max"),
        ];
        for (wanted, size, name, sysctl) in sizes {
            if let (Some(wanted), Ok(size), Ok(local)) = (wanted, size, listener.local_addr())
                && size / 2 < wanted
            {
                let size = size / 2;
                log::warn!("the {name} of {local} is {size} bytes, not {wanted}: raise {sysctl} for more");
            }
        }
    }

    pub(super) fn listen_backlog(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }
}

/// Largest buffer size that fits the C int which the kernel takes.
const MAX_BUFFER: usize = i32::MAX as usize;

/// Returns the value to which the kernel lowers `backlog`, or `None` if it keeps it or its limit is unknown.
#[must_use]
pub fn somaxconn_clip(backlog: u32) -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    clip(backlog, &text)
}

fn clip(backlog: u32, somaxconn: &str) -> Option<u32> {
    let limit = somaxconn.trim().parse().ok()?;
    (backlog > limit).then_some(limit)
}

/// Returns the keepalive options for a silence of `idle`. The range is checked here, because the kernel's error does
/// not name the field.
fn keepalive(idle: Duration) -> io::Result<TcpKeepalive> {
    let round_up = u64::from(idle.subsec_nanos() > 0);
    let seconds = idle.as_secs().saturating_add(round_up);
    if !(1..=32_767).contains(&seconds) {
        let text = "keepalive must be from 1 s to 32767 s";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let rounded = Duration::from_secs(seconds);
    Ok(TcpKeepalive::new().with_time(rounded).with_interval(rounded))
}

/// Treats a non-blocking connect that is in progress as a success.
fn begun(connected: io::Result<()>) -> io::Result<()> {
    match connected {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => Ok(()),
        done => done,
    }
}

/// Converts a path to a socket address. Refuses an empty path, for which Linux would pick an abstract address.
pub(super) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.len() > MAX_UNIX_PATH || bytes.contains(&0) {
        let text = format!("a Unix path has 1 to {MAX_UNIX_PATH} bytes and no NUL byte");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    SockAddr::unix(path)
}

#[cfg(test)]
mod tests;
