//! Descriptors 0, 1 and 2, used by a single-threaded loop that must never wait for them.
//!
//! Invariant: `O_NONBLOCK` is never set on a descriptor that we were given. The flag lives in the open file
//! description, which the shell and everything started from it share; whoever sets it breaks their terminal, also after
//! our exit. So terminals and pipes are opened anew, with a description of their own; sockets are asked not to wait
//! call by call; what allows neither is polled before each call.
//!
//! Deliberately not here: lines and operators (`console`), and any queue of output: what the system refuses is the
//! caller's to keep, or in [`Diagnostics`] to drop and count.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mio::event::Source as _;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fstat, major, minor};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags};

/// What a descriptor is, as far as reading and writing without waiting depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A terminal, real or pseudo.
    Terminal,
    /// A pipe or a named FIFO.
    Pipe,
    /// A socket of any family.
    Socket,
    /// A regular file: it never waits, and epoll(7) refuses it.
    File,
    /// `/dev/null`, which is also what a closed standard descriptor becomes when a Rust program starts.
    Null,
    /// A directory: it opens, but neither reads nor writes.
    Directory,
    /// Another device, or something without a file type (an eventfd, say).
    Other,
}

impl Kind {
    /// Classifies `fd`.
    ///
    /// # Errors
    ///
    /// Those of fstat(2): the descriptor is closed.
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

/// Opens anew what `fd` refers to, for `access` (`RDONLY`, `WRONLY` or `RDWR`), so that `O_NONBLOCK` belongs to the
/// result alone. Meant for pipes and terminals: a file opened anew has an offset of its own and would overwrite itself.
///
/// # Errors
///
/// Those of open(2) on `/proc/self/fd/N`. `EACCES`: the pipe or terminal belongs to another user, as in a container or
/// under `su`. `ENXIO`: a socket, or a FIFO without a reader. `ENOENT`: no `/proc`, or not ours. `EBADF`: `fd` itself
/// was not opened for `access`.
pub(crate) fn reopen(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let granted = fcntl_getfl(fd)? & OFlags::RWMODE;
    if granted != OFlags::RDWR && granted != access {
        return Err(Errno::BADF.into());
    }
    let before = fstat(fd)?;
    // Linux: the master of a pseudo-terminal is a terminal too, but opening it makes a new pair instead.
    if is_device(before.st_rdev, 5, 2) {
        return Err(Errno::NXIO.into());
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let own = rustix::fs::open(path, flags, Mode::empty())?;
    let after = fstat(&own)?;
    if (before.st_dev, before.st_ino) != (after.st_dev, after.st_ino) {
        return Err(Errno::NOENT.into());
    }
    Ok(own)
}

/// Standard output or standard error as a destination that never waits.
#[derive(Debug)]
pub(crate) struct Output {
    descriptor: Descriptor,
}

impl Output {
    /// Standard output.
    ///
    /// # Errors
    ///
    /// See [`Output::from_fd`].
    pub(crate) fn stdout() -> io::Result<Self> {
        Self::from_fd(rustix::stdio::stdout())
    }

    /// Standard error.
    ///
    /// # Errors
    ///
    /// See [`Output::from_fd`].
    pub(crate) fn stderr() -> io::Result<Self> {
        Self::from_fd(rustix::stdio::stderr())
    }

    /// Any other descriptor; it stays the caller's, unchanged, and may be closed.
    ///
    /// # Errors
    ///
    /// `fd` is closed, or no descriptor is left for the copy.
    pub(crate) fn from_fd(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let descriptor = Descriptor::open(fd, OFlags::WRONLY)?;
        Ok(Self { descriptor })
    }

    /// Writes what the system takes at once, and returns how many bytes that was.
    ///
    /// # Errors
    ///
    /// `WouldBlock`: full, or stopped by Ctrl-S; nothing was written, and [`Output::register`] tells when to go on.
    /// `BrokenPipe`: nobody reads any more. Otherwise those of write(2).
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.descriptor.write(bytes)
    }

    /// Asks for an event under `token` as soon as writing may go on after `WouldBlock`; a second call asks again. A
    /// file never gives such an event, and never needs one: it does not answer `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `epoll_ctl(2)`, apart from its refusal of files.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self.descriptor.register(registry, token, Interest::WRITABLE) {
            Err(error) if is_unpollable(&error) => Ok(()),
            result => result,
        }
    }
}

/// A log destination for `env_logger::Target::Pipe` that never delays the loop: a record that standard error cannot
/// take now is dropped and counted, and the next one that it takes is preceded by the line `N log lines dropped`.
///
/// One call of `write` is one record. A record of which a part was taken is completed before anything else is written,
/// so a line is never cut by another one of this destination. No call ever fails: a closed standard error must not end
/// a server.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    output: Output,
    /// The part of the last record that is still to be written; holds at most one record and one notice.
    rest: Vec<u8>,
    dropped: usize,
}

