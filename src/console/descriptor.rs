//! Descriptors 0, 1 and 2, for a single-threaded loop that must never wait for them.
//!
//! Invariant: `O_NONBLOCK` is never set on a descriptor that this process has inherited. The flag is part of the open
//! file description, which the shell and its other children share. Setting it breaks their terminal, even after this
//! process has ended. Instead, terminals and pipes are reopened, which creates a separate description. Sockets are used
//! with `MSG_DONTWAIT`. Files never wait. Any other descriptor is polled before each call.
//!
//! Deliberately not here: lines and operators ([`console`](crate::console)), and a queue of output. If the system does
//! not accept all bytes, the caller keeps the rest, or lets [`LossyWriter`] drop and count it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mio::event::Source as _;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, major, minor};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags};

use crate::console::job_control;

/// The kind of a descriptor, which decides how to read and write it without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A terminal, real or pseudo.
    Terminal,
    /// A pipe or a named FIFO.
    Pipe,
    /// A socket of any family.
    Socket,
    /// A regular file. It never waits, and epoll(7) refuses it.
    File,
    /// `/dev/null`. The Rust runtime opens it in place of a closed standard descriptor.
    Null,
    /// A directory. It opens, but can be neither read nor written.
    Directory,
    /// Another device, or something without a file type, such as an eventfd.
    Other,
}

impl Kind {
    /// Classifies `fd`.
    ///
    /// # Errors
    ///
    /// Those of fstat(2), if `fd` is closed.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = fstat(fd)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => Self::Pipe,
            FileType::Socket => Self::Socket,
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::CharacterDevice if is_device(stat.st_rdev, 1, 3) => Self::Null,
            FileType::CharacterDevice if rustix::termios::isatty(fd) => Self::Terminal,
            _ => Self::Other,
        })
    }
}

/// Reopens the pipe or terminal behind `fd` for `access` (`RDONLY`, `WRONLY` or `RDWR`). The result has a separate open
/// file description with `O_NONBLOCK`.
///
/// Not for files: a reopened file has a separate offset, so writes through `fd` would be overwritten.
///
/// # Errors
///
/// Those of open(2) on `/proc/self/fd/N`. `EACCES`: the pipe or terminal belongs to another user, as in a container or
/// under `su`. `ENXIO`: `fd` is a socket, or a FIFO without a reader. `ENOENT`: `/proc` is missing, or shows another
/// process. `EBADF`: `fd` was not opened for `access`.
pub(crate) fn reopen(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let granted = fcntl_getfl(fd)? & OFlags::RWMODE;
    if granted != OFlags::RDWR && granted != access {
        return Err(Errno::BADF.into());
    }
    let before = fstat(fd)?;
    // Linux: the master of a pseudo-terminal is a terminal too, but opening it creates a new pair.
    if is_device(before.st_rdev, 5, 2) {
        return Err(Errno::NXIO.into());
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let own = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    let after = fstat(&own)?;
    if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino) {
        return Err(Errno::NOENT.into());
    }
    Ok(own)
}

/// Standard output or standard error as a stream that never waits.
#[derive(Debug)]
pub(crate) struct OutputStream {
    descriptor: Descriptor,
    is_terminal: bool,
}

impl OutputStream {
    /// Opens standard output.
    ///
    /// # Errors
    ///
    /// Those of [`OutputStream::from_fd`].
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::from_fd(rustix::stdio::stdout())
    }

    /// Opens standard error.
    ///
    /// # Errors
    ///
    /// Those of [`OutputStream::from_fd`].
    pub(crate) fn stderr() -> io::Result<Self> {
        Self::from_fd(rustix::stdio::stderr())
    }

    /// Opens any descriptor for writing. The caller keeps `fd`, unchanged, and may close it.
    ///
    /// # Errors
    ///
    /// If `fd` is closed, or no descriptor is left for the copy.
    pub(crate) fn from_fd(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let is_terminal = Kind::of(fd)? == Kind::Terminal;
        Ok(Self { descriptor: Descriptor::open(fd, OFlags::WRONLY)?, is_terminal })
    }

    /// Writes as many bytes as the system accepts without waiting. Returns their number.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: the stream is full, or stopped by Ctrl-S. Nothing was written, and an event follows if the stream
    /// is registered ([`OutputStream::register`]). `BrokenPipe`: the reader is gone. Otherwise those of write(2).
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.descriptor.write(bytes)
    }

    /// Whether the stream is a terminal that wants no output from this process now.
    fn is_muted(&self) -> bool {
        self.is_terminal && job_control::is_muted(&self.descriptor)
    }

    /// Requests an event under `token` when the stream is writable again after `WouldBlock`. Another call requests
    /// another event.
    ///
    /// A file causes no event, but it never returns `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `epoll_ctl(2)`, except its refusal of files.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self.descriptor.register(registry, token, Interest::WRITABLE) {
            Err(error) if is_unpollable(&error) => Ok(()),
            result => result,
        }
    }
}

