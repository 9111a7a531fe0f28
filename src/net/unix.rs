//! Unix listeners, and the files that stand for them.
//!
//! Invariant: only sockets that nobody listens on, and the file of our own listener, are ever
//! removed.
//!
//! The lock on the directory holds off other copies of this code only; a foreign program that makes
//! or removes files there in the same instant is not guarded against.

use super::options::{SocketOptions, unix_address};
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The owner and the group may connect, others may not.
const MODE: u32 = 0o660;

/// A Unix listener together with the guard of its file, if the file is ours.
#[derive(Debug)]
pub struct UnixBound {
    // Fields are dropped in this order, which `PathGuard` asks for.
    guard: Option<PathGuard>,
    listener: UnixListener,
    path: PathBuf,
}

impl UnixBound {
    /// The listener.
    #[must_use]
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Both parts, for a reactor with listeners of its own kind. Drop the guard before the
    /// listener.
    #[must_use]
    pub fn into_parts(self) -> (UnixListener, Option<PathGuard>) {
        (self.listener, self.guard)
    }

    /// A listener whose file somebody else has made, and will remove.
    pub(super) fn adopted(listener: UnixListener) -> io::Result<Self> {
        let path = listener.local_addr()?.as_pathname().map(Path::to_owned).ok_or_else(|| {
            let text = "it is a Unix socket without a path; an abstract one has no form here";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        Ok(UnixBound { guard: None, listener, path })
    }
}

impl AsFd for UnixBound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Removes the file of a listener when dropped, if it is still the file that the listener made.
///
/// Drop it before the listener: while that is open, its inode number is not given to another file,
/// and no other copy takes the path for a dead one.
#[derive(Debug)]
pub struct PathGuard {
    /// Absolute, because the process may change its directory meanwhile.
    place: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for PathGuard {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.place)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours && let Err(error) = fs::remove_file(&self.place) {
            log::warn!("cannot remove {}: {error}", self.place.display());
        }
    }
}

pub(super) fn listen(options: &SocketOptions, path: &Path) -> io::Result<UnixBound> {
    let address = unix_address(path)?;
    let place = path::absolute(path)?;
    let socket = options.open(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the new file the mode of the socket less the umask: so it is never open to more
    // than it should be.
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    // Until we listen: before that another copy would take our file for a dead one.
    let _turn = lock_directory(&place);
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_dead(path, &address)?;
        socket.bind(&address)?;
    }
    let made = fs::symlink_metadata(&place)?;
    let guard = PathGuard { place, device: made.dev(), inode: made.ino() };
    if made.mode() & 0o7777 != MODE {
        fs::set_permissions(&guard.place, Permissions::from_mode(MODE))?;
    }
    // Last: a connect before this is refused, so no peer comes in under another mode.
    socket.listen(options.listen_backlog())?;
    Ok(UnixBound { guard: Some(guard), listener: socket.into(), path: path.to_owned() })
}

/// Makes room at `path` if what is there is a socket that nobody listens on.
fn remove_dead(path: &Path, address: &SockAddr) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    // Not left to connect: Linux refuses a connection to a regular file just as one to a dead
    // socket.
    if !found.file_type().is_socket() {
        let text = "a file that is not a socket is there";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A blocking connect would wait for room in the backlog of a live one.
    probe.set_nonblocking(true)?;
    match probe.connect(address).map_err(|error| (Errno::from_io_error(&error), error)) {
        Err((Some(Errno::CONNREFUSED), _)) => fs::remove_file(path),
        Err((Some(Errno::NOENT), _)) => Ok(()),
        // A full backlog, or a live socket that is not a stream.
        Ok(()) | Err((Some(Errno::AGAIN | Errno::PROTOTYPE), _)) => Err(Errno::ADDRINUSE.into()),
        Err((_, error)) => Err(error),
    }
}

/// How often, and how far apart, a lock that another process holds is asked for: one second in all,
/// many times what a start needs.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Takes turns with other copies that start now; the file is the turn.
///
/// The directory itself is locked, so no lock file stays behind. `None` when that cannot be had:
/// the directory may be unreadable, or a stranger may hold the lock for ever, and neither is a
/// reason not to start.
fn lock_directory(place: &Path) -> Option<File> {
    let directory = File::open(place.parent()?).ok()?;
    for attempt in 0..LOCK_TRIES {
        if attempt > 0 {
            thread::sleep(LOCK_PAUSE);
        }
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    log::debug!("{} stays locked by another program", place.display());
    None
}

#[cfg(test)]
mod tests;