impl Diagnostics {
    /// Writes to `output`, as a rule [`Output::stderr`].
    #[must_use]
    pub(crate) fn new(output: Output) -> Self {
        Self { output, rest: Vec::new(), dropped: 0 }
    }

    /// Returns whether at least a part of `record` was taken; the whole of it follows then.
    fn pass(&mut self, record: &[u8]) -> bool {
        if !self.send_rest() {
            return false;
        }
        if self.dropped > 0 {
            self.rest.extend_from_slice(format!("{} log lines dropped\n", self.dropped).as_bytes());
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

    /// Returns whether nothing is left to send.
    fn send_rest(&mut self) -> bool {
        while !self.rest.is_empty() {
            match self.output.write(&self.rest) {
                Ok(0) | Err(_) => return false,
                Ok(sent) => drop(self.rest.drain(..sent)),
            }
        }
        true
    }
}

impl io::Write for Diagnostics {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if !record.is_empty() && !self.pass(record) {
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

/// A descriptor of our own that refers to what another one refers to, and whose calls do not wait.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: OwnedFd,
    way: Way,
    registry: Option<Registry>,
}

/// How a call is kept from waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The open file description is ours alone and has `O_NONBLOCK`.
    Own,
    /// `MSG_DONTWAIT` with each call.
    Socket,
    /// Files do not wait. Offset and `O_APPEND` stay shared with the original, so `> log 2>&1` keeps its order.
    File,
    /// Description shared and blocking: poll(2) before each call. See [`POLLED_WRITE`] for what that is worth.
    Polled,
}

/// The most that is written after poll(2) said "writable" on a blocking descriptor. POSIX lets a pipe say so when
/// `PIPE_BUF` bytes fit, and `PIPE_BUF` is at least 512; more than that may wait for the reader. (Linux: 4096 for a
/// pipe, but a terminal promises less.) If another process fills the space in between, the write waits all the same.
const POLLED_WRITE: usize = 512;

impl Descriptor {
    /// Reads (`access` is `RDONLY`) or writes (`WRONLY`) what `original` refers to.
    pub(crate) fn open(original: BorrowedFd<'_>, access: OFlags) -> io::Result<Self> {
        let reopened = match Kind::of(original)? {
            Kind::Terminal | Kind::Pipe => reopen(original, access).map_or(Err(Way::Polled), Ok),
            Kind::Socket => Err(Way::Socket),
            Kind::File | Kind::Null | Kind::Directory => Err(Way::File),
            Kind::Other => Err(Way::Polled),
        };
        match reopened {
            Ok(fd) => Ok(Self { fd, way: Way::Own, registry: None }),
            Err(way) => Self::copy(original, way),
        }
    }

    fn copy(original: BorrowedFd<'_>, way: Way) -> io::Result<Self> {
        let fd = original.try_clone_to_owned()?;
        Ok(Self { fd, way, registry: None })
    }

    /// As read(2), with `WouldBlock` instead of waiting.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.way {
            Way::Socket => {
                let result = retry_on_intr(|| rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT));
                return Ok(result?.1);
            }
            Way::Polled if !self.is_readable() => return Err(Errno::WOULDBLOCK.into()),
            Way::Own | Way::File | Way::Polled => {}
        }
        Ok(retry_on_intr(|| rustix::io::read(&self.fd, &mut *buffer))?)
    }

    /// As write(2), with `WouldBlock` instead of waiting, and `BrokenPipe` without a signal.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> io::Result<usize> {
        match self.way {
            Way::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                return Ok(retry_on_intr(|| rustix::net::send(&self.fd, bytes, flags))?);
            }
            Way::Polled if !self.answers(PollFlags::OUT) => return Err(Errno::WOULDBLOCK.into()),
            Way::Polled => bytes = &bytes[..bytes.len().min(POLLED_WRITE)],
            Way::Own | Way::File => {}
        }
        Ok(retry_on_intr(|| rustix::io::write(&self.fd, bytes))?)
    }

    /// Whether a read would find bytes, the end or an error now.
    pub(crate) fn is_readable(&self) -> bool {
        self.answers(PollFlags::IN)
    }

    /// An error or a hang-up is an answer too: the call that follows does not wait, it says which.
    fn answers(&self, flags: PollFlags) -> bool {
        let mut fds = [PollFd::new(&self.fd, flags)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Registers, or registers again, which repeats the edge if there is something to tell.
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
            // It fails only if the descriptor is not registered, which is what is wanted.
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
    /// Linux: epoll forgets a descriptor when its description is closed, and a copy shares that with the original,
    /// which stays open. Without this, events for the dead copy would go on, and nobody could end them.
    fn drop(&mut self) {
        self.deregister();
    }
}

/// Whether epoll said that this is nothing to wait for (a file, a directory, `/dev/null`).
pub(crate) fn is_unpollable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

fn is_device(device: rustix::fs::Dev, major_number: u32, minor_number: u32) -> bool {
    major(device) == major_number && minor(device) == minor_number
}

#[cfg(test)]
mod tests;