/// A writer of log records and notices that never delays the loop.
///
/// If the stream is full, or if its terminal wants no output from the background (`stty tostop`), the record is dropped
/// and its lines are counted. The next record that is written follows the line `N log lines dropped`.
///
/// One call of `write` is one record. If only a part of a record was written, the rest is written before the next
/// record, so that records are never mixed. No call returns an error: a closed standard error must not end a server.
#[derive(Debug)]
pub(crate) struct LossyWriter {
    stream: OutputStream,
    /// The unwritten part of the last record. Holds at most one record and one line about dropped lines.
    rest: Vec<u8>,
    /// Lines that were dropped since the last record was written.
    dropped: usize,
    /// Returns the line that stands for this number of dropped lines.
    gap: fn(usize) -> String,
}

impl LossyWriter {
    /// Creates a writer to `stream`.
    #[must_use]
    pub(crate) fn new(stream: OutputStream) -> Self {
        Self { stream, rest: Vec::new(), dropped: 0, gap: |lines| format!("{lines} log lines dropped\n") }
    }

    /// Replaces the line about dropped lines.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn with_gap(self, gap: fn(usize) -> String) -> Self {
        Self { gap, ..self }
    }

    /// Writes `record`. Returns whether at least a part of it was written; the remainder is then in `rest`.
    fn write_record(&mut self, record: &[u8]) -> bool {
        if !self.send_rest() {
            return false;
        }
        if self.dropped > 0 {
            self.rest.extend_from_slice((self.gap)(self.dropped).as_bytes());
        }
        self.rest.extend_from_slice(record);
        let whole = self.rest.len();
        if !self.send_rest() && self.rest.len() == whole {
            self.rest.clear();
            return false;
        }
        self.dropped = 0;
        true
    }

    /// Writes `rest`. Returns whether all of it was written.
    fn send_rest(&mut self) -> bool {
        if self.stream.is_muted() {
            return false;
        }
        while !self.rest.is_empty() {
            match self.stream.write(&self.rest) {
                Ok(0) | Err(_) => return false,
                Ok(sent) => drop(self.rest.drain(..sent)),
            }
        }
        true
    }
}

impl io::Write for LossyWriter {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if !record.is_empty() && !self.write_record(record) {
            let lines = memchr::memchr_iter(b'\n', record).count().max(1);
            self.dropped = self.dropped.saturating_add(lines);
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_rest();
        Ok(())
    }
}

/// A copy of another descriptor, or the same file opened again. Its calls do not wait.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: OwnedFd,
    mode: Mode,
    registry: Option<Registry>,
}

/// The way in which a descriptor avoids waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The open file description belongs to this process alone and has `O_NONBLOCK`.
    Reopened,
    /// `MSG_DONTWAIT` with each call.
    Socket,
    /// Files do not wait. Offset and `O_APPEND` stay shared with the original, so `> log 2>&1` keeps its order.
    File,
    /// The description is shared and blocking, so poll(2) precedes each call. [`POLLED_WRITE`] states the limits of
    /// this.
    Polled,
}

/// The largest write, in bytes, after poll(2) has reported a blocking descriptor as writable.
///
/// POSIX lets poll(2) report a pipe as writable if `PIPE_BUF` bytes fit, and `PIPE_BUF` is at least 512; a larger write
/// may wait for the reader. (Linux: 4096 for a pipe, but a terminal promises less.) If another process fills the space
/// in between, the write waits nevertheless.
const POLLED_WRITE: usize = 512;

