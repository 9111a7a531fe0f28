//! The upstream server of a relay: an echo server, at a path that a fault can point to a socket of its own.
//!
//! The relay connects to the path for each of its clients, and connections that it has are not affected.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::SockRef;
use switchboard_harness::{Launch, Server};
use tempfile::TempDir;

use crate::dial::TIMEOUT;

/// The socket of the echo server, and that of a fault.
const ECHO: &str = "echo";
const FAULTY: &str = "faulty";

/// A running echo server, and the path.
#[derive(Debug)]
pub(crate) struct Upstream {
    _echo: Server,
    place: TempDir,
}

impl Upstream {
    /// Starts it, and points the path to it.
    ///
    /// # Errors
    /// It could not be started, or did not say in time where it listens.
    pub(crate) fn start(programs: &Path, core: Option<u32>) -> io::Result<Upstream> {
        let place = TempDir::new()?;
        let listen = format!("unix:{}", place.path().join(ECHO).display());
        let echo = Launch::of(programs.join("echo-server")).pinned(core).listen(&listen).try_start()?;
        let upstream = Upstream { _echo: echo, place };
        upstream.point_to(ECHO)?;
        Ok(upstream)
    }

    /// The path that the relay connects to.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join("upstream")
    }

    /// Listens in place of the echo server.
    pub(crate) fn replace(&self) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(self.place.path().join(FAULTY))?;
        // It is also the longest time that `accept` waits (SO_RCVTIMEO, socket(7)).
        SockRef::from(&listener).set_read_timeout(Some(TIMEOUT))?;
        self.point_to(FAULTY)?;
        Ok(listener)
    }

    /// Does something while there is no upstream server.
    pub(crate) fn without(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        fs::remove_file(self.path())?;
        act()?;
        self.point_to(FAULTY)
    }

    fn point_to(&self, name: &str) -> io::Result<()> {
        let next = self.place.path().join("next");
        symlink(name, &next)?;
        fs::rename(next, self.path())
    }
}
