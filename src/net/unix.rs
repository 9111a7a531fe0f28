//! Unix listeners and their files.
//!
//! Invariant: the only files ever removed are sockets without a listener, and the file of our own listener.
//!
//! The lock on the directory excludes other copies of this code only. A foreign program that creates or removes files
//! there at the same instant is not excluded.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::options::{SocketOptions, unix_address};

/// A Unix listener, with the guard of its file unless another program created it.
#[derive(Debug)]
pub struct UnixBound {
    // Fields are dropped in this order, which `PathGuard` requires.
    guard: Option<PathGuard>,
    listener: UnixListener,
    path: PathBuf,
}

impl UnixBound {
    /// Returns the listener.
    #[must_use]
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Returns the path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Splits this into the listener and the guard. Drop the guard before the listener.
    #[must_use]
    pub fn into_parts(self) -> (UnixListener, Option<PathGuard>) {
        (self.listener, self.guard)
    }

    /// Removes the file when this listener ends, as `guard` decides.
    #[cfg(feature = "cli")]
    pub(super) fn guard_by(&mut self, guard: PathGuard) {
        self.guard = Some(guard);
    }

    /// Takes over a listener whose file was created, and will be removed, by another program.
    pub(super) fn adopted(listener: UnixListener) -> io::Result<Self> {
        let path = listener.local_addr()?.as_pathname().map(Path::to_owned).ok_or_else(|| {
            let text = "it is a Unix socket without a path; abstract addresses are not supported";
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

/// Removes the file of a listener when dropped, if it is still the file that the listener created.
///
/// Drop the guard before the listener. While the listener is open, its inode number is not reused, and no other copy of
/// this program mistakes the socket for one without a listener.
#[derive(Debug)]
pub struct PathGuard {
    /// Absolute, because the process may change its working directory.
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Whether this process, and no successor of it, is to remove the file.
    is_owner: Arc<AtomicBool>,
}

#[cfg(feature = "cli")]
impl PathGuard {
    pub(super) fn new(path: PathBuf, (device, inode): (u64, u64), is_owner: Arc<AtomicBool>) -> Self {
        PathGuard { path, device, inode, is_owner }
    }

    /// The path, with the device and the inode of its file.
    pub(super) fn file(&self) -> (&Path, u64, u64) {
        (&self.path, self.device, self.inode)
    }

    /// Leaves the file to another process.
    pub(crate) fn disarm(&self) {
        self.is_owner.store(false, Ordering::Relaxed);
    }
}

impl Drop for PathGuard {
    fn drop(&mut self) {
        if !self.is_owner.load(Ordering::Relaxed) {
            return;
        }
        let is_ours =
            fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

pub(super) fn listen(options: &SocketOptions, path: &Path) -> io::Result<UnixBound> {
    let address = unix_address(path)?;
    let absolute = path::absolute(path)?;
    let socket = options.open(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the new file the mode of the socket, less the umask, so the file never allows more.
    let mode = options.unix_mode;
    fchmod(&socket, Mode::from_raw_mode(mode))?;
    // Held until this socket listens. Until then, another copy would remove the file as a socket without a listener.
    let _lock = lock_directory(&absolute);
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_dead(path, &address)?;
        socket.bind(&address)?;
    }
    let created = fs::symlink_metadata(&absolute)?;
    let is_owner = Arc::new(AtomicBool::new(true));
    let guard = PathGuard { path: absolute, device: created.dev(), inode: created.ino(), is_owner };
    if created.mode() & 0o7777 != mode {
        fs::set_permissions(&guard.path, Permissions::from_mode(mode))?;
    }
    // Connections are refused until this call, so no peer connects before the mode is set.
    socket.listen(options.listen_backlog())?;
    Ok(UnixBound { guard: Some(guard), listener: socket.into(), path: path.to_owned() })
}

/// Removes the file at `path` if it is a socket without a listener.
fn remove_dead(path: &Path, address: &SockAddr) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    // Checked first, because connecting to a regular file fails with the same error on Linux: ECONNREFUSED.
    if !found.file_type().is_socket() {
        let text = "the file there is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // If the backlog of a live socket is full, a blocking connect would wait.
    probe.set_nonblocking(true)?;
    match probe.connect(address).map_err(|error| (Errno::from_io_error(&error), error)) {
        Err((Some(Errno::CONNREFUSED), _)) => fs::remove_file(path),
        Err((Some(Errno::NOENT), _)) => Ok(()),
        // A full backlog, or a live socket that is not a stream.
        Ok(()) | Err((Some(Errno::AGAIN | Errno::PROTOTYPE), _)) => Err(Errno::ADDRINUSE.into()),
        Err((_, error)) => Err(error),
    }
}

/// Number of attempts to get a lock that another process holds.
const LOCK_TRIES: u32 = 100;

/// Time between two attempts. All attempts take one second, far longer than another copy holds the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Excludes other copies of this program that start now, until the returned file is dropped.
///
/// The directory itself is locked, so no lock file is needed. Returns `None` if the directory cannot be read or another
/// program keeps the lock. The caller then continues without the lock.
fn lock_directory(path: &Path) -> Option<File> {
    let directory = File::open(path.parent()?).ok()?;
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
    log::debug!("continuing without a lock: another program has locked the directory of {}", path.display());
    None
}

#[cfg(test)]
mod tests;
