//! Files in the output: a range of a file that waits in an [`Outbox`](crate::connection::outbox::Outbox), and how a
//! stream sends it.
//!
//! A socket gets the bytes from the page cache by sendfile(2), without a copy in this process. Other streams get them
//! by read and write. Invariant: the offset of an open file is never moved, since many connections may send the same
//! file. A read of a disk is not avoided: if the bytes are not in the page cache, the loop waits for the disk.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use socket2::SockRef;

use crate::connection::stream::Stream;

/// Bytes that are read at a time for a stream without sendfile(2). 16 KiB: the most that one record of TLS holds.
const READ_SIZE: usize = 16 * 1024;

/// A part of a file that is not sent yet.
#[derive(Debug)]
pub(crate) struct FilePiece {
    pub(crate) file: Arc<File>,
    /// The unsent range. It is never empty.
    pub(crate) range: Range<u64>,
    /// The position in the stream of the outbox's bytes. The bytes before it are sent first.
    pub(crate) at: u64,
}

impl FilePiece {
    /// The number of unsent bytes.
    pub(crate) fn left(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Sends at most `most` bytes, which must not be 0, or up to a sixteenth more if that is the rest. Returns the
    /// number of bytes that the stream has taken. The range stays as it is.
    ///
    /// # Errors
    /// Those of the stream and of the file. [`ErrorKind::UnexpectedEof`] if the file ends before the range.
    pub(crate) fn send(&self, stream: &mut Stream, most: usize) -> io::Result<usize> {
        // Without a little more than `most`, the last few bytes of a file would take a turn of their own.
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let most = if left <= most.saturating_add(most / 16) { left } else { most };
        match stream.send_file(&self.file, self.range.start, most)? {
            0 => {
                let text = format!("the file ends {} bytes early: it was truncated while it was sent", self.left());
                Err(io::Error::new(ErrorKind::UnexpectedEof, text))
            }
            count => Ok(count),
        }
    }
}

impl Stream {
    /// The socket, if bytes that are written to it leave as they are.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Tcp(stream) => Some(stream.as_fd()),
            Stream::Unix(stream) => Some(stream.as_fd()),
            _ => None,
        }
    }

    /// Writes bytes that a file follows at once. TCP may wait for the file to fill its segment (`MSG_MORE`, send(2)).
    pub(crate) fn write_before_file(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket() {
            Some(socket) => Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?),
            None => self.write(bytes),
        }
    }

    /// Sends at most `most` bytes of a file from `offset` on. Returns the number of bytes taken, or 0 if the file ends
    /// at `offset`.
    fn send_file(&mut self, file: &File, mut offset: u64, most: usize) -> io::Result<usize> {
        let Some(socket) = self.socket() else { return self.copy_file(file, offset, most) };
        match sendfile(socket, file, Some(&mut offset), most) {
            // Some file systems, such as /proc, have no sendfile.
            Err(Errno::INVAL) => self.copy_file(file, offset, most),
            sent => Ok(sent?),
        }
    }

    /// Does what [`send_file`](Self::send_file) does by a read and a write.
    fn copy_file(&mut self, file: &File, offset: u64, most: usize) -> io::Result<usize> {
        let mut buffer = [0; READ_SIZE];
        let count = file.read_at(&mut buffer[..most.min(READ_SIZE)], offset)?;
        if count == 0 { Ok(0) } else { self.write(&buffer[..count]) }
    }

    /// Makes the end of the stream a reset, so that the peer cannot take a part of a file for the whole. A Unix socket
    /// has no reset.
    pub(crate) fn reset_on_drop(&mut self) {
        match self {
            Stream::Tcp(stream) => {
                // If this fails, the peer is gone already.
                let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            }
            Stream::Simulated(pipe) => pipe.reset(),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.inner.reset_on_drop(),
            Stream::Traced(traced) => traced.inner.reset_on_drop(),
            _ => {}
        }
    }
}
