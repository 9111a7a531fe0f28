//! The streams of connections: sockets of each kind, the pipes of a child, and the simulated one.
//!
//! Invariant: no call blocks. A stream can be read, written, half-closed and registered. It keeps no state of its
//! connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::{Interest, Registry, net};

use crate::connection::child::ChildStream;
use crate::connection::pipe::Pipe;
use crate::connection::traced::TracedStream;

/// A non-blocking socket, the pipes of a child, or their simulation.
#[derive(Debug)]
pub(crate) enum Stream {
    /// None yet, of an outbound connection.
    Unconnected,
    /// A TCP connection.
    Tcp(net::TcpStream),
    /// A connection to a Unix socket.
    Unix(net::UnixStream),
    /// A connected UDP socket. Each read and each write is one datagram, and there is no end of input.
    Udp(net::UdpSocket),
    /// The standard input and output of a child. Boxed, since most connections are sockets.
    Child(Box<ChildStream>),
    /// A peer of a [`Sim`](crate::Sim).
    Simulated(Pipe),
    /// A stream whose reads and writes are logged.
    Traced(Box<TracedStream>),
}

/// What a read returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// This number of bytes. It is 0 for an empty datagram.
    Bytes(usize),
    /// The end of input.
    Eof,
}

impl Stream {
    #[inline]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let count = match self {
            Stream::Unconnected => return Err(io::ErrorKind::NotConnected.into()),
            Stream::Tcp(stream) => stream.read(buffer)?,
            Stream::Unix(stream) => stream.read(buffer)?,
            Stream::Udp(socket) => return socket.recv(buffer).map(Received::Bytes),
            Stream::Child(child) => child.read(buffer)?,
            Stream::Simulated(pipe) => pipe.read(buffer)?,
            Stream::Traced(traced) => return traced.read(buffer),
        };
        Ok(if count == 0 { Received::Eof } else { Received::Bytes(count) })
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unconnected => Err(io::ErrorKind::NotConnected.into()),
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Udp(socket) => socket.send(bytes),
            Stream::Child(child) => child.write(bytes),
            Stream::Simulated(pipe) => pipe.write(bytes),
            Stream::Traced(traced) => traced.write(bytes),
        }
    }

    /// Writes several pieces in one call. Over UDP, they are one datagram.
    pub(crate) fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Unconnected => Err(io::ErrorKind::NotConnected.into()),
            Stream::Tcp(stream) => stream.write_vectored(pieces),
            Stream::Unix(stream) => stream.write_vectored(pieces),
            Stream::Udp(socket) => socket.send(&joined(pieces)),
            Stream::Child(child) => child.write(&joined(pieces)),
            Stream::Simulated(pipe) => {
                let mut written = 0;
                for piece in pieces {
                    match pipe.write(piece) {
                        Ok(count) => {
                            written += count;
                            if count < piece.len() {
                                break;
                            }
                        }
                        Err(_) if written > 0 => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(written)
            }
            Stream::Traced(traced) => traced.write_vectored(pieces),
        }
    }

    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unconnected | Stream::Udp(_) => Ok(()),
            Stream::Child(child) => {
                child.end_stdin();
                Ok(())
            }
            Stream::Simulated(pipe) => {
                pipe.shutdown_write();
                Ok(())
            }
            Stream::Traced(traced) => traced.inner.shutdown_write(),
        }
    }

    /// Whether an outbound connection is established. Returns the error of an attempt that has failed.
    pub(crate) fn is_connected(&mut self) -> io::Result<bool> {
        let (error, peer) = match self {
            Stream::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            Stream::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            Stream::Udp(_) | Stream::Child(_) | Stream::Simulated(_) => return Ok(true),
            Stream::Unconnected => return Ok(false),
            Stream::Traced(traced) => return traced.inner.is_connected(),
        };
        match (error, peer) {
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (Some(error), _) | (None, Err(error)) => Err(error),
        }
    }

    /// Whether each write is one datagram.
    pub(crate) fn is_datagram(&self) -> bool {
        match self {
            Stream::Udp(_) => true,
            Stream::Traced(traced) => traced.inner.is_datagram(),
            Stream::Unconnected | Stream::Tcp(_) | Stream::Unix(_) | Stream::Child(_) | Stream::Simulated(_) => false,
        }
    }

    /// Registers the stream at the poll, which reports its edges with `token` from now on.
    pub(crate) fn register(&mut self, registry: &Registry, token: mio::Token, interest: Interest) -> io::Result<()> {
        match self.source() {
            Some(source) => registry.register(source, token, interest),
            None => Ok(()),
        }
    }

    /// Changes the interest. The kernel checks the current state again, so no edge is missed.
    pub(crate) fn reregister(&mut self, registry: &Registry, token: mio::Token, interest: Interest) -> io::Result<()> {
        match self.source() {
            Some(source) => registry.reregister(source, token, interest),
            None => Ok(()),
        }
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(stream) => Some(stream),
            Stream::Udp(socket) => Some(socket),
            Stream::Child(child) => Some(&mut **child),
            Stream::Unconnected | Stream::Simulated(_) => None,
            Stream::Traced(traced) => traced.inner.source(),
        }
    }
}

/// The bytes of all pieces, for a transport that takes them only in one.
pub(crate) fn joined(pieces: &[IoSlice<'_>]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.iter().copied()).collect()
}
