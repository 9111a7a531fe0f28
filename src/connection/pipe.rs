//! A simulated socket: two byte queues, a window, and the edges that a kernel would report.
//!
//! It behaves as Linux does, as far as the reactor and handlers can observe. A read returns the bytes that have
//! arrived. After the last byte of a peer that has ended its side, a read returns EOF. After a reset, reads and writes
//! fail at once. A write beyond the window is refused, and an edge is reported when the window opens.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::edge::Edge;

/// How the server ended its side of a simulated connection, as the peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The server has shut down its side, or closed it after the peer ended.
    Eof,
    /// The server closed with input unread, or without a shutdown. A real peer could have lost bytes.
    Reset,
}

/// Both directions of one simulated connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that a peer can do by itself")]
pub(crate) struct Wires {
    pub(crate) to_server: VecDeque<u8>,
    pub(crate) from_server: Vec<u8>,
    /// The number of bytes that the peer still takes.
    pub(crate) window: usize,
    /// The largest number of bytes that one write takes.
    pub(crate) chunk: usize,
    pub(crate) peer_ended: bool,
    pub(crate) peer_reset: bool,
    /// The peer takes nothing more: a child has closed its standard input, or a client of a Unix socket has closed.
    pub(crate) is_deaf: bool,
    /// A write was refused, and the window has not opened since.
    refused: bool,
    pub(crate) ending: Option<Ending>,
    pub(crate) edge: Option<Edge>,
}

impl Wires {
    /// Reports an edge. It is merged with an edge that was not taken yet.
    pub(crate) fn raise(&mut self, edge: Edge) {
        let old = self.edge.unwrap_or_default();
        self.edge = Some(Edge {
            readable: old.readable | edge.readable,
            writable: old.writable | edge.writable,
            read_closed: old.read_closed | edge.read_closed,
            write_closed: old.write_closed | edge.write_closed,
            urgent: false,
        });
    }

    /// Opens the window by `count` bytes.
    pub(crate) fn widen(&mut self, count: usize) {
        self.window = self.window.saturating_add(count);
        if count > 0 && std::mem::take(&mut self.refused) {
            self.raise(Edge { writable: true, ..Edge::default() });
        }
    }
}

/// The peer's end of a simulated connection.
#[derive(Clone, Debug)]
pub(crate) struct PeerEnd(Arc<Mutex<Wires>>);

/// The server's end, which a [`Stream`](crate::connection::stream::Stream) reads and writes. Dropping it closes the
/// socket.
#[derive(Debug)]
pub(crate) struct Pipe(Arc<Mutex<Wires>>);

/// Creates a simulated connection and returns its two ends.
pub(crate) fn pipe() -> (PeerEnd, Pipe) {
    let wires = Arc::new(Mutex::new(Wires {
        to_server: VecDeque::new(),
        from_server: Vec::new(),
        window: usize::MAX,
        chunk: usize::MAX,
        peer_ended: false,
        peer_reset: false,
        is_deaf: false,
        refused: false,
        ending: None,
        edge: None,
    }));
    (PeerEnd(wires.clone()), Pipe(wires))
}

fn lock(wires: &Mutex<Wires>) -> MutexGuard<'_, Wires> {
    wires.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PeerEnd {
    pub(crate) fn wires(&self) -> MutexGuard<'_, Wires> {
        lock(&self.0)
    }
}

impl Pipe {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wires = lock(&self.0);
        if wires.peer_reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = wires.to_server.len().min(buffer.len());
        if count == 0 && !wires.peer_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (to, from) in buffer.iter_mut().zip(wires.to_server.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    /// Copies what a read would return, and leaves it to be read.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let wires = lock(&self.0);
        if wires.peer_reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let count = wires.to_server.len().min(buffer.len());
        if count == 0 && !wires.peer_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (to, from) in buffer.iter_mut().zip(&wires.to_server) {
            *to = *from;
        }
        Ok(count)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wires = lock(&self.0);
        if wires.peer_reset || wires.is_deaf || wires.ending.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(wires.window).min(wires.chunk);
        wires.refused |= count < bytes.len();
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        wires.window -= if wires.window == usize::MAX { 0 } else { count };
        wires.from_server.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// The error that a kernel would note.
    pub(crate) fn error(&self) -> Option<io::Error> {
        lock(&self.0).peer_reset.then(|| ErrorKind::ConnectionReset.into())
    }

    pub(crate) fn has_unread(&self) -> bool {
        !lock(&self.0).to_server.is_empty()
    }

    pub(crate) fn shutdown_write(&mut self) {
        lock(&self.0).ending.get_or_insert(Ending::Eof);
    }

    pub(crate) fn reset(&mut self) {
        lock(&self.0).ending.get_or_insert(Ending::Reset);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut wires = lock(&self.0);
        if !wires.to_server.is_empty() {
            wires.ending = Some(Ending::Reset);
        }
        // A peer that has ended its side sends nothing more that a kernel would answer with a reset.
        let ending = if wires.peer_ended { Ending::Eof } else { Ending::Reset };
        wires.ending.get_or_insert(ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_takes_no_bytes_and_refuses_one() {
        let (peer, mut server) = pipe();
        peer.wires().window = 0;
        assert_eq!(server.write(b"").ok(), Some(0));
        assert_eq!(server.write(b"x").map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    }
}
