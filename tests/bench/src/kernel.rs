//! The system calls that `std` does not offer, each behind a safe function: the only unsafe code of the project.
//!
//! Linux only. It adds no policy: no retries except after EINTR, no buffers, no state beyond the descriptors.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use libc::c_int;

/// Told when there is something to read, or the peer is gone.
pub(crate) const READABLE: u32 = libc::EPOLLIN as u32;
/// Told when the kernel would take bytes.
pub(crate) const WRITABLE: u32 = libc::EPOLLOUT as u32;
/// Comes unasked when the connection failed or ended in both directions.
const GONE: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// A level-triggered epoll(7) instance.
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: takes no pointer; the descriptor that it returns has no other owner.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: usize, interest: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_fd().as_raw_fd(), token, interest)
    }

    pub(crate) fn modify(&self, fd: impl AsFd, token: usize, interest: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_fd().as_raw_fd(), token, interest)
    }

    /// Waits for events, at most `limit`, for ever without one. A signal ends the wait with no events.
    pub(crate) fn wait(&self, events: &mut Events, limit: Option<Duration>) -> io::Result<()> {
        let millis = limit.map_or(-1, |d| d.as_micros().div_ceil(1000) as c_int);
        let room = events.list.capacity() as c_int;
        // SAFETY: the kernel writes at most `room` events into the allocation of that capacity.
        let count = check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.list.as_mut_ptr(), room, millis) });
        let count = match count {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other?,
        };
        // SAFETY: the kernel has just initialised the first `count` of them.
        unsafe { events.list.set_len(count as usize) };
        Ok(())
    }

    fn control(&self, operation: c_int, fd: RawFd, token: usize, interest: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: token as u64 };
        // SAFETY: the pointer is to a live event, which the kernel only reads.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut event) }).map(drop)
    }
}

/// The room into which [`Epoll::wait`] puts what it found.
pub(crate) struct Events {
    list: Vec<libc::epoll_event>,
}

/// One descriptor that is ready.
pub(crate) struct Ready {
    pub(crate) token: usize,
    /// There are bytes, an end or an error to read.
    pub(crate) readable: bool,
    /// The kernel would take bytes.
    pub(crate) writable: bool,
}

impl Events {
    pub(crate) fn with_capacity(capacity: usize) -> Events {
        Events { list: Vec::with_capacity(capacity) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ready> {
        self.list.iter().map(|event| Ready {
            token: event.u64 as usize,
            readable: event.events & (READABLE | GONE) != 0,
            writable: event.events & WRITABLE != 0,
        })
    }
}

/// read(2), without the `recv` that `std` makes of it.
pub(crate) fn read(fd: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are those of `into`, which is borrowed exclusively for the call.
    let count = unsafe { libc::read(fd.as_fd().as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// write(2). Rust's start-up ignores SIGPIPE, so a dead peer is an error here, never a signal.
pub(crate) fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are those of `bytes`, which is borrowed for the call.
    let count = unsafe { libc::write(fd.as_fd().as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// A non-blocking listener on loopback. `std` asks for a backlog of 128; listening again raises it.
pub(crate) fn listen(port: u16, backlog: c_int) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| io::Error::new(error.kind(), format!("127.0.0.1:{port}: {error}")))?;
    listener.set_nonblocking(true)?;
    // SAFETY: takes no pointer.
    check(unsafe { libc::listen(listener.as_raw_fd(), backlog) })?;
    Ok(listener)
}

/// The next waiting connection, non-blocking and without Nagle's delay.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: accept4 allows null where the peer's address is not wanted; the new descriptor has no other owner.
    let fd = check(unsafe { libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags) })?;
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A blocking connection from a chosen source address, which resets instead of leaving `TIME_WAIT` behind when it is
/// dropped. Fails when the target has not answered for as long as `patience`.
pub(crate) fn connect_from(source: Ipv4Addr, target: SocketAddrV4, patience: Duration) -> io::Result<TcpStream> {
    // SAFETY: takes no pointer; the new descriptor has no other owner.
    let fd = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let reset = libc::linger { l_onoff: 1, l_linger: 0 };
    set_option(&socket, (libc::SOL_SOCKET, libc::SO_LINGER), &reset)?;
    // Linux: without it bind() takes a port of its own that no other target can share, and ports end at 28,000.
    set_option(&socket, (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT), &1)?;
    let (from, to) = (socket_address(SocketAddrV4::new(source, 0)), socket_address(target));
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: both pointers are to live addresses of that length, which the kernel only reads.
    check(unsafe { libc::bind(fd, (&raw const from).cast(), length) })?;
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(patience))?;
    match check(unsafe { libc::connect(fd, (&raw const to).cast(), length) }) {
        // socket(7): a connect that has timed out is "in progress", as if it had not been waited for.
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => return Err(io::ErrorKind::TimedOut.into()),
        other => other?,
    };
    stream.set_write_timeout(None)?;
    Ok(stream)
}

/// The CPU time of a process, user and system, all its threads. In nanoseconds, where `/proc/PID/stat` counts in
/// hundredths of a second.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointers are to live values that the calls fill in. The first returns its error, it does not set
    // errno.
    let error = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32))
}

/// Has the kernel end the child when its parent ends, however that ends.
pub(crate) fn end_with_parent(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only calls that are safe in a signal handler are allowed; prctl(2) is one.
    unsafe { command.pre_exec(|| check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM)).map(drop)) }
}

/// Which of the two [`fork`] has returned in.
pub(crate) enum Forked {
    Parent,
    Child,
}

/// fork(2): the process goes on twice. The child ends with its parent, however that ends.
///
/// # Panics
/// When the process has more than one thread: the child would have one, and every lock that another held for ever.
pub(crate) fn fork() -> io::Result<Forked> {
    static IS_ALONE: OnceLock<bool> = OnceLock::new();
    let is_alone = IS_ALONE.get_or_init(|| fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1));
    assert!(is_alone, "a process with threads must not fork");
    let parent = std::process::id() as libc::pid_t;
    // SAFETY: there is one thread, so the child is a whole copy: nothing is held, or half done, by a thread that it
    // lacks.
    if check(unsafe { libc::fork() })? != 0 {
        return Ok(Forked::Parent);
    }
    // SAFETY: neither call takes a pointer.
    let is_tied = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) == 0 && libc::getppid() == parent };
    if !is_tied {
        // The parent has ended before the child could be tied to it.
        std::process::exit(1);
    }
    Ok(Forked::Child)
}

/// Asks for all children that have ended, so that the kernel forgets them. Returns how many.
pub(crate) fn reap() -> usize {
    // SAFETY: waitpid allows null where the status is not wanted.
    std::iter::from_fn(|| (unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0).then_some(())).count()
}

fn set_option<T>(fd: &OwnedFd, (level, name): (c_int, c_int), value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: pointer and length are those of `value`, which the kernel only reads.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length) }).map(drop)
}

fn socket_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
