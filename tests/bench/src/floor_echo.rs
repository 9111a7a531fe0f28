//! The least that an echo server can do: the figure that no server on this system can beat by much.
//!
//! Level-triggered epoll, one buffer for all, one read and one write a message, and memory only for what the kernel
//! refused. It has no limits, no timers, no log and no way to stop: it is a yardstick, not a server to run.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use clap::Args;

use crate::handler::Handler;
use crate::kernel::{self, Epoll, Events, READABLE, WRITABLE};

/// How to serve.
#[derive(Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 picks one
    port: u16,
    /// What to do with the bytes
    #[arg(long, value_enum, default_value = "echo")]
    handler: Handler,
}

/// The token of the listener; connections have their descriptor's number, which is never this.
const LISTENER: usize = usize::MAX;

/// Serves until the process is ended.
pub(crate) fn serve(options: &Options) -> io::Result<()> {
    switchboard_harness::allow_descriptors(0, u64::MAX)?;
    let listener = kernel::listen(options.port, 1024)?;
    println!("listening on {}", listener.local_addr()?);
    let epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER, READABLE)?;

    let mut lines: Vec<Option<Line>> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut events = Events::with_capacity(1024);
    loop {
        epoll.wait(&mut events, None)?;
        for ready in events.iter() {
            if ready.token == LISTENER {
                while let Ok(stream) = kernel::accept(&listener) {
                    let fd = stream.as_raw_fd() as usize;
                    epoll.add(&stream, fd, READABLE)?;
                    if lines.len() <= fd {
                        lines.resize_with(fd + 1, || None);
                    }
                    lines[fd] = Some(Line { stream, refused: None });
                }
            } else if let Some(line) = &mut lines[ready.token]
                && line.turn(&epoll, &mut buffer, options.handler).is_err()
            {
                lines[ready.token] = None;
            }
        }
    }
}

/// A connection, and what the kernel would not take of its answer.
struct Line {
    stream: TcpStream,
    refused: Option<Box<Refused>>,
}

struct Refused {
    bytes: Vec<u8>,
    written: usize,
}

impl Line {
    /// Either writes what is left over or answers what came: the two never wait at the same time.
    fn turn(&mut self, epoll: &Epoll, buffer: &mut [u8], handler: Handler) -> io::Result<()> {
        match self.refused {
            None => self.answer(epoll, buffer, handler),
            Some(_) => self.write_refused(epoll),
        }
    }

    fn answer(&mut self, epoll: &Epoll, buffer: &mut [u8], handler: Handler) -> io::Result<()> {
        let received = match kernel::read(&self.stream, buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            other => other?,
        };
        let reply = &mut buffer[..received];
        handler.apply(reply);
        let written = accepted(kernel::write(&self.stream, reply))?;
        if written < received {
            self.refused = Some(Box::new(Refused { bytes: reply[written..].to_vec(), written: 0 }));
            epoll.modify(&self.stream, self.stream.as_raw_fd() as usize, WRITABLE)?;
        }
        Ok(())
    }

    fn write_refused(&mut self, epoll: &Epoll) -> io::Result<()> {
        let Some(refused) = &mut self.refused else {
            return Ok(());
        };
        refused.written += accepted(kernel::write(&self.stream, &refused.bytes[refused.written..]))?;
        if refused.written == refused.bytes.len() {
            self.refused = None;
            epoll.modify(&self.stream, self.stream.as_raw_fd() as usize, READABLE)?;
        }
        Ok(())
    }
}

/// A full socket took nothing; that is no error.
fn accepted(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
