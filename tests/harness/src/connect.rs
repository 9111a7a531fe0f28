//! The client's side of a connection.

use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::time::Duration;

/// Connects a blocking socket without Nagle's delay. No call on it takes longer than `timeout`.
///
/// `tune` gets the socket before it is connected.
pub fn connect(
    target: &SockAddr,
    timeout: Duration,
    tune: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<Socket> {
    let socket = Socket::new(target.domain(), Type::STREAM, None)?;
    tune(&socket)?;
    if target.domain() == Domain::UNIX {
        // A non-blocking connect, which a time-out needs, fails if the queue of a Unix socket is full.
        socket.connect(target)?;
    } else {
        socket.connect_timeout(target, timeout)?;
        socket.set_tcp_nodelay(true)?;
    }
    socket.set_read_timeout(Some(timeout))?;
    socket.set_write_timeout(Some(timeout))?;
    Ok(socket)
}
