//! The pipes of a child: its standard input and output as one stream.
//!
//! Invariant: the end of the child's input is no failure of the stream. What is written after it is dropped, and the
//! output of the child is still read.

use std::io::{self, ErrorKind, Read, Write};

use mio::event::Source;
use mio::unix::pipe;
use mio::{Interest, Registry, Token};

use crate::connection::pipe::Pipe;

/// Our ends of the pipes of a child, or their simulation.
///
/// Only our ends are non-blocking. Each end of a pipe has an open file description of its own, so the child's ends stay
/// blocking (pipe(7)).
#[derive(Debug)]
pub(crate) enum ChildStream {
    /// `stdin` is `None` if the child reads a file or nothing, or nothing more.
    Pipes { stdin: Option<pipe::Sender>, stdout: pipe::Receiver },
    /// A child of a [`Sim`](crate::Sim).
    Simulated { pipe: Pipe, has_stdin: bool },
}

impl ChildStream {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            ChildStream::Pipes { stdout, .. } => stdout.read(buffer),
            ChildStream::Simulated { pipe, .. } => pipe.read(buffer),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            ChildStream::Pipes { stdin: Some(stdin), .. } => stdin.write(bytes),
            ChildStream::Simulated { pipe, has_stdin: true } => pipe.write(bytes),
            ChildStream::Pipes { stdin: None, .. } | ChildStream::Simulated { has_stdin: false, .. } => Ok(bytes.len()),
        };
        match written {
            // EPIPE: the child has exited or closed its standard input.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.end_stdin();
                Ok(bytes.len())
            }
            written => written,
        }
    }

    /// Ends the input of the child.
    pub(crate) fn end_stdin(&mut self) {
        match self {
            ChildStream::Pipes { stdin, .. } => *stdin = None,
            ChildStream::Simulated { pipe, has_stdin } => {
                pipe.shutdown_write();
                *has_stdin = false;
            }
        }
    }
}

/// Both pipes have the same token. The interest does not matter: writable edges are always registered.
impl Source for ChildStream {
    fn register(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        let ChildStream::Pipes { stdin, stdout } = self else { return Ok(()) };
        if let Some(stdin) = stdin {
            registry.register(stdin, token, Interest::WRITABLE)?;
        }
        registry.register(stdout, token, Interest::READABLE)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        match self {
            ChildStream::Pipes { stdin: Some(stdin), .. } => registry.reregister(stdin, token, Interest::WRITABLE),
            ChildStream::Pipes { stdin: None, .. } | ChildStream::Simulated { .. } => Ok(()),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let ChildStream::Pipes { stdin, stdout } = self else { return Ok(()) };
        if let Some(stdin) = stdin {
            registry.deregister(stdin)?;
        }
        registry.deregister(stdout)
    }
}
