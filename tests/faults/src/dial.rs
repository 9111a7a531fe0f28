//! Connections of those who abuse a server: blocking, and never for ever.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;
use switchboard_harness::connect;

use crate::kind::Kind;

/// How long a client waits for anything.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The smallest receive buffer that Linux gives, about.
const NARROW: usize = 2048;

/// Whether a client takes in much before it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// As much as the system gives.
    Usual,
    /// As little as can be.
    Narrow,
}

/// A connection with time-outs.
pub(crate) fn dial(target: SocketAddr, window: Window) -> io::Result<TcpStream> {
    let socket = connect(&target.into(), TIMEOUT, |socket| match window {
        Window::Narrow => socket.set_recv_buffer_size(NARROW),
        Window::Usual => Ok(()),
    })?;
    Ok(TcpStream::from(socket))
}

/// A connection from the address `source`, with time-outs.
pub(crate) fn dial_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let source = SocketAddr::from((source, 0));
    Ok(TcpStream::from(connect(&target.into(), TIMEOUT, |socket| socket.bind(&source.into()))?))
}

/// Connects, and opens a WebSocket at a web door, without waiting for an answer.
pub(crate) fn open((target, kind): (SocketAddr, Kind), window: Window) -> io::Result<TcpStream> {
    let mut stream = dial(target, window)?;
    stream.write_all(&kind.opening(target))?;
    Ok(stream)
}

/// Connects and sends a nickname where nicknames are chosen, without waiting for the welcome.
pub(crate) fn knock((target, kind): (SocketAddr, Kind), name: &str, window: Window) -> io::Result<TcpStream> {
    let mut stream = open((target, kind), window)?;
    if kind.is_room() {
        stream.write_all(&kind.message(name))?;
    }
    Ok(stream)
}

/// Waits for the welcome, where there is one.
pub(crate) fn welcomed(mut stream: TcpStream, kind: Kind) -> io::Result<TcpStream> {
    match kind {
        Kind::Chat => drop(read_until(&mut stream, b" here.\n")?),
        Kind::Web => drop(read_until(&mut stream, b"\"has_gap\":")?),
        _ => {}
    }
    Ok(stream)
}

/// Reads until something has come, not a byte further unless it came in the same read.
pub(crate) fn read_until(stream: &mut TcpStream, end: &[u8]) -> io::Result<Vec<u8>> {
    let (mut got, mut buffer, mut searched) = (Vec::new(), [0; 4096], 0);
    while !got[searched..].windows(end.len()).any(|window| window == end) {
        // The end may have begun already.
        searched = got.len().saturating_sub(end.len());
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            let text = format!("closed before it said {:?}", end.escape_ascii().to_string());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        got.extend_from_slice(&buffer[..count]);
    }
    Ok(got)
}

/// Reads and forgets what is there. The stream does not block from now on.
///
/// # Errors
/// The server has ended the connection.
pub(crate) fn discard(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a client that reads was closed")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Vanishes with a reset instead of an orderly end.
pub(crate) fn reset(stream: TcpStream) {
    // Fails when the connection is gone already, which is as well.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok();
    drop(stream);
}