impl Descriptor {
    /// Copies or reopens `original`, for reading (`access` is `RDONLY`) or writing (`WRONLY`).
    ///
    /// # Errors
    ///
    /// If `original` is closed, or no descriptor is left for the copy.
    pub(crate) fn open(original: BorrowedFd<'_>, access: OFlags) -> io::Result<Self> {
        let reopened = match Kind::of(original)? {
            Kind::Terminal | Kind::Pipe => reopen(original, access).map_or(Err(Mode::Polled), Ok),
            Kind::Socket => Err(Mode::Socket),
            Kind::File | Kind::Null | Kind::Directory => Err(Mode::File),
            Kind::Other => Err(Mode::Polled),
        };
        match reopened {
            Ok(fd) => Ok(Self { fd, mode: Mode::Reopened, registry: None }),
            Err(mode) => Self::copy(original, mode),
        }
    }

    fn copy(original: BorrowedFd<'_>, mode: Mode) -> io::Result<Self> {
        let fd = original.try_clone_to_owned()?;
        Ok(Self { fd, mode, registry: None })
    }

    /// Reads as read(2) does. Returns `WouldBlock` instead of waiting.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.mode {
            Mode::Socket => {
                let result = retry_on_intr(|| rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT));
                return Ok(result?.1);
            }
            Mode::Polled if !self.is_readable() => return Err(Errno::WOULDBLOCK.into()),
            Mode::Reopened | Mode::File | Mode::Polled => {}
        }
        Ok(retry_on_intr(|| rustix::io::read(&self.fd, &mut *buffer))?)
    }

    /// Writes as write(2) does. Returns `WouldBlock` instead of waiting, and `BrokenPipe` without a signal.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> io::Result<usize> {
        match self.mode {
            Mode::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                return Ok(retry_on_intr(|| rustix::net::send(&self.fd, bytes, flags))?);
            }
            Mode::Polled if !self.polls_as(PollFlags::OUT) => return Err(Errno::WOULDBLOCK.into()),
            Mode::Polled => bytes = &bytes[..bytes.len().min(POLLED_WRITE)],
            Mode::Reopened | Mode::File => {}
        }
        Ok(retry_on_intr(|| rustix::io::write(&self.fd, bytes))?)
    }

    /// Whether the other side has closed: the master of a terminal, or the last writer of a pipe.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.polls_as(PollFlags::empty())
    }

    /// Whether a read would return bytes, the end or an error now.
    pub(crate) fn is_readable(&self) -> bool {
        self.polls_as(PollFlags::IN)
    }

    /// Whether poll(2) reports `flags`, an error or a hang-up. After an error or a hang-up, the next call returns at
    /// once with the cause.
    fn polls_as(&self, flags: PollFlags) -> bool {
        let mut fds = [PollFd::new(&self.fd, flags)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Registers the descriptor. A second call registers it again, which repeats the edge if the descriptor is ready.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        if self.registry.is_some() {
            return SourceFd(&fd).reregister(registry, token, interest);
        }
        let clone = registry.try_clone()?;
        SourceFd(&fd).register(registry, token, interest)?;
        self.registry = Some(clone);
        Ok(())
    }

    pub(crate) fn deregister(&mut self) {
        if let Some(registry) = self.registry.take() {
            // Fails only if the descriptor is not registered.
            let _ = SourceFd(&self.fd.as_raw_fd()).deregister(&registry);
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Descriptor {
    /// Deregisters the descriptor.
    ///
    /// Linux: epoll forgets a descriptor when its open file description is closed. A copy shares the description with
    /// the original, which stays open, so events for a closed copy would continue and could not be stopped.
    fn drop(&mut self) {
        self.deregister();
    }
}

/// Whether `error` says that epoll does not support this descriptor: a file, a directory or `/dev/null`.
pub(crate) fn is_unpollable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

fn is_device(device: rustix::fs::Dev, major_number: u32, minor_number: u32) -> bool {
    major(device) == major_number && minor(device) == minor_number
}

#[cfg(test)]
mod tests;
