//! The least that a room can do: one log that all members share, a cursor a member, one write a member a turn.
//!
//! Every byte that anyone sends goes to every member, its sender too. No names, no lines, no queue: a member that falls
//! a whole log behind is dropped. It is a yardstick, not a server to run.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use clap::Args;

use crate::kernel::{self, Epoll, Events, READABLE, Ready, WRITABLE};

/// How to serve.
#[derive(Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 picks one
    port: u16,
}

/// The token of the listener; members have their descriptor's number, which is never this.
const LISTENER: usize = usize::MAX;

/// Serves until the process is ended.
pub(crate) fn serve(options: &Options) -> io::Result<()> {
    switchboard_harness::allow_descriptors(0, u64::MAX)?;
    let listener = kernel::listen(options.port, 4096)?;
    println!("listening on {}", listener.local_addr()?);
    let epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER, READABLE)?;

    let mut room = Room { epoll, log: Log::new(), members: Vec::new() };
    let mut buffer = vec![0; 64 * 1024];
    let mut events = Events::with_capacity(1024);
    loop {
        room.epoll.wait(&mut events, None)?;
        let before = room.log.end;
        for ready in events.iter() {
            if ready.token == LISTENER {
                while let Ok(stream) = kernel::accept(&listener) {
                    room.admit(stream)?;
                }
            } else if room.turn(&ready, &mut buffer).is_err() {
                room.members[ready.token] = None;
            }
        }
        if room.log.end != before {
            room.flush();
        }
    }
}

struct Room {
    epoll: Epoll,
    log: Log,
    /// By descriptor number, which the kernel keeps dense.
    members: Vec<Option<Member>>,
}

struct Member {
    stream: TcpStream,
    /// How much of the log this member has been sent, counted from the log's first byte ever.
    cursor: u64,
    /// Told when the kernel takes bytes again.
    waits: bool,
}

impl Room {
    fn admit(&mut self, stream: TcpStream) -> io::Result<()> {
        let fd = stream.as_raw_fd() as usize;
        self.epoll.add(&stream, fd, READABLE)?;
        if self.members.len() <= fd {
            self.members.resize_with(fd + 1, || None);
        }
        self.members[fd] = Some(Member { stream, cursor: self.log.end, waits: false });
        Ok(())
    }

    fn turn(&mut self, ready: &Ready, buffer: &mut [u8]) -> io::Result<()> {
        let Some(member) = &mut self.members[ready.token] else {
            return Ok(());
        };
        if ready.writable {
            member.flush(&self.log, &self.epoll)?;
        }
        if ready.readable {
            match kernel::read(&member.stream, buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.log.append(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        // Newest first: the load's publishers come last, and can go on while the others are still being served.
        for seat in self.members.iter_mut().rev() {
            if let Some(member) = seat
                && member.flush(&self.log, &self.epoll).is_err()
            {
                *seat = None;
            }
        }
    }
}

impl Member {
    fn flush(&mut self, log: &Log, epoll: &Epoll) -> io::Result<()> {
        let fd = self.stream.as_raw_fd() as usize;
        while self.cursor < log.end {
            let news = log.since(self.cursor).ok_or(io::ErrorKind::TimedOut)?;
            match kernel::write(&self.stream, news) {
                Ok(count) => self.cursor += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.waits {
                        epoll.modify(&self.stream, fd, READABLE | WRITABLE)?;
                        self.waits = true;
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if self.waits {
            epoll.modify(&self.stream, fd, READABLE)?;
            self.waits = false;
        }
        Ok(())
    }
}

/// The last [`Log::CAPACITY`] bytes that were said in the room.
struct Log {
    ring: Box<[u8]>,
    /// How many bytes were ever appended.
    end: u64,
}

impl Log {
    const CAPACITY: usize = 4 << 20;

    fn new() -> Log {
        Log { ring: vec![0; Log::CAPACITY].into_boxed_slice(), end: 0 }
    }

    /// `bytes` is at most one read, far below the capacity.
    fn append(&mut self, bytes: &[u8]) {
        let at = (self.end % Log::CAPACITY as u64) as usize;
        let first = bytes.len().min(Log::CAPACITY - at);
        self.ring[at..at + first].copy_from_slice(&bytes[..first]);
        self.ring[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        self.end += bytes.len() as u64;
    }

    /// What follows `cursor`, up to the ring's seam. None if it has been overwritten.
    fn since(&self, cursor: u64) -> Option<&[u8]> {
        let behind = usize::try_from(self.end - cursor).ok().filter(|behind| *behind <= Log::CAPACITY)?;
        let at = (cursor % Log::CAPACITY as u64) as usize;
        Some(&self.ring[at..(at + behind).min(Log::CAPACITY)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that follows `cursor`, in as many pieces as the seam makes.
    fn collect(log: &Log, mut cursor: u64) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        while cursor < log.end {
            let piece = log.since(cursor)?;
            cursor += piece.len() as u64;
            all.extend_from_slice(piece);
        }
        Some(all)
    }

    #[test]
    fn a_cursor_reads_across_the_seam() {
        let mut log = Log::new();
        log.end = Log::CAPACITY as u64 - 3;
        let cursor = log.end;
        log.append(b"abcdef");
        assert_eq!(collect(&log, cursor).as_deref(), Some(&b"abcdef"[..]));
    }

    #[test]
    fn a_cursor_that_was_overtaken_has_nothing_to_read() {
        let mut log = Log::new();
        log.end = Log::CAPACITY as u64;
        assert_eq!(log.since(0).map(<[u8]>::len), Some(Log::CAPACITY));
        log.append(b"x");
        assert!(log.since(0).is_none());
    }
}
