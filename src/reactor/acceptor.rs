//! Stream listeners: accepting connections, and pausing while the process has no descriptors left.
//!
//! Invariant: an edge is remembered until accept(2) says that it would block. So no waiting connection is lost when the
//! budget of a turn or the descriptors are used up.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

#[cfg(feature = "cli")]
use mio::unix::SourceFd;
use mio::{Interest, Registry, net};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, getrlimit};

use crate::connection::origin::Peer;
use crate::connection::stream::Stream;
use crate::net::{PathGuard, SocketOptions, UnixBound};
use crate::state::throttle::Throttle;

/// One stream listener.
#[derive(Debug)]
pub(crate) struct Acceptor {
    socket: Socket,
    may_accept: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(net::TcpListener),
    /// The guard is dropped first, so that the path is removed while the socket still listens.
    Unix(
        #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "held for its drop"))] Option<PathGuard>,
        net::UnixListener,
    ),
}

/// The result of one accept(2).
#[derive(Debug)]
pub(crate) enum Accepted {
    Stream(Stream, Peer),
    /// The connection was reset before it was accepted, or its options could not be set.
    Lost(io::Error),
    /// No connection waits.
    WouldBlock,
    /// The process has no descriptor or no memory for another connection, except the descriptors that are left for
    /// handlers.
    Exhausted(io::Error),
}

impl Acceptor {
    pub(crate) fn tcp(listener: TcpListener) -> Self {
        Acceptor { socket: Socket::Tcp(net::TcpListener::from_std(listener)), may_accept: false }
    }

    pub(crate) fn unix(bound: UnixBound) -> Self {
        let (listener, guard) = bound.into_parts();
        Acceptor { socket: Socket::Unix(guard, net::UnixListener::from_std(listener)), may_accept: false }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: mio::Token) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            Socket::Unix(_, listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    /// The socket, with the guard of its path.
    #[cfg(feature = "cli")]
    pub(crate) fn socket(&self) -> (BorrowedFd<'_>, Option<&PathGuard>) {
        let guard = if let Socket::Unix(guard, _) = &self.socket { guard.as_ref() } else { None };
        (self.socket.as_fd(), guard)
    }

    /// Leaves the socket and its path to another process.
    #[cfg(feature = "cli")]
    pub(crate) fn release(self, registry: &Registry) {
        let (socket, guard) = self.socket();
        release(socket, registry);
        guard.into_iter().for_each(PathGuard::disarm);
    }

    /// Notes an edge: connections are waiting.
    pub(crate) fn wake(&mut self) {
        self.may_accept = true;
    }

    pub(crate) fn may_accept(&self) -> bool {
        self.may_accept
    }

    /// Accepts one connection, if `spare` descriptors are then left. `options` are the socket options of its service.
    pub(crate) fn accept(&mut self, options: &SocketOptions, spare: usize) -> Accepted {
        if spare > 0
            && let Err(error) = self.check_spare(spare as u64)
        {
            return Accepted::Exhausted(error.into());
        }
        let accepted = match &self.socket {
            Socket::Tcp(listener) => listener.accept().map(|(stream, peer)| (Stream::Tcp(stream), Peer::Inet(peer))),
            Socket::Unix(_, listener) => listener.accept().and_then(|(stream, _)| {
                // On Linux, a connection inherits no options from a Unix listener.
                options.apply(&stream)?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }),
        };
        match accepted {
            Ok((stream, peer)) => Accepted::Stream(stream, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.may_accept = false;
                Accepted::WouldBlock
            }
            Err(error) if is_exhaustion(&error) => Accepted::Exhausted(error),
            Err(error) => Accepted::Lost(error),
        }
    }
}

impl Acceptor {
    /// Checks that `spare` descriptors are left after the next one. That one has the lowest free number, so all below
    /// it are in use.
    fn check_spare(&self, spare: u64) -> Result<(), Errno> {
        let next = fcntl_dupfd_cloexec(self.socket.as_fd(), 0)?.as_raw_fd();
        let is_left = |limit| u64::try_from(next).is_ok_and(|next| next + spare < limit);
        if getrlimit(Resource::Nofile).current.is_none_or(is_left) { Ok(()) } else { Err(Errno::MFILE) }
    }
}

/// Takes a socket out of the poll, which reports a socket for as long as any process has it open (epoll(7)).
#[cfg(feature = "cli")]
pub(crate) fn release(socket: BorrowedFd<'_>, registry: &Registry) {
    if let Err(error) = registry.deregister(&mut SourceFd(&socket.as_raw_fd())) {
        log::warn!("a listener stays in the poll: {error}");
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(_, listener) => listener.as_fd(),
        }
    }
}

/// Whether an error of accept(2) says that the process or the system has no room for another connection.
fn is_exhaustion(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Pauses accepting while the process has no descriptors left. Otherwise, a listener that stays readable would make the
/// loop spin.
#[derive(Debug)]
pub(crate) struct Pause {
    until: Option<Instant>,
    throttle: Throttle,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Pause { until: None, throttle: Throttle::new() }
    }

    /// Pauses until the time `until`, or until [`Pause::end`] is called.
    pub(crate) fn begin(&mut self, now: Instant, until: Instant, error: &io::Error) {
        self.until = Some(until);
        if let Some(repeats) = self.throttle.note(now) {
            log::warn!(
                "accepting is paused: {error}; waiting connections are accepted when others close; raise \"ulimit -n\" \
                 for more descriptors{repeats}"
            );
        }
    }

    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    /// Whether accepting is paused at the time `now`.
    pub(crate) fn is_on(&mut self, now: Instant) -> bool {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
        }
        self.until.is_some()
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_at_its_time_or_before() {
        let (now, mut pause) = (Instant::now(), Pause::new());
        let later = now + std::time::Duration::from_millis(100);
        assert!(!pause.is_on(now));
        pause.begin(now, later, &Errno::MFILE.into());
        assert!(pause.is_on(now));
        assert_eq!(pause.until(), Some(later));
        assert!(!pause.is_on(later));
        pause.begin(now, later, &Errno::MFILE.into());
        pause.end();
        assert!(!pause.is_on(now));
    }

    #[test]
    fn only_a_lack_of_room_is_exhaustion() {
        for (errno, exhausted) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::CONNABORTED, false)] {
            assert_eq!(is_exhaustion(&errno.into()), exhausted, "{errno}");
        }
    }
}
