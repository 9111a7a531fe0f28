//! ListenerKind sockets: how many are accepted in a turn, and what happens when descriptors run out.
//!
//! Invariant: an edge is remembered until `accept` has said `WouldBlock`, so no waiting client is forgotten, whether the
//! turn's budget ended or descriptors did. Who is over a limit or denied is accepted and closed at once, since leaving it in
//! the backlog would keep others from the door.

use std::io;
use std::time::Instant;

use mio::{Interest, Registry, net};
use rustix::io::Errno;

use crate::connection::origin::Peer;
use crate::connection::stream::Stream;
use crate::net::{Listener, PathGuard, SocketOptions};
use crate::state::throttle::Throttle;

/// One listening stream socket.
#[derive(Debug)]
pub(crate) struct Acceptor {
    socket: Socket,
    may_accept: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(net::TcpListener),
    /// The guard first: the path is to be removed while the socket still listens.
    #[expect(dead_code, reason = "held for what its drop does")]
    Unix(Option<PathGuard>, net::UnixListener, SocketOptions),
}

/// What one `accept` brought.
#[derive(Debug)]
pub(crate) enum Accepted {
    Stream(Stream, Peer),
    /// That client is gone again, or could not be set up; the next one may be well.
    Lost(io::Error),
    /// Nobody waits.
    Nobody,
    /// No descriptor or memory for one more.
    Exhausted(io::Error),
}

impl Acceptor {
    /// Takes over a stream listener; a UDP one is handed back.
    pub(crate) fn new(listener: Listener, options: &SocketOptions) -> Result<Acceptor, std::net::UdpSocket> {
        let socket = match listener {
            Listener::Tcp(listener) => Socket::Tcp(net::TcpListener::from_std(listener)),
            Listener::Unix(bound) => {
                let (listener, guard) = bound.into_parts();
                Socket::Unix(guard, net::UnixListener::from_std(listener), options.clone())
            }
            Listener::Udp(socket) => return Err(socket),
        };
        Ok(Acceptor { socket, may_accept: false })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: mio::Token) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            Socket::Unix(_, listener, _) => registry.register(listener, token, Interest::READABLE),
        }
    }

    /// An edge: somebody waits.
    pub(crate) fn wake(&mut self) {
        self.may_accept = true;
    }

    pub(crate) fn may_accept(&self) -> bool {
        self.may_accept
    }

    pub(crate) fn accept(&mut self) -> Accepted {
        let accepted = match &self.socket {
            Socket::Tcp(listener) => listener.accept().map(|(stream, peer)| (Stream::Tcp(stream), Peer::Inet(peer))),
            Socket::Unix(_, listener, options) => listener.accept().and_then(|(stream, _)| {
                // Linux hands nothing down to the streams of a Unix listener.
                options.apply(&stream)?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }),
        };
        match accepted {
            Ok((stream, peer)) => Accepted::Stream(stream, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.may_accept = false;
                Accepted::Nobody
            }
            Err(error) if is_exhaustion(&error) => Accepted::Exhausted(error),
            Err(error) => Accepted::Lost(error),
        }
    }
}

/// What accept(2) says when the process or the system has no room for one more.
fn is_exhaustion(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Accepting is paused while descriptors are out: no spinning on a listener that stays readable.
#[derive(Debug)]
pub(crate) struct Pause {
    until: Option<Instant>,
    throttle: Throttle,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Pause { until: None, throttle: Throttle::new() }
    }

    /// Pauses until `until`, or until [`Pause::end`].
    pub(crate) fn begin(&mut self, now: Instant, until: Option<Instant>, error: &io::Error) {
        self.until = until;
        if let Some(count) = self.throttle.note(now) {
            log::warn!(
                "accepting pauses: {error}; those who wait are served when others leave; for more descriptors raise \
                 ulimit -n ({count} such pauses since the last line)"
            );
        }
    }

    pub(crate) fn end(&mut self) {
        self.until = None;
    }

    /// Whether accepting is paused at `now`; a pause that is over ends here.
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
        pause.begin(now, Some(later), &Errno::MFILE.into());
        assert!(pause.is_on(now));
        assert_eq!(pause.until(), Some(later));
        assert!(!pause.is_on(later));
        pause.begin(now, Some(later), &Errno::MFILE.into());
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
