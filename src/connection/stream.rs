//! The streams of connections: sockets of each kind, the pipes of a child, and the simulated one.
//!
//! Invariant: no call blocks. A stream can be read, written, half-closed and registered. It keeps no state of its
//! connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::os::fd::AsFd;

use mio::event::Source;
use mio::{Interest, Registry, net};
use rustix::net::{RecvFlags, recv};

use crate::connection::child::ChildStream;
use crate::connection::handshake::{HandshakeError, Progress};
use crate::connection::pipe::Pipe;
#[cfg(feature = "tls")]
use crate::connection::tls::TlsStream;
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
    /// TLS over one of the streams above.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
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
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => return tls.read(buffer),
            Stream::Traced(traced) => return traced.read(buffer),
        };
        Ok(if count == 0 { Received::Eof } else { Received::Bytes(count) })
    }

    /// Copies what a read of the transport would return, and leaves it to be read. Returns 0 at the end of input.
    pub(crate) fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.transport() {
            Stream::Tcp(stream) => peek(stream, buffer),
            Stream::Unix(stream) => peek(stream, buffer),
            Stream::Simulated(pipe) => pipe.peek(buffer),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The socket itself, without the layers above it.
    pub(crate) fn transport(&mut self) -> &mut Stream {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.inner.transport(),
            Stream::Traced(traced) => traced.inner.transport(),
            transport => transport,
        }
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
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.write(bytes),
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
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.write_vectored(pieces),
            Stream::Traced(traced) => traced.write_vectored(pieces),
        }
    }

    /// Shuts down our side.
    ///
    /// # Errors
    /// `WouldBlock` if the end is announced by a message that the kernel does not take now. Call it again then.
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
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.shutdown_write(),
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
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => return tls.inner.is_connected(),
            Stream::Traced(traced) => return traced.inner.is_connected(),
        };
        match (error, peer) {
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (Some(error), _) | (None, Err(error)) => Err(error),
        }
    }

    /// Takes the error that the kernel has noted for a socket, such as a reset.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub(crate) fn take_error(&mut self) -> io::Result<Option<io::Error>> {
        match self {
            Stream::Unconnected | Stream::Child(_) => Ok(None),
            Stream::Tcp(stream) => stream.take_error(),
            Stream::Unix(stream) => stream.take_error(),
            Stream::Udp(socket) => socket.take_error(),
            Stream::Simulated(pipe) => Ok(pipe.error()),
            Stream::Traced(traced) => traced.inner.take_error(),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.inner.take_error(),
        }
    }

    /// Whether there is input of a socket that was not read. It is looked at, and stays where it is.
    pub(crate) fn has_unread(&mut self) -> bool {
        match self {
            Stream::Unconnected | Stream::Child(_) => false,
            Stream::Tcp(stream) => peeks(stream),
            Stream::Unix(stream) => peeks(stream),
            Stream::Udp(socket) => peeks(socket),
            Stream::Simulated(pipe) => pipe.has_unread(),
            Stream::Traced(traced) => traced.inner.has_unread(),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.has_unread(),
        }
    }

    /// Whether each write is one datagram.
    pub(crate) fn is_datagram(&self) -> bool {
        match self {
            Stream::Udp(_) => true,
            Stream::Traced(traced) => traced.inner.is_datagram(),
            #[cfg(feature = "tls")]
            Stream::Tls(_) => false,
            Stream::Unconnected | Stream::Tcp(_) | Stream::Unix(_) | Stream::Child(_) | Stream::Simulated(_) => false,
        }
    }

    /// Whether the stream carries TLS, which begins with a handshake and ends with a message.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(_) => true,
            Stream::Traced(traced) => traced.inner.is_tls(),
            _ => false,
        }
    }

    /// The address of this machine that the peer has connected to.
    #[cfg(feature = "http")]
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.inner.local_address(),
            Stream::Traced(traced) => traced.inner.local_address(),
            _ => None,
        }
    }

    /// The application protocol of the handshake, if it is complete and has agreed on one.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.alpn(),
            Stream::Traced(traced) => traced.inner.alpn(),
            _ => None,
        }
    }

    /// Does as much of the handshake as the kernel allows.
    pub(crate) fn handshake(&mut self) -> Result<Progress, HandshakeError> {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.handshake(),
            Stream::Traced(traced) => traced.inner.handshake(),
            _ => Ok(Progress::Done),
        }
    }

    /// Whether a read that does not fill the buffer proves nothing about the socket.
    #[inline]
    pub(crate) fn hides_input(&self) -> bool {
        match self {
            Stream::Udp(_) => true,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.hides_input(),
            Stream::Traced(traced) => traced.inner.hides_input(),
            _ => false,
        }
    }

    /// Whether a message of the stream itself, not of the handler, waits for the kernel.
    pub(crate) fn has_answer(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.has_answer(),
            Stream::Traced(traced) => traced.inner.has_answer(),
            _ => false,
        }
    }

    /// Sends what the stream itself has for the peer, after all output was written.
    ///
    /// # Errors
    /// `WouldBlock` if the kernel does not take all of it.
    #[inline]
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.flush(),
            Stream::Traced(traced) => traced.inner.flush(),
            _ => Ok(()),
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
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.inner.source(),
            Stream::Traced(traced) => traced.inner.source(),
        }
    }
}

fn peeks(socket: &impl AsFd) -> bool {
    peek(socket, &mut [0; 1]).is_ok_and(|count| count > 0)
}

fn peek(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT)?.1)
}

/// The bytes of all pieces, for a transport that takes them only in one.
pub(crate) fn joined(pieces: &[IoSlice<'_>]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.iter().copied()).collect()
}
