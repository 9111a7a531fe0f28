//! The place of a data file: its path, the lock of the one server that uses it, and whether it is still there.
//!
//! Invariant: as long as a `Place` exists, no other one exists for the same file, under any name and in any process.
//! Other programs, such as `sqlite3`, are not locked out.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_WRLCK, SEEK_SET, flock};

use super::{StoreError, StoreErrorKind};

/// A locked data file.
#[derive(Debug)]
pub(super) struct Place {
    /// Absolute, so that it does not depend on the current directory, and SQLite never takes it for a URI.
    path: PathBuf,
    /// Holds the lock. It is closed after SQLite has closed the file, because closing any descriptor of a file ends all
    /// POSIX locks of the process on it (fcntl(2)).
    _lock: File,
    id: FileId,
    /// The files that SQLite keeps beside it (`-wal`, `-shm`).
    side_files: Vec<(PathBuf, FileId)>,
    /// Holds a lock on the `-wal` file. A server that finds another data file at the path must not use this one's log.
    log: Option<File>,
}

/// Identifies a file: the numbers of its device and inode.
type FileId = (u64, u64);

/// The longest path that SQLite opens, in bytes: `MAX_PATHNAME` of its source, without the suffix `-journal`.
const LONGEST_PATH: usize = 504;

impl Place {
    /// Opens and locks a file. If it is missing, it is created, readable for its owner only.
    ///
    /// # Errors
    /// If the file cannot be opened for writing, or another server uses it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        if path.as_os_str().is_empty() {
            return Err(StoreError::new(StoreErrorKind::Failed, "its name is empty; name a file with --data"));
        }
        let path = std::path::absolute(path)?;
        if path.as_os_str().len() > LONGEST_PATH {
            let text = format!("its absolute path is longer than {LONGEST_PATH} bytes; choose a shorter one");
            return Err(StoreError::new(StoreErrorKind::Failed, text));
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(StoreError::new(StoreErrorKind::Foreign, "it is no file; name another one with --data"));
        }
        lock(&file)?;
        Ok(Place { path, _lock: file, id: id(&found), side_files: Vec::new(), log: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the log of the file if there is one, before SQLite opens it.
    pub(super) fn lock_log(&mut self) -> Result<(), StoreError> {
        self.log = None;
        match File::options().read(true).write(true).open(self.side_file("-wal")?) {
            Ok(log) => lock(&log).map(|()| self.log = Some(log)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes the files that SQLite has opened beside the data file.
    pub(super) fn note_side_files(&mut self) -> Result<(), StoreError> {
        self.lock_log()?;
        let found = ["-wal", "-shm"].map(|suffix| {
            let path = self.side_file(suffix)?;
            let id = id(&fs::metadata(&path)?);
            Ok((path, id))
        });
        self.side_files = found.into_iter().collect::<io::Result<_>>()?;
        Ok(())
    }

    /// Lets another server use the log, after SQLite has closed it.
    pub(super) fn forget_side_files(&mut self) {
        self.side_files.clear();
        self.log = None;
    }

    /// Looks for the file at its path. Costs a system call of about a microsecond.
    ///
    /// # Errors
    /// What has happened to it.
    pub(super) fn find(&self) -> Result<(), String> {
        match fs::metadata(&self.path) {
            Ok(found) if id(&found) == self.id => Ok(()),
            Ok(_) => Err("was replaced by another file".into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("was moved or deleted".into()),
            Err(error) => Err(format!("cannot be found: {error}")),
        }
    }

    /// Whether the files beside it are still there.
    pub(super) fn has_side_files(&self) -> bool {
        self.side_files.iter().all(|(path, own)| fs::metadata(path).is_ok_and(|found| id(&found) == *own))
    }

    /// The path of a file that SQLite keeps beside the data file: beside its target, if it is a symbolic link.
    fn side_file(&self, suffix: &str) -> io::Result<PathBuf> {
        let mut path = fs::canonicalize(&self.path)?.into_os_string();
        path.push(suffix);
        Ok(path.into())
    }
}

fn id(file: &Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// Locks a byte far behind those that SQLite locks.
///
/// The lock belongs to the open file (`F_OFD_SETLK`, fcntl(2)), so it ends with the process, and leaves no lock file
/// behind. A lock of the whole file (flock(2)) would shut out SQLite itself on NFS.
fn lock(file: &File) -> Result<(), StoreError> {
    const BYTE: i64 = 1 << 62;
    let (l_type, l_whence) = (F_WRLCK as i16, SEEK_SET as i16);
    let range = flock { l_type, l_whence, l_start: BYTE, l_len: 1, l_pid: 0 };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(()),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(StoreError::new(
            StoreErrorKind::Locked,
            "another server uses it; stop that one, or name another file with --data",
        )),
        Err(error) => Err(io::Error::from(error).into()),
    }
}
