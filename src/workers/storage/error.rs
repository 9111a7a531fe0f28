//! The errors of a data file, with a cause and a remedy for the operator.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The error of a failed job, which has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    kind: StoreErrorKind,
    text: String,
}

/// The kinds of errors of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The disk has no room for the file.
    Full,
    /// Another program holds the lock of the file.
    Locked,
    /// The file is no longer at its path: it was moved, deleted or replaced while the server was using it.
    Moved,
    /// The file cannot be written to.
    ReadOnly,
    /// The content of the file is damaged, or the file is not a database.
    Damaged,
    /// The file belongs to another program or to a newer version.
    Foreign,
    /// The disk failed.
    Failed,
    /// A statement is wrong: a bug of the server.
    Bug,
}

impl StoreError {
    pub(super) fn new(kind: StoreErrorKind, text: impl Into<String>) -> Self {
        StoreError { kind, text: text.into() }
    }

    /// The error of a job whose transaction was rolled back because of an earlier failure.
    pub(super) fn undone() -> Self {
        StoreError::new(StoreErrorKind::Failed, "the disk is full or has failed; nothing was changed")
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let (kind, remedy) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => (StoreErrorKind::Full, "make room on the disk"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (StoreErrorKind::Locked, "another program is using it; stop that program")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                (StoreErrorKind::ReadOnly, LOOK_AT_PERMISSIONS)
            }
            Some(ErrorCode::DatabaseCorrupt) => (StoreErrorKind::Damaged, "restore a copy"),
            Some(ErrorCode::NotADatabase) => (StoreErrorKind::Damaged, "name another file with --data"),
            Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
                (StoreErrorKind::Failed, "look at the disk")
            }
            _ => (StoreErrorKind::Bug, "this is a mistake in the program"),
        };
        StoreError::new(kind, format!("{error}; {remedy}"))
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::new(StoreErrorKind::ReadOnly, format!("{error}; {LOOK_AT_PERMISSIONS}"))
            }
            _ => StoreError::new(StoreErrorKind::Failed, error.to_string()),
        }
    }
}

const LOOK_AT_PERMISSIONS: &str = "look at its permissions, and at those of its directory";

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for StoreError {}

/// The error of a data file that could not be opened: its path, the cause and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    path: PathBuf,
    text: String,
}

impl OpenError {
    pub(super) fn new(path: &Path, text: impl fmt::Display) -> Self {
        OpenError { path: path.into(), text: text.to_string() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use {}: {}", self.path.display(), self.text)
    }
}

impl Error for OpenError {}
